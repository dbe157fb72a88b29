package stacktest

import (
	"context"
	"io"

	"github.com/musterhq/muster/fault"
	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker"
)

// engine is what a stack needs of an engine.
type engine interface {
	runner.Engine
	// Health answers waits for one project's containers.
	Health(project string) healthcheck.Engine
	// Logs hands over the last lines of a container's output, all of them where tail is 0.
	Logs(ctx context.Context, container string, tail int, each func(line []byte, more bool) error) error
	// Exec runs a command in a running container to its end.
	Exec(ctx context.Context, container string, command []string, out, errs io.Writer) (code int, err error)
	// ID tells the engine from all others.
	ID(ctx context.Context) (string, error)
	// Host is the engine's address.
	Host() string
	Close() error
	// ReadVolume writes a volume's archive, through a container of an image that is never started.
	ReadVolume(ctx context.Context, volume, image string, to io.Writer) error
	// PrepareRestore notes of each volume that is to be restored, by its key, whether the engine can be expected to give it the data in one step. With start,
	// what does that is started already; done ends what was not needed.
	PrepareRestore(ctx context.Context, want *project.Project, from map[string]planner.Restore, start bool) (done func(), err error)
	// NetworkAgent starts muster's own program in the network of a container.
	NetworkAgent(ctx context.Context, container string, args []string) (fault.Agent, error)
}

// dockerEngine is the one that the docker command would take.
type dockerEngine struct{ *docker.Engine }

func openDocker(muster string) (engine, error) {
	on, err := docker.Open(docker.Options{Muster: muster})
	if err != nil {
		return nil, err
	}
	return dockerEngine{on}, nil
}

func (e dockerEngine) Health(project string) healthcheck.Engine { return e.Stack(project) }

func (e dockerEngine) Logs(ctx context.Context, container string, tail int, each func([]byte, bool) error) error {
	stream, err := e.Engine.Logs(ctx, container, docker.LogOptions{Tail: tail})
	if err != nil {
		return err
	}
	return stream.Each(ctx, func(line docker.LogLine) error { return each(line.Text, line.Partial) })
}

func (e dockerEngine) Exec(ctx context.Context, container string, command []string, out, errs io.Writer) (int, error) {
	with, err := e.Engine.Exec(ctx, container, docker.ExecOptions{Command: command})
	if err != nil {
		return 0, err
	}
	defer with.Close()
	// Whoever gives up does not wait for a command that hangs.
	defer context.AfterFunc(ctx, func() { _ = with.Close() })()
	if err := with.Copy(out, errs); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return 0, err
	}
	return with.ExitCode(ctx)
}
