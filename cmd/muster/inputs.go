package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/watch"
)

// buildWhen is --build: as a switch it is docker compose's, and with a value it says when to build.
type buildWhen string

const (
	buildMissing buildWhen = "" // --build=false, and without the flag
	buildAlways  buildWhen = "true"
	buildChanged buildWhen = "changed"
)

func (w *buildWhen) define(f *pflag.FlagSet) {
	f.Var(w, "build", "Build images first, even where they exist; --build=changed: where a file has changed")
	f.Lookup("build").NoOptDefVal = string(buildAlways)
}

// String is the flag's value as text.
func (w *buildWhen) String() string { return string(*w) }

// Set reads what a switch takes, and changed.
func (w *buildWhen) Set(text string) error {
	switch strings.ToLower(text) {
	case "1", "t", "true", "always":
		*w = buildAlways
	case "0", "f", "false", "missing":
		*w = buildMissing
	case "changed":
		*w = buildChanged
	default:
		return fmt.Errorf("there are true, false and changed")
	}
	return nil
}

// Type names it in the help: a switch.
func (w *buildWhen) Type() string { return "bool" }

// withInputs adds to a policy what the builds go by that are due where something has changed.
func withInputs(want *project.Project, how planner.Policy) (planner.Policy, error) {
	how.Inputs = nil
	if want == nil || how.NoBuild {
		return how, nil
	}
	due := map[string]project.Service{}
	for _, s := range want.Services {
		if !how.Changed && !want.BuildsOnChange(s) {
			continue
		}
		for _, of := range append(want.Bases(s), s) {
			if of.Build != nil {
				due[of.Name] = of
			}
		}
	}
	var all errgroup.Group
	var mu sync.Mutex
	for name, s := range due {
		all.Go(func() error {
			of, err := watch.Inputs(want, s)
			mu.Lock()
			defer mu.Unlock()
			if how.Inputs == nil {
				how.Inputs = map[string]planner.Inputs{}
			}
			how.Inputs[name] = of
			return err
		})
	}
	return how, all.Wait()
}
