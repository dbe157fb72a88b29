package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// attaching is an engine that connects an attachment to the output of each container before it starts that.
type attaching struct {
	engine
	to *attachment
}

// Apply does an action.
func (e attaching) Apply(ctx context.Context, a planner.Action, report func(runner.Progress)) error {
	start, ok := a.(planner.StartContainer)
	if !ok {
		return e.engine.Apply(ctx, a, report)
	}
	undo := e.to.before(ctx, start.Name, start.Service)
	err := e.engine.Apply(ctx, a, report)
	if err != nil {
		undo()
	}
	return err
}

// before connects to the output of a container that is about to start; undo is for when it does not. What cannot be
// had in this way is read from the engine's logs once it runs.
func (a *attachment) before(ctx context.Context, name, service string) (undo func()) {
	nothing := func() {}
	if !a.wanted(service) {
		return nothing
	}
	out, err := a.attach.AttachAhead(ctx, name)
	if err != nil {
		return nothing
	}
	// Had somebody else started it already, the beginning would be missing. This is asked when we are connected: then what
	// does not run starts later.
	now, err := a.health.Look(ctx, name)
	if err != nil || now.Running {
		_ = out.Close()
		return nothing
	}
	a.joined.put(name, connection{out: out, after: now.EndedAt})
	return func() { _ = out.Close() }
}

// connection is one to a container that is about to start.
type connection struct {
	out   output
	after time.Time // when the life before ended, by the engine's clock; zero where there was none
}

// connections are those to containers that are about to start, by their names.
type connections struct {
	mu sync.Mutex
	by map[string]connection
}

func (c *connections) put(name string, next connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.by[name]; ok { // of a start that came to nothing
		_ = old.out.Close()
	}
	if c.by == nil {
		c.by = map[string]connection{}
	}
	c.by[name] = next
}

// take gives the connection to a container that started at a time, which may be unknown; nil where there is none to that life.
func (c *connections) take(name string, at time.Time) output {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, ok := c.by[name]
	if !ok || !at.IsZero() && at.Before(next.after) {
		return nil
	}
	delete(c.by, name)
	return next.out
}

// heldUpAfter is how long a container waits for who reads our output. The engine holds a container back whose
// output a connection does not take: a terminal that is paused would pause the service.
const heldUpAfter = 5 * time.Second

var errHeldUp = errors.New("nobody reads the output")

// readJoined prints what comes by a connection.
func (a *attachment) readJoined(ctx context.Context, name string, f *followed, out output) error {
	patience := heldUpAfter
	return out.Each(ctx, func(c logChunk) error {
		err := a.printer.send(ctx, logItem{source: &f.source, chunk: c}, patience)
		if errors.Is(err, errHeldUp) && a.logs.Logs(ctx, name, logOptions{tail: -1}, func(logChunk) error { return nil }) != nil {
			patience = 0 // it could not be read later on
			err = a.printer.send(ctx, logItem{source: &f.source, chunk: c}, patience)
		}
		if err == nil {
			f.at.count(c)
		}
		return err
	})
}
