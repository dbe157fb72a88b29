package main

import (
	"context"
	"errors"
	"io"

	"github.com/musterhq/muster/runner/docker"
)

// talk is a session with a process in a container.
type talk interface {
	// Write sends to its standard input, which CloseWrite ends.
	io.Writer
	CloseWrite() error
	// Copy writes what it prints until it ends.
	Copy(out, errs io.Writer) error
	Resize(ctx context.Context, columns, rows int) error
	// Terminal says whether the process has one.
	Terminal() bool
	// ExitCode is that of a command whose output has ended.
	ExitCode(ctx context.Context) (int, error)
	Close() error
}

// talker connects to processes in containers.
type talker interface {
	// Exec begins a command in a running container.
	Exec(ctx context.Context, container string, o docker.ExecOptions) (talk, error)
	// ExecDetached begins one and leaves it to itself.
	ExecDetached(ctx context.Context, container string, o docker.ExecOptions) error
	// Join connects to the container's own process.
	Join(ctx context.Context, container string, o docker.JoinOptions) (talk, error)
	// Ending begins to wait for the next end of a container, or for its removal, and answers with what
	// gives its exit code.
	Ending(ctx context.Context, container string, removal bool) (func() (int, error), error)
	// DetachKeys are those of docker's configuration; empty where it has none.
	DetachKeys() string
}

// conversation is how the user's streams are connected to a process.
type conversation struct {
	input bool   // what is typed, or comes from a pipe, goes to it
	keys  []byte // that detach; nil for none
	// keepSignals does not pass on those that come for us.
	keepSignals bool
}

// detaching reads the keys that detach: those of the flag, else of docker's configuration, else docker's own.
func detaching(on talker, flag string) (text string, keys []byte, err error) {
	for _, text = range []string{flag, on.DetachKeys(), defaultDetachKeys} {
		if text != "" {
			break
		}
	}
	keys, err = detachKeys(text)
	return text, keys, err
}

// converse connects the user with a process until its output ends or the user detaches, which is [errDetached].
func (p *program) converse(ctx context.Context, with talk, c conversation) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if with.Terminal() && p.console != nil && c.input {
		if err := p.console.Raw(); err != nil {
			return err
		}
		defer p.console.Restore()
	}
	if with.Terminal() {
		p.followSize(ctx, with)
	}
	left := make(chan error, 1)
	if c.input {
		// Nothing can interrupt a read from a terminal: this goroutine ends with what it reads, or with the program.
		go func() { left <- p.send(with, c.keys) }()
	}
	heard := make(chan error, 1)
	go func() { heard <- with.Copy(p.out, p.err) }()
	for {
		select {
		case err := <-heard:
			return err
		case err := <-left:
			if errors.Is(err, errDetached) {
				return err
			}
			left = nil // there is nothing more to send; what comes back is still wanted
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// send passes on what the user types, or what a pipe has.
func (p *program) send(to talk, keys []byte) error {
	var from io.Reader = p.in
	if to.Terminal() && len(keys) > 0 {
		from = &detachReader{in: p.in, keys: keys}
	}
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	return to.CloseWrite()
}

// followSize gives the process's terminal the size of ours, now and whenever it changes.
func (p *program) followSize(ctx context.Context, of talk) {
	if p.console == nil {
		return
	}
	resize := func() {
		if columns, rows := p.console.Size(); columns > 0 && rows > 0 {
			_ = of.Resize(ctx, columns, rows) // a wrong size is no reason to end it
		}
	}
	resize()
	changes := p.console.Resized(ctx)
	go func() {
		for range changes {
			resize()
		}
	}()
}
