//go:build unix

package runner_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/memory"
)

// BenchmarkWaiting is what two hundred services that wait cost, as a part of
// one core. The engine in memory is counted too.
func BenchmarkWaiting(b *testing.B) {
	const n, wait = 200, 20 * time.Second
	var plan planner.Plan
	e := engine()
	e.AddImage("app", memory.Image{Check: &memory.Check{Test: []string{"CMD", "x"}}})
	e.Behave("app", memory.Behaviour{NeverReady: true, ProbeTakes: memory.Span(100 * time.Millisecond)})
	for _, s := range stack(n, n).Steps {
		if a, ok := s.Action.(planner.Await); ok {
			a.Timeout = wait
			plan.Steps = append(plan.Steps, step(string(s.ID), a))
		} else if err := e.Apply(b.Context(), s.Action, nil); err != nil {
			b.Fatal(err)
		}
	}
	before := cpu(b)
	for b.Loop() {
		if err := runner.Run(b.Context(), e, plan, runner.Options{Health: e}); err == nil {
			b.Fatal("nothing can become ready")
		}
	}
	b.ReportMetric(100*float64(cpu(b)-before)/float64(b.Elapsed()), "%core")
	b.ReportMetric(float64(e.Count("Probe"))/float64(b.N)/wait.Seconds(), "probes/s")
}

// cpu is the time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
