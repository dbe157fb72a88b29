// Package plugin runs what a plan needs that is no container: the programs of providers, and docker's model
// runner. It is an engine around another one; what it does not know itself it hands on.
//
// Nothing of it runs before a plan does, so that what is only shown or compared starts no program.
package plugin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// Options say how programs are run. The zero value takes them from the process.
type Options struct {
	// Environ is what programs get as their environment, as KEY=VALUE; nil is the process's own. PATH and
	// DOCKER_CONFIG in it say where programs are looked for.
	Environ []string
	// Dir is the folder that programs run in; empty is the process's.
	Dir string
}

// Engine is a [runner.Engine] that runs programs too. It belongs to one run of a plan: containers get the
// variables that programs gave in that run.
type Engine struct {
	runner.Engine
	o Options

	mu sync.Mutex
	// given has the variables by source, "providers.NAME" and "models.NAME".
	given map[string]map[string]string
}

// Wrap puts programs before an engine.
func Wrap(on runner.Engine, o Options) *Engine {
	return &Engine{Engine: on, o: o, given: map[string]map[string]string{}}
}

// Apply does one action.
func (e *Engine) Apply(ctx context.Context, a planner.Action, report func(runner.Progress)) error {
	if report == nil {
		report = func(runner.Progress) {}
	}
	switch a := a.(type) {
	case planner.RunProvider:
		given, err := e.runProvider(ctx, a, report)
		if err == nil {
			e.give("providers."+a.Service, given)
		}
		return err
	case planner.StopProvider:
		return e.stopProvider(ctx, a, report)
	case planner.ConfigureModel:
		url, err := e.configureModel(ctx, a, report)
		if err == nil {
			e.give("models."+a.Key, map[string]string{"URL": url})
		}
		return err
	case planner.CreateContainer:
		return e.Engine.Apply(ctx, e.inject(a, report), report)
	}
	return e.Engine.Apply(ctx, a, report)
}

func (e *Engine) give(source string, variables map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.given[source] = variables
}

// inject puts the variables of its sources into a container's environment, over those of the file.
func (e *Engine) inject(a planner.CreateContainer, report func(runner.Progress)) planner.CreateContainer {
	if len(a.Injections) == 0 {
		return a
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	environment := maps.Clone(map[string]*string(a.Spec.Environment))
	if environment == nil {
		environment = map[string]*string{}
	}
	for _, in := range a.Injections {
		given := e.given[in.Source]
		if strings.HasPrefix(in.Source, "models.") {
			given = map[string]string{in.ModelVar: in.Model, in.URLVar: given["URL"]}
		}
		for _, name := range slices.Sorted(maps.Keys(given)) {
			value := given[name]
			if was := environment[name]; was != nil && *was != value {
				report(runner.Progress{Line: fmt.Sprintf("%s is from %s, and not what the file or another one says", name, in.Source)})
			}
			environment[name] = &value
		}
	}
	a.Spec.Environment = project.Environment(environment)
	return a
}

// Error is a program that is not there, or that failed.
type Error struct {
	Problem string
	Advice  string // what to do about it; may be empty
	Cause   error
}

// Error is the whole problem.
func (e *Error) Error() string { return e.Problem }

// Hint says what to do about it.
func (e *Error) Hint() string { return e.Advice }

// Unwrap gives what the system said.
func (e *Error) Unwrap() error { return e.Cause }
