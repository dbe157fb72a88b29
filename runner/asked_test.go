package runner_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/memory"
)

// Only of a container that the plan starts it is known when it is ready: one that runs already is asked at once, and says nothing about the next start.
func TestAskedOfWhatIsStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine()
		e.AddImage("app", memory.Image{Check: &memory.Check{Test: []string{"CMD", "x"}}})
		e.Behave("app", memory.Behaviour{ReadyAfter: memory.Span(200 * time.Millisecond)})
		passed := map[string]time.Duration{}
		begun := map[planner.StepID]time.Time{}
		took := map[planner.StepID]time.Duration{}
		options := runner.Options{
			Health: e,
			Asked: func(service string) time.Duration {
				return map[string]time.Duration{"web": 250 * time.Millisecond}[service]
			},
			Passed: func(service string, asked time.Duration) { passed[service] = asked },
			Events: func(ev runner.Event) {
				switch ev.State {
				case runner.Begun:
					begun[ev.Step.ID] = ev.At
				case runner.Done:
					took[ev.Step.ID] = ev.At.Sub(begun[ev.Step.ID])
				}
			},
		}
		carryOut := func(steps ...planner.Step) {
			t.Helper()
			if err := runner.Run(t.Context(), e, planner.Plan{Project: "p", Steps: steps}, options); err != nil {
				t.Fatal(err)
			}
		}
		wait := planner.Await{Name: "web", Service: "web", Condition: planner.IsReady}
		carryOut(step("create", create("web")), step("start", start("web"), "create"), step("await", wait, "start"))
		equal(t, "asked", map[string]time.Duration{"web": 225 * time.Millisecond}, passed)
		clear(passed)
		carryOut(step("again", wait))
		equal(t, "asked of one that ran", map[string]time.Duration{}, passed)
		equal(t, "time of a wait for one that ran", time.Duration(0), took["again"])
	})
}
