package runner_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/memory"
)

// stack is a plan that brings services up in layers: each is created, started and
// awaited, and needs a few services of the layer before.
func stack(services, width int) planner.Plan {
	dice := rand.New(rand.NewPCG(1, 2))
	var plan planner.Plan
	for i := range services {
		name := fmt.Sprintf("s%05d", i)
		var needs []planner.StepID
		for range 2 {
			if layer := i / width; layer > 0 {
				needs = append(needs, planner.StepID(fmt.Sprintf("await s%05d", (layer-1)*width+dice.IntN(width))))
			}
		}
		plan.Steps = append(plan.Steps, step("create "+name, create(name)),
			step("start "+name, start(name), append(needs, planner.StepID("create "+name))...),
			step("await "+name, planner.Await{Name: name, Condition: planner.IsReady}, planner.StepID("start "+name)))
	}
	return plan
}

// BenchmarkRun is what a walk costs by itself, on an engine that takes no time.
func BenchmarkRun(b *testing.B) {
	for _, steps := range []int{100, 5000} {
		b.Run(fmt.Sprint(steps), func(b *testing.B) {
			plan := stack(steps/3, 20)
			b.ReportAllocs()
			for b.Loop() {
				e := engine()
				if err := runner.Run(b.Context(), e, plan, runner.Options{Health: e}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(len(plan.Steps)), "µs/step")
		})
	}
}

// latencies are those of a local engine.
func latencies(e *memory.Engine, scale time.Duration) {
	e.SetLatency("CreateContainer", 30*scale)
	e.SetLatency("StartContainer", 200*scale)
	e.AddImage("app", memory.Image{Check: &memory.Check{Test: []string{"CMD", "x"}}})
	e.Behave("app", memory.Behaviour{ReadyAfter: memory.Span(300 * scale), ProbeTakes: memory.Span(5 * scale)})
}

// bound is the least time that a plan can take on such an engine: its longest
// chain, or its work shared among the places, whichever is longer.
func bound(plan planner.Plan, scale time.Duration, parallel int) time.Duration {
	end := map[planner.StepID]time.Duration{}
	var longest, work time.Duration
	for _, s := range plan.Steps {
		var begin time.Duration
		for _, need := range s.Needs {
			begin = max(begin, end[need])
		}
		var takes time.Duration
		switch s.Action.(type) {
		case planner.CreateContainer:
			takes = 30 * scale
			work += takes
		case planner.StartContainer:
			takes = 200 * scale
			work += takes
		case planner.Await:
			takes = 300 * scale
		}
		end[s.ID] = begin + takes
		longest = max(longest, end[s.ID])
	}
	return max(longest, work/time.Duration(parallel))
}

// The run of a stack takes hardly longer than it must, in simulated time.
func TestMakespan(t *testing.T) {
	for _, test := range []struct {
		services, width, parallel int // parallel is 0 where the limit adapts, up to 64
		most                      float64
	}{
		{10, 1, 8, 1.15}, // a chain
		{30, 5, 8, 1.15},
		{100, 20, 8, 1.4},
		{100, 100, 8, 1.25}, // no dependencies
		{300, 30, 16, 1.4},
		{10000, 500, 16, 1.05},
		{10000, 500, 0, 1.1},
	} {
		if raced && test.parallel == 0 {
			continue // too small then to learn much in
		}
		if raced && test.services > 1000 {
			// Go 1.26.8 has crashed with so many: in runtime.(*timer).maybeRunChan, on the stack of the system, in a bubble.
			test.services, test.width = test.services/10, test.width/10
		}
		t.Run(fmt.Sprintf("%d services %d wide", test.services, test.width), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := engine()
				latencies(e, time.Millisecond)
				plan := stack(test.services, test.width)
				begun := time.Now()
				if err := runner.Run(t.Context(), e, plan, runner.Options{Health: e, Parallel: test.parallel}); err != nil {
					t.Fatal(err)
				}
				took, least := time.Since(begun), bound(plan, time.Millisecond, cmp.Or(test.parallel, 64))
				ratio := float64(took) / float64(least)
				t.Logf("%v, at least %v: %.3f, %d probes", took, least, ratio, e.Count("Probe"))
				if ratio > test.most {
					t.Errorf("makespan is %.3f times the lower bound, want at most %.2f", ratio, test.most)
				}
				if most := e.MostProbes(); most > 1 {
					t.Errorf("%d probes at once in one container", most)
				}
			})
		})
	}
}

// BenchmarkMakespan is the same in real time, so that what the walk itself
// costs is in it.
func BenchmarkMakespan(b *testing.B) {
	const scale = time.Millisecond
	plan := stack(100, 20)
	for b.Loop() {
		e := engine()
		latencies(e, scale)
		if err := runner.Run(b.Context(), e, plan, runner.Options{Health: e, Parallel: 8}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(bound(plan, scale, 8)), "makespan/bound")
}
