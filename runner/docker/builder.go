package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/moby/buildkit/client/connhelper"

	// The further schemes of addresses; each has a command make the connection.
	_ "github.com/moby/buildkit/client/connhelper/kubepod"
	_ "github.com/moby/buildkit/client/connhelper/nerdctlcontainer"
	_ "github.com/moby/buildkit/client/connhelper/podmancontainer"
	_ "github.com/moby/buildkit/client/connhelper/ssh"

	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker/buildkit"
	"github.com/musterhq/muster/runner/docker/buildx"
)

// builderPatience is how long a BuildKit may take to answer.
const builderPatience = 20 * time.Second

// chosenBuilder finds the builder that was chosen for buildx: by name, or else by `docker buildx use`. It is nil where builds
// run in the engine.
func chosenBuilder(name, key string, end endpoint, dir string) (*buildx.Builder, error) {
	store := cmp.Or(os.Getenv("BUILDX_CONFIG"), filepath.Join(dir, "buildx"))
	var b *buildx.Builder
	var err error
	if name == "" {
		b, err = buildx.Current(store, key)
	} else if b, err = buildx.Named(store, name); errors.Is(err, fs.ErrNotExist) {
		// A docker context is a builder too: the one of its engine.
		err = sameEngine(name, end, dir)
	}
	if err != nil {
		var known interface{ Hint() string }
		if errors.As(err, &known) {
			return nil, err
		}
		return nil, &refusal{
			problem: fmt.Sprintf("the builder that was chosen for buildx cannot be read: %v", err),
			hint:    "make it anew with `docker buildx create`, or have the engine build: BUILDX_BUILDER=default", cause: err,
		}
	}
	if b == nil {
		return nil, nil
	}
	switch b.Driver {
	case buildx.DriverContainer, buildx.DriverRemote:
		return b, nil
	case buildx.DriverEngine:
		return nil, sameEngine(b.Nodes[0].Endpoint, end, dir)
	}
	return nil, &refusal{
		problem: fmt.Sprintf("builder %s has driver %s, which muster does not know", b.Name, b.Driver),
		hint:    "make one with `docker buildx create --driver remote ADDRESS`, or have the engine build: BUILDX_BUILDER=default",
	}
}

// chosen is the builder that was chosen for buildx; nil where builds run in the engine.
func (e *Engine) chosen() (*buildx.Builder, error) {
	if e.builder == nil {
		return nil, nil
	}
	return e.builder()
}

// sameEngine refuses the builder of another engine than ours: the image would be there and not here.
func sameEngine(name string, end endpoint, dir string) error {
	if name == defaultContext || name == end.host {
		return nil
	}
	other, err := fromContext(name, dir)
	if err != nil {
		return &refusal{
			problem: fmt.Sprintf("there is no builder %q", name),
			hint:    "`docker buildx ls` shows those that there are; BUILDX_BUILDER or --builder names one, and default is the engine's own", cause: err,
		}
	}
	if other.host != end.host {
		return &refusal{
			problem: fmt.Sprintf("builder %s is the engine at %s, and its images would be there and not at %s", name, other.host, end.host),
			hint:    "have the engine build that runs the containers (BUILDX_BUILDER=default), or use the other one: --context " + name,
		}
	}
	return nil
}

// daemon is a BuildKit, and which one; builder is nil where it is the engine's.
type daemon struct {
	buildkit.Daemon
	builder *buildx.Builder
	node    buildx.Node
}

// daemonOf is the BuildKit of a builder that builds for the first of some platforms; without a builder it is the engine's.
func (e *Engine) daemonOf(b *buildx.Builder, platforms []string) daemon {
	if b == nil {
		return daemon{Daemon: buildkit.Inside(e.client.DialHijack)}
	}
	node := b.For(strings.Join(platforms[:min(1, len(platforms))], ""))
	dial := func(ctx context.Context) (net.Conn, error) { return e.dialNode(ctx, *b, node) }
	return daemon{Daemon: buildkit.Elsewhere(dial, e.load), builder: b, node: node}
}

// load puts the archive of an image into the engine's store.
func (e *Engine) load(ctx context.Context, archive io.Reader, report func(runner.Progress)) error {
	resp, err := e.client.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return readProgress(resp.Body, report)
}

// dialNode connects to a node of a builder.
func (e *Engine) dialNode(ctx context.Context, b buildx.Builder, node buildx.Node) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, builderPatience)
	defer cancel()
	if b.Driver == buildx.DriverContainer {
		on, err := e.engineOf(node.Endpoint)
		if err != nil {
			return nil, err
		}
		return on.dialContainer(ctx, "buildx_buildkit_"+node.Name)
	}
	u, err := url.Parse(node.Endpoint)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "docker-container" {
		return e.dialContainer(ctx, u.Host)
	}
	helper, err := connhelper.GetConnectionHelper(node.Endpoint)
	if err != nil {
		return nil, err
	}
	if helper != nil {
		return helper.ContextDialer(ctx, node.Endpoint)
	}
	network, address, _ := strings.Cut(node.Endpoint, "://")
	conf, err := builderTLS(node.DriverOpts, u.Hostname())
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil || conf == nil {
		return conn, err
	}
	return secured(ctx, conn, conf)
}

// engineOf is the engine that a builder's container is on: mostly the one at hand.
func (e *Engine) engineOf(endpoint string) (*Engine, error) {
	if endpoint == "" || endpoint == e.host || endpoint == e.key {
		return e, nil
	}
	o := Options{ConfigDir: e.dir, Context: endpoint}
	if strings.Contains(endpoint, "://") {
		o.Host, o.Context = endpoint, ""
	}
	return Open(o)
}

// dialContainer connects to the BuildKit in a container, which is started if need be.
func (e *Engine) dialContainer(ctx context.Context, name string) (net.Conn, error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	is, err := e.client.ContainerInspect(ctx, name)
	if err != nil {
		return nil, e.wrap(ctx, err, "find container", name)
	}
	if is.State.Running {
		return e.dialExec(ctx, name, "buildctl", "dial-stdio")
	}
	if err := e.client.ContainerStart(ctx, name, container.StartOptions{}); err != nil {
		return nil, e.wrap(ctx, err, "start container", name)
	}
	if err := e.awaitBuildKit(ctx, name); err != nil {
		return nil, err
	}
	conn, err := e.dialExec(ctx, name, "buildctl", "dial-stdio")
	if err != nil && e.hasEnded(ctx, name) { // it may have done so in the midst of the first answer
		err = endedAtOnce(name)
	}
	return conn, err
}

// hasEnded says whether a container is there and does not run.
func (e *Engine) hasEnded(ctx context.Context, name string) bool {
	is, err := e.client.ContainerInspect(ctx, name)
	return err == nil && !is.State.Running
}

func endedAtOnce(name string) error {
	return fmt.Errorf("container %s has ended as soon as it was started", name)
}

// awaitBuildKit waits until the BuildKit of a container that has just been started answers.
func (e *Engine) awaitBuildKit(ctx context.Context, name string) error {
	for {
		conn, err := e.dialExec(ctx, name, "buildctl", "debug", "workers")
		if err == nil {
			_, err = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
		if err == nil {
			return nil
		}
		if e.hasEnded(ctx, name) {
			return endedAtOnce(name)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// dialExec connects to a command in a container. What it has to say when it fails is the error of the last read.
func (e *Engine) dialExec(ctx context.Context, name string, command ...string) (net.Conn, error) {
	made, err := e.client.ContainerExecCreate(ctx, name, container.ExecOptions{
		Cmd: command, AttachStdin: true, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return nil, e.wrap(ctx, err, "connect to container", name)
	}
	stream, err := e.client.ContainerExecAttach(ctx, made.ID, container.ExecStartOptions{})
	if err != nil {
		return nil, e.wrap(ctx, err, "connect to container", name)
	}
	out, to := io.Pipe()
	go func() {
		var complaint lastWords
		_, err := stdcopy.StdCopy(&frames{to: to, text: &complaint}, &complaint, stream.Reader)
		if is, failed := e.client.ContainerExecInspect(context.WithoutCancel(ctx), made.ID); failed == nil && is.ExitCode != 0 {
			err = fmt.Errorf("%s in container %s: %s", command[0], name, cmp.Or(complaint.String(), fmt.Sprintf("exit code %d", is.ExitCode)))
		}
		_ = to.CloseWithError(err)
	}()
	return &execConn{Conn: stream.Conn, out: out}, nil
}

// frames passes HTTP/2 on. What begins as no frame does is text: engines write to the output why a command cannot be run.
type frames struct {
	to, text io.Writer
	chosen   bool
}

// Write takes all of p.
func (f *frames) Write(p []byte) (int, error) {
	if !f.chosen && len(p) > 0 {
		f.chosen = true
		if p[0] != 0 { // the first frame is a short one, and begins with its length
			f.to = f.text
		}
	}
	return f.to.Write(p)
}

// execConn is a connection to a command's standard streams.
type execConn struct {
	net.Conn
	out *io.PipeReader
}

// Read gives the command's standard output.
func (c *execConn) Read(p []byte) (int, error) { return c.out.Read(p) }

// Close ends the connection, and with it the command's input.
func (c *execConn) Close() error {
	_ = c.out.Close()
	return c.Conn.Close()
}

// lastWords keeps the end of what is written.
type lastWords struct{ text []byte }

// Write takes all of p.
func (w *lastWords) Write(p []byte) (int, error) {
	const most = 1000
	w.text = append(w.text, p...)
	w.text = w.text[max(0, len(w.text)-most):]
	return len(p), nil
}

// String is the last line.
func (w *lastWords) String() string {
	text := strings.TrimSpace(string(w.text))
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}
