package main

import (
	"strings"
	"testing"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// What ends of itself and does not come back is looked at again, and not what the run stops.
func TestWitness(t *testing.T) {
	die := func(name string, code int) healthcheck.Event {
		return healthcheck.Event{Name: name, What: "die", ExitCode: code}
	}
	done := func(a planner.Action) runner.Event { return runner.Event{State: runner.Done, Action: a} }
	for name, c := range map[string]struct {
		story []any
		want  string
	}{
		"nothing":                {nil, ""},
		"ended":                  {[]any{die("a", 1), die("b", 0)}, "a"},
		"started again":          {[]any{die("a", 1), healthcheck.Event{Name: "a", What: "start"}}, ""},
		"ill":                    {[]any{healthcheck.Event{Name: "a", What: "health", Health: "unhealthy"}}, "a"},
		"well again":             {[]any{healthcheck.Event{Name: "a", What: "health", Health: "unhealthy"}, healthcheck.Event{Name: "a", What: "health", Health: "healthy"}}, ""},
		"removed by somebody":    {[]any{healthcheck.Event{Name: "a", What: "destroy"}}, "a"},
		"stopped":                {[]any{die("a", 143), done(planner.StopContainer{Name: "a"})}, ""},
		"replaced":               {[]any{die("a", 143), healthcheck.Event{Name: "a", What: "destroy"}, done(planner.RemoveContainer{Name: "a"}), done(planner.RenameContainer{Name: "b", To: "a"})}, ""},
		"the successor ended":    {[]any{die("b", 1), done(planner.RenameContainer{Name: "b", To: "a"})}, "a"},
		"not known for a moment": {[]any{healthcheck.Event{What: "resync"}, healthcheck.Event{What: "resync"}}, "a b"},
	} {
		w := &witness{watches: 1}
		for _, e := range c.story {
			switch e := e.(type) {
			case healthcheck.Event:
				w.heard(e)
			case runner.Event:
				w.did(e)
			}
		}
		got := strings.Join(w.suspects(planner.State{Containers: []planner.Container{{Name: "a"}, {Name: "b"}}}), " ")
		if got != c.want || w.quiet() != (c.want == "") {
			t.Errorf("%s: %q, want %q; quiet: %v", name, got, c.want, w.quiet())
		}
	}
}
