package runner_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/memory"
)

// deployment is a project for an engine that keeps services by itself.
func deployments() *rapid.Generator[*project.Project] {
	return rapid.Custom(func(t *rapid.T) *project.Project {
		p := &project.Project{
			Name: "p", Target: project.TargetSwarm, WorkingDir: "/src", Services: map[string]project.Service{},
			Networks: map[string]project.Network{"default": {}}, Configs: map[string]project.Config{}, Content: map[string]string{},
		}
		names := []string{"a", "b", "c", "d"}
		for i, name := range names {
			if rapid.IntRange(0, 4).Draw(t, "there") == 0 {
				continue
			}
			p.Services[name] = deployedService(t, p, name, names[:i])
		}
		for name, s := range p.Services {
			for to, d := range s.DependsOn {
				of := p.Services[to]
				// A job is waited for to its end, and nothing else is.
				if d.Condition == project.ConditionHealthy && of.Deploy.Mode != "" && planner.Mode(of.Deploy.Mode).Job() {
					d.Condition = project.ConditionCompleted
					p.Services[name].DependsOn[to] = d
				}
			}
		}
		return p
	})
}

func deployedService(t *rapid.T, p *project.Project, name string, before []string) project.Service {
	replicas := rapid.IntRange(0, 3).Draw(t, "replicas")
	s := project.Service{Name: name, Deploy: &types.DeployConfig{Replicas: &replicas, Labels: types.Labels{}}}
	s.Image = rapid.SampledFrom([]string{"app:1", "app:2"}).Draw(t, "image")
	s.Deploy.Mode = rapid.SampledFrom([]string{"", "", "", "global", "replicated-job", "global-job"}).Draw(t, "mode")
	s.Deploy.Labels["tier"] = rapid.SampledFrom([]string{"front", "back"}).Draw(t, "tier")
	if rapid.Bool().Draw(t, "rolls back") {
		s.Deploy.UpdateConfig = &types.UpdateConfig{FailureAction: "rollback"}
	}
	if rapid.Bool().Draw(t, "configured") {
		key := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "config")
		content := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "content")
		if c, ok := p.Configs[key]; ok {
			content = c.Content
		}
		p.Configs[key] = project.Config{Content: content}
		p.Content["configs."+key] = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(content)))
		s.Configs = []types.ServiceConfigObjConfig{{Source: key}}
	}
	for _, to := range before {
		if _, there := p.Services[to]; there && rapid.IntRange(0, 2).Draw(t, "depends") == 0 {
			if s.DependsOn == nil {
				s.DependsOn = types.DependsOnConfig{}
			}
			s.DependsOn[to] = types.ServiceDependency{
				Condition: rapid.SampledFrom([]string{project.ConditionStarted, project.ConditionHealthy}).Draw(t, "condition"),
				Required:  rapid.IntRange(0, 4).Draw(t, "required") > 0,
			}
		}
	}
	return s
}

// deployed checks that an engine has what is wanted, no more and no less.
func (g *guard) deployed(ctx context.Context, want *project.Project, how planner.Policy) {
	plan, err := g.planned(ctx, want, how)
	if err != nil || len(plan.Steps) > 0 {
		g.fail("there is still something to do: %v\n%s", err, plan.StepsText(planner.TextOptions{}))
	}
	have, err := g.Observe(ctx, planner.ScopeOf(want))
	if err != nil {
		g.fail("%v", err)
	}
	objects, used := map[string]bool{}, map[string]bool{}
	for _, o := range have.Objects {
		objects[o.Name] = true
	}
	for _, d := range have.Deployed {
		s, wanted := want.Services[d.Service]
		if !wanted {
			g.fail("orphan %s is left", d.Name)
			continue
		}
		if d.Image != s.Image || d.Labels["tier"] != s.Deploy.Labels["tier"] || !d.Mode.Everywhere() && d.Replicas != *s.Deploy.Replicas {
			g.fail("%s is %+v", d.Name, d)
		}
		if d.Running+d.Completed != d.Replicas {
			g.fail("%s has %d running and %d completed of %d", d.Name, d.Running, d.Completed, d.Replicas)
		}
		for _, name := range d.Objects {
			used[name] = true
		}
	}
	if len(have.Deployed) != len(want.Services) {
		g.fail("there are %d services, wanted are %d", len(have.Deployed), len(want.Services))
	}
	if !maps.Equal(objects, used) {
		g.fail("objects %v, used are %v", slices.Sorted(maps.Keys(objects)), slices.Sorted(maps.Keys(used)))
	}
}

// Any deployment after any other comes to what is wanted, also when the run is cut anywhere, and when somebody has changed
// services meanwhile; then nothing is left to do.
func TestDeploymentsConverge(t *testing.T) {
	how := planner.Policy{RemoveOrphans: true}
	rapid.Check(t, func(rt *rapid.T) {
		first, second := deployments().Draw(rt, "first"), deployments().Draw(rt, "second")
		cut := rapid.IntRange(0, 12).Draw(rt, "cut")
		bad := rapid.SampledFrom([]string{"", "", "a", "b", "c", "d"}).Draw(rt, "bad")
		tell(t, rt, story{}, func(t *testing.T, g *guard) {
			g.Converge(3)
			ctx := t.Context()
			if err := g.up(ctx, first, how); err != nil {
				g.fail("the first run: %v", err)
				return
			}
			g.deployed(ctx, first, how)
			if bad != "" {
				g.Behave(bad, memory.Behaviour{NeverReady: true})
			}
			if cut > 0 {
				var end context.CancelFunc
				cutting, end := context.WithTimeout(ctx, time.Duration(cut)*30*time.Millisecond)
				_ = g.up(cutting, second, how)
				end()
			} else {
				_ = g.up(ctx, second, how)
			}
			g.Behave(bad, memory.Behaviour{})
			if err := g.up(ctx, second, how); err != nil {
				g.fail("the second run, once more: %v", err)
				return
			}
			g.deployed(ctx, second, how)
		})
	})
}
