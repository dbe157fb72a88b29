package memory

import (
	"context"
	"slices"
	"time"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

// stream is one watcher's queue; the engine never waits for a watcher.
type stream struct {
	queue  []healthcheck.Event
	wake   chan struct{} // holds one when there is something in the queue
	broken chan struct{}
	closed bool
}

func (s *stream) close() {
	if !s.closed {
		s.closed = true
		close(s.broken)
	}
}

// Watch streams what happens to all containers.
func (e *Engine) Watch(ctx context.Context) (<-chan healthcheck.Event, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.look(ctx, "Watch"); err != nil {
		return nil, err
	}
	s := &stream{wake: make(chan struct{}, 1), broken: make(chan struct{})}
	e.streams[s] = true
	out := make(chan healthcheck.Event)
	go e.pump(ctx, s, out)
	return out, nil
}

// pump hands a watcher its events until it goes or the stream breaks.
func (e *Engine) pump(ctx context.Context, s *stream, out chan<- healthcheck.Event) {
	defer close(out)
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.streams, s)
	}()
	for {
		select {
		case <-s.wake:
		case <-s.broken:
			return
		case <-ctx.Done():
			return
		}
		e.mu.Lock()
		queue := s.queue
		s.queue = nil
		e.mu.Unlock()
		for _, event := range queue {
			select {
			case out <- event:
			case <-s.broken:
				return
			case <-ctx.Done():
				return
			}
		}
	}
}

// emit tells all watchers.
func (e *Engine) emit(event healthcheck.Event) {
	for s := range e.streams {
		s.queue = append(s.queue, event)
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// Look says how a container is.
func (e *Engine) Look(ctx context.Context, name string) (healthcheck.Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.look(ctx, "Look"); err != nil {
		return healthcheck.Status{}, err
	}
	c, err := e.container(name)
	if err != nil {
		return healthcheck.Status{}, err
	}
	out := healthcheck.Status{
		Running: active(c), Paused: c.Status == planner.Paused, Restarting: c.Status == planner.Restarting,
		Exited: c.Status == planner.Exited && c.Runs > 0, ExitCode: c.ExitCode, OOMKilled: c.OOMKilled,
		Restarts: c.Status == planner.Restarting || active(c) && c.Restart != "no" && c.Restart != "",
		Health:   string(c.Health), StartedAt: c.StartedAt, EndedAt: c.EndedAt, LastProbe: c.LastProbe,
	}
	if c.Check != nil {
		out.Test, out.Timeout = c.Check.Test, time.Duration(c.Check.Timeout)
	}
	return out, nil
}

// Probe runs a container's check, whatever is asked.
func (e *Engine) Probe(ctx context.Context, name string, _ healthcheck.Check) (healthcheck.ProbeResult, error) {
	e.mu.Lock()
	if err := e.look(ctx, "Probe"); err != nil {
		e.mu.Unlock()
		return healthcheck.ProbeResult{}, err
	}
	c, err := e.container(name)
	if err != nil {
		e.mu.Unlock()
		return healthcheck.ProbeResult{}, err
	}
	b := e.behaviour(c)
	e.probing[name]++
	e.mostEver = max(e.mostEver, e.probing[name])
	e.mu.Unlock()

	err = pass(ctx, time.Duration(b.ProbeTakes))

	e.mu.Lock()
	defer e.mu.Unlock()
	e.probing[name]--
	switch {
	case err != nil:
		return healthcheck.ProbeResult{}, err
	case e.dead:
		return healthcheck.ProbeResult{}, ErrDead
	case c.Status != planner.Running:
		return healthcheck.ProbeResult{}, ErrConflict
	case e.passes(c):
		return healthcheck.ProbeResult{Output: "ok"}, nil
	default:
		return healthcheck.ProbeResult{ExitCode: 1, Output: b.Probe}, nil
	}
}

// MostProbes is how many probes were ever in flight at once in one container.
func (e *Engine) MostProbes() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mostEver
}

// Lines hands over what a container prints in a run. All comes at once, OutputAfter its start. When following, it
// ends with the run.
func (e *Engine) Lines(ctx context.Context, name string, o healthcheck.Excerpt, each func(string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, err := e.Watch(ctx)
	if err != nil {
		return err
	}
	lines, in, running, err := e.prints(ctx, name)
	if err != nil {
		return err
	}
	if o.Follow && running {
		if err := pass(ctx, in); err != nil {
			return err
		}
		in = 0
	}
	if in > 0 {
		lines = nil
	}
	if o.Last > 0 {
		lines = lines[max(0, len(lines)-o.Last):]
	}
	for _, line := range lines {
		if err := each(line); err != nil {
			return err
		}
	}
	if !o.Follow || !running {
		return nil
	}
	for event := range events {
		if event.Name == name && (event.What == "die" || event.What == "destroy") {
			return nil
		}
	}
	return context.Cause(ctx)
}

// prints is what a container prints, how long from now it does so, and whether it runs.
func (e *Engine) prints(ctx context.Context, name string) (lines []string, in time.Duration, running bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.look(ctx, "Lines"); err != nil {
		return nil, 0, false, err
	}
	c, err := e.container(name)
	if err != nil {
		return nil, 0, false, err
	}
	b := e.behaviour(c)
	return slices.Clone(b.Output), max(0, time.Duration(b.OutputAfter)-time.Since(c.StartedAt)), active(c), nil
}
