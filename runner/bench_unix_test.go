//go:build unix

package runner_test

import (
	"context"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/memory"
)

// waiting is a plan that waits so long for n services that are never ready, and an engine that has them.
func waiting(t testing.TB, n int, wait time.Duration) (*memory.Engine, planner.Plan) {
	t.Helper()
	e := engine()
	e.AddImage("app", memory.Image{Check: &memory.Check{Test: []string{"CMD", "x"}}})
	e.Behave("app", memory.Behaviour{NeverReady: true, ProbeTakes: memory.Span(100 * time.Millisecond)})
	var plan planner.Plan
	for _, s := range stack(n, n).Steps {
		if a, ok := s.Action.(planner.Await); ok {
			a.Timeout = wait
			plan.Steps = append(plan.Steps, step(string(s.ID), a))
		} else if err := e.Apply(context.Background(), s.Action, nil); err != nil {
			t.Fatal(err)
		}
	}
	return e, plan
}

// BenchmarkWaiting is what two hundred services that wait cost, as a part of
// one core. The engine in memory is counted too.
func BenchmarkWaiting(b *testing.B) {
	const n, wait = 200, 20 * time.Second
	e, plan := waiting(b, n, wait)
	before := cpu(b)
	for b.Loop() {
		if err := runner.Run(b.Context(), e, plan, runner.Options{Health: e}); err == nil {
			b.Fatal("nothing can become ready")
		}
	}
	b.ReportMetric(100*float64(cpu(b)-before)/float64(b.Elapsed()), "%core")
	b.ReportMetric(float64(e.Count("Probe"))/float64(b.N)/wait.Seconds(), "probes/s")
}

// Two hundred services that wait cost no more than a hundredth of a core, and never have two probes in one container. The
// time is simulated; the work for it is not. Other tests of the package are paused meanwhile.
func TestWaitingCostsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, wait = 200, time.Minute
		e, plan := waiting(t, n, wait)
		before, begun := cpu(t), time.Now()
		if err := runner.Run(t.Context(), e, plan, runner.Options{Health: e}); err == nil {
			t.Fatal("nothing can become ready")
		}
		took := time.Since(begun)
		if took < wait || took > wait+time.Second {
			t.Errorf("waited for %v, want %v", took, wait)
		}
		part := float64(cpu(t)-before) / float64(took)
		t.Logf("%.2f%% of a core, %.1f probes a second", 100*part, float64(e.Count("Probe"))/took.Seconds())
		if part > 0.01 {
			t.Errorf("%.2f%% of a core, want 1 at most", 100*part)
		}
		if most := e.MostProbes(); most != 1 {
			t.Errorf("%d probes at once in one container", most)
		}
	})
}

// cpu is the time that this process has used.
func cpu(b testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
