package docker

import (
	"context"
	"fmt"
	"io"

	"github.com/musterhq/muster/snapshot/agent"
)

// here does in this process what an agent of volumes does in a container, where this process may: it begins at once, and costs the engine nothing.
type here struct {
	in   *io.PipeWriter
	out  *io.PipeReader
	done chan struct{}
	err  error // to be read once done is closed
}

// startHere lets the program muster do what is left to do when nobody waits for anything any more, as this process may end then; without one this process does it.
func startHere(muster string) *here {
	in, tell := io.Pipe()
	out, say := io.Pipe()
	h := &here{in: tell, out: out, done: make(chan struct{})}
	go func() {
		defer close(h.done)
		h.err = serveHere(in, say, muster)
		_ = in.Close() // nobody waits to tell more
		_ = say.Close()
	}()
	return h
}

func serveHere(in io.Reader, out io.Writer, muster string) error {
	rest, err := agent.Serve(in, out)
	if err != nil || rest == nil || muster != "" && goOn(muster, *rest) == nil {
		return err
	}
	return rest.Clear()
}

func (h *here) Write(p []byte) (int, error) { return h.in.Write(p) }

// CloseWrite ends what it is told.
func (h *here) CloseWrite() error { return h.in.Close() }

// Close lets it go: it ends when it notices.
func (h *here) Close() error { return h.out.Close() }

// Copy takes what it says, and then the error that ended it.
func (h *here) Copy(out, errs io.Writer) error {
	if _, err := io.Copy(out, h.out); err != nil {
		return err
	}
	<-h.done
	if h.err != nil {
		_, _ = fmt.Fprintln(errs, h.err)
	}
	return nil
}

// ExitCode waits until it has ended.
func (h *here) ExitCode(ctx context.Context) (int, error) {
	select {
	case <-h.done:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	if h.err != nil {
		return 1, nil
	}
	return 0, nil
}
