package runner_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/memory"
)

// drawRollout draws a service with some replicas that are to be replaced, and which of the new ones do not work.
func drawRollout(t *rapid.T) (first, second *project.Project, bad map[int]memory.Behaviour) {
	replicas := rapid.IntRange(1, 6).Draw(t, "replicas")
	checked := rapid.Bool().Draw(t, "checked")
	update := drawUpdateConfig(t, "rollback")
	back := drawUpdateConfig(t, "pause")
	with := func(version string) *project.Project {
		s := project.Service{Name: "a", Scale: &replicas, Restart: "always", Deploy: &types.DeployConfig{UpdateConfig: update, RollbackConfig: back}}
		s.Image, s.Environment = "app:1", types.MappingWithEquals{"VALUE": &version}
		if checked {
			s.HealthCheck = &types.HealthCheckConfig{Test: []string{"CMD", "x"}}
		}
		return &project.Project{Name: "p", WorkingDir: "/src", Services: map[string]project.Service{"a": s}}
	}
	bad = map[int]memory.Behaviour{}
	for n := 1; n <= replicas; n++ {
		if rapid.IntRange(0, 2).Draw(t, fmt.Sprint("bad ", n)) == 0 {
			bad[n] = rapid.SampledFrom([]memory.Behaviour{
				{Exits: true, ExitCode: 1, ExitAfter: memory.Span(100 * time.Millisecond), ReadyAfter: memory.Span(time.Second)}, {StartError: "exec: not found"}, {NeverReady: checked, Exits: !checked},
			}).Draw(t, "how")
		}
	}
	return with("1"), with("2"), bad
}

// expected says which replicas have the new version in the end, and whether all have.
func expected(p *project.Project, bad map[int]memory.Behaviour) (renewed map[int]bool, ok bool) {
	s := p.Services["a"]
	u, n := s.Deploy.UpdateConfig, s.GetScale()
	size := int(*u.Parallelism)
	if size == 0 {
		size = n
	}
	renewed = map[int]bool{}
	failed := 0
	for begin := 1; begin <= n; begin += size {
		for i := begin; i < begin+size && i <= n; i++ {
			if _, is := bad[i]; is {
				failed++
			} else {
				renewed[i] = true
			}
		}
		if u.FailureAction != "continue" && float64(failed) > float64(u.MaxFailureRatio)*float64(n)+1e-6 {
			if u.FailureAction == "rollback" {
				renewed = map[int]bool{}
			}
			break
		}
	}
	return renewed, failed == 0
}

// versions are the IDs of the containers of service a, by number.
func (g *guard) versions(ctx context.Context) map[int]string {
	out := map[int]string{}
	have, err := g.Observe(ctx, planner.Scope{Project: "p"})
	if err != nil {
		g.fail("%v", err)
	}
	for _, c := range have.Containers {
		if out[c.Number] != "" {
			g.fail("there are two of number %d", c.Number)
		}
		out[c.Number] = c.ID
		if !g.Good(c.Name) {
			g.fail("%s is %s %s", c.Name, c.Status, c.Health)
		}
	}
	return out
}

// paced checks of the calls of a run that batches were as far apart as they have to be. Replicas that fail count until they
// are back.
func (g *guard) paced(from time.Time, s project.Service) {
	begun, over := map[string]time.Time{}, map[string]time.Time{}
	for _, c := range g.Calls() {
		if c.Begun.Before(from) || c.Err != nil {
			continue
		}
		switch a := c.Action.(type) {
		case planner.CreateContainer:
			begun[a.Name] = c.Begun
		case planner.StartContainer:
			over[a.Name] = c.Ended
		case planner.RemoveContainer:
			over[a.Name] = c.Ended // of the successor: it was taken back
		}
	}
	u := s.Deploy.UpdateConfig
	for one, at := range begun {
		last := time.Time{}
		for other := range begun {
			if end := over[other]; other != one && !end.After(at) && end.After(last) {
				last = end
			}
		}
		if pause := at.Sub(last); !last.IsZero() && pause < time.Duration(u.Delay) && u.FailureAction != "rollback" {
			g.fail("%s is begun %v after the batch before", one, pause)
		}
	}
}

// A rollout does what update_config says, whichever replicas fail: which of them have the new version in the end, how many
// are replaced at a time, and that the others have the very containers that they had.
func TestRolloutsAsDeclared(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		first, second, bad := drawRollout(rt)
		tell(t, rt, story{}, func(t *testing.T, g *guard) {
			ctx := t.Context()
			if err := g.up(ctx, first, planner.Policy{}); err != nil {
				g.fail("the first run: %v", err)
				return
			}
			rest()
			before := g.versions(ctx)
			for n, b := range bad {
				g.Behave(second.ContainerName(second.Services["a"], n)+".next", b)
			}
			from := time.Now()
			if u := second.Services["a"].Deploy.UpdateConfig; u.FailureAction != "rollback" {
				g.batch = int(*u.Parallelism)
			}
			err := g.up(ctx, second, planner.Policy{})
			g.batch = 0
			rest()
			wanted, ok := expected(second, bad)
			if (err == nil) != ok {
				g.fail("the run ends with %v", err)
			}
			for n, id := range g.versions(ctx) {
				if renewed := id != before[n]; renewed != wanted[n] {
					g.fail("number %d: renewed %v, wanted is %v", n, renewed, wanted[n])
				}
			}
			g.paced(from, second.Services["a"])
			g.told(err, wanted, second)
			for n := range bad {
				g.Behave(second.ContainerName(second.Services["a"], n)+".next", memory.Behaviour{})
			}
			if err := g.up(ctx, second, planner.Policy{}); err != nil {
				g.fail("mended: %v", err)
				return
			}
			rest()
			g.settled(ctx, second, planner.Policy{})
		})
	})
}

// told checks that the failures say what became of the replicas.
func (g *guard) told(err error, renewed map[int]bool, p *project.Project) {
	for _, f := range failuresOf(err) {
		end := f.Rollout
		if end == nil {
			g.fail("%s is part of no rollout", f.Step.ID)
			continue
		}
		if end.Replaced != len(renewed) || end.Replaced+end.Failed+end.PutBack+end.Left != replicasOf(p) {
			g.fail("it is told as %+v", *end)
		}
	}
}

func failuresOf(err error) runner.Errors {
	var errs runner.Errors
	errors.As(err, &errs)
	return errs
}

func replicasOf(p *project.Project) int {
	s := p.Services["a"]
	return s.GetScale()
}
