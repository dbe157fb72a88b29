package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// program is everything that a run of muster has to do with the world, so that
// a test can give it another one.
type program struct {
	in       io.Reader
	out, err io.Writer
	// screen is what stderr is; outScreen is what stdout is. Each is nil where
	// that is not a terminal.
	screen, outScreen screen
	// console is what stdin is; nil where that is not a terminal.
	console console
	environ []string
	// open reaches the engine; nothing is asked of it before.
	open func(ctx context.Context, at address) (engine, error)
	now  func() time.Time
	// signals brings what the user or the system sends: Ctrl-C, SIGTERM.
	signals <-chan os.Signal
	// forward lets the signals that mean nothing to muster itself come, until stop is called; nil where none can.
	forward func() (signals <-chan os.Signal, stop func())

	// aside makes room on the screen for a question; nil where nothing is in its way.
	aside func() (back func())

	// unread is nil where the system does not end the program for what nobody reads.
	unread *unread

	called    string   // by what the user calls the program; empty is muster
	args      []string // as typed
	globals   globals
	interrupt *interrupts
	command   string // that was given, such as "up"
	timing    timing
	profiled  func() error // ends the profiles; nil before a command begins
}

// screen is a terminal to draw on.
type screen interface {
	// Size gives columns and rows; zero where unknown.
	Size() (columns, rows int)
}

// fromSystem is the program as it is for a user.
func fromSystem() *program {
	signals := make(chan os.Signal, 4)
	if socket := os.Getenv(pluginSocket); socket != "" {
		caught := make(chan os.Signal, 4)
		signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		underDocker(socket, caught, signals)
	} else {
		signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	}
	return &program{
		unread: &unread{},
		in:     os.Stdin, out: os.Stdout, err: os.Stderr,
		screen: terminalOf(os.Stderr), outScreen: terminalOf(os.Stdout), console: keyboardOf(os.Stdin),
		environ: os.Environ(),
		open:    openEngine,
		now:     time.Now,
		signals: signals,
		forward: func() (<-chan os.Signal, func()) {
			more := make(chan os.Signal, 8)
			if all := forwarded(); len(all) > 0 { // none would be all
				signal.Notify(more, all...)
			}
			return more, func() { signal.Stop(more) }
		},
	}
}

// run is one run of the program; the answer is its exit code.
func run(ctx context.Context, p *program, args []string) int {
	ctx, p.interrupt = watchInterrupts(ctx, p.signals)
	if p.console != nil {
		defer p.console.Restore()
	}
	done := make(chan int, 1)
	go func() { done <- p.execute(ctx, args) }()
	select {
	case code := <-done:
		return code
	case <-p.interrupt.now:
		// Whatever still runs is left where it is: the engine is the only
		// journal, and the next up converges from there.
		return exitInterrupted
	}
}

// execute runs the command that args name.
func (p *program) execute(ctx context.Context, args []string) int {
	p.args = args
	root := p.rootCommand(args)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if p.profiled != nil {
		if failed := p.profiled(); err == nil {
			err = failed
		}
	}
	if err == nil {
		return 0
	}
	if cause := context.Cause(ctx); errors.Is(cause, errInterrupted) && !errors.As(err, new(*exitError)) {
		err = &exitError{code: exitInterrupted, cause: err}
	}
	p.printFailure(err)
	return exitCode(err)
}

// getenv looks a variable up in the program's environment; one that is not there is empty.
func (p *program) getenv(key string) string {
	value, _ := p.lookupenv(key)
	return value
}

// lookupenv says also whether it is there.
func (p *program) lookupenv(key string) (value string, known bool) {
	for i := len(p.environ) - 1; i >= 0; i-- {
		if name, value, ok := strings.Cut(p.environ[i], "="); ok && name == key {
			return value, true
		}
	}
	return "", false
}

// The exit codes, which are docker compose's.
const (
	exitFailed      = 1
	exitChanges     = 2 // plan --detailed-exitcode
	exitInterrupted = 130
)

// exitError is a failure that decides the exit code, such as that of a
// container. With no cause there is nothing to print.
type exitError struct {
	code  int
	cause error
}

func (e *exitError) Error() string {
	if e.cause == nil {
		return ""
	}
	return e.cause.Error()
}

func (e *exitError) Unwrap() error { return e.cause }

// exitCode is the code that err asks for.
func exitCode(err error) int {
	var exit *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	}
	return exitFailed
}
