// Package docker is the adapter to the Docker Engine API, which Podman speaks
// too. It turns the planner's actions into calls and what the engine has into
// a planner.State, and knows nothing of plans.
//
// It works with every engine from API 1.41 (Docker 20.10) on. What a file asks
// for and an older engine cannot do is an [UnsupportedError] that names the key.
package docker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/connhelper"
	clicontext "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/tlsconfig"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker/buildx"
)

// Options say which engine to use. The zero value takes the one that the
// docker command would take: DOCKER_HOST, DOCKER_CONTEXT, the current context
// of the configuration, the default socket.
type Options struct {
	// Host is an address such as "unix:///run/docker.sock", "tcp://…" or "ssh://…".
	Host string
	// Context is the name of a docker context; it may not come with Host.
	Context string
	// ConfigDir is the folder of docker's config.json; empty is DOCKER_CONFIG,
	// then ~/.docker.
	ConfigDir string
	// Dial is a command, such as docker system dial-stdio, whose standard input and output are a connection to the engine. Where it
	// is given, it finds the engine, and no host or context counts.
	Dial []string
	// Builder is the name of a builder of buildx; empty is the one that `docker buildx use` chose, and "default" the engine's own.
	Builder string
	// Muster is the path of muster's own program, for what agents do on the engine's side. Where it is empty, nothing goes through them.
	Muster string
	// VolumesBy says what unpacks snapshots beside the volumes; empty is MUSTER_VOLUMES_BY.
	VolumesBy VolumesBy
}

// VolumesBy is what works on an engine's volumes. The zero value is whatever is quickest: this process where it may, or else an agent, or else archives.
type VolumesBy string

const (
	// ByAgent is an agent in a container, or else archives.
	ByAgent VolumesBy = "agent"
	// ByArchives is the engine itself, through its archives.
	ByArchives VolumesBy = "archives"
)

func (by VolumesBy) check() error {
	switch by {
	case "", ByAgent, ByArchives:
		return nil
	}
	return &refusal{problem: fmt.Sprintf("volumes cannot be worked on by %q", string(by)), hint: "set MUSTER_VOLUMES_BY to agent or archives, or leave it out"}
}

// Engine is a connection to one container engine. It is safe for concurrent
// use.
type Engine struct {
	client    *client.Client
	host      string // as the user would name it
	secure    bool   // over TLS
	config    *configfile.ConfigFile
	dir       string // where config lies
	muster    string // the path of muster's own program, or empty
	volumesBy VolumesBy
	key       string // the name of the context or, for the default one, the address: what buildx knows it by
	// builder is the one that was chosen for buildx, nil where that is the engine's own.
	builder func() (*buildx.Builder, error)

	mu   sync.Mutex // guards what connect finds out
	info *planner.EngineInfo
	// buildkit says that the engine has a BuildKit inside.
	buildkit bool
	// bridges are the networks, by ID, of which it was found out whether their bridge is on this machine.
	bridges map[string]bool
	// ready are the agents that were begun to be started before it is known what they shall do, by what they see.
	ready map[sight]func() (*mover, error)
	// movers are the agents that fill a volume, or have done so, and wait, by its name.
	movers map[string]*mover
	// leaving are those that have done all that they were made for, and end in a while.
	leaving map[*mover]bool
	// own is muster's own program for this engine, once it was asked for.
	own ownProgram
	// left are the stops that were interrupted, by the container's name.
	left map[string]planner.StopContainer
}

const (
	defaultContext = "default"
	// idleConnections is how many connections are kept for reuse. Go keeps two
	// by default, and a plan has dozens of calls in flight: over ssh, where every new
	// connection starts a process and a handshake, that would be the cost of a run.
	idleConnections = 64
	idleTimeout     = 30 * time.Second
	dialTimeout     = 30 * time.Second
)

// Open prepares the connection. It reads docker's configuration but does not
// call the engine: the first call does, and answers with an [*UnreachableError]
// when nobody is there.
func Open(o Options) (*Engine, error) {
	if o.Host != "" && o.Context != "" && len(o.Dial) == 0 {
		return nil, errors.New("a host and a context were given: leave one out")
	}
	by := cmp.Or(o.VolumesBy, VolumesBy(os.Getenv("MUSTER_VOLUMES_BY")))
	if err := by.check(); err != nil {
		return nil, err
	}
	dir := o.ConfigDir
	if dir == "" {
		dir = config.Dir()
	}
	file, err := config.Load(dir)
	if err != nil {
		return nil, fmt.Errorf("read docker's configuration: %w", err)
	}
	end := endpoint{host: strings.Join(o.Dial, " "), dial: o.Dial}
	if len(o.Dial) == 0 {
		end, err = resolve(o, dir, file)
	}
	if err != nil {
		return nil, err
	}
	c, err := dial(end, file)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", end.host, err)
	}
	if len(o.Dial) > 0 {
		// The docker command that gave it has the same context.
		if of, err := resolve(o, dir, file); err == nil {
			end.context = cmp.Or(of.context, of.host)
		}
	}
	e := &Engine{client: c, host: end.host, secure: end.tls != nil && !isLocal(end.host), config: file, dir: dir, muster: o.Muster, volumesBy: by, key: cmp.Or(end.context, end.host)}
	e.builder = sync.OnceValues(func() (*buildx.Builder, error) { return chosenBuilder(o.Builder, e.key, end, dir) })
	return e, nil
}

// Close ends the agents that still wait, and gives up the idle connections.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range e.movers {
		m.end()
	}
	for m := range e.leaving {
		m.end()
		if h, in := m.session.(*here); in {
			<-h.done // or it would end with this process
		}
	}
	e.movers, e.leaving = nil, nil
	return e.client.Close()
}

// Host is the engine's address, such as "unix:///var/run/docker.sock".
func (e *Engine) Host() string { return e.host }

// Sources are the files that say which engine this is, beside the environment; one need not exist. known is false where something else says so, too.
func (e *Engine) Sources() (files []string, known bool) {
	for _, key := range []string{client.EnvTLSVerify, client.EnvOverrideCertPath} {
		if os.Getenv(key) != "" {
			return nil, false
		}
	}
	if len(e.config.HTTPHeaders) > 0 {
		return nil, false // a proxy may go by them
	}
	files = []string{filepath.Join(e.dir, "config.json"), filepath.Join(e.dir, "buildx", "current")}
	if e.key != e.host {
		sum := sha256.Sum256([]byte(e.key)) // how docker names the folder of a context
		files = append(files, filepath.Join(e.dir, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json"))
	}
	return files, isLocal(e.host)
}

// endpoint is where an engine is and how to trust it.
type endpoint struct {
	host string
	tls  *tls.Config
	dial []string // a command to connect by
	// context is the docker context that it comes from; empty for the default one.
	context string
}

// contextName is the docker context that counts.
func contextName(o Options, file *configfile.ConfigFile) string {
	switch {
	case o.Context != "":
		return o.Context
	case o.Host != "" || os.Getenv(client.EnvOverrideHost) != "":
		return defaultContext
	}
	return cmp.Or(os.Getenv("DOCKER_CONTEXT"), file.CurrentContext, defaultContext)
}

// ForSwarm says whether docker's configuration has the context that the options lead to among those whose stacks are for Docker's swarm
// mode: {"plugins": {"muster": {"swarm-contexts": "one, two"}}}. That an engine manages a swarm is not enough: what was brought up there
// as containers must not become services because somebody has made a swarm of the engine. A configuration that cannot be read is
// for [Open] to complain of.
func ForSwarm(o Options) bool {
	file, err := config.Load(cmp.Or(o.ConfigDir, config.Dir()))
	if err != nil {
		return false
	}
	of, _ := file.PluginConfig("muster", "swarm-contexts")
	for each := range strings.SplitSeq(of, ",") {
		if strings.TrimSpace(each) == contextName(o, file) {
			return true
		}
	}
	return false
}

// resolve finds the endpoint in the order that the docker command uses.
func resolve(o Options, dir string, file *configfile.ConfigFile) (endpoint, error) {
	if name := contextName(o, file); name != defaultContext {
		end, err := fromContext(name, dir)
		end.context = name
		return end, err
	}
	host := o.Host
	if host == "" {
		host = os.Getenv(client.EnvOverrideHost)
	}
	if host == "" {
		host = client.DefaultDockerHost
	}
	conf, err := tlsFromEnv(dir)
	if err != nil {
		return endpoint{}, err
	}
	return endpoint{host: host, tls: conf}, nil
}

// tlsFromEnv reads the keys that DOCKER_TLS_VERIFY and DOCKER_CERT_PATH ask for; nil
// where they ask for none.
func tlsFromEnv(dir string) (*tls.Config, error) {
	certs, verify := os.Getenv(client.EnvOverrideCertPath), os.Getenv(client.EnvTLSVerify) != ""
	if certs == "" && !verify {
		return nil, nil
	}
	if certs == "" {
		certs = dir
	}
	conf, err := tlsconfig.Client(tlsconfig.Options{
		CAFile:             filepath.Join(certs, "ca.pem"),
		CertFile:           filepath.Join(certs, "cert.pem"),
		KeyFile:            filepath.Join(certs, "key.pem"),
		InsecureSkipVerify: !verify,
	})
	if err != nil {
		return nil, fmt.Errorf("read the keys in %s that DOCKER_TLS_VERIFY and DOCKER_CERT_PATH ask for: %w", certs, err)
	}
	return conf, nil
}

// fromContext reads a context from docker's store.
func fromContext(name, dir string) (endpoint, error) {
	contexts := store.New(filepath.Join(dir, "contexts"), store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter("docker", func() any { return &clicontext.EndpointMetaBase{} }),
	))
	fail := func(err error) (endpoint, error) {
		return endpoint{}, &refusal{
			problem: fmt.Sprintf("docker context %q cannot be used: %v", name, err),
			hint:    "`docker context ls` shows those that there are; DOCKER_CONTEXT, --context or `docker context use` choose one",
			cause:   err,
		}
	}
	meta, err := contexts.GetMetadata(name)
	if err != nil {
		return fail(err)
	}
	base, ok := meta.Endpoints["docker"].(clicontext.EndpointMetaBase)
	if !ok || base.Host == "" {
		return fail(errors.New("it has no docker endpoint"))
	}
	keys, err := clicontext.LoadTLSData(contexts, name, "docker")
	if err != nil {
		return fail(err)
	}
	conf, err := tlsFromContext(keys, base.SkipTLSVerify)
	if err != nil {
		return fail(err)
	}
	return endpoint{host: base.Host, tls: conf}, nil
}

// tlsFromContext makes the settings for a context's keys; nil where it has none.
func tlsFromContext(keys *clicontext.TLSData, skipVerify bool) (*tls.Config, error) {
	if keys == nil && !skipVerify {
		return nil, nil
	}
	conf := tlsconfig.ClientDefault()
	conf.InsecureSkipVerify = skipVerify
	if keys != nil && keys.CA != nil {
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(keys.CA) {
			return nil, errors.New("its ca.pem has no certificate")
		}
	}
	if keys != nil && keys.Cert != nil && keys.Key != nil {
		pair, err := tls.X509KeyPair(keys.Cert, keys.Key)
		if err != nil {
			return nil, fmt.Errorf("its key does not work: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// dial makes the client; nothing is sent yet.
func dial(end endpoint, file *configfile.ConfigFile) (*client.Client, error) {
	transport := &http.Transport{
		MaxIdleConns:        idleConnections,
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     idleTimeout,
		DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: dialTimeout}).DialContext,
	}
	options := []client.Opt{
		client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}),
		client.WithVersionFromEnv(),
		client.WithUserAgent("muster"),
		// Nobody collects what there would be to trace and to count of each request, but it would be made.
		client.WithTraceOptions(otelhttp.WithFilter(func(*http.Request) bool { return false })),
	}
	var helper *connhelper.ConnectionHelper
	var err error
	if len(end.dial) > 0 {
		helper, err = connhelper.GetCommandConnectionHelper(end.dial[0], end.dial[1:]...)
	} else {
		helper, err = connhelper.GetConnectionHelper(end.host)
	}
	if err != nil {
		return nil, err
	}
	if helper != nil {
		options = append(options, client.WithHost(helper.Host), client.WithDialContext(helper.Dialer))
	} else {
		if !isLocal(end.host) {
			transport.TLSClientConfig = end.tls
		}
		options = append(options, client.WithHost(end.host))
	}
	if len(file.HTTPHeaders) > 0 {
		options = append(options, client.WithHTTPHeaders(file.HTTPHeaders))
	}
	return client.NewClientWithOpts(options...)
}

// Info is who the engine is and what it can. It calls the engine once.
func (e *Engine) Info(ctx context.Context) (planner.EngineInfo, error) {
	if err := e.connect(ctx); err != nil {
		return planner.EngineInfo{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return *e.info, nil
}
