package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// lookEvery is how often the size is looked at: Windows sends no signal.
const lookEvery = 250 * time.Millisecond

// Resized tells of each change of the size until ctx ends.
func (k *keyboard) Resized(ctx context.Context) <-chan struct{} {
	out := make(chan struct{})
	go func() {
		defer close(out)
		ticks := time.NewTicker(lookEvery)
		defer ticks.Stop()
		columns, rows := k.Size()
		for {
			select {
			case <-ticks.C:
			case <-ctx.Done():
				return
			}
			c, r := k.Size()
			if c == columns && r == rows {
				continue
			}
			columns, rows = c, r
			select {
			case out <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// forwarded are the signals that a program in the foreground passes on to the container, beyond those that end muster.
func forwarded() []os.Signal { return nil }

// signalName is a signal as an engine knows it.
func signalName(s os.Signal) string {
	names := map[os.Signal]string{syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM"}
	return names[s]
}

// unbuffered is not needed there yet: the menu of keys is left out.
func unbuffered(int) error { return errors.ErrUnsupported }

// resumed are the signals that come when a suspended program goes on.
func resumed() []os.Signal { return nil }
