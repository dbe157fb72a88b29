package runner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/memory"
)

// step makes a step of a plan by hand.
func step(id string, a planner.Action, needs ...planner.StepID) planner.Step {
	return planner.Step{ID: planner.StepID(id), Action: a, Needs: needs}
}

// in puts a step into a group, with what takes it back.
func in(group string, s planner.Step, undo ...planner.Action) planner.Step {
	s.Group, s.Undo = group, undo
	return s
}

func create(name string) planner.CreateContainer {
	return planner.CreateContainer{Name: name, Image: "app", Labels: map[string]string{planner.LabelProject: "p", planner.LabelService: name}}
}

func start(name string) planner.StartContainer { return planner.StartContainer{Name: name} }
func stop(name string) planner.StopContainer   { return planner.StopContainer{Name: name} }
func remove(name string) planner.RemoveContainer {
	return planner.RemoveContainer{Name: name}
}

func engine() *memory.Engine {
	e := memory.New()
	e.AddImage("app", memory.Image{})
	return e
}

// history collects a run's events as lines.
type history struct {
	lines  []string
	events []runner.Event
	over   bool
	t      *testing.T
}

func (h *history) event(e runner.Event) {
	if h.over {
		h.t.Errorf("event after Run: %v %v", e.Step.ID, e.State)
	}
	h.events = append(h.events, e)
	if e.State == runner.Working {
		return
	}
	line := fmt.Sprintf("%s %s", e.State, e.Step.ID)
	if e.Undo {
		line = fmt.Sprintf("%s undo of %s: %T %s", e.State, e.Step.ID, e.Action, e.Action.Resource().Name)
		line = strings.Replace(line, "planner.", "", 1)
	}
	h.lines = append(h.lines, line)
}

// ends are the states in which steps ended.
func (h *history) ends() map[string]runner.StepState {
	out := map[string]runner.StepState{}
	for _, e := range h.events {
		if !e.Undo && e.State != runner.Begun && e.State != runner.Working {
			if _, twice := out[string(e.Step.ID)]; twice {
				h.t.Errorf("%s ended twice", e.Step.ID)
			}
			out[string(e.Step.ID)] = e.State
		}
	}
	return out
}

func run(ctx context.Context, t *testing.T, e *memory.Engine, o runner.Options, steps ...planner.Step) (*history, error) {
	h := &history{t: t}
	o.Events = h.event
	o.Health = e
	err := runner.Run(ctx, e, planner.Plan{Project: "p", Steps: steps}, o)
	h.over = true
	return h, err
}

// statuses tells how the engine's containers are.
func statuses(t *testing.T, e *memory.Engine) map[string]planner.Status {
	s, err := e.Observe(t.Context(), planner.Scope{Project: "p"})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]planner.Status{}
	for _, c := range s.Containers {
		out[c.Name] = c.Status
	}
	return out
}

func equal(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestRunInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine()
		h, err := run(t.Context(), t, e, runner.Options{},
			step("net", planner.CreateNetwork{Name: "n"}),
			step("create a", create("a"), "net"),
			step("start a", start("a"), "create a"),
			step("await a", planner.Await{Name: "a", Condition: planner.IsReady}, "start a"),
			step("create b", create("b"), "net", "await a"),
		)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "events", []string{"begun net", "done net", "begun create a", "done create a", "begun start a", "done start a",
			"begun await a", "done await a", "begun create b", "done create b"}, h.lines)
	})
}

func TestEmptyPlan(t *testing.T) {
	if err := runner.Run(t.Context(), engine(), planner.Plan{}, runner.Options{}); err != nil {
		t.Error(err)
	}
}

func TestBadPlans(t *testing.T) {
	for name, test := range map[string]struct {
		steps []planner.Step
		want  string
	}{
		"unknown need": {[]planner.Step{step("a", create("a"), "b")}, `step "a" needs "b", which the plan does not have`},
		"twice":        {[]planner.Step{step("a", create("a")), step("a", create("b"))}, `plan has two steps "a"`},
		"no action":    {[]planner.Step{step("a", nil)}, `step "a" of the plan has no action`},
		"itself":       {[]planner.Step{step("a", create("a"), "a")}, `step "a" of the plan needs itself, through others`},
		"cycle": {[]planner.Step{step("x", create("x")), step("a", create("a"), "b"), step("b", create("b"), "a", "x")},
			`step "a" of the plan needs itself, through others`},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine()
			_, err := run(t.Context(), t, e, runner.Options{}, test.steps...)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v", err)
			}
			if len(e.Calls()) > 0 {
				t.Error("something was done")
			}
		})
	}
	err := runner.Run(t.Context(), engine(), planner.Plan{Steps: []planner.Step{step("a", planner.Await{Name: "a"})}}, runner.Options{})
	if err == nil {
		t.Error("a wait without anybody to ask was taken")
	}
}

func TestFailureSkipsExactlyDependents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine()
		e.Fail(memory.Fault{Action: "CreateContainer", Name: "b", Do: memory.Refuse, Error: "disk is full"})
		h, err := run(t.Context(), t, e, runner.Options{},
			step("a", create("a")), step("b", create("b")), step("c", create("c")),
			step("a2", start("a"), "a"), step("b2", start("b"), "b"), step("b3", create("b3"), "b2", "a2"), step("c2", start("c"), "c"))
		equal(t, "ends", map[string]runner.StepState{"a": runner.Done, "b": runner.Failed, "c": runner.Done,
			"a2": runner.Done, "b2": runner.Skipped, "b3": runner.Skipped, "c2": runner.Done}, h.ends())
		var errs runner.Errors
		if !errors.As(err, &errs) || len(errs) != 1 || err.Error() != "b: disk is full" {
			t.Fatalf("got %v", err)
		}
		for _, ev := range h.events {
			if ev.State == runner.Skipped && (ev.Err == nil || ev.Err.Error() != "b: disk is full") {
				t.Errorf("%s was skipped because of %v", ev.Step.ID, ev.Err)
			}
		}
	})
}

func TestErrorsComeInThePlansOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine()
		e.SetLatency("CreateContainer", time.Second)
		e.Fail(memory.Fault{Do: memory.Refuse})
		_, err := run(t.Context(), t, e, runner.Options{}, step("slow", create("a")), step("quick", planner.CreateNetwork{Name: "n"}))
		if want := "slow: the engine was told to fail\nquick: the engine was told to fail"; err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
	})
}

// replacement is the stop-first replacement of old by old.next.
func replacement(old, needs string) []planner.Step {
	next, group := old+".next", "replace "+old
	var first []planner.StepID
	if needs != "" {
		first = append(first, planner.StepID(needs))
	}
	id := func(verb string) planner.StepID { return planner.StepID(verb + " " + old) }
	return []planner.Step{
		in(group, step(string(id("create")), create(next)), remove(next)),
		in(group, step(string(id("stop")), stop(old), append(first, id("create"))...), start(old)),
		in(group, step(string(id("start")), start(next), id("stop")), stop(next)),
		in(group, step(string(id("await")), planner.Await{Name: next, Condition: planner.IsStable, Monitor: time.Second}, id("start"))),
		in(group, step(string(id("remove")), remove(old), id("await"))),
		in(group, step(string(id("rename")), planner.RenameContainer{Name: next, To: old}, id("remove"))),
	}
}

// withOld is an engine on which old runs.
func withOld(t *testing.T, names ...string) *memory.Engine {
	e := engine()
	for _, name := range names {
		if err := errors.Join(e.Apply(t.Context(), create(name), nil), e.Apply(t.Context(), start(name), nil)); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func TestReplacementIsTakenBack(t *testing.T) {
	up := map[string]planner.Status{"web": planner.Running}
	for name, test := range map[string]struct {
		fault memory.Fault
		crash bool
		want  map[string]planner.Status
		err   string
	}{
		"all is well":       {want: up},
		"cannot be created": {fault: memory.Fault{Action: "CreateContainer", Name: "web.next", Do: memory.Refuse}, want: up, err: "create web: the engine was told to fail"},
		"created, but it is not known": {fault: memory.Fault{Action: "CreateContainer", Name: "web.next", Do: memory.Forget}, want: up,
			err: "create web: the engine was told to fail"},
		"old one cannot be stopped": {fault: memory.Fault{Action: "StopContainer", Name: "web", Do: memory.Refuse}, want: up, err: "stop web: the engine was told to fail"},
		"stopped, but it is not known": {fault: memory.Fault{Action: "StopContainer", Name: "web", Do: memory.Forget}, want: up,
			err: "stop web: the engine was told to fail"},
		"cannot be started": {fault: memory.Fault{Action: "StartContainer", Name: "web.next", Do: memory.Refuse}, want: up, err: "start web: the engine was told to fail"},
		"engine panics":     {fault: memory.Fault{Action: "StartContainer", Name: "web.next", Do: memory.Panic}, want: up, err: "start web: engine panicked: the engine was told to fail"},
		"crashes":           {crash: true, want: up, err: "await web: web.next exited with code 2"},
		"old one cannot be removed": {fault: memory.Fault{Action: "RemoveContainer", Name: "web", Do: memory.Refuse},
			want: map[string]planner.Status{"web": planner.Exited, "web.next": planner.Running}, err: "remove web: the engine was told to fail"},
		"new one cannot be renamed": {fault: memory.Fault{Action: "RenameContainer", Do: memory.Refuse},
			want: map[string]planner.Status{"web.next": planner.Running}, err: "rename web: the engine was told to fail"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := withOld(t, "web")
				if test.fault.Do != "" {
					e.Fail(test.fault)
				}
				if test.crash {
					e.Behave("web.next", memory.Behaviour{Exits: true, ExitCode: 2, ExitAfter: memory.Span(time.Millisecond), Output: []string{"FATAL"}})
				}
				_, err := run(t.Context(), t, e, runner.Options{}, replacement("web", "")...)
				equal(t, "containers", test.want, statuses(t, e))
				got := ""
				if err != nil {
					got = err.Error()
				}
				if got != test.err {
					t.Errorf("got error %q, want %q", got, test.err)
				}
			})
		})
	}
}

func TestUndoIsToldLatestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := withOld(t, "web")
		e.Behave("web.next", memory.Behaviour{Exits: true, ExitCode: 2, Output: []string{"FATAL"}})
		steps := append(replacement("web", ""), step("after", create("x"), "rename web"))
		h, err := run(t.Context(), t, e, runner.Options{}, steps...)
		equal(t, "events", []string{
			"begun create web", "done create web", "begun stop web", "done stop web", "begun start web", "done start web", "begun await web",
			"failed await web", "skipped rename web", "skipped after", "skipped remove web",
			"begun undo of start web: StopContainer web.next", "done undo of start web: StopContainer web.next",
			"begun undo of stop web: StartContainer web", "done undo of stop web: StartContainer web",
			"begun undo of create web: RemoveContainer web.next", "done undo of create web: RemoveContainer web.next",
		}, h.lines)
		var failure *runner.StepError
		if !errors.As(err, &failure) {
			t.Fatal(err)
		}
		equal(t, "undone", []planner.Action{stop("web.next"), start("web"), remove("web.next")}, failure.Undone)
		var why *healthcheck.Failure
		if !errors.As(err, &why) {
			t.Fatal(err)
		}
		equal(t, "why", &healthcheck.Failure{Name: "web.next", Reason: "exited with code 2", Ended: true, ExitCode: 2, Log: []string{"FATAL"}}, why)
	})
}

func TestUndoThatFailsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := withOld(t, "web")
		e.Behave("web.next", memory.Behaviour{StartError: "exec: no such file"})
		e.Fail(memory.Fault{Action: "StopContainer", Name: "web.next", Do: memory.Refuse, Error: "cannot stop"})
		_, err := run(t.Context(), t, e, runner.Options{}, replacement("web", "")...)
		equal(t, "containers", map[string]planner.Status{"web": planner.Running}, statuses(t, e))
		var failure *runner.StepError
		if !errors.As(err, &failure) || failure.UndoErr == nil || failure.UndoErr.Error() != "take back start web: cannot stop" {
			t.Fatalf("got %+v", failure)
		}
		equal(t, "undone", []planner.Action{start("web"), remove("web.next")}, failure.Undone)
	})
}

// The hook before the stop of a successor is run, but it does not keep the old container from coming back.
func TestPartingHookOfAnUndo(t *testing.T) {
	for name, test := range map[string]struct {
		does  memory.Behaviour
		fault memory.Fate
		took  time.Duration
		told  string
	}{
		"works":                  {does: memory.Behaviour{NeverReady: true}, told: "done"},
		"fails":                  {does: memory.Behaviour{NeverReady: true, HookCode: 3}, told: "failed"},
		"hangs":                  {does: memory.Behaviour{NeverReady: true}, fault: memory.Stall, told: "failed", took: 5 * time.Second},
		"is not needed any more": {does: memory.Behaviour{Exits: true, ExitCode: 2}, told: "done"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := withOld(t, "web")
				e.Behave("web.next", test.does)
				if test.fault != "" {
					e.Fail(memory.Fault{Action: "RunHook", Name: "web.next", Do: test.fault})
				}
				steps := replacement("web", "")
				for i := range steps {
					if steps[i].ID == "start web" {
						hook := planner.RunHook{Name: "web.next", Service: "web", When: "pre_stop", Hook: types.ServiceHook{Command: []string{"leave"}}}
						steps[i].Undo = append([]planner.Action{hook}, steps[i].Undo...)
					}
					if a, ok := steps[i].Action.(planner.Await); ok {
						a.Timeout = time.Second
						steps[i].Action = a
					}
				}
				h, err := run(t.Context(), t, e, runner.Options{UndoTimeout: 10 * time.Second}, steps...)
				equal(t, "containers", map[string]planner.Status{"web": planner.Running}, statuses(t, e))
				if want := test.told + " undo of start web: RunHook web.next"; !slices.Contains(h.lines, want) {
					t.Errorf("%q is not among %q", want, h.lines)
				}
				var failure *runner.StepError
				if !errors.As(err, &failure) || failure.UndoErr != nil {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// What a group needs from outside fails when the group is half way.
func TestGroupBrokenFromOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := withOld(t, "web")
		e.SetLatency("PullImage", time.Second)
		steps := append([]planner.Step{step("pull", planner.PullImage{Ref: "nowhere"})}, replacement("web", "pull")...)
		h, err := run(t.Context(), t, e, runner.Options{}, steps...)
		equal(t, "containers", map[string]planner.Status{"web": planner.Running}, statuses(t, e))
		equal(t, "ends", map[string]runner.StepState{"pull": runner.Failed, "create web": runner.Done, "stop web": runner.Skipped,
			"start web": runner.Skipped, "await web": runner.Skipped, "remove web": runner.Skipped, "rename web": runner.Skipped}, h.ends())
		var failure *runner.StepError
		if !errors.As(err, &failure) || failure.Step.ID != "pull" {
			t.Fatal(err)
		}
		equal(t, "undone", []planner.Action{remove("web.next")}, failure.Undone)
	})
}

func TestCancelTakesBackTheUnfinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := withOld(t, "web", "api")
		e.Behave("web.next", memory.Behaviour{ReadyAfter: memory.Span(time.Hour)})
		e.SetLatency("CreateNetwork", 2*time.Second)
		why := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(500*time.Millisecond, func() { cancel(why) })
		steps := append(replacement("web", ""), step("net", planner.CreateNetwork{Name: "n"}), step("later", create("x"), "net"))
		h, err := run(ctx, t, e, runner.Options{}, steps...)
		if !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
		equal(t, "containers", map[string]planner.Status{"web": planner.Running, "api": planner.Running}, statuses(t, e))
		equal(t, "ends", map[string]runner.StepState{"create web": runner.Done, "stop web": runner.Done, "start web": runner.Done,
			"await web": runner.Cancelled, "remove web": runner.Cancelled, "rename web": runner.Cancelled,
			"net": runner.Cancelled, "later": runner.Cancelled}, h.ends())
		if took := time.Since(h.events[0].At); took != 500*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestUndoAfterCancelIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := withOld(t, "web")
		e.Fail(memory.Fault{Action: "StartContainer", Do: memory.Stall})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begun := time.Now()
		_, err := run(ctx, t, e, runner.Options{UndoTimeout: 10 * time.Second}, replacement("web", "")...)
		if took := time.Since(begun); took != 11*time.Second {
			t.Errorf("took %v", took)
		}
		var failure *runner.StepError
		if !errors.Is(err, context.Canceled) || !errors.As(err, &failure) || failure.UndoErr == nil {
			t.Errorf("got %v", err)
		}
	})
}

// A step that was cut off is no failure, also where its end is heard of before the cancellation is: which comes first is left to chance.
func TestCancelIsHeardLate(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			e := engine()
			e.SetLatency("CreateNetwork", time.Hour)
			why := errors.New("interrupted")
			ctx, cancel := context.WithCancelCause(t.Context())
			ends := map[planner.StepID]runner.StepState{}
			plan := planner.Plan{Steps: []planner.Step{step("net", planner.CreateNetwork{Name: "n"}), step("a", create("a"))}}
			err := runner.Run(ctx, e, plan, runner.Options{Health: e, Events: func(ev runner.Event) {
				ends[ev.Step.ID] = ev.State
				if ev.Step.ID == "a" && ev.State == runner.Done {
					cancel(why)
					synctest.Wait() // until the other one has its end to tell
				}
			}})
			if !errors.Is(err, why) || errors.As(err, new(*runner.StepError)) {
				t.Errorf("got %v", err)
			}
			equal(t, "ends", map[planner.StepID]runner.StepState{"a": runner.Done, "net": runner.Cancelled}, ends)
		})
	}
}

func TestCancelledBeforehand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := engine()
	h, err := run(ctx, t, e, runner.Options{}, step("a", create("a")), step("b", start("a"), "a"))
	if !errors.Is(err, context.Canceled) || len(e.Calls()) > 0 {
		t.Errorf("got %v, %d calls", err, len(e.Calls()))
	}
	equal(t, "events", []string{"cancelled a", "cancelled b"}, h.lines)
}

// most counts actions in flight.
type most struct {
	*memory.Engine
	mu        sync.Mutex
	now, peak int
}

func (m *most) Apply(ctx context.Context, a planner.Action, report func(runner.Progress)) error {
	m.mu.Lock()
	m.now++
	m.peak = max(m.peak, m.now)
	m.mu.Unlock()
	defer func() { m.mu.Lock(); m.now--; m.mu.Unlock() }()
	return m.Engine.Apply(ctx, a, report)
}

func TestParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &most{Engine: engine()}
		m.SetLatency("CreateContainer", time.Second)
		var steps []planner.Step
		for i := range 20 {
			steps = append(steps, step(fmt.Sprint("c", i), create(fmt.Sprint("c", i))))
		}
		begun := time.Now()
		if err := runner.Run(t.Context(), m, planner.Plan{Steps: steps}, runner.Options{Parallel: 5}); err != nil {
			t.Fatal(err)
		}
		if m.peak != 5 || time.Since(begun) != 4*time.Second {
			t.Errorf("%d at once, in %v", m.peak, time.Since(begun))
		}
	})
}

// Stops mostly sleep: fifty of ten seconds take ten seconds and not minutes.
func TestStopsDoNotQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine()
		e.Behave("app", memory.Behaviour{StopTakes: memory.Span(time.Minute)})
		var steps []planner.Step
		for i := range 50 {
			name := fmt.Sprint("c", i)
			if err := errors.Join(e.Apply(t.Context(), create(name), nil), e.Apply(t.Context(), start(name), nil)); err != nil {
				t.Fatal(err)
			}
			steps = append(steps, step(name, stop(name)))
		}
		begun := time.Now()
		if _, err := run(t.Context(), t, e, runner.Options{}, steps...); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestLongestChainGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine()
		h, err := run(t.Context(), t, e, runner.Options{Parallel: 1},
			step("alone", create("x")), step("also alone", create("y")),
			step("head", create("a")), step("middle", start("a"), "head"), step("tail", create("b"), "middle"))
		if err != nil {
			t.Fatal(err)
		}
		var begun []string
		for _, line := range h.lines {
			if id, ok := strings.CutPrefix(line, "begun "); ok {
				begun = append(begun, id)
			}
		}
		equal(t, "order", []string{"head", "middle", "alone", "also alone", "tail"}, begun)
	})
}

type hinted struct{ error }

func (hinted) Hint() string { return "log in" }

type refusing struct{ *memory.Engine }

func (refusing) Apply(_ context.Context, _ planner.Action, report func(runner.Progress)) error {
	go report(runner.Progress{Text: "from elsewhere"}) // at any time, even too late
	return fmt.Errorf("pull: %w", hinted{errors.New("denied")})
}

func TestHint(t *testing.T) {
	err := runner.Run(t.Context(), refusing{}, planner.Plan{Steps: []planner.Step{step("a", create("a"))}}, runner.Options{})
	var failure *runner.StepError
	if !errors.As(err, &failure) || failure.Hint != "log in" {
		t.Errorf("got %+v", failure)
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := engine()
		e.Publish("db", memory.Image{})
		e.AddImage("app", memory.Image{Check: &memory.Check{Test: []string{"CMD", "x"}}})
		e.Behave("a", memory.Behaviour{ReadyAfter: memory.Span(30 * time.Millisecond), Probe: "refused"})
		h, err := run(t.Context(), t, e, runner.Options{}, step("pull", planner.PullImage{Ref: "db"}), step("create", create("a"), "pull"),
			step("start", start("a"), "create"), step("await", planner.Await{Name: "a", Condition: planner.IsHealthy}, "start"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, ev := range h.events {
			if ev.State == runner.Working {
				got = append(got, fmt.Sprintf("%s: %s %d", ev.Step.ID, ev.Progress.Text, ev.Progress.Current))
			}
		}
		equal(t, "progress", []string{"pull: Pull complete 1", "await: refused 1", "await: refused 2"}, got)
	})
}

// What was built on another replacement's steps is taken back before it: here
// a port that the one gives up and the other takes.
func TestUndoOfGroupsThatDependOnEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		port := func(a planner.CreateContainer) planner.CreateContainer {
			a.Spec.Ports = []types.ServicePortConfig{{Target: 80, Published: "8080"}}
			return a
		}
		e := engine()
		for _, a := range []planner.Action{port(create("giver")), start("giver"), create("taker"), start("taker")} {
			if err := e.Apply(t.Context(), a, nil); err != nil {
				t.Fatal(err)
			}
		}
		e.Behave("taker.next", memory.Behaviour{Exits: true, ExitAfter: memory.Span(500 * time.Millisecond), ExitCode: 1})
		e.SetLatency("StopContainer", time.Second)
		e.SetLatency("RemoveContainer", time.Second)
		_, err := run(t.Context(), t, e, runner.Options{},
			in("giver", step("stop giver", stop("giver")), start("giver")),
			in("taker", step("create taker.next", port(create("taker.next"))), remove("taker.next")),
			in("taker", step("start taker.next", start("taker.next"), "create taker.next", "stop giver"), stop("taker.next")),
			in("taker", step("await taker.next", planner.Await{Name: "taker.next", Condition: planner.IsStable, Monitor: time.Second}, "start taker.next")),
			in("giver", step("create giver.next", create("giver.next"), "await taker.next"), remove("giver.next")),
		)
		equal(t, "containers", map[string]planner.Status{"giver": planner.Running, "taker": planner.Running}, statuses(t, e))
		var failure *runner.StepError
		if !errors.As(err, &failure) || failure.UndoErr != nil {
			t.Fatalf("got %+v", failure)
		}
		equal(t, "undone", []planner.Action{stop("taker.next"), remove("taker.next"), start("giver")}, failure.Undone)
	})
}
