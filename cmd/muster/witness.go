package main

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// witness listens to what the engine tells a run's waits, and knows in the end who does not run any more, which costs
// nothing where nobody died.
type witness struct {
	healthcheck.Engine

	mu      sync.Mutex
	fallen  map[string]bool // containers that failed, and have not been started or found healthy since
	watches int             // more than one: what happened in between is not known
}

// Watch lets the waits have what it hears.
func (w *witness) Watch(ctx context.Context) (<-chan healthcheck.Event, error) {
	events, err := w.Engine.Watch(ctx)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.watches++
	w.mu.Unlock()
	out := make(chan healthcheck.Event)
	go func() {
		defer close(out)
		for e := range events {
			w.heard(e)
			select {
			case out <- e:
			case <-ctx.Done():
			}
		}
	}()
	return out, nil
}

func (w *witness) heard(e healthcheck.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case e.What == "resync":
		w.watches++
	case e.What == "die" && e.ExitCode != 0, e.What == "health" && e.Health == "unhealthy", e.What == "destroy":
		if w.fallen == nil {
			w.fallen = map[string]bool{}
		}
		w.fallen[e.Name] = true
	case e.What == "start", e.What == "health":
		delete(w.fallen, e.Name)
	}
}

// did takes in what the run itself did: what it stops is meant to stop.
func (w *witness) did(e runner.Event) {
	if w == nil || e.State != runner.Done {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch a := e.Action.(type) {
	case planner.StopContainer:
		delete(w.fallen, a.Name)
	case planner.RemoveContainer:
		delete(w.fallen, a.Name)
	case planner.RenameContainer:
		fell := w.fallen[a.Name]
		delete(w.fallen, a.Name)
		delete(w.fallen, a.To)
		if fell {
			w.fallen[a.To] = true
		}
	}
}

// suspects are the containers to look at once more: all, where some of what happened was missed.
func (w *witness) suspects(have planner.State) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := slices.Sorted(maps.Keys(w.fallen))
	if w.watches > 1 {
		for _, c := range have.Containers {
			names = append(names, c.Name)
		}
	}
	return names
}

func (w *witness) quiet() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.fallen) == 0 && w.watches <= 1
}

// carryOutReady carries a plan out and comes back when all is ready at one time: what has died or fallen ill since it
// was ready is waited for again.
func (p *program) carryOutReady(ctx context.Context, on engine, j job, want *project.Project, how planner.Policy) (*board, error) {
	if !how.Wait {
		return p.carryOut(ctx, on, j)
	}
	first := (*board)(nil)
	for {
		j.witness = &witness{}
		b, err := p.carryOut(ctx, on, j)
		if err != nil {
			return b, err
		}
		if first == nil {
			first = b // the one that has done things
		}
		if j.witness.quiet() {
			return first, nil
		}
		have, err := on.Observe(ctx, planner.Scope{Project: j.plan.Project})
		if err != nil {
			return first, err
		}
		plan, err := planner.WaitAgain(want, have, how, j.witness.suspects(have))
		if err != nil || len(plan.Steps) == 0 {
			return first, err
		}
		plan.Project = j.plan.Project
		j.plan, j.have = plan, have
	}
}
