package docker

import (
	"context"
	"errors"
	"io"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/musterhq/muster/planner"
)

// Session is a connection to the streams of a process in a container: to one that
// was begun with [Engine.Exec], or to the container's own with [Engine.Join].
//
// One goroutine may write and another one copy at the same time.
type Session struct {
	conn     types.HijackedResponse
	terminal bool
	// staysOpen says that the engine takes the end of our input for the end of the session, and not of the process's.
	staysOpen bool
	stop      func() bool // no longer ends with its context
	resize    func(ctx context.Context, o container.ResizeOptions) error
	exit      func(ctx context.Context) (int, error)
}

// ExecOptions are a command to run in a container.
type ExecOptions struct {
	Command     []string
	Environment []string // KEY=VALUE
	User        string
	WorkingDir  string
	Privileged  bool
	// Terminal gives the command one. Columns and Rows are its size, 0 where unknown.
	Terminal      bool
	Columns, Rows int
	// Input connects its standard input.
	Input bool
	// DetachKeys is the sequence that ends the session, in docker's form; empty is the engine's own.
	DetachKeys string
}

func (o ExecOptions) request() container.ExecOptions {
	return container.ExecOptions{
		Cmd: o.Command, Env: o.Environment, User: o.User, WorkingDir: o.WorkingDir, Privileged: o.Privileged,
		Tty: o.Terminal, DetachKeys: o.DetachKeys,
	}
}

// Exec begins a command in a running container and connects to it.
func (e *Engine) Exec(ctx context.Context, name string, o ExecOptions) (*Session, error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	request := o.request()
	request.AttachStdin, request.AttachStdout, request.AttachStderr = o.Input, true, true
	made, err := e.client.ContainerExecCreate(ctx, name, request)
	if err != nil {
		return nil, e.wrap(ctx, err, "run a command in container", name)
	}
	start := container.ExecAttachOptions{Tty: o.Terminal}
	if o.Terminal && o.Columns > 0 && o.Rows > 0 && !e.isPodman() {
		start.ConsoleSize = &[2]uint{uint(o.Rows), uint(o.Columns)}
	}
	conn, err := e.client.ContainerExecAttach(ctx, made.ID, start)
	if err != nil {
		return nil, e.wrap(ctx, err, "run a command in container", name)
	}
	return &Session{
		conn: conn, terminal: o.Terminal,
		// The hijacked connection knows nothing of ctx.
		stop: context.AfterFunc(ctx, conn.Close),
		resize: func(ctx context.Context, o container.ResizeOptions) error {
			return e.client.ContainerExecResize(ctx, made.ID, o)
		},
		exit: func(ctx context.Context) (int, error) { return e.exitCode(ctx, made.ID) },
	}, nil
}

// ExecDetached begins a command in a running container and leaves it to itself.
func (e *Engine) ExecDetached(ctx context.Context, name string, o ExecOptions) error {
	if err := e.connect(ctx); err != nil {
		return err
	}
	made, err := e.client.ContainerExecCreate(ctx, name, o.request())
	if err == nil {
		err = e.client.ContainerExecStart(ctx, made.ID, container.ExecStartOptions{Detach: true, Tty: o.Terminal})
	}
	return e.wrap(ctx, err, "run a command in container", name)
}

// JoinOptions say how to connect to a container's own streams.
type JoinOptions struct {
	// Input connects its standard input, where the container keeps that open.
	Input bool
	// DetachKeys is the sequence that ends the session, in docker's form; empty is the engine's own.
	DetachKeys string
}

// Join connects to the streams of a container from now on. Called before the start it
// misses nothing. The end of its process ends the session; its exit code is [Engine.Ending]'s to tell.
func (e *Engine) Join(ctx context.Context, name string, o JoinOptions) (*Session, error) {
	got, err := e.inspect(ctx, name)
	if err != nil {
		return nil, e.wrap(ctx, err, "attach to container", name)
	}
	conn, err := e.client.ContainerAttach(ctx, name, container.AttachOptions{
		Stream: true, Stdin: o.Input && got.Config.OpenStdin, Stdout: true, Stderr: true, DetachKeys: o.DetachKeys,
	})
	if err != nil {
		return nil, e.wrap(ctx, err, "attach to container", name)
	}
	once := got.Config.StdinOnce
	if e.isPodman() { // it does not tell, and only these are made so
		once = got.Config.Labels[planner.LabelOneOff] == "True"
	}
	return &Session{
		conn: conn, terminal: got.Config.Tty, stop: context.AfterFunc(ctx, conn.Close),
		staysOpen: got.Config.Tty || !once,
		resize: func(ctx context.Context, o container.ResizeOptions) error {
			return e.client.ContainerResize(ctx, name, o)
		},
		exit: func(context.Context) (int, error) {
			return 0, errors.New("a container's own end is not the session's to tell")
		},
	}, nil
}

// Terminal says whether the process has one.
func (s *Session) Terminal() bool { return s.terminal }

// Write sends to the process's standard input.
func (s *Session) Write(p []byte) (int, error) { return s.conn.Conn.Write(p) }

// CloseWrite ends the process's standard input, where that ends with ours: a container whose input stays open for
// those who attach later, or that has a terminal, does not notice.
func (s *Session) CloseWrite() error {
	if s.staysOpen {
		return nil
	}
	return s.conn.CloseWrite()
}

// Copy writes what the process prints until it ends. A terminal has one stream, which goes to out.
func (s *Session) Copy(out, errs io.Writer) error {
	var err error
	if s.terminal {
		_, err = io.Copy(out, s.conn.Reader)
	} else {
		_, err = stdcopy.StdCopy(out, errs, s.conn.Reader)
	}
	return err
}

// Resize tells the process's terminal its size.
func (s *Session) Resize(ctx context.Context, columns, rows int) error {
	return s.resize(ctx, container.ResizeOptions{Width: uint(columns), Height: uint(rows)})
}

// ExitCode is that of a command of [Engine.Exec], whose output has ended.
func (s *Session) ExitCode(ctx context.Context) (int, error) { return s.exit(ctx) }

// Close ends the session. The process goes on: the API has no call to end it.
func (s *Session) Close() error {
	s.stop()
	s.conn.Close()
	return nil
}

// Ending begins to wait for the next end of a container, or for its removal, and answers with what gives its exit
// code. It is called before the start, so that an end that comes at once is not missed.
func (e *Engine) Ending(ctx context.Context, name string, removal bool) (func() (int, error), error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	condition := container.WaitConditionNextExit
	if removal {
		condition = container.WaitConditionRemoved
	}
	ended, failed := e.client.ContainerWait(ctx, name, condition)
	return func() (int, error) {
		select {
		case r := <-ended:
			if r.Error != nil && r.Error.Message != "" {
				return int(r.StatusCode), errors.New(r.Error.Message)
			}
			if !removal {
				e.listedAsEnded(ctx, name)
			}
			return int(r.StatusCode), nil
		case err := <-failed:
			return 0, e.wrap(ctx, err, "wait for container", name)
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}, nil
}

// DetachKeys is the sequence that docker's configuration wants sessions to end with; empty where it has none.
func (e *Engine) DetachKeys() string { return e.config.DetachKeys }
