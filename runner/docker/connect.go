package docker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/planner"
)

// connect asks the engine once who it is and settles on a version of the API. The
// client could do that by itself, but swallows the reason when nobody answers
// and drops the name that the engine gives.
func (e *Engine) connect(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.info != nil {
		return nil
	}
	h, err := e.ping(ctx, http.MethodHead)
	if err != nil && ctx.Err() == nil {
		// Some proxies let no HEAD through; and what is not an engine says more to a GET.
		h, err = e.ping(ctx, http.MethodGet)
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return unreachable(e.host, err)
	}
	e.client.NegotiateAPIVersionPing(types.Ping{APIVersion: h.Get("Api-Version")})
	// Engines before 23 have BuildKit but do not offer it as their default.
	e.buildkit = h.Get("Builder-Version") == "2" || strings.HasPrefix(h.Get("Server"), "Docker/") && h.Get("Ostype") != "windows"
	e.info = &planner.EngineInfo{API: e.client.ClientVersion(), Name: engineName(h.Get("Server")), OS: h.Get("Ostype")}
	// Before API 1.44 all but one of its networks have to be there to put a new container into them. Podman wants all of them, and
	// nobody has tried it on Windows.
	e.info.LateNetworks = strings.HasPrefix(e.info.Name, "docker ") && e.info.OS == "linux" && versions.GreaterThanOrEqualTo(e.info.API, "1.44")
	// One that cannot be found is told when something is built.
	if b, err := e.chosen(); err == nil && b != nil {
		e.info.Builder = b.Name
	}
	if isLocal(e.host) {
		// A container engine behind a local socket runs this machine's
		// architecture, be it in a virtual machine.
		e.info.Arch = runtime.GOARCH
	}
	return nil
}

// runsWindows says whether the engine runs Windows containers; false before the first call.
func (e *Engine) runsWindows() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.info != nil && e.info.OS == "windows"
}

// ping sends the one request that needs no version, and gives the headers in which the engine
// says who it is.
func (e *Engine) ping(ctx context.Context, method string) (http.Header, error) {
	target, err := e.url("/_ping", nil)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, target, nil)
	if err != nil {
		return nil, err
	}
	resp, err := e.client.HTTPClient().Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.Header.Get("Api-Version") == "" {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return nil, fmt.Errorf("what answers there is no container engine (HTTP %s) %s", resp.Status, text)
	}
	return resp.Header, nil
}

// url is the address of a path on the engine for the bare HTTP client, which
// serves where the docker client hides the response's headers.
func (e *Engine) url(path string, query url.Values) (string, error) {
	host, err := client.ParseHostURL(e.client.DaemonHost())
	if err != nil {
		return "", err
	}
	u := url.URL{Scheme: "http", Host: host.Host, Path: host.Path + path, RawQuery: query.Encode()}
	if host.Scheme == "unix" || host.Scheme == "npipe" {
		u.Host, u.Path = client.DummyHost, path
	}
	if e.secure {
		u.Scheme = "https"
	}
	return u.String(), nil
}

// isPodman says that the engine is Podman, which differs where the API's
// description leaves room. It knows after the first call.
func (e *Engine) isPodman() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.info != nil && strings.HasPrefix(e.info.Name, "podman ")
}

// engineName makes "docker 28.5.2" of the header "Docker/28.5.2 (linux)".
func engineName(server string) string {
	product, _, _ := strings.Cut(server, " ")
	name, version, found := strings.Cut(product, "/")
	if !found {
		return server
	}
	name = strings.ToLower(name)
	if name == "libpod" {
		name = "podman"
	}
	return name + " " + version
}

// isLocal says whether host is a socket or a pipe, so that the engine sees
// this machine's files.
func isLocal(host string) bool {
	return strings.HasPrefix(host, "unix://") || strings.HasPrefix(host, "npipe://")
}

// UnreachableError says that no engine answers, and why.
type UnreachableError struct {
	Host   string
	Reason string // such as "permission denied"
	Cause  error
	hint   string
}

// Error names the address and the reason.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no engine answers at %s: %s", e.Host, e.Reason)
}

// Hint says what to do about it.
func (e *UnreachableError) Hint() string { return e.hint }

// Unwrap gives what the connection said.
func (e *UnreachableError) Unwrap() error { return e.Cause }

// unreachable finds the reason in the error of a connection.
func unreachable(host string, err error) *UnreachableError {
	out := &UnreachableError{Host: host, Cause: err}
	out.Reason, out.hint = reachReason(host, err)
	return out
}

func reachReason(host string, err error) (reason, hint string) {
	const setHost = "set DOCKER_HOST or choose a context with `docker context use`"
	var unknown *net.DNSError
	var record tls.RecordHeaderError
	text := err.Error()
	switch {
	case errors.Is(err, fs.ErrPermission):
		if isLocal(host) && runtime.GOOS != "windows" {
			return "permission denied", "add yourself to the docker group, or set DOCKER_HOST"
		}
		return "permission denied", setHost
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such socket", "start the engine (`sudo systemctl start docker`), or " + otherSocket(host, setHost)
	case errors.Is(err, syscall.ECONNREFUSED):
		if isLocal(host) {
			return "it is not running", "start the engine (`sudo systemctl start docker`), or " + otherSocket(host, setHost)
		}
		return "connection refused", "start the engine there, let it listen on that port, or " + setHost
	case errors.As(err, &unknown):
		return fmt.Sprintf("unknown host %q", unknown.Name), "correct the name, or " + setHost
	case untrusted(err):
		return "its certificate is not trusted: " + innermost(err), "put the right ca.pem into DOCKER_CERT_PATH"
	case errors.As(err, &record), strings.Contains(text, "malformed HTTP response"), strings.Contains(text, "HTTPS server"),
		strings.Contains(text, "HTTP response to HTTPS client"):
		return "one side speaks TLS and the other does not", "set or unset DOCKER_TLS_VERIFY and DOCKER_CERT_PATH"
	case strings.Contains(text, "bad certificate"), strings.Contains(text, "certificate required"):
		return "it does not accept our certificate", "put cert.pem and key.pem that its CA has signed into DOCKER_CERT_PATH"
	case strings.HasPrefix(host, "ssh://"):
		return sshReason(err), "try `ssh " + strings.TrimPrefix(host, "ssh://") + " docker version`"
	case os.IsTimeout(err), errors.Is(err, context.DeadlineExceeded):
		return "it took too long", "look at the network between, or " + setHost
	}
	return innermost(err), setHost
}

// untrusted says whether we do not accept the certificate of the other side.
func untrusted(err error) bool {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid)
}

// otherSocket names the socket of another engine where there is one.
func otherSocket(than, otherwise string) string {
	paths := []string{"/var/run/docker.sock", "/run/podman/podman.sock"}
	if run := os.Getenv("XDG_RUNTIME_DIR"); run != "" {
		paths = append([]string{run + "/docker.sock", run + "/podman/podman.sock"}, paths...)
	}
	for _, path := range paths {
		if st, err := os.Stat(path); err == nil && st.Mode()&fs.ModeSocket != 0 && "unix://"+path != than {
			return "set DOCKER_HOST=unix://" + path + ", where another one listens"
		}
	}
	return otherwise
}

// sshReason is the last that ssh, or the far end's shell, has said: what docker's helper puts before it is the command.
func sshReason(err error) string {
	text := innermost(err)
	if _, said, found := strings.Cut(text, "stderr="); found && strings.TrimSpace(said) != "" {
		lines := strings.Split(strings.TrimSpace(said), "\n")
		return strings.TrimSpace(lines[len(lines)-1])
	}
	return text
}

// innermost is the text of the error that started it all.
func innermost(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
