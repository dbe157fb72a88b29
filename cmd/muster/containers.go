package main

import (
	"context"
	"slices"

	"github.com/musterhq/muster/planner"
)

// A looking asks the engine for as much of a project as a command goes by. It refuses services that are not there.
type looking func(ctx context.Context, on observer, t target, services []string) (observed, error)

// observeApart is [observe] for a command that needs to know nothing but containers: of a single service it asks for its own. Only where a service has none
// all of the project is looked at, to say what there is instead.
func observeApart(ctx context.Context, on observer, t target, services []string) (observed, error) {
	scope := t.scope()
	scope.ContainersOnly = true
	if len(services) == 1 {
		scope.Service = services[0]
	}
	have, err := on.Observe(ctx, scope)
	if err != nil {
		return observed{}, err
	}
	missing := func(service string) bool {
		return !slices.ContainsFunc(have.Containers, func(c planner.Container) bool { return c.Service == service })
	}
	if len(have.Containers) == 0 || slices.ContainsFunc(services, missing) {
		return observe(ctx, on, t, services)
	}
	return observed{target: t, have: have}, nil
}

// containersOf is [program.seen] for the containers of services, or for all of the project's where none is named.
func (p *program) containersOf(ctx context.Context, services []string, before func(engine) (after func())) (engine, []planner.Container, error) {
	on, seen, err := p.seen(ctx, observeApart, services, before)
	of := slices.DeleteFunc(seen.have.Containers, func(c planner.Container) bool { return len(services) > 0 && !slices.Contains(services, c.Service) })
	return on, of, err
}
