package main

import (
	"context"
	"errors"
	"os"
	"sync"
)

// errInterrupted is the cause of a context that Ctrl-C has ended.
var errInterrupted = errors.New("interrupted")

// interrupts gives meaning to Ctrl-C: the first one cancels the context, so that what is
// under way can come to a good end; the next one ends the program at once. A command
// that knows better, such as an attached up, takes them over with [interrupts.take].
type interrupts struct {
	// now is closed when the program must end at once.
	now chan struct{}

	mu    sync.Mutex
	taken chan os.Signal // gets each signal while a command has them
}

// watchInterrupts starts to listen; the goroutine ends with ctx, or with the program.
func watchInterrupts(ctx context.Context, signals <-chan os.Signal) (context.Context, *interrupts) {
	in := &interrupts{now: make(chan struct{})}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		cancelled := false
		for {
			var got os.Signal
			select {
			case got = <-signals:
			case <-ctx.Done():
				if !cancelled { // from outside: there is nothing left to decide
					return
				}
				got = <-signals
			}
			switch {
			case in.hand(got):
			case !cancelled:
				cancelled = true
				cancel(errInterrupted)
			default:
				close(in.now)
				return
			}
		}
	}()
	return ctx, in
}

// hand gives a signal to the command that has taken them over.
func (in *interrupts) hand(got os.Signal) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.taken == nil {
		return false
	}
	select {
	case in.taken <- got:
	default: // the command has more of them to read than it can have meanings for
	}
	return true
}

// take lets the caller decide what Ctrl-C and the like mean until it calls release.
func (in *interrupts) take() (signals <-chan os.Signal, release func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	taken := make(chan os.Signal, 3)
	in.taken = taken
	return taken, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.taken = nil
	}
}
