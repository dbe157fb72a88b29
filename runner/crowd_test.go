package runner_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/memory"
)

// shared is an engine whose calls share what it has. Alone each takes 200 ms, a quarter more or less; with n in flight they
// go on at speed(n), 1 being that of a call which is alone. Stops go by: they wait for their containers and not for the engine.
type shared struct {
	*memory.Engine
	speed func(n int) float64
	mu    sync.Mutex
	calls map[*work]bool // in flight
	most  int            // that were
	done  float64        // of a call that was in flight from the beginning, in nanoseconds of what it takes alone
	at    time.Time      // when done was so much
	timer *time.Timer    // the end of the call that ends first
}

// work is one call in flight. It is over when what is done has come to its goal.
type work struct {
	goal float64
	over chan struct{}
}

func newShared(speed func(n int) float64) *shared {
	return &shared{Engine: engine(), speed: speed, calls: map[*work]bool{}}
}

// Apply lets the time pass that the call takes in such company, and then does the action.
func (e *shared) Apply(ctx context.Context, a planner.Action, report func(runner.Progress)) error {
	if _, ok := a.(planner.StopContainer); !ok {
		<-e.begin(a).over
	}
	return e.Engine.Apply(ctx, a, report)
}

func (e *shared) begin(a planner.Action) *work {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.goOn()
	name := fnv.New64a()
	fmt.Fprintf(name, "%T %s", a, a.Resource().Name)
	part := rand.New(rand.NewPCG(1, name.Sum64())).Float64()
	w := &work{goal: e.done + (0.75+part/2)*float64(200*time.Millisecond), over: make(chan struct{})}
	e.calls[w] = true
	e.most = max(e.most, len(e.calls))
	e.wake()
	return w
}

// goOn takes in the time that has gone by.
func (e *shared) goOn() {
	now := time.Now()
	if n := len(e.calls); n > 0 {
		e.done += float64(now.Sub(e.at)) * e.speed(n)
	}
	e.at = now
	for w := range e.calls {
		if w.goal <= e.done+1 {
			delete(e.calls, w)
			close(w.over)
		}
	}
}

// wake sets the timer.
func (e *shared) wake() {
	if e.timer != nil {
		e.timer.Stop()
	}
	first := math.Inf(1)
	for w := range e.calls {
		first = min(first, w.goal)
	}
	if n := len(e.calls); n > 0 {
		e.timer = time.AfterFunc(time.Duration(math.Ceil((first-e.done)/e.speed(n))), func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.goOn()
			e.wake()
		})
	}
}

// places is an engine that does so many calls at a time; with more each takes longer, by as much.
func places(k int) func(int) float64 {
	return func(n int) float64 { return min(1, float64(k)/float64(n)) }
}

// disturbed is an engine in which each call disturbs each other one, so that most gets done with so many (the universal
// scalability law, without a part that goes one by one).
func disturbed(best int) func(int) float64 {
	return func(n int) float64 { return 1 / (1 + float64(n*(n-1))/float64(best*best)) }
}

// jammed is an engine that is undisturbed by so many calls, and with twice as many gets half as much done.
func jammed(best int) func(int) float64 {
	return func(n int) float64 { return min(1, float64(best*best)/float64(n*n)) }
}

// far is an engine that only is far away.
func far(int) float64 { return 1 }

// makespan is how long services that need nothing take to come up; parallel is 0 where the limit adapts.
func makespan(t *testing.T, speed func(int) float64, services, parallel int) (took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var plan planner.Plan
		for i := range services {
			name := fmt.Sprintf("s%05d", i)
			plan.Steps = append(plan.Steps, step("create "+name, create(name)), step("start "+name, start(name), planner.StepID("create "+name)))
		}
		e := newShared(speed)
		begun := time.Now()
		if err := runner.Run(t.Context(), e, plan, runner.Options{Parallel: parallel}); err != nil {
			t.Fatal(err)
		}
		took = time.Since(begun)
		if parallel > 0 && e.most > parallel {
			t.Errorf("%d calls in flight, want %d at most", e.most, parallel)
		}
	})
	return took
}

// However an engine takes many calls at a time, a run comes near to what it would be with the best number of them, and a short
// one is not made slower by looking for it. The table in docs/performance.md is what this logs.
func TestCrowd(t *testing.T) {
	const cpus, begins = 2, 8 // with so many processors the limit begins there
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cpus))
	sizes := []int{20, 100, 300, 1000}
	for _, model := range []struct {
		name  string
		speed func(int) float64
		best  int        // calls at a time
		most  [4]float64 // times what the best takes, by size; 0 is not bounded
	}{
		{"2 places", places(2), 2, [4]float64{0, 1.02, 1.02, 1.02}},
		{"4 places", places(4), 4, [4]float64{0, 1.02, 1.02, 1.02}},
		{"16 places", places(16), 16, [4]float64{0, 1.15, 1.1, 1.05}},
		{"64 places", places(64), 64, [4]float64{0, 1.6, 1.25, 1.1}},
		{"disturbed, best with 4", disturbed(4), 4, [4]float64{0, 1.28, 1.1, 1.05}},
		{"disturbed, best with 8", disturbed(8), 8, [4]float64{0, 1.1, 1.1, 1.05}},
		{"disturbed, best with 24", disturbed(24), 24, [4]float64{0, 1.5, 1.15, 1.1}},
		{"jammed with more than 4", jammed(4), 4, [4]float64{0, 1.9, 1.3, 1.1}},
		{"jammed with more than 8", jammed(8), 8, [4]float64{0, 1.3, 1.2, 1.1}},
		{"jammed with more than 24", jammed(24), 24, [4]float64{0, 2.5, 1.5, 1.25}},
		{"200 ms away", far, 64, [4]float64{0, 1.6, 1.25, 1.1}},
	} {
		line := fmt.Sprintf("| %s |", model.name)
		for i, services := range sizes {
			if raced && services > 300 {
				continue
			}
			best := makespan(t, model.speed, services, model.best)
			fixed := makespan(t, model.speed, services, begins)
			took := makespan(t, model.speed, services, 0)
			line += fmt.Sprintf(" %.2f → %.2f |", float64(fixed)/float64(best), float64(took)/float64(best))
			if services == 20 && took > fixed*102/100 {
				t.Errorf("%s, %d services: %v, want no more than the %v of %d at a time", model.name, services, took, fixed, begins)
			}
			if most := model.most[i]; most > 0 && float64(took) > most*float64(best) {
				t.Errorf("%s, %d services: %v, want at most %.2f times the %v of %d at a time", model.name, services, took, most, best, model.best)
			}
		}
		t.Log(line)
	}
}

// The same run is the same twice.
func TestCrowdIsDeterministic(t *testing.T) {
	first, second := makespan(t, disturbed(4), 200, 0), makespan(t, disturbed(4), 200, 0)
	if first != second {
		t.Errorf("took %v and then %v", first, second)
	}
}

// While the limit of what the engine has to work for falls, stops that wait for their containers go on all at a time.
func TestCrowdLeavesStopsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stops, services, takes = 60, 200, 5 * time.Second
		e := newShared(jammed(2))
		e.Behave("app", memory.Behaviour{StopTakes: memory.Span(takes)})
		var plan planner.Plan
		for i := range stops {
			name := fmt.Sprintf("old%03d", i)
			for _, a := range []planner.Action{create(name), start(name)} {
				if err := e.Engine.Apply(t.Context(), a, nil); err != nil {
					t.Fatal(err)
				}
			}
			// Each comes after a container that is created in the course of the run.
			plan.Steps = append(plan.Steps, step("stop "+name, stop(name), planner.StepID(fmt.Sprintf("create new%03d", services-1))))
		}
		for i := range services {
			name := fmt.Sprintf("new%03d", i)
			plan.Steps = append(plan.Steps, step("create "+name, create(name)))
		}
		begun, ended := map[time.Time]int{}, map[time.Time]int{}
		err := runner.Run(t.Context(), e, plan, runner.Options{Events: func(ev runner.Event) {
			if _, ok := ev.Action.(planner.StopContainer); !ok {
				return
			}
			switch ev.State {
			case runner.Begun:
				begun[ev.At]++
			case runner.Done:
				ended[ev.At]++
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if len(begun) != 1 || len(ended) != 1 {
			t.Errorf("stops began at %d moments and ended at %d, want all at one", len(begun), len(ended))
		}
	})
}
