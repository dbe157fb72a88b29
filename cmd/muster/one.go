package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/musterhq/muster/cmd/muster/again"
	"github.com/musterhq/muster/planner"
)

// chosen is the one container that a command is about.
type chosen struct {
	planner.Container
	project target
}

// oneContainer opens the engine and finds container number index of a service; 0 is the first one that runs, or else, unless
// it has to run, the first. The caller closes the engine unless there is an error.
func (p *program) oneContainer(ctx context.Context, service string, index int, mustRun bool) (engine, chosen, error) {
	on, seen, err := p.seen(ctx, observeApart, []string{service}, askAhead)
	if err != nil {
		return nil, chosen{}, err
	}
	c, err := pick(seen.have, service, index, mustRun)
	if err != nil {
		on.Close()
		return nil, chosen{}, err
	}
	return on, chosen{Container: c, project: seen.target}, nil
}

// pick chooses among containers; see [program.oneContainer].
func pick(have planner.State, service string, index int, mustRun bool) (planner.Container, error) {
	var of []planner.Container
	for _, c := range have.Containers {
		if c.Service == service && !c.OneOff && (index == 0 || c.Number == index) {
			of = append(of, c)
		}
	}
	slices.SortStableFunc(of, func(a, b planner.Container) int {
		return cmp.Or(first(isUp(a), isUp(b)), first(near(have, a), near(have, b)), cmp.Compare(a.Number, b.Number))
	})
	name := fmt.Sprintf("service %q", service)
	if index > 0 {
		name = fmt.Sprintf("container #%d of service %q", index, service)
	}
	switch {
	case len(of) > 0 && (isUp(of[0]) || !mustRun):
		return of[0], nil
	case len(of) > 0:
		return of[0], notRunning(name, service)
	case index > 0:
		return planner.Container{}, &usageError{problem: name + " does not exist", hint: "`muster ps -a " + service + "` lists those that do"}
	}
	return planner.Container{}, &usageError{problem: name + " is not running", hint: "bring it up with `muster up -d " + service + "`"}
}

// first puts what is so before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// near says whether the connected engine reaches into a container itself.
func near(have planner.State, c planner.Container) bool {
	return c.Node == "" || slices.ContainsFunc(have.Nodes, func(n planner.Node) bool { return n.Here && n.Name == c.Node })
}

// observed opens the engine and looks at what exists. The caller closes the engine unless there is an error.
func (p *program) observed(ctx context.Context, services []string) (engine, observed, error) {
	return p.seen(ctx, observe, services, notAhead)
}

// glanced is [program.observed] for a command that looks once and follows nothing: what it asks may have been asked when the program started.
func (p *program) glanced(ctx context.Context, services []string) (engine, observed, error) {
	return p.seen(ctx, observe, services, askAhead)
}

// seen looks with the engine. before does with it what the command wants, and its answer is called once the look went well. The caller closes the engine
// unless there is an error.
func (p *program) seen(ctx context.Context, look looking, services []string, before func(engine) (after func())) (engine, observed, error) {
	on, t, err := p.openFor(ctx)
	if err != nil {
		return nil, observed{}, err
	}
	after := before(on)
	seen, err := look(ctx, on, t, services)
	if err != nil {
		on.Close()
		return nil, seen, err
	}
	after()
	return on, seen, nil
}

// askAhead lets an engine behind a socket of this machine answer what was asked ahead; after notes what was asked for the next time.
func askAhead(on engine) (after func()) {
	of, ok := on.(interface {
		Ahead(take func(method, path string) (answer io.ReadCloser, ok bool)) error
	})
	socket, local := strings.CutPrefix(on.Host(), "unix://")
	if !ok || !local || !again.Possible() {
		return func() {}
	}
	var mu sync.Mutex
	var asked []again.Exchange
	err := of.Ahead(func(method, path string) (io.ReadCloser, bool) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, again.Exchange{Method: method, Path: path})
		return again.Ahead(socket, method, path)
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			again.AskNext(socket, asked)
		}
	}
}

// notAhead is [askAhead] for what has to be as new as can be: what was asked ahead is dropped.
func notAhead(engine) (after func()) { return again.Forget }

// openFor finds the project and opens the engine. The caller closes the engine unless there is an error.
func (p *program) openFor(ctx context.Context) (engine, target, error) {
	t, err := p.target(ctx, loading{quiet: true})
	if err != nil {
		return nil, t, err
	}
	on, err := p.open(ctx, p.globals.at)
	return on, t, err
}

// notRunning is said of a container that there is, and that has to run for what is asked.
func notRunning(name, service string) error {
	return &usageError{problem: name + " is not running", hint: "start it with `muster start " + service + "`"}
}
