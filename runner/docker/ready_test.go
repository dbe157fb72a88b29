package docker

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

func testapp() string { return env("TESTAPP_IMAGE", "muster.local/testapp:1") }

// checked is the creation of a container with a health check at the engine's default interval of 30 s.
func (r *rig) checked(service string, flags ...string) planner.CreateContainer {
	return r.shell(service, "", func(a *planner.CreateContainer) {
		a.Image = testapp()
		a.Spec.Command = append([]string{"run"}, flags...)
		a.Spec.HealthCheck = &types.HealthCheckConfig{Test: []string{"CMD", "/testapp", "health"}}
	})
}

// Services that each need 300 ms, one after the other: with the default
// interval the engine alone would say so half a minute later, each time.
func TestAChainIsReadyWhenItIs(t *testing.T) {
	enginetest.SameOnAny(t, "TestAFailedWaitTellsWhy, and scripts ready and shop of cmd/muster")
	r := newRig(t)
	const links, ready = 5, 300 * time.Millisecond
	var plan planner.Plan
	add := func(id string, a planner.Action, needs ...planner.StepID) planner.StepID {
		plan.Steps = append(plan.Steps, planner.Step{ID: planner.StepID(id), Action: a, Needs: needs})
		return planner.StepID(id)
	}
	var before []planner.StepID
	for i := range links {
		service := fmt.Sprint("link", i)
		name := r.name(service)
		made := add("create "+service, r.checked(service, "-healthy-after="+ready.String()))
		started := add("start "+service, planner.StartContainer{Name: name}, append(before, made)...)
		before = []planner.StepID{add("await "+service, planner.Await{Name: name, Condition: planner.IsHealthy}, started)}
	}
	probes := 0
	begun := map[planner.StepID]time.Time{}
	var starts time.Duration
	from := time.Now()
	err := runner.Run(r.ctx, r.Stack, plan, runner.Options{Health: r.Stack, Events: func(e runner.Event) {
		switch e.State {
		case runner.Begun:
			begun[e.Step.ID] = e.At
		case runner.Working:
			probes++
		case runner.Done:
			if _, ok := e.Step.Action.(planner.StartContainer); ok {
				starts += e.At.Sub(begun[e.Step.ID])
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(from)
	from = time.Now()
	if _, err := r.Probe(r.ctx, r.name("link0"), healthcheck.Check{Exec: []string{"CMD", "/testapp", "health"}}); err != nil {
		t.Fatal(err)
	}
	least := starts + links*(ready+time.Since(from))
	t.Logf("%v, at least %v: %.2f; %d checks that failed", took, least, float64(took)/float64(least), probes)
	// The engine may be busy with other tests; half an interval is far beyond that.
	if took > least+15*time.Second {
		t.Errorf("a chain of %d took %v, which is far more than %v", links, took, least)
	}
}

// What a failed wait tells about a container on a real engine.
func TestAFailedWaitTellsWhy(t *testing.T) {
	r := newRig(t)
	loop := r.shell("loop", "echo no config >&2; exit 4", func(a *planner.CreateContainer) { a.Spec.Restart = "always" })
	job := r.shell("job", "echo migrating; exit 3", nil)
	bare := r.shell("bare", "sleep 600", nil)
	good := r.shell("good", "echo done", nil)
	r.do(loop, job, bare, good)
	w := healthcheck.New(r.Stack, healthcheck.Options{})
	if err := w.Start(r.ctx); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, a := range []planner.CreateContainer{loop, job, bare, good} {
		r.do(planner.StartContainer{Name: a.Name})
	}
	for _, test := range []struct {
		service   string
		condition healthcheck.Condition
		reason    string // empty: it succeeds
		log       string
	}{
		{"loop", healthcheck.Stable, "exited with code 4", "no config"},
		{"loop", healthcheck.Completed, "exited with code 4", "no config"},
		{"job", healthcheck.Completed, "exited with code 3", "migrating"},
		{"bare", healthcheck.Healthy, "has no health check", ""},
		{"good", healthcheck.Completed, "", ""},
		{"nobody", healthcheck.Running, "does not exist", ""},
	} {
		err := w.Wait(r.ctx, healthcheck.Target{Name: r.name(test.service), Condition: test.condition, Monitor: 20 * time.Second, Timeout: time.Minute})
		if test.reason == "" {
			if err != nil {
				t.Errorf("%s: %v", test.service, err)
			}
			continue
		}
		var f *healthcheck.Failure
		if !errors.As(err, &f) || !strings.HasPrefix(f.Reason, test.reason) || !strings.Contains(strings.Join(f.Log, "\n"), test.log) {
			t.Errorf("%s %s: %v, log %q", test.service, test.condition, err, f)
			continue
		}
		t.Log(f)
	}
}
