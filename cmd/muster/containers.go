package main

import (
	"context"
	"slices"

	"github.com/musterhq/muster/planner"
)

// containersOf opens the engine and finds the containers of services, or all of the project's where none is named, for a command that needs to
// know no more of it. before does with the engine what the command wants; its answer is called once all went well. The caller closes the engine
// unless there is an error.
func (p *program) containersOf(ctx context.Context, services []string, before func(engine) (after func())) (engine, []planner.Container, error) {
	on, t, err := p.openFor(ctx)
	if err != nil {
		return nil, nil, err
	}
	after := before(on)
	found, err := containersThere(ctx, on, t, services)
	if err != nil {
		on.Close()
		return nil, nil, err
	}
	after()
	return on, found, nil
}

// containersThere asks for the containers of a single service alone. Only where it has none all of the project is looked at, to say what there is instead.
func containersThere(ctx context.Context, on observer, t target, services []string) ([]planner.Container, error) {
	others := func(c planner.Container) bool { return len(services) > 0 && !slices.Contains(services, c.Service) }
	if len(services) == 1 && services[0] != "" {
		scope := t.scope()
		scope.Service = services[0]
		have, err := on.Observe(ctx, scope)
		if err != nil {
			return nil, err
		}
		if found := slices.DeleteFunc(have.Containers, others); len(found) > 0 {
			return found, nil
		}
	}
	seen, err := observe(ctx, on, t, services)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(seen.have.Containers, others), nil
}

// notAhead is for what is not asked ahead: see [askAhead].
func notAhead(engine) (after func()) { return func() {} }
