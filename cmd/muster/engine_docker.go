package main

import (
	"context"
	"os"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
)

// dockerEngine is a Docker engine as the commands want it.
type dockerEngine struct{ *docker.Engine }

// openEngine prepares the connection; the first call makes it.
func openEngine(_ context.Context, at address) (engine, error) {
	own, _ := os.Executable() // without it there are no agents
	e, err := docker.Open(docker.Options{Host: at.host, Context: at.context, Dial: at.dial, Builder: at.builder, Muster: own})
	if err != nil {
		return nil, err
	}
	if at.target == project.TargetSwarm {
		return openSwarm(e), nil
	}
	return dockerEngine{e}, nil
}

// Health answers waits for one project's containers.
func (e dockerEngine) Health(project string) healthcheck.Engine { return e.Stack(project) }

// Logs hands over a container's output line by line.
func (e dockerEngine) Logs(ctx context.Context, container string, o logOptions, each func(logChunk) error) error {
	stream, err := e.Engine.Logs(ctx, container, docker.LogOptions{Follow: o.follow, Tail: o.tail, Since: o.since, Until: o.until})
	if err != nil {
		return err
	}
	return eachChunk(ctx, stream, each)
}

// AttachAhead connects to what a container prints that is about to start.
func (e dockerEngine) AttachAhead(ctx context.Context, container string) (output, error) {
	return asOutput(e.Engine.AttachAhead(ctx, container))
}

// Attach connects to what a container prints.
func (e dockerEngine) Attach(ctx context.Context, container string) (output, error) {
	return asOutput(e.Engine.Attach(ctx, container))
}

func asOutput(stream *docker.LogStream, err error) (output, error) {
	if err != nil {
		return nil, err // a nil stream must not become an output
	}
	return attachedOutput{stream}, nil
}

// attachedOutput is a connection to a container.
type attachedOutput struct{ *docker.LogStream }

// Each hands over what comes.
func (o attachedOutput) Each(ctx context.Context, each func(logChunk) error) error {
	return eachChunk(ctx, o.LogStream, each)
}

// eachChunk hands a stream of output over line by line.
func eachChunk(ctx context.Context, stream *docker.LogStream, each func(logChunk) error) error {
	return stream.Each(ctx, func(line docker.LogLine) error {
		return each(logChunk{at: line.At, stderr: line.Stderr, text: line.Text, more: line.Partial})
	})
}

// Exec begins a command in a running container.
func (e dockerEngine) Exec(ctx context.Context, container string, o docker.ExecOptions) (talk, error) {
	s, err := e.Engine.Exec(ctx, container, o)
	if err != nil {
		return nil, err // a nil session must not become a talk
	}
	return s, nil
}

// Join connects to a container's own process.
func (e dockerEngine) Join(ctx context.Context, container string, o docker.JoinOptions) (talk, error) {
	s, err := e.Engine.Join(ctx, container, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}
