package main

import (
	"context"
	"io"
	"testing"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker"
)

// ctrlC is an engine with which the user interrupts muster while one thing is under way. As an engine does, it goes on with a start
// that nobody waits for any longer, and be it after a stop.
type ctrlC struct {
	memoryEngine
	while     string // create, start or run
	interrupt context.CancelFunc
	late      *planner.StartContainer
}

func (e *ctrlC) Apply(ctx context.Context, a planner.Action, report func(runner.Progress)) error {
	switch a := a.(type) {
	case planner.CreateContainer:
		if e.while == "create" {
			e.interrupt()
		}
		if ctx.Err() != nil { // the engine makes it when nobody looks any longer
			defer func() { _ = e.memoryEngine.Apply(context.WithoutCancel(ctx), a, report) }()
			return ctx.Err()
		}
	case planner.StartContainer:
		if e.while == "start" {
			e.interrupt()
		}
		if ctx.Err() != nil {
			e.late = &a
			return ctx.Err()
		}
	case planner.StopContainer:
		err := e.memoryEngine.Apply(ctx, a, report)
		if err == nil && e.late != nil {
			err = e.memoryEngine.Apply(ctx, *e.late, report)
		}
		return err
	}
	return e.memoryEngine.Apply(ctx, a, report)
}

func (e *ctrlC) Join(ctx context.Context, container string, o docker.JoinOptions) (talk, error) {
	s, err := e.memoryEngine.Join(ctx, container, o)
	if e.while == "run" {
		s = silent{s, e.interrupt, ctx.Done()}
	}
	return s, err
}

// silent is a process that prints nothing and does not end, and is interrupted in the moment in which it begins.
type silent struct {
	talk
	interrupt context.CancelFunc
	closed    <-chan struct{}
}

func (s silent) Copy(io.Writer, io.Writer) error {
	s.interrupt()
	<-s.closed
	return nil
}

// Whenever a run is interrupted, it leaves no container behind that --rm would have removed.
func TestInterruptedRunLeavesNothing(t *testing.T) {
	for _, while := range []string{"create", "start", "run"} {
		t.Run(while, func(t *testing.T) {
			e, programOn := inMemory(t, "services: {web: {image: web:1}}\n", "{"+shopImages+"}")
			ctx, interrupt := context.WithCancel(t.Context())
			on := &ctrlC{memoryEngine: e, while: while, interrupt: interrupt}
			if code := run(ctx, programOn(on, io.Discard), []string{"run", "--rm", "web"}); code == 0 {
				t.Error("an interrupted run ended well")
			}
			have, err := e.Observe(t.Context(), planner.Scope{Project: "shop"})
			if err != nil || len(have.Containers) > 0 {
				t.Errorf("it left %+v, %v", have.Containers, err)
			}
		})
	}
}
