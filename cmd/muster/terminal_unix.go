//go:build unix

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Resized tells of each change of the size until ctx ends.
func (k *keyboard) Resized(ctx context.Context) <-chan struct{} {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	out := make(chan struct{})
	go func() {
		defer close(out)
		defer signal.Stop(changed)
		for {
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
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
func forwarded() []os.Signal {
	return []os.Signal{syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGCONT}
}

// signalName is a signal as an engine knows it.
func signalName(s os.Signal) string {
	names := map[os.Signal]string{
		syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM", syscall.SIGHUP: "SIGHUP", syscall.SIGQUIT: "SIGQUIT",
		syscall.SIGUSR1: "SIGUSR1", syscall.SIGUSR2: "SIGUSR2", syscall.SIGALRM: "SIGALRM", syscall.SIGCONT: "SIGCONT",
	}
	return names[s]
}

// resumed are the signals that come when a suspended program goes on.
func resumed() []os.Signal { return []os.Signal{syscall.SIGCONT} }
