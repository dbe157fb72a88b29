package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/musterhq/muster/runner"
)

// Dialer opens a connection to the engine that is no longer HTTP, as the
// docker client's DialHijack does.
type Dialer func(ctx context.Context, path, protocol string, meta map[string][]string) (net.Conn, error)

// Loader puts the archive of an image into the engine's store.
type Loader func(ctx context.Context, archive io.Reader, report func(runner.Progress)) error

// Daemon is a BuildKit, and the way of its images into the engine.
type Daemon struct {
	connect func(ctx context.Context) (*client.Client, error)
	load    Loader // nil where BuildKit puts them there itself
}

// Inside is the BuildKit that an engine has inside. It shares the engine's store.
func Inside(dial Dialer) Daemon {
	return Daemon{connect: func(ctx context.Context) (*client.Client, error) {
		bk, err := client.New(ctx, "",
			client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx, "/grpc", "h2c", nil) }),
			client.WithSessionDialer(func(ctx context.Context, protocol string, meta map[string][]string) (net.Conn, error) {
				return dial(ctx, "/session", protocol, meta)
			}))
		if err != nil {
			return nil, fmt.Errorf("connect to the engine's BuildKit: %w", err)
		}
		return bk, nil
	}}
}

// Elsewhere is a BuildKit behind a connection of its own, whose images have to be brought into the engine.
func Elsewhere(dial func(ctx context.Context) (net.Conn, error), load Loader) Daemon {
	return Daemon{load: load, connect: func(ctx context.Context) (*client.Client, error) { return reach(ctx, dial) }}
}

// reach connects, and has the daemon say something: the connection itself is made no sooner than it is needed, and would
// fail in the middle of a build with many words around the reason.
func reach(ctx context.Context, dial func(ctx context.Context) (net.Conn, error)) (*client.Client, error) {
	var mu sync.Mutex
	var failed error
	note := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if failed == nil {
			failed = err
		}
	}
	bk, err := client.New(ctx, "", client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := dial(ctx)
		if err != nil {
			note(err)
			return nil, err
		}
		return &watched{Conn: conn, note: note}, nil
	}))
	if err != nil {
		return nil, err
	}
	if _, err = bk.ListWorkers(ctx); err == nil {
		return bk, nil
	}
	_ = bk.Close()
	mu.Lock()
	defer mu.Unlock()
	if failed != nil {
		err = failed
	}
	return nil, &UnreachedError{Cause: err}
}

// watched notes why nothing more is to be read from a connection: what is made of it further up says less.
type watched struct {
	net.Conn
	note func(error)
}

// Read reads.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		w.note(err)
	}
	return n, err
}

// Write writes. Who refuses us and hangs up says why before, which is still to be read.
func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err != nil && w.SetReadDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = w.Read(make([]byte, 1))
	}
	return n, err
}

// UnreachedError says that no BuildKit answered.
type UnreachedError struct{ Cause error }

// Error is what the connection said.
func (e *UnreachedError) Error() string { return e.Cause.Error() }

// Unwrap gives what the connection said.
func (e *UnreachedError) Unwrap() error { return e.Cause }

// LoadError says that an image was built, and not taken by the engine.
type LoadError struct{ Cause error }

// Error is what the engine said.
func (e *LoadError) Error() string { return "bring the image into the engine: " + e.Cause.Error() }

// Unwrap gives what the engine said.
func (e *LoadError) Unwrap() error { return e.Cause }

// loading is an image on its way into the engine, or none.
type loading struct {
	archive *io.PipeWriter
	done    chan error // has a value when the engine has taken it
}

// export says where the result goes.
func (d Daemon) export(ctx context.Context, options *client.SolveOpt, r Request, report func(runner.Progress)) *loading {
	attrs := map[string]string{"name": strings.Join(r.Tags, ",")}
	l := &loading{}
	if d.load == nil {
		options.Exports = []client.ExportEntry{{Type: "moby", Attrs: attrs}}
		return l
	}
	if r.Push {
		attrs["push"] = "true"
		options.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: attrs}}
		return l
	}
	kind := client.ExporterDocker
	if r.Index {
		kind = client.ExporterOCI
	}
	options.Exports = []client.ExportEntry{{Type: kind, Attrs: attrs, Output: func(map[string]string) (io.WriteCloser, error) {
		// Called when there is something to send, so that a build that fails asks nothing of the engine.
		archive, to := io.Pipe()
		l.archive, l.done = to, make(chan error, 1)
		go func() {
			err := d.load(ctx, archive, report)
			_ = archive.CloseWithError(err) // whoever writes still learns of it
			l.done <- err
		}()
		return to, nil
	}}}
	return l
}

// end waits until the engine has taken the image of a build that ended with err.
func (l *loading) end(err error) error {
	if l.done == nil {
		return err
	}
	if err == nil {
		_ = l.archive.Close()
		if err := <-l.done; err != nil {
			return &LoadError{Cause: err}
		}
		return nil
	}
	select {
	case failed := <-l.done: // the engine refused it, which broke the transfer
		if failed != nil {
			return &LoadError{Cause: failed}
		}
	default:
		_ = l.archive.CloseWithError(err)
		<-l.done //nolint:errcheck // it can only be the one that it was given
	}
	return err
}

// inTurn has reports of several goroutines come one at a time.
func inTurn(report func(runner.Progress)) func(runner.Progress) {
	var mu sync.Mutex
	return func(p runner.Progress) {
		mu.Lock()
		defer mu.Unlock()
		report(p)
	}
}
