package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

// shell is a process in a container of the engine in memory: it knows echo, cat, env, tty and exit.
type shell struct {
	options docker.ExecOptions
	in      *io.PipeReader
	feed    *io.PipeWriter
	code    int
	// ended is called with the exit code; nil where nobody asks.
	ended func(code int) error
}

func newShell(o docker.ExecOptions) *shell {
	in, feed := io.Pipe()
	return &shell{options: o, in: in, feed: feed}
}

func (s *shell) Write(p []byte) (int, error) { return s.feed.Write(p) }
func (s *shell) CloseWrite() error           { return s.feed.Close() }
func (s *shell) Terminal() bool              { return s.options.Terminal }
func (s *shell) Close() error                { return errors.Join(s.in.Close(), s.feed.Close()) }

func (s *shell) Resize(context.Context, int, int) error { return nil }
func (s *shell) ExitCode(context.Context) (int, error)  { return s.code, nil }
func (s *shell) say(w io.Writer, words ...any) (err error) {
	_, err = fmt.Fprintln(w, words...)
	return err
}

func (s *shell) Copy(out, errs io.Writer) error {
	err := errors.Join(s.run(out, errs), s.in.Close())
	if s.ended != nil {
		err = errors.Join(err, s.ended(s.code))
	}
	return err
}

func (s *shell) run(out, errs io.Writer) error {
	arg := func(i int) string { return append(append([]string(nil), s.options.Command...), "", "")[i] }
	switch arg(0) {
	case "echo":
		return s.say(out, strings.Join(s.options.Command[1:], " "))
	case "complain":
		return s.say(errs, strings.Join(s.options.Command[1:], " "))
	case "cat":
		_, err := io.Copy(out, s.in)
		return err
	case "env":
		return s.say(out, strings.Join(s.options.Environment, "\n"))
	case "as":
		return s.say(out, s.options.User, s.options.WorkingDir, s.options.Privileged)
	case "tty":
		return s.say(out, s.options.Terminal)
	case "exit":
		s.code, _ = strconv.Atoi(arg(1))
		return nil
	}
	s.code = 127
	return s.say(errs, arg(0)+": not found")
}

// Exec begins a command.
func (e memoryEngine) Exec(ctx context.Context, container string, o docker.ExecOptions) (talk, error) {
	c, err := e.Inspect(ctx, container)
	if err == nil && c.Status != planner.Running {
		err = fmt.Errorf("container %s is not running", container)
	}
	return newShell(o), err
}

// ExecDetached begins a command.
func (e memoryEngine) ExecDetached(ctx context.Context, container string, o docker.ExecOptions) error {
	_, err := e.Exec(ctx, container, o)
	return err
}

// Join connects to a container's own process, which does what the container's command says once it is started.
func (e memoryEngine) Join(ctx context.Context, container string, _ docker.JoinOptions) (talk, error) {
	c, err := e.Inspect(ctx, container)
	s := newShell(docker.ExecOptions{Command: strings.Fields(c.Command)})
	s.ended = func(code int) error { return e.Kill(container, code) }
	return s, err
}

// Ending waits for the end of a container.
func (e memoryEngine) Ending(ctx context.Context, container string, removal bool) (func() (int, error), error) {
	events, err := e.Watch(ctx)
	last := map[bool]string{false: "die", true: "destroy"}[removal]
	return func() (int, error) {
		code := 0
		for event := range events {
			if event.Name == container && event.What == "die" {
				code = event.ExitCode
			}
			if event.Name == container && event.What == last {
				return code, nil
			}
		}
		return 0, context.Cause(ctx)
	}, err
}

// DetachKeys are none.
func (e memoryEngine) DetachKeys() string { return "" }

func TestDetachKeys(t *testing.T) {
	for text, want := range map[string]string{
		"ctrl-p,ctrl-q": "\x10\x11", "a,b": "ab", "ctrl-@": "\x00", "CTRL-C": "\x03", "ctrl-[": "\x1b", "ctrl-_": "\x1f", "ctrl-\\": "\x1c",
	} {
		got, err := detachKeys(text)
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "ctrl-", "ctrl-1", "ctrl-ab", "a,,b", "shift-a"} {
		if got, err := detachKeys(text); err == nil {
			t.Errorf("%q is taken for %q", text, got)
		}
	}
}

func TestDetachReader(t *testing.T) {
	for _, c := range []struct {
		keys, typed, want string
		detached          bool
	}{
		{"\x10\x11", "ls\n", "ls\n", false},
		{"\x10\x11", "l\x10\x11more", "l", true},
		{"\x10\x11", "a\x10b", "a\x10b", false},
		{"\x10\x11", "a\x10\x10\x11b", "a\x10", true},
		{"\x10\x11", "end\x10", "end\x10", false},
		{"x", "abx", "ab", true},
		{"ab", "aab", "a", true},
		{"", "a\x10\x11", "a\x10\x11", false},
	} {
		for name, in := range map[string]io.Reader{
			"at once": strings.NewReader(c.typed), "one by one": iotest.OneByteReader(strings.NewReader(c.typed)),
			"with the end": iotest.DataErrReader(strings.NewReader(c.typed)),
		} {
			got, err := io.ReadAll(&detachReader{in: in, keys: []byte(c.keys)})
			if string(got) != c.want || errors.Is(err, errDetached) != c.detached {
				t.Errorf("%q with %q, %s: %q, %v; want %q", c.typed, c.keys, name, got, err, c.want)
			}
		}
	}
}

func TestPick(t *testing.T) {
	all := []planner.Container{
		{Name: "run", Service: "web", OneOff: true, Status: planner.Running},
		{Name: "web-10", Service: "web", Number: 10, Status: planner.Running},
		{Name: "web-2", Service: "web", Number: 2, Status: planner.Running},
		{Name: "web-1", Service: "web", Number: 1, Status: planner.Exited},
		{Name: "db-1", Service: "db", Number: 1, Status: planner.Exited},
	}
	for _, c := range []struct {
		service string
		index   int
		mustRun bool
		want    string // or the error
	}{
		{"web", 0, true, "web-2"},
		{"web", 10, true, "web-10"},
		{"web", 1, false, "web-1"},
		{"web", 1, true, `container #1 of service "web" is not running`},
		{"web", 3, true, `container #3 of service "web" does not exist`},
		{"db", 0, true, `service "db" is not running`},
		{"db", 0, false, "db-1"},
		{"mail", 0, false, `service "mail" is not running`},
	} {
		got, err := pick(planner.State{Containers: all}, c.service, c.index, c.mustRun)
		text := got.Name
		if err != nil {
			text = err.Error()
		}
		if text != c.want {
			t.Errorf("%s %d %v: %q, want %q", c.service, c.index, c.mustRun, text, c.want)
		}
	}
}
