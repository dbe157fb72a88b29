package main

import (
	"context"
	"slices"

	"github.com/musterhq/muster/planner"
)

// A looking asks the engine for as much of a project as a command goes by. It refuses services that are not there.
type looking func(ctx context.Context, on observer, t target, services []string) (observed, error)

// observeApart is [observe] for a command that needs to know nothing but containers: of a single service it asks for its own. Only where it has none all
// of the project is looked at, to say what there is instead.
func observeApart(ctx context.Context, on observer, t target, services []string) (observed, error) {
	if len(services) != 1 || services[0] == "" {
		return observe(ctx, on, t, services)
	}
	scope := t.scope()
	scope.Service = services[0]
	have, err := on.Observe(ctx, scope)
	if err == nil && !slices.ContainsFunc(have.Containers, func(c planner.Container) bool { return c.Service == scope.Service }) {
		return observe(ctx, on, t, services)
	}
	return observed{target: t, have: have}, err
}

// containersOf is [program.seen] for the containers of services, or for all of the project's where none is named.
func (p *program) containersOf(ctx context.Context, services []string, before func(engine) (after func())) (engine, []planner.Container, error) {
	on, seen, err := p.seen(ctx, observeApart, services, before)
	of := slices.DeleteFunc(seen.have.Containers, func(c planner.Container) bool { return len(services) > 0 && !slices.Contains(services, c.Service) })
	return on, of, err
}
