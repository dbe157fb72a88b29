package runner_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/memory"
)

// web is a project with replicas of one service, of a version.
func web(version string, replicas int, update types.UpdateConfig, back *types.UpdateConfig) *project.Project {
	s := project.Service{Name: "web", Scale: &replicas, Deploy: &types.DeployConfig{UpdateConfig: &update, RollbackConfig: back}}
	s.Image, s.Environment = "app", types.MappingWithEquals{"VERSION": &version}
	return &project.Project{Name: "p", WorkingDir: "/src", Services: map[string]project.Service{"web": s}}
}

// replaced brings the first version up and then the second, and says which containers there are then: of those that stayed
// whether they are the same ones.
func replaced(ctx context.Context, t *testing.T, e *memory.Engine, first, second *project.Project) (map[string]string, *history, error) {
	t.Helper()
	planned := func(p *project.Project) planner.Plan {
		have, err := e.Observe(t.Context(), planner.ScopeOf(p))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := planner.Build(p, have, planner.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	if err := runner.Run(t.Context(), e, planned(first), runner.Options{Health: e}); err != nil {
		t.Fatal(err)
	}
	ids := func() map[string]string {
		have, err := e.Observe(t.Context(), planner.Scope{Project: "p"})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, c := range have.Containers {
			out[c.Name] = string(c.Status) + " " + c.ID
		}
		return out
	}
	before := ids()
	h := &history{t: t}
	err := runner.Run(ctx, e, planned(second), runner.Options{Health: e, Events: h.event})
	h.over = true
	after := ids()
	for name, id := range after {
		switch {
		case before[name] == id:
			after[name] = "old"
		case len(id) > 8 && id[:8] == "running ":
			after[name] = "new"
		default:
			after[name] = "down"
		}
	}
	return after, h, err
}

func TestRolloutThatFails(t *testing.T) {
	all := uint64(0)
	for name, test := range map[string]struct {
		update types.UpdateConfig
		back   *types.UpdateConfig
		fault  memory.Fault
		want   map[string]string
		end    runner.RolloutEnd
	}{
		"pause": {want: map[string]string{"p-web-1": "new", "p-web-2": "old", "p-web-3": "old"},
			end: runner.RolloutEnd{Replaced: 1, Failed: 1, Left: 1}},
		"those of the same batch come to their end": {update: types.UpdateConfig{Parallelism: &all},
			want: map[string]string{"p-web-1": "new", "p-web-2": "old", "p-web-3": "new"},
			end:  runner.RolloutEnd{Replaced: 2, Failed: 1}},
		"continue": {update: types.UpdateConfig{FailureAction: "continue"},
			want: map[string]string{"p-web-1": "new", "p-web-2": "old", "p-web-3": "new"},
			end:  runner.RolloutEnd{Replaced: 2, Failed: 1}},
		"as many as may": {update: types.UpdateConfig{FailureAction: "rollback", MaxFailureRatio: 0.34},
			want: map[string]string{"p-web-1": "new", "p-web-2": "old", "p-web-3": "new"},
			end:  runner.RolloutEnd{Replaced: 2, Failed: 1}},
		"rollback": {update: types.UpdateConfig{FailureAction: "rollback"},
			want: map[string]string{"p-web-1": "old", "p-web-2": "old", "p-web-3": "old"},
			end:  runner.RolloutEnd{Failed: 1, PutBack: 1, Left: 1}},
		"rollback, start-first": {update: types.UpdateConfig{FailureAction: "rollback", Order: "start-first"},
			want: map[string]string{"p-web-1": "old", "p-web-2": "old", "p-web-3": "old"},
			end:  runner.RolloutEnd{Failed: 1, PutBack: 1, Left: 1}},
		"the old one cannot be started again": {update: types.UpdateConfig{FailureAction: "rollback"},
			fault: memory.Fault{Action: "StartContainer", Name: "p-web-1", Do: memory.Refuse},
			want:  map[string]string{"p-web-1": "down", "p-web-1.next": "new", "p-web-2": "old", "p-web-3": "old"},
			end:   runner.RolloutEnd{Replaced: 1, Failed: 1, Left: 1, BackErr: errors.New("start p-web-1: the engine was told to fail")}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := engine()
				e.Behave("p-web-2.next", memory.Behaviour{Exits: true, ExitCode: 3})
				first, second := web("1", 3, test.update, test.back), web("2", 3, test.update, test.back)
				if test.fault.Do != "" {
					// Once it has been started for the first time.
					test.fault.Call = 2
					e.Fail(test.fault)
				}
				got, _, err := replaced(t.Context(), t, e, first, second)
				equal(t, "containers", test.want, got)
				var failure *runner.StepError
				if !errors.As(err, &failure) || failure.Rollout == nil {
					t.Fatalf("got %v", err)
				}
				end := *failure.Rollout
				if want := test.end.BackErr; (want == nil) != (end.BackErr == nil) || want != nil && want.Error() != end.BackErr.Error() {
					t.Errorf("going back: %v", end.BackErr)
				}
				equal(t, "end", []int{test.end.Replaced, test.end.Failed, test.end.PutBack, test.end.Left}, []int{end.Replaced, end.Failed, end.PutBack, end.Left})
			})
		})
	}
}

// A replica whose old container did not run goes back too: its new one goes, and there is nothing that has to prove itself.
func TestRollbackToOneThatDidNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine()
		e.Behave("p-web-2.next", memory.Behaviour{Exits: true, ExitCode: 3})
		update := types.UpdateConfig{FailureAction: "rollback", Order: "start-first"}
		run := func(p *project.Project) error {
			have, err := e.Observe(t.Context(), planner.ScopeOf(p))
			if err != nil {
				t.Fatal(err)
			}
			plan, err := planner.Build(p, have, planner.Policy{})
			if err != nil {
				t.Fatal(err)
			}
			return runner.Run(t.Context(), e, plan, runner.Options{Health: e})
		}
		if err := run(web("1", 2, update, nil)); err != nil {
			t.Fatal(err)
		}
		if err := e.Apply(t.Context(), planner.StopContainer{Name: "p-web-1"}, nil); err != nil {
			t.Fatal(err)
		}
		var failure *runner.StepError
		if err := run(web("2", 2, update, nil)); !errors.As(err, &failure) || failure.Rollout == nil {
			t.Fatalf("got %v", err)
		}
		end := *failure.Rollout
		equal(t, "end", []int{0, 1, 1, 0}, []int{end.Replaced, end.Failed, end.PutBack, end.Left})
	})
}

// New containers that crash a while after they were healthy are noticed although nobody asked for a monitor: the first before
// it has cost the old one, a later one while the old one is still kept. There is always an old one that works.
func TestReplicasThatCrashWhenHealthy(t *testing.T) {
	for _, order := range []string{"stop-first", "start-first"} {
		for after, want := range map[time.Duration]map[string]string{
			300 * time.Millisecond:  {"p-web-1": "old", "p-web-2": "old", "p-web-3": "old"},
			1500 * time.Millisecond: {"p-web-1": "old", "p-web-2": "new", "p-web-3": "old"},
		} {
			t.Run(order+" "+after.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := engine()
					for _, name := range []string{"p-web-1.next", "p-web-2.next", "p-web-3.next"} {
						e.Behave(name, memory.Behaviour{Exits: true, ExitAfter: memory.Span(after), ExitCode: 3})
					}
					update := types.UpdateConfig{Order: order}
					first, second := web("1", 3, update, nil), web("2", 3, update, nil)
					for _, p := range []*project.Project{first, second} {
						s := p.Services["web"]
						s.HealthCheck = &types.HealthCheckConfig{Test: types.HealthCheckTest{"CMD", "ok"}}
						p.Services["web"] = s
					}
					got, _, err := replaced(t.Context(), t, e, first, second)
					if err == nil {
						t.Error("it went well")
					}
					equal(t, "containers", want, got)
				})
			})
		}
	}
}

// Batches are delay apart, and going back keeps to a delay of its own.
func TestDelaysOfARollout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine()
		e.Behave("p-web-3.next", memory.Behaviour{StartError: "exec: not found"})
		update := types.UpdateConfig{Delay: types.Duration(time.Minute), Monitor: types.Duration(time.Second), FailureAction: "rollback"}
		back := &types.UpdateConfig{Delay: types.Duration(time.Hour), Monitor: types.Duration(time.Second)}
		from := time.Now()
		got, h, _ := replaced(t.Context(), t, e, web("1", 3, update, back), web("2", 3, update, back))
		equal(t, "containers", map[string]string{"p-web-1": "old", "p-web-2": "old", "p-web-3": "old"}, got)
		at := map[string]time.Duration{}
		for _, event := range h.events {
			if event.State == runner.Begun {
				at[string(event.Step.ID)] = event.At.Sub(from)
			}
		}
		second, minute := time.Second, time.Minute
		for id, want := range map[string]time.Duration{
			"create p-web-1.next": 0, "pause 1m after p-web-1": second, "create p-web-2.next": second + minute,
			"create p-web-3.next": 2*second + 2*minute, "start p-web-1": 2*second + 2*minute,
			"start p-web-2": 3*second + 2*minute + time.Hour,
		} {
			if at[id] != want {
				t.Errorf("%s after %v, want %v", id, at[id], want)
			}
		}
	})
}

// An interruption ends a pause at once, and leaves what was replaced for the next plan to judge.
func TestInterruptedPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine()
		update := types.UpdateConfig{Delay: types.Duration(time.Hour), FailureAction: "rollback"}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		from := time.Now()
		first, second := web("1", 2, update, nil), web("2", 2, update, nil)
		got, _, err := replaced(ctx, t, e, first, second)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(from) != time.Minute {
			t.Errorf("after %v: %v", time.Since(from), err)
		}
		equal(t, "containers", map[string]string{"p-web-1": "down", "p-web-1.next": "new", "p-web-2": "old"}, got)
		// The next one carries on; after that there is nothing to do.
		got, _, err = replaced(t.Context(), t, e, second, second)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "containers", map[string]string{"p-web-1": "old", "p-web-2": "old"}, got)
	})
}

// When all is to go back, nobody waits any longer for those that are not good yet.
func TestRollbackDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine()
		two := uint64(2)
		update := types.UpdateConfig{Parallelism: &two, Monitor: types.Duration(time.Hour), FailureAction: "rollback"}
		e.Behave("p-web-2.next", memory.Behaviour{Exits: true, ExitCode: 3, ExitAfter: memory.Span(time.Second)})
		from := time.Now()
		got, _, err := replaced(t.Context(), t, e, web("1", 2, update, nil), web("2", 2, update, nil))
		if err == nil || time.Since(from) > time.Minute {
			t.Errorf("after %v: %v", time.Since(from), err)
		}
		equal(t, "containers", map[string]string{"p-web-1": "old", "p-web-2": "old"}, got)
	})
}

// Three groups of which each has to wait for the next before it may go back: the one that began a step last goes first.
func TestUndoOfACircleOfGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := withOld(t, "a", "c")
		h, err := run(t.Context(), t, e, runner.Options{},
			in("b", step("create b", create("b")), remove("b")),
			in("c", step("stop c", stop("c"), "create b"), start("c")),
			in("a", step("create a.next", create("a.next"), "stop c"), remove("a.next")),
			in("a", step("start a.next", start("a.next"), "create a.next", "stop c")),
			in("a", step("fail", planner.RenameContainer{Name: "nobody", To: "x"}, "start a.next")),
			in("b", step("start b", start("b"), "fail")),
			in("c", step("start c.next", start("c"), "start b")),
		)
		if err == nil {
			t.Error("no error")
		}
		equal(t, "containers", map[string]planner.Status{"a": planner.Running, "c": planner.Running}, statuses(t, e))
		equal(t, "undone", []string{"done undo of create a.next: RemoveContainer a.next", "done undo of stop c: StartContainer c",
			"done undo of create b: RemoveContainer b"}, undone(h))
	})
}

func undone(h *history) []string {
	var out []string
	for i, e := range h.events {
		if e.Undo && e.State == runner.Done {
			out = append(out, h.lines[i])
		}
	}
	return out
}
