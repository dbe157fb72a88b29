package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fake is an engine whose containers are scripts of this package's tests.
type fake struct {
	mu      sync.Mutex
	start   time.Time
	streams []chan Event
	status  map[string]Status
	readyAt map[string]time.Duration // after start; a probe succeeds from then on
	takes   time.Duration            // of one probe
	lookErr error
	watches, looks,
	probes int
	flight, most int // probes at once in one container
	probeErr     error
	probedAt     []time.Duration
	lastProbe    time.Duration
	asked        []string         // by probes
	cannot       map[string]error // of probes, by what they ask
	lines        chan string      // of output, of any container
	linesErr     error
	tail         string // the last line of any container; empty for one that has its name
	tailErr      error
	follows      int
	since        time.Time // of the latest follow
}

func newFake() *fake {
	return &fake{start: time.Now(), status: map[string]Status{}, readyAt: map[string]time.Duration{}}
}

func (f *fake) Watch(ctx context.Context) (<-chan Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watches++
	c := make(chan Event, 100)
	f.streams = append(f.streams, c)
	return c, nil
}

func (f *fake) Look(_ context.Context, name string) (Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	if f.lookErr != nil {
		return Status{}, f.lookErr
	}
	s, ok := f.status[name]
	if !ok {
		return Status{}, fmt.Errorf("look: %w", ErrNoContainer)
	}
	return s, nil
}

func (f *fake) Probe(ctx context.Context, name string, asked Check) (ProbeResult, error) {
	f.mu.Lock()
	f.probes++
	f.flight++
	f.most = max(f.most, f.flight)
	f.probedAt = append(f.probedAt, time.Since(f.start))
	f.asked = append(f.asked, asked.String())
	takes := f.takes
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.flight--; f.mu.Unlock() }()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return ProbeResult{}, context.Cause(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.probeErr != nil {
		return ProbeResult{}, f.probeErr
	}
	f.lastProbe = time.Since(f.start)
	if err := f.cannot[asked.String()]; err != nil {
		return ProbeResult{}, err
	}
	at, ok := f.readyAt[asked.String()]
	if !ok {
		at, ok = f.readyAt[name]
	}
	if ok && time.Since(f.start) >= at {
		return ProbeResult{Output: "ok"}, nil
	}
	return ProbeResult{ExitCode: 1, Output: "connection refused"}, nil
}

func (f *fake) Lines(ctx context.Context, name string, o Excerpt, each func(string) error) error {
	f.mu.Lock()
	if !o.Follow {
		defer f.mu.Unlock()
		switch {
		case f.tailErr != nil:
			return f.tailErr
		case f.tail != "":
			return each(f.tail)
		}
		return each("last words of " + name)
	}
	f.follows++
	f.since = o.Since
	lines, err := f.lines, f.linesErr
	f.mu.Unlock()
	if err != nil {
		return err
	}
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return nil
			}
			if err := each(line); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// set changes a container, without or with an event.
func (f *fake) set(name string, s Status, events ...Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status[name] = s
	for _, e := range events {
		e.Name = name
		f.streams[len(f.streams)-1] <- e
	}
}

func (f *fake) at(d time.Duration, do func()) {
	time.AfterFunc(d-time.Since(f.start), do)
}

func checked(health string) Status {
	return Status{Running: true, Health: health, Test: []string{"CMD", "check"}, StartedAt: time.Unix(1, 0)}
}

// waiter starts a Waiter that ends with the test.
func waiter(t *testing.T, f *fake, o Options) *Waiter {
	w := New(f, o)
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func TestWait(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	running := Status{Running: true, StartedAt: time.Unix(1, 0)}
	exited := func(code int) Status { return Status{Exited: true, ExitCode: code} }
	tests := []struct {
		name       string
		before     Status // zero: created and not started
		absent     bool
		script     func(f *fake)
		engineOnly bool
		target     Target
		takes      time.Duration // wanted
		want       string        // error; empty for success
	}{
		{name: "running already", before: running, target: Target{Condition: Running}},
		{name: "no check is ready when it runs", before: running, target: Target{Condition: Ready}},
		{name: "started later", target: Target{Condition: Running}, takes: 3 * s, script: func(f *fake) {
			f.at(3*s, func() { f.set("c", running, Event{What: "start"}) })
		}},
		{name: "healthy already", before: checked("healthy"), target: Target{Condition: Healthy}},
		{name: "engine's verdict healthy", before: checked("starting"), engineOnly: true, target: Target{Condition: Healthy}, takes: 7 * s,
			script: func(f *fake) {
				f.at(7*s, func() { f.set("c", checked("healthy"), Event{What: "health", Health: "healthy"}) })
			}},
		{name: "engine's verdict unhealthy", before: checked("starting"), target: Target{Condition: Ready}, takes: 5 * s,
			want: "c unhealthy", script: func(f *fake) {
				f.at(5*s, func() { f.set("c", checked("unhealthy"), Event{What: "health", Health: "unhealthy"}) })
			}},
		{name: "an old verdict is checked again", before: checked("unhealthy"), target: Target{Condition: Healthy},
			script: func(f *fake) { f.readyAt["c"] = 0 }},
		{name: "an old verdict that is still true", before: checked("unhealthy"), target: Target{Condition: Healthy}, want: "c unhealthy"},
		{name: "an old verdict and no probes", before: checked("unhealthy"), engineOnly: true, target: Target{Condition: Healthy}, want: "c unhealthy"},
		{name: "unhealthy of a run that is over does not count", before: checked("starting"), engineOnly: true, target: Target{Condition: Healthy},
			takes: 6 * s, script: func(f *fake) {
				// By the time of the look the container has been started again.
				f.at(2*s, func() { f.set("c", checked("starting"), Event{What: "health", Health: "unhealthy"}) })
				f.at(6*s, func() { f.set("c", checked("healthy"), Event{What: "health", Health: "healthy"}) })
			}},
		{name: "a check that flaps: sick and well again before the look", before: checked("starting"), engineOnly: true, target: Target{Condition: Healthy},
			takes: 2 * s, script: func(f *fake) {
				f.at(2*s, func() {
					f.set("c", checked("healthy"), Event{What: "health", Health: "unhealthy"}, Event{What: "health", Health: "healthy"})
				})
			}},
		{name: "a check that flaps: sick by the time of the look", before: checked("starting"), target: Target{Condition: Healthy},
			takes: 2 * s, want: "c unhealthy", script: func(f *fake) {
				f.at(2*s, func() { f.set("c", checked("unhealthy"), Event{What: "health", Health: "unhealthy"}) })
				f.at(3*s, func() { f.set("c", checked("healthy"), Event{What: "health", Health: "healthy"}) })
			}},
		{name: "not steady: a check that flaps", before: checked("healthy"), target: Target{Condition: Steady, Monitor: 5 * s}, takes: 3 * s,
			want: "c unhealthy", script: func(f *fake) {
				f.at(3*s, func() {
					f.set("c", checked("healthy"), Event{What: "health", Health: "unhealthy"}, Event{What: "health", Health: "healthy"})
				})
			}},
		{name: "healthy without a check", before: running, target: Target{Condition: Healthy}, want: "c has no health check"},
		{name: "healthy with check NONE", before: Status{Running: true, Test: []string{"NONE"}}, target: Target{Condition: Healthy}, want: "c has no health check"},
		{name: "exit while waiting for health", before: checked("starting"), target: Target{Condition: Healthy}, takes: 2 * s,
			want: "c exited with code 3", script: func(f *fake) {
				f.at(2*s, func() { f.set("c", exited(3), Event{What: "die", ExitCode: 3}) })
			}},
		{name: "exit before the wait", before: exited(1), target: Target{Condition: Running}, want: "c exited with code 1"},
		{name: "out of memory", before: Status{Exited: true, ExitCode: 137, OOMKilled: true}, target: Target{Condition: Ready},
			want: "c exited with code 137, out of memory"},
		{name: "timeout of health", before: checked("starting"), target: Target{Condition: Ready, Timeout: 30 * s}, takes: 30 * s,
			want: "c not healthy within 30s"},
		{name: "timeout of completion", before: running, target: Target{Condition: Completed, Timeout: time.Minute}, takes: time.Minute,
			want: "c not completed within 1m"},
		{name: "completed", before: running, target: Target{Condition: Completed}, takes: 4 * s, script: func(f *fake) {
			f.at(4*s, func() { f.set("c", exited(0), Event{What: "die"}) })
		}},
		{name: "completed already", before: exited(0), target: Target{Condition: Completed}},
		{name: "job failed", before: running, target: Target{Condition: Completed}, takes: 4 * s, want: "c exited with code 2",
			script: func(f *fake) { f.at(4*s, func() { f.set("c", exited(2), Event{What: "die", ExitCode: 2}) }) }},
		{name: "job fails and is tried again", before: running, target: Target{Condition: Completed}, takes: 5 * s,
			script: func(f *fake) {
				f.at(2*s, func() {
					f.set("c", Status{Restarting: true, Restarts: true, ExitCode: 2}, Event{What: "die", ExitCode: 2})
				})
				f.at(3*s, func() { f.set("c", Status{Running: true, StartedAt: time.Unix(2, 0)}, Event{What: "start"}) })
				f.at(5*s, func() { f.set("c", exited(0), Event{What: "die"}) })
			}},
		{name: "job is restarted although it did well", before: running, target: Target{Condition: Completed}, takes: 2 * s,
			script: func(f *fake) {
				f.at(2*s, func() {
					f.set("c", Status{Running: true, Restarts: true, StartedAt: time.Unix(2, 0)}, Event{What: "die"}, Event{What: "start"})
				})
			}},
		{name: "restart loop", before: checked("starting"), target: Target{Condition: Healthy}, takes: 8 * s,
			want: "c exited with code 1, for the 8th time; the engine keeps restarting it", script: func(f *fake) {
				for i := 1; i <= 20; i++ {
					f.at(time.Duration(i)*s-100*ms, func() {
						up := checked("starting")
						up.StartedAt, up.Restarts = time.Unix(int64(i), 0), true
						f.set("c", up, Event{What: "start"})
					})
					f.at(time.Duration(i)*s, func() {
						f.set("c", Status{Running: true, Restarting: true, Restarts: true, ExitCode: 1}, Event{What: "die", ExitCode: 1})
					})
				}
			}},
		{name: "slow restart loop", before: checked("starting"), target: Target{Condition: Completed}, takes: 20 * s,
			want: "c exited with code 1, for the 4th time; the engine keeps restarting it", script: func(f *fake) {
				for i := 1; i <= 20; i++ {
					f.at(time.Duration(i)*5*s-time.Second, func() {
						f.set("c", Status{Running: true, StartedAt: time.Unix(int64(i), 0), Restarts: true}, Event{What: "start"})
					})
					f.at(time.Duration(i)*5*s, func() {
						f.set("c", Status{Restarting: true, Restarts: true, ExitCode: 1}, Event{What: "die", ExitCode: 1})
					})
				}
			}},
		{name: "died and is up again when looked at", before: running, target: Target{Condition: Stable, Monitor: 10 * s}, takes: 5 * s,
			want: "c exited with code 7 and was started again by the engine", script: func(f *fake) {
				f.at(5*s, func() {
					f.set("c", Status{Running: true, Restarts: true, StartedAt: time.Unix(9, 0)}, Event{What: "die", ExitCode: 7})
				})
			}},
		{name: "comes up at the third start", before: checked("starting"), target: Target{Condition: Healthy}, takes: 3 * s,
			script: func(f *fake) {
				f.readyAt["c"] = 3 * s
				for i := 1; i <= 2; i++ {
					f.at(time.Duration(i)*s, func() {
						f.set("c", Status{Restarting: true, Restarts: true, ExitCode: 1}, Event{What: "die", ExitCode: 1})
					})
					f.at(time.Duration(i)*s+500*ms, func() {
						up := checked("starting")
						up.StartedAt = time.Unix(int64(i)+10, 0)
						f.set("c", up, Event{What: "start"})
					})
				}
			}},
		{name: "stable without a check", before: running, target: Target{Condition: Stable, Monitor: 5 * s}, takes: 5 * s},
		{name: "stable with a check does not wait for the window", before: checked("starting"), target: Target{Condition: Stable, Monitor: 5 * s},
			script: func(f *fake) { f.readyAt["c"] = 0 }},
		{name: "steady without a check", before: running, target: Target{Condition: Steady, Monitor: 5 * s}, takes: 5 * s},
		{name: "steady although the engine has not checked yet", before: checked("starting"), target: Target{Condition: Steady, Monitor: 5 * s}, takes: 5 * s},
		{name: "not steady: it dies once", before: running, target: Target{Condition: Steady, Monitor: 5 * s}, takes: 2 * s,
			want: "c exited with code 1", script: func(f *fake) {
				f.at(2*s, func() {
					f.set("c", Status{Restarting: true, Restarts: true, ExitCode: 1}, Event{What: "die", ExitCode: 1})
				})
			}},
		{name: "not steady: it becomes unhealthy", before: checked("healthy"), target: Target{Condition: Steady, Monitor: 5 * s}, takes: 3 * s,
			want: "c unhealthy", script: func(f *fake) {
				f.at(3*s, func() { f.set("c", checked("unhealthy"), Event{What: "health", Health: "unhealthy"}) })
			}},
		{name: "not steady: it ends", before: running, target: Target{Condition: Steady, Monitor: 5 * s}, takes: 4 * s,
			want: "c exited with code 0", script: func(f *fake) { f.at(4*s, func() { f.set("c", exited(0), Event{What: "die"}) }) }},
		{name: "a job may end before it is steady", before: running, target: Target{Condition: Steady, Monitor: 5 * s, OrCompleted: true},
			takes: 4 * s, script: func(f *fake) { f.at(4*s, func() { f.set("c", exited(0), Event{What: "die"}) }) }},
		{name: "not stable: it dies once", before: running, target: Target{Condition: Stable, Monitor: 5 * s}, takes: 2 * s,
			want: "c exited with code 1", script: func(f *fake) {
				f.at(2*s, func() {
					f.set("c", Status{Restarting: true, Restarts: true, ExitCode: 1}, Event{What: "die", ExitCode: 1})
				})
			}},
		{name: "a job may end before it is stable", before: running, target: Target{Condition: Stable, Monitor: 5 * s, OrCompleted: true},
			takes: 2 * s, script: func(f *fake) { f.at(2*s, func() { f.set("c", exited(0), Event{What: "die"}) }) }},
		{name: "a job that fails is not stable", before: running, target: Target{Condition: Stable, Monitor: 5 * s, OrCompleted: true},
			takes: 2 * s, want: "c exited with code 1", script: func(f *fake) {
				f.at(2*s, func() { f.set("c", exited(1), Event{What: "die", ExitCode: 1}) })
			}},
		{name: "a service may not end", before: running, target: Target{Condition: Stable, Monitor: 5 * s},
			takes: 2 * s, want: "c exited with code 0", script: func(f *fake) {
				f.at(2*s, func() { f.set("c", exited(0), Event{What: "die"}) })
			}},
		{name: "paused", before: Status{Running: true, Paused: true}, target: Target{Condition: Ready}, want: "c is paused"},
		{name: "never made", absent: true, target: Target{Condition: Ready}, want: "c does not exist"},
		{name: "removed", before: checked("starting"), target: Target{Condition: Ready}, takes: 2 * s, want: "c was removed while it was waited for",
			script: func(f *fake) {
				f.at(2*s, func() {
					f.mu.Lock()
					defer f.mu.Unlock()
					delete(f.status, "c")
					f.streams[0] <- Event{Name: "c", What: "destroy"}
				})
			}},
		{name: "stream breaks and the change is found afterwards", before: checked("starting"), engineOnly: true, target: Target{Condition: Ready},
			takes: 5*s + 50*ms, script: func(f *fake) {
				f.at(5*s, func() { f.set("c", checked("healthy")); close(f.streams[0]) })
			}},
		{name: "events were lost", before: checked("starting"), engineOnly: true, target: Target{Condition: Ready}, takes: 5 * s,
			script: func(f *fake) { f.at(5*s, func() { f.set("c", checked("healthy"), Event{What: "resync"}) }) }},
		{name: "a death nobody told of", before: running, target: Target{Condition: Stable, Monitor: 10 * s}, takes: 5 * s,
			want: "c died and was started again by the engine", script: func(f *fake) {
				f.at(5*s, func() { f.set("c", Status{Running: true, StartedAt: time.Unix(9, 0)}, Event{What: "resync"}) })
			}},
		{name: "the engine does not answer", before: running, target: Target{Condition: Ready}, takes: 1550 * ms,
			want: `look at container "c": engine is gone`, script: func(f *fake) { f.lookErr = errors.New("engine is gone") }},
		{name: "the engine does not answer at first", before: running, target: Target{Condition: Ready}, takes: 150 * ms,
			script: func(f *fake) {
				f.lookErr = errors.New("engine is gone")
				f.at(100*ms, func() { f.mu.Lock(); f.lookErr = nil; f.mu.Unlock() })
			}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				w := waiter(t, f, Options{ProbeEngineOnly: test.engineOnly})
				if !test.absent {
					f.set("c", test.before)
				}
				if test.script != nil {
					test.script(f)
				}
				test.target.Name = "c"
				err := w.Wait(t.Context(), test.target)
				got := ""
				if err != nil {
					got = err.Error()
				}
				if got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
				// Own probes may notice readiness a tenth late.
				if took := time.Since(f.start); took < test.takes || took > test.takes+test.takes/10+20*ms {
					t.Errorf("took %v, want %v", took, test.takes)
				}
			})
		})
	}
}

func TestFailureTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		w := waiter(t, f, Options{})
		f.set("c", checked("starting"))
		f.at(time.Second, func() {
			f.set("c", Status{Exited: true, ExitCode: 137, OOMKilled: true}, Event{What: "die", ExitCode: 137})
		})
		err := w.Wait(t.Context(), Target{Name: "c", Condition: Healthy})
		want := &Failure{Name: "c", Reason: "exited with code 137, out of memory", Ended: true, ExitCode: 137, OOMKilled: true,
			Probe: "connection refused", Log: []string{"last words of c"}, Advice: "raise its memory limit"}
		if diff := cmp.Diff(error(want), err); diff != "" {
			t.Error(diff)
		}
	})
}

// TestFailureOfTheProgramItself: that a program cannot be executed at all is known from what its container says last.
func TestFailureOfTheProgramItself(t *testing.T) {
	unread := errors.New("timeout")
	for _, test := range []struct {
		tail    string
		tailErr error
		want    Failure
	}{
		{"exec /app: exec format error", nil, Failure{Log: []string{"exec /app: exec format error"}, Advice: adviceFormat}},
		{"web  | exec format error: see the manual", nil, Failure{Log: []string{"web  | exec format error: see the manual"}}},
		{"", unread, Failure{Unread: unread}},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			f.tail, f.tailErr = test.tail, test.tailErr
			w := waiter(t, f, Options{})
			f.set("c", Status{Exited: true, ExitCode: 255})
			test.want.Name, test.want.Reason, test.want.Ended, test.want.ExitCode = "c", "exited with code 255", true, 255
			err := w.Wait(t.Context(), Target{Name: "c", Condition: Running})
			var got *Failure
			if !errors.As(err, &got) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, *got, cmpopts.EquateErrors()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The probes of a container that becomes ready after d: noticed soon, never
// two at once, none afterwards, and not many.
func TestProbing(t *testing.T) {
	for _, test := range []struct {
		ready, takes time.Duration
		late         time.Duration // at most
		probes       int           // at most
	}{
		{0, 80 * time.Millisecond, 80 * time.Millisecond, 1},
		{300 * time.Millisecond, 80 * time.Millisecond, 160 * time.Millisecond, 4},
		{300 * time.Millisecond, 5 * time.Millisecond, 35 * time.Millisecond, 14},
		{5 * time.Second, 80 * time.Millisecond, 700 * time.Millisecond, 30},
		{time.Minute, 80 * time.Millisecond, 2100 * time.Millisecond, 60},
	} {
		t.Run(fmt.Sprint(test.ready, test.takes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.takes = test.takes
				f.readyAt["c"] = test.ready
				w := waiter(t, f, Options{})
				f.set("c", checked("starting"))
				if err := w.Wait(t.Context(), Target{Name: "c", Condition: Healthy}); err != nil {
					t.Fatal(err)
				}
				took := time.Since(f.start)
				synctest.Wait()
				if took > test.ready+test.late {
					t.Errorf("ready after %v was noticed after %v", test.ready, took)
				}
				if f.probes > test.probes {
					t.Errorf("%d probes, want at most %d, at %v", f.probes, test.probes, f.probedAt)
				}
				if f.most > 1 {
					t.Errorf("%d probes at once", f.most)
				}
				probes := f.probes
				time.Sleep(time.Hour)
				synctest.Wait()
				if f.probes != probes {
					t.Errorf("%d probes after readiness", f.probes-probes)
				}
			})
		})
	}
}

// What is known of the last start spares the checks that would fail, and never keeps readiness back for long.
func TestAskedWhenItIsWorthIt(t *testing.T) {
	const takes = 80 * time.Millisecond
	for _, test := range []struct {
		ready, asked time.Duration
		probes       int
		passed       time.Duration // for the next start
	}{
		{0, 0, 1, 0},
		{360 * time.Millisecond, 400 * time.Millisecond, 1, 360 * time.Millisecond},
		{0, 400 * time.Millisecond, 1, 360 * time.Millisecond},                      // less each time
		{0, time.Minute, 1, 500 * time.Millisecond},                                 // a start that took longer
		{430 * time.Millisecond, 400 * time.Millisecond, 2, 422 * time.Millisecond}, // a little too early: 360 ms were too few, 484 enough
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			f.takes = takes
			f.readyAt["c"] = test.ready + takes
			var passed []time.Duration
			w := waiter(t, f, Options{Passed: func(name string, asked time.Duration) { passed = append(passed, asked) }})
			f.set("c", checked("starting"))
			if err := w.Wait(t.Context(), Target{Name: "c", Condition: Healthy, Asked: test.asked}); err != nil {
				t.Fatal(err)
			}
			if f.probes != test.probes {
				t.Errorf("%+v: probed at %v", test, f.probedAt)
			}
			if diff := cmp.Diff([]time.Duration{test.passed}, passed); diff != "" {
				t.Errorf("%+v: %s", test, diff)
			}
		})
	}
}

func TestProbeIsBoundedByTheChecksTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.takes = time.Hour
		w := waiter(t, f, Options{})
		status := checked("starting")
		status.Timeout = 3 * time.Second
		f.set("c", status)
		if err := w.Wait(t.Context(), Target{Name: "c", Condition: Healthy, Timeout: 7 * time.Second}); err == nil {
			t.Fatal("it cannot be healthy")
		}
		w.Close()
		want := []time.Duration{0, 4500 * time.Millisecond}
		if diff := cmp.Diff(want, f.probedAt); diff != "" {
			t.Error(diff)
		}
	})
}

func TestProbeThatCannotBeRunIsLeftToTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.probeErr = errors.New("no shell")
		w := waiter(t, f, Options{})
		f.set("c", checked("starting"))
		f.at(30*time.Second, func() { f.set("c", checked("healthy"), Event{What: "health", Health: "healthy"}) })
		if err := w.Wait(t.Context(), Target{Name: "c", Condition: Healthy}); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if f.probes != maxProbeErrors {
			t.Errorf("%d probes", f.probes)
		}
	})
}

func TestCancelAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		w := waiter(t, f, Options{})
		f.set("c", checked("starting"))
		why := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		f.at(time.Second, func() { cancel(why) })
		if err := w.Wait(ctx, Target{Name: "c", Condition: Healthy}); !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		probes := f.probes
		time.Sleep(time.Minute)
		synctest.Wait()
		if f.probes != probes {
			t.Error("probes go on after the wait was cancelled")
		}
		f.at(2*time.Minute, w.Close)
		if err := w.Wait(t.Context(), Target{Name: "c", Condition: Healthy}); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.readyAt["c"] = 50 * time.Millisecond
		var got []string
		w := waiter(t, f, Options{Report: func(name string, a Attempt) {
			got = append(got, fmt.Sprintf("%s %s %d %s", name, a.What, a.Try, a.Output))
		}})
		f.set("c", checked("starting"))
		if err := w.Wait(t.Context(), Target{Name: "c", Condition: Healthy}); err != nil {
			t.Fatal(err)
		}
		want := []string{"c health check 1 connection refused", "c health check 2 connection refused", "c health check 3 connection refused"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Many waits share one stream, and their probes do not pile up.
func TestManyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.takes = 100 * time.Millisecond
		w := waiter(t, f, Options{})
		const n = 200
		var all sync.WaitGroup
		for i := range n {
			name := fmt.Sprint("c", i)
			f.set(name, checked("starting"))
			all.Go(func() {
				if err := w.Wait(t.Context(), Target{Name: name, Condition: Healthy}); err != nil {
					t.Error(err)
				}
			})
		}
		f.at(time.Minute, func() {
			for i := range n {
				f.set(fmt.Sprint("c", i), checked("healthy"), Event{What: "health", Health: "healthy"})
				synctest.Wait()
			}
		})
		all.Wait()
		w.Close()
		if f.watches != 1 || f.looks != n {
			t.Errorf("%d streams, %d looks", f.watches, f.looks)
		}
		if f.most > maxProbes {
			t.Errorf("%d probes at once", f.most)
		}
		if f.probes > 3*n {
			t.Errorf("%d probes in a minute", f.probes)
		}
	})
}

// A container that was good, died, and runs again is not steady, also when nobody saw it die.
func TestSteadySeesTheRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		w := waiter(t, f, Options{})
		f.set("c", Status{Running: true, Restarts: true, StartedAt: time.Unix(1, 0)})
		if err := w.Wait(t.Context(), Target{Name: "c", Condition: Ready}); err != nil {
			t.Fatal(err)
		}
		if err := w.Wait(t.Context(), Target{Name: "c", Condition: Steady}); err != nil {
			t.Fatal(err)
		}
		f.set("c", Status{Running: true, Restarts: true, StartedAt: time.Unix(2, 0)})
		err := w.Wait(t.Context(), Target{Name: "c", Condition: Steady})
		if err == nil || err.Error() != "c died and was started again by the engine" {
			t.Errorf("got %v", err)
		}
	})
}
