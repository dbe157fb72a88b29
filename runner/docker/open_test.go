package docker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/musterhq/muster/planner"
)

// noEngine takes away what the machine of the test has to say.
func noEngine(t *testing.T) {
	t.Helper()
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "DOCKER_API_VERSION", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, "")
	}
}

// The engine is the one that the docker command would take.
func TestWhichEngine(t *testing.T) {
	noEngine(t)
	dir := files(t, map[string]string{
		"config.json": `{"currentContext":"current"}`,
		// The folder is the digest of the context's name.
		"contexts/meta/" + digest("current") + "/meta.json": `{"Name":"current","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://current:1"}}}`,
		"contexts/meta/" + digest("other") + "/meta.json":   `{"Name":"other","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///other"}}}`,
		"contexts/meta/" + digest("far") + "/meta.json":     `{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"ssh://me@far"}}}`,
	})
	for _, c := range []struct {
		name    string
		environ map[string]string
		options Options
		want    string
	}{
		{"the current context", nil, Options{}, "tcp://current:1"},
		{"a context of the environment", map[string]string{"DOCKER_CONTEXT": "other"}, Options{}, "unix:///other"},
		{"a host of the environment", map[string]string{"DOCKER_CONTEXT": "other", "DOCKER_HOST": "tcp://h:2"}, Options{}, "tcp://h:2"},
		{"a context that was asked for", map[string]string{"DOCKER_HOST": "tcp://h:2"}, Options{Context: "far"}, "ssh://me@far"},
		{"the default by name", nil, Options{Context: "default"}, "unix:///var/run/docker.sock"},
		{"a host that was asked for", map[string]string{"DOCKER_HOST": "tcp://h:2"}, Options{Host: "tcp://i:3"}, "tcp://i:3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for k, v := range c.environ {
				t.Setenv(k, v)
			}
			c.options.ConfigDir = dir
			e, err := Open(c.options)
			if err != nil {
				t.Fatal(err)
			}
			if e.Host() != c.want {
				t.Errorf("%s, want %s", e.Host(), c.want)
			}
		})
	}
	_, err := Open(Options{ConfigDir: dir, Context: "nothing"})
	told(t, err, `docker context "nothing" cannot be used: *`, "`docker context ls` shows*")
	if _, err = Open(Options{ConfigDir: dir, Context: "other", Host: "tcp://h:2"}); err == nil {
		t.Error("both a host and a context were taken")
	}
}

// Which contexts are for swarms is said by name, and nothing else makes one so.
func TestForSwarm(t *testing.T) {
	noEngine(t)
	dir := files(t, map[string]string{"config.json": `{"currentContext": "prod", "plugins": {"muster": {"swarm-contexts": "stage, prod"}}}`})
	for _, c := range []struct {
		name    string
		environ map[string]string
		options Options
		want    bool
	}{
		{"the current one", nil, Options{}, true},
		{"another one", nil, Options{Context: "stage"}, true},
		{"one that is not named", nil, Options{Context: "local"}, false},
		{"one of the environment", map[string]string{"DOCKER_CONTEXT": "local"}, Options{}, false},
		{"a host", nil, Options{Host: "tcp://h:1"}, false},
		{"a host of the environment", map[string]string{"DOCKER_HOST": "tcp://h:1"}, Options{}, false},
		{"a part of a name", nil, Options{Context: "pro"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for k, v := range c.environ {
				t.Setenv(k, v)
			}
			c.options.ConfigDir = dir
			if got := ForSwarm(c.options); got != c.want {
				t.Errorf("%t, want %t", got, c.want)
			}
		})
	}
	if ForSwarm(Options{ConfigDir: t.TempDir()}) {
		t.Error("without a configuration it is")
	}
}

func TestNoEngineAnswers(t *testing.T) {
	noEngine(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	stale := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	for _, c := range []struct{ host, reason, hint string }{
		{"unix:///no/such/socket", "there is no such socket", "start the engine*"},
		{"unix://" + stale, "it is not running", "start the engine*"},
		{"tcp://" + closed.Addr().String(), "connection refused", "start the engine there*"},
		{"tcp://no-such-host.invalid:2375", `unknown host "no-such-host.invalid"`, "correct the name*"},
		{"tcp://" + plain.Listener.Addr().String(), "what answers there is no container engine (HTTP 404 Not Found)*", "set DOCKER_HOST*"},
		{"tcp://" + secure.Listener.Addr().String(), "one side speaks TLS and the other does not", "set or unset DOCKER_TLS_VERIFY*"},
	} {
		e, err := Open(Options{Host: c.host, ConfigDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Observe(t.Context(), planner.Scope{Project: "p"})
		told(t, err, "no engine answers at "+c.host+": "+c.reason, c.hint)
		var unreachable *UnreachableError
		if !errors.As(err, &unreachable) || unreachable.Host != c.host {
			t.Errorf("%T", err)
		}
	}
}

func TestReachReasons(t *testing.T) {
	for _, c := range []struct {
		host         string
		err          error
		reason, hint string
	}{
		{"unix:///var/run/docker.sock", &net.OpError{Op: "dial", Err: &os.SyscallError{Err: syscall.EACCES}}, "permission denied", "add yourself to the docker group, or set DOCKER_HOST"},
		{"tcp://h:2376", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "its certificate is not trusted*", "put the right ca.pem*"},
		{"tcp://h:2376", errors.New("remote error: tls: certificate required"), "it does not accept our certificate", "put cert.pem*"},
		{"ssh://me@far", fmt.Errorf("command [ssh] has exited with 255: %w", errors.New("Permission denied (publickey)")), "Permission denied (publickey)", "try `ssh me@far docker version`"},
		{"ssh://far", errors.New("command [ssh far] has exited with exit status 255, make sure the URL is valid: stderr=Welcome\nbash: docker: command not found"),
			"bash: docker: command not found", "try `ssh far docker version`"},
		{"ssh://far", errors.New("command [ssh far] has exited with exit status 255: stderr="), "command [ssh far] has exited*", "try `ssh far*"},
		{"tcp://h:2375", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, "it took too long", "look at the network between*"},
	} {
		reason, hint := reachReason(c.host, c.err)
		if !matches(c.reason, reason) || !matches(c.hint, hint) {
			t.Errorf("%v: %q, %q", c.err, reason, hint)
		}
	}
}

// Observe takes the same calls for one container as for twenty.
func TestObserveTakesAFixedNumberOfCalls(t *testing.T) {
	few, more := []string{"a", "b", "c"}, []string{"a", "b", "c", "d", "e"}
	const byName = "GET /images/a:latest/json:1 GET /images/b:latest/json:1 GET /images/c:latest/json:1"
	for _, test := range []struct {
		containers int
		images     []string
		asks       string // for images
	}{
		{1, few, byName},
		{20, few, byName},
		{20, more, "GET /images/json:1"},
	} {
		n := test.containers
		var mu sync.Mutex
		calls := map[string]int{}
		count := func(req *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			calls[req.Method+" "+strings.TrimPrefix(req.URL.Path, "/v1.51")]++
		}
		e := fakeEngine(t, func(w http.ResponseWriter, req *http.Request) {
			count(req)
			switch {
			case strings.HasSuffix(req.URL.Path, "/containers/json"):
				var list []string
				for i := range n {
					list = append(list, fmt.Sprintf(`{"Id":"%d","Names":["/p-web-%02d"],"State":"running","Status":"Up 2 hours (healthy)","Labels":{"com.docker.compose.oneoff":"False"}}`, i, n-i))
				}
				fmt.Fprintf(w, "[%s]", strings.Join(list, ","))
			case strings.HasSuffix(req.URL.Path, "/volumes"):
				fmt.Fprint(w, `{"Volumes":[]}`)
			case strings.HasSuffix(req.URL.Path, ":latest/json"):
				http.Error(w, `{"message":"none"}`, http.StatusNotFound)
			default:
				fmt.Fprint(w, "[]")
			}
		})
		state, err := e.Observe(t.Context(), planner.Scope{Project: "p", Images: test.images, Networks: []string{"x"}, Volumes: []string{"y"}})
		if err != nil {
			t.Fatal(err)
		}
		if len(state.Containers) != n || state.Containers[0].Name != "p-web-01" || state.Containers[0].Health != planner.Healthy {
			t.Errorf("%+v", state.Containers)
		}
		if got := fmt.Sprint(calls); got != "map[GET /containers/json:1 "+test.asks+" GET /networks:1 GET /volumes:1]" {
			t.Errorf("%d containers: %s", n, got)
		}
		if want := (planner.EngineInfo{API: "1.51", Name: "docker 28.5.2", OS: "linux", LateNetworks: true, Arch: state.Engine.Arch}); state.Engine != want {
			t.Errorf("%+v", state.Engine)
		}
	}
}

// An engine that goes away in the middle is said to be gone in the same words.
func TestEngineGoesAway(t *testing.T) {
	e := fakeEngine(t, nil)
	if _, err := e.Info(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(strings.TrimPrefix(e.Host(), "unix://")); err != nil {
		t.Fatal(err)
	}
	_ = e.Close()
	_, err := e.Inspect(t.Context(), "web")
	told(t, err, "no engine answers at "+e.Host()+": there is no such socket", "start the engine*")
}

func TestOverTLS(t *testing.T) {
	noEngine(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Api-Version", "1.51")
		if len(req.TLS.PeerCertificates) == 0 {
			http.Error(w, "who are you?", http.StatusForbidden)
		}
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	host := "tcp://" + server.Listener.Addr().String()
	own := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}))
	certs := files(t, map[string]string{"ca.pem": cert, "cert.pem": cert, "key.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))})
	ask := func() error {
		e, err := Open(Options{Host: host, ConfigDir: t.TempDir()})
		if err != nil {
			return err
		}
		defer e.Close()
		_, err = e.Info(t.Context())
		return err
	}
	t.Setenv("DOCKER_TLS_VERIFY", "1")
	t.Setenv("DOCKER_CERT_PATH", certs)
	if err := ask(); err != nil {
		t.Error(err)
	}
	t.Setenv("DOCKER_CERT_PATH", t.TempDir())
	if err := ask(); err == nil || !strings.Contains(err.Error(), "read the keys in") {
		t.Errorf("no keys: %v", err)
	}
	other := files(t, map[string]string{"ca.pem": anotherCA(t), "cert.pem": cert, "key.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))})
	t.Setenv("DOCKER_CERT_PATH", other)
	told(t, ask(), "no engine answers at "+host+": its certificate is not trusted: *", "put the right ca.pem into DOCKER_CERT_PATH")
}

func anotherCA(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}))
}

func TestVersionOfTheEnvironment(t *testing.T) {
	noEngine(t)
	t.Setenv("DOCKER_API_VERSION", "1.43")
	var path string
	fake := fakeEngine(t, func(w http.ResponseWriter, req *http.Request) {
		path = req.URL.Path
		fmt.Fprint(w, "[]")
	})
	if _, err := fake.Projects(t.Context()); err != nil || path != "/v1.43/containers/json" {
		t.Errorf("%s, %v", path, err)
	}
}

// sshSocket tells the test's own program to be the far end of an ssh connection.
const sshSocket = "MUSTER_TEST_SSH_SOCKET"

// TestFarEnd is no test but what the ssh of TestOverSSH runs.
func TestFarEnd(t *testing.T) {
	socket := os.Getenv(sshSocket)
	if socket == "" {
		t.Skip("only with " + sshSocket)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		_ = conn.(*net.UnixConn).CloseWrite()
	}()
	_, _ = io.Copy(os.Stdout, conn)
	os.Exit(0)
}

// Over ssh, everything works that works on a socket.
func TestOverSSH(t *testing.T) {
	host := os.Getenv("MUSTER_TEST_ENGINE")
	socket, isSocket := strings.CutPrefix(host, "unix://")
	if !isSocket {
		t.Skip("MUSTER_TEST_ENGINE is no socket to reach")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := "#!/bin/sh\n" + sshSocket + "=" + socket + " exec " + self + " -test.run='^TestFarEnd$'\n"
	if err := os.WriteFile(filepath.Join(bin, "ssh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	r := openRig(t, "ssh://me@far.example.com")
	dir := files(t, map[string]string{"config": "by copy"})
	a := r.shell("web", "cat /config; "+sleeper, func(a *planner.CreateContainer) {
		a.Files = []planner.File{{Key: "configs.c", Source: filepath.Join(dir, "config"), Target: "/config"}}
	})
	seen, err := r.Watch(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	r.do(a, planner.StartContainer{Name: a.Name})
	if ev := <-seen; ev.What != "start" || ev.Name != a.Name {
		t.Errorf("%+v", ev)
	}
	if got := r.sh(a.Name, "cat /config"); got != "by copy" {
		t.Error(got)
	}
	state, err := r.Observe(r.ctx, planner.Scope{Project: r.project})
	if err != nil || len(state.Containers) != 1 || state.Containers[0].Status != planner.Running {
		t.Errorf("%+v, %v", state, err)
	}
}
