package runner_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/memory"
)

// guard is an engine that is watched: what must hold at every call is checked
// at every call.
type guard struct {
	*memory.Engine
	mu     sync.Mutex
	broken []string
	// batch is how many may be without a good new container when another one is begun; 0 is any number.
	batch int
}

func (g *guard) Apply(ctx context.Context, a planner.Action, report func(runner.Progress)) error {
	if r, ok := a.(planner.RemoveContainer); ok && !strings.HasSuffix(r.Name, ".next") {
		g.checkRemoval(ctx, r.Name)
	}
	if c, ok := a.(planner.CreateContainer); ok && strings.HasSuffix(c.Name, ".next") && g.batch > 0 {
		g.checkBatch(ctx, c.Name)
	}
	return g.Engine.Apply(ctx, a, report)
}

// checkBatch: no more are begun than may be on their way.
func (g *guard) checkBatch(ctx context.Context, name string) {
	s, err := g.Observe(ctx, planner.Scope{Project: "p"})
	if err != nil {
		return
	}
	others := 0
	for _, c := range s.Containers {
		if c.Name != name && strings.HasSuffix(c.Name, ".next") && !g.Good(c.Name) {
			others++
		}
	}
	if others >= g.batch {
		g.fail("%s is begun while %d others are on their way", name, others)
	}
}

// checkRemoval: an old container goes only when its successor is good.
func (g *guard) checkRemoval(ctx context.Context, name string) {
	s, err := g.Observe(ctx, planner.Scope{Project: "p"})
	if err != nil {
		return
	}
	for _, c := range s.Containers {
		if c.Labels[planner.LabelReplaces] == name && strings.HasSuffix(c.Name, ".next") && !g.Good(c.Name) {
			g.fail("%s is removed while its successor is %s %s", name, c.Status, c.Health)
		}
	}
}

func (g *guard) fail(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.broken = append(g.broken, fmt.Sprintf(format, args...))
}

// newGuard is an engine that knows the images and behaviours of a story.
func newGuard(s story) *guard {
	g := &guard{Engine: memory.New()}
	g.Publish("app:1", memory.Image{})
	g.Publish("app:2", memory.Image{Volumes: []string{"/cache"}})
	g.Publish("data:1", memory.Image{Volumes: []string{"/data"}, Check: &memory.Check{Test: []string{"CMD", "x"}, Interval: memory.Span(3 * time.Second)}})
	for name, b := range s.Behaviours {
		g.Behave(name, b)
	}
	for kind, d := range map[string]time.Duration{"ApplyService": 30, "CreateObject": 10, "RemoveObject": 10, "RemoveService": 40, "CreateContainer": 30, "StartContainer": 50, "RemoveContainer": 20, "StopContainer": 40, "PullImage": 300} {
		g.SetLatency(kind, d*time.Millisecond)
	}
	return g
}

// planned is what there is to do.
func (g *guard) planned(ctx context.Context, want *project.Project, how planner.Policy) (planner.Plan, error) {
	have, err := g.Observe(ctx, planner.ScopeOf(want))
	if err != nil {
		return planner.Plan{}, err
	}
	if err := runner.Inspect(ctx, g, &have, planner.Unsure(want, have, how)); err != nil {
		return planner.Plan{}, err
	}
	return planner.Build(want, have, how)
}

// up plans and runs, and checks the order of what is reported.
func (g *guard) up(ctx context.Context, want *project.Project, how planner.Policy) error {
	plan, err := g.planned(ctx, want, how)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	states := map[planner.StepID]runner.StepState{}
	err = runner.Run(ctx, g, plan, runner.Options{Health: g.Engine, Events: func(e runner.Event) {
		if e.Undo || e.State == runner.Working {
			return
		}
		if e.State == runner.Begun {
			for _, need := range e.Step.Needs {
				if states[need] != runner.Done {
					g.fail("%s begins although %s is %q", e.Step.ID, need, states[need])
				}
			}
			for _, before := range e.Step.After {
				if s := states[before]; s == "" || s == runner.Begun {
					g.fail("%s begins although %s is %q", e.Step.ID, before, s)
				}
			}
		}
		states[e.Step.ID] = e.State
	}})
	for _, step := range plan.Steps {
		switch states[step.ID] {
		case runner.Done:
		case runner.Failed, runner.Skipped, runner.Cancelled:
			if err == nil {
				g.fail("%s is %s and the run has no error", step.ID, states[step.ID])
			}
		default:
			g.fail("%s has ended as %q", step.ID, states[step.ID])
		}
	}
	return err
}

// settled checks that a project is as it is wanted, and that nothing is left to do.
func (g *guard) settled(ctx context.Context, want *project.Project, how planner.Policy) {
	how.Recreate = planner.RecreateChanged
	plan, err := g.planned(ctx, want, how)
	if err != nil {
		g.fail("the next plan: %v", err)
	}
	how.Wait = false
	plan, _ = g.planned(ctx, want, how)
	if len(plan.Steps) > 0 {
		g.fail("there is still something to do:\n%s", plan.StepsText(planner.TextOptions{}))
	}
	have, err := g.Observe(ctx, planner.Scope{Project: "p"})
	if err != nil {
		g.fail("%v", err)
	}
	replicas := map[string]int{}
	for _, c := range have.Containers {
		if strings.HasSuffix(c.Name, ".next") {
			g.fail("temporary name %s is left", c.Name)
		}
		s, wanted := want.Services[c.Service]
		if !wanted {
			if how.RemoveOrphans {
				g.fail("orphan %s is left", c.Name)
			}
			continue
		}
		g.set(ctx, s, c.Name)
		if name := want.ContainerName(s, c.Number); c.Name != name {
			g.fail("%s is called %s", name, c.Name)
		}
		if !g.Good(c.Name) {
			g.fail("%s is %s %s", c.Name, c.Status, c.Health)
		}
		replicas[c.Service]++
	}
	for name, s := range want.Services {
		if replicas[name] != s.GetScale() {
			g.fail("%s has %d replicas, wanted are %d", name, replicas[name], s.GetScale())
		}
	}
}

// set checks that a container has the limits and the restart policy that its service wants.
func (g *guard) set(ctx context.Context, s project.Service, name string) {
	wanted, err := planner.SettingsOf(s)
	c, failed := g.Inspect(ctx, name)
	if err = errors.Join(err, failed); err != nil {
		g.fail("%v", err)
		return
	}
	if wanted.MemorySwap == 0 && c.Settings.MemorySwap == 2*wanted.Memory {
		wanted.MemorySwap = c.Settings.MemorySwap // the engine's choice where nobody asks
	}
	if *c.Settings != wanted {
		g.fail("%s is set to %+v, wanted is %+v", name, *c.Settings, wanted)
	}
}

// data is where a service's replica keeps its data: volume by container and target.
func (g *guard) data(ctx context.Context) map[string]string {
	out := map[string]string{}
	have, err := g.Observe(ctx, planner.Scope{Project: "p"})
	if err != nil {
		g.fail("%v", err)
	}
	for _, c := range have.Containers {
		for _, m := range c.Mounts {
			if m.Type == "volume" {
				out[fmt.Sprintf("%s %d %s", c.Service, c.Number, m.Target)] = m.Name
			}
		}
	}
	return out
}

// keptData checks that no volume of before is lost, and that what has the same place has
// the same volume. A named volume may make room for another by name.
func (g *guard) keptData(ctx context.Context, s story, before map[string]string) {
	shares := func(service string) bool {
		return len(s.First.Services[service].VolumesFrom)+len(s.Second.Services[service].VolumesFrom) > 0
	}
	after := g.data(ctx)
	have, err := g.Observe(ctx, planner.Scope{Volumes: slices.Collect(maps.Values(before))})
	if err != nil {
		g.fail("%v", err)
	}
	exists := map[string]bool{}
	for _, v := range have.Volumes {
		exists[v.Name] = true
	}
	for _, where := range slices.Sorted(maps.Keys(before)) {
		volume := before[where]
		if !exists[volume] {
			g.fail("volume %s of %s is lost", volume, where)
		}
		service, _, _ := strings.Cut(where, " ")
		if shares(service) {
			continue // what it has is another's
		}
		if now, ok := after[where]; ok && now != volume && !strings.HasPrefix(volume, "p_") && !strings.HasPrefix(now, "p_") {
			g.fail("%s had volume %.8s and has %.8s", where, volume, now)
		}
	}
}

// byHand does what nobody planned.
func (g *guard) byHand(ctx context.Context, deeds []deed) {
	for i, d := range deeds {
		have, err := g.Observe(ctx, planner.Scope{Project: "p"})
		if err != nil || len(have.Containers) == 0 {
			return
		}
		c := have.Containers[d.To%len(have.Containers)]
		switch d.What {
		case "stop":
			err = g.Engine.Apply(ctx, planner.StopContainer{Name: c.Name}, nil)
		case "kill":
			err = g.Kill(c.Name, 137)
		case "remove":
			err = g.Engine.Apply(ctx, planner.RemoveContainer{Name: c.Name}, nil)
		case "rename":
			err = g.Engine.Apply(ctx, planner.RenameContainer{Name: c.Name, To: fmt.Sprint("mine-", i)}, nil)
		case "pause":
			err = g.Pause(c.Name, true)
		case "limit":
			err = g.Engine.Apply(ctx, planner.UpdateContainer{Name: c.Name, Settings: planner.Settings{Memory: 32 << 20, Restart: "no"}}, nil)
		case "leave":
			if len(c.Endpoints) > 0 {
				err = g.Engine.Apply(ctx, planner.DisconnectNetwork{Name: c.Name, Network: c.Endpoints[0].Network}, nil)
			}
		}
		if err != nil {
			g.fail("by hand: %v", err)
		}
	}
}

// rest lets jobs end and restarts happen.
func rest() {
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

// tell runs a story in a bubble of its own and fails with all that it broke.
func tell(t *testing.T, rt *rapid.T, s story, play func(t *testing.T, g *guard)) {
	var g *guard
	synctest.Test(t, func(t *testing.T) {
		g = newGuard(s)
		play(t, g)
		g.Revive() // nothing stays behind that waits
	})
	if len(g.broken) > 0 {
		rt.Fatal(strings.Join(g.broken, "\n"))
	}
}

// Build → Run → Observe → Build is empty, for any project after any other,
// whatever somebody has done to the containers.
func TestConvergence(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := stories().Draw(rt, "story")
		tell(t, rt, s, func(t *testing.T, g *guard) {
			ctx := t.Context()
			if err := g.up(ctx, s.First, planner.Policy{}); err != nil {
				g.fail("the first run: %v", err)
				return
			}
			rest()
			g.settled(ctx, s.First, planner.Policy{})
			g.byHand(ctx, s.ByHand)
			before := g.data(ctx)
			if err := g.up(ctx, s.Second, s.How); err != nil {
				g.fail("the second run: %v", err)
				return
			}
			rest()
			g.settled(ctx, s.Second, s.How)
			g.keptData(ctx, s, before)
		})
	})
}

// Two containers of one network died, and the one that joins it is due again before there is a network to join: the
// engine gives it up. It is started with the other one.
func TestBothOfANetworkDied(t *testing.T) {
	one, value := 1, "1"
	service := func(name string) project.Service {
		s := project.Service{Name: name, Scale: &one}
		s.Image, s.Restart, s.Environment = "app:1", "always", types.MappingWithEquals{"VALUE": &value}
		return s
	}
	joining := service("b")
	joining.NetworkMode = "service:a"
	p := &project.Project{Name: "p", WorkingDir: "/src", Services: map[string]project.Service{"a": service("a"), "b": joining}}
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(story{})
		if err := g.up(t.Context(), p, planner.Policy{}); err != nil {
			t.Fatal(err)
		}
		rest()
		g.byHand(t.Context(), []deed{{"kill", 1}})
		time.Sleep(time.Millisecond)
		g.byHand(t.Context(), []deed{{"kill", 0}})
		if err := g.up(t.Context(), p, planner.Policy{}); err != nil {
			t.Error(err)
		}
		rest()
		g.settled(t.Context(), p, planner.Policy{})
		if len(g.broken) > 0 {
			t.Error(strings.Join(g.broken, "\n"))
		}
	})
}

// The same when the second run fails, is killed or is cancelled anywhere, and is run again.
func TestConvergenceAfterACut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := stories().Draw(rt, "story")
		tell(t, rt, s, func(t *testing.T, g *guard) {
			ctx := t.Context()
			if err := g.up(ctx, s.First, planner.Policy{}); err != nil {
				g.fail("the first run: %v", err)
				return
			}
			rest()
			g.byHand(ctx, s.ByHand)
			before := g.data(ctx)
			g.Fail(s.Fault)
			cut := ctx
			if s.Cancel > 0 {
				var cancel context.CancelFunc
				cut, cancel = context.WithTimeout(ctx, s.Cancel)
				defer cancel()
			}
			first := g.up(cut, s.Second, s.How)
			g.Revive()
			rest()
			if err := g.up(ctx, s.Second, s.How); err != nil {
				g.fail("the first time: %v\nrun again: %v", first, err)
				return
			}
			rest()
			g.settled(ctx, s.Second, s.How)
			g.keptData(ctx, s, before)
		})
	})
}

// A new version that does not work leaves what worked, and mending it is enough.
func TestBadVersionKeepsTheOldOne(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := stories().Draw(rt, "story")
		bad := rapid.SampledFrom([]memory.Behaviour{
			{Exits: true, ExitCode: 1, ExitAfter: memory.Span(100 * time.Millisecond), ReadyAfter: memory.Span(time.Second)},
			{StartError: "exec: not found"}, {NeverReady: true},
		}).Draw(rt, "bad")
		who := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "who")
		tell(t, rt, s, func(t *testing.T, g *guard) {
			ctx := t.Context()
			if err := g.up(ctx, s.First, planner.Policy{}); err != nil {
				g.fail("the first run: %v", err)
				return
			}
			rest()
			good := g.serving(ctx)
			for n := range 9 {
				if spec, ok := s.Second.Services[who]; ok {
					g.Behave(s.Second.ContainerName(spec, n)+".next", bad)
				}
			}
			failure := g.up(ctx, s.Second, s.How)
			rest()
			g.stillServing(ctx, good, s.First, s.Second, failure)
			for n := range 9 {
				if spec, ok := s.Second.Services[who]; ok {
					g.Behave(s.Second.ContainerName(spec, n)+".next", s.Behaviours[who])
				}
			}
			if err := g.up(ctx, s.Second, s.How); err != nil {
				g.fail("mended: %v", err)
				return
			}
			rest()
			g.settled(ctx, s.Second, s.How)
		})
	})
}

// serving lists the replicas that are good, by service and number.
func (g *guard) serving(ctx context.Context) map[string]bool {
	out := map[string]bool{}
	have, err := g.Observe(ctx, planner.Scope{Project: "p"})
	if err != nil {
		g.fail("%v", err)
	}
	for _, c := range have.Containers {
		if g.Good(c.Name) {
			out[fmt.Sprintf("%s %d", c.Service, c.Number)] = true
		}
	}
	return out
}

// gavePort says whether a service, or one that is replaced together with it, had a fixed port that one has later which one of them depends
// on: that one is good first, and keeps it. The plan warns of it.
func gavePort(name string, first, second *project.Project) bool {
	together := []string{name}
	for other := range second.Services {
		for _, pair := range [][2]string{{name, other}, {other, name}} {
			if second.Services[pair[0]].NetworkMode == "service:"+pair[1] || first.Services[pair[0]].NetworkMode == "service:"+pair[1] {
				together = append(together, other)
			}
		}
	}
	for _, holder := range together {
		had := first.Services[holder].Ports
		for other, s := range second.Services {
			if len(had) == 0 || len(s.Ports) == 0 || had[0].Published == "" || had[0].Published != s.Ports[0].Published || other == holder {
				continue
			}
			if slices.ContainsFunc(together, func(of string) bool { return dependsOn(second, of, other) }) {
				return true
			}
		}
	}
	return false
}

// dependsOn says whether a service depends on another one, through however many.
func dependsOn(p *project.Project, name, other string) bool {
	s := p.Services[name]
	for to := range s.DependsOn {
		if to == other || dependsOn(p, to, other) {
			return true
		}
	}
	joined := slices.Clone(s.VolumesFrom)
	if to, joins := strings.CutPrefix(s.NetworkMode, "service:"); joins {
		joined = append(joined, to)
	}
	return slices.ContainsFunc(joined, func(to string) bool { return to == other || dependsOn(p, to, other) })
}

// stillServing checks that every replica that was good and is wanted is good.
func (g *guard) stillServing(ctx context.Context, before map[string]bool, first, want *project.Project, failure error) {
	now := g.serving(ctx)
	for name, s := range want.Services {
		if s.NetworkMode != first.Services[name].NetworkMode && first.Services[name].NetworkMode != "" {
			continue // what it lived in may be gone
		}
		if gavePort(name, first, want) {
			continue
		}
		lost := 0
		for n := range 9 {
			key := fmt.Sprintf("%s %d", name, n)
			if before[key] && !now[key] {
				lost++
			}
		}
		kept := 0
		for n := range 9 {
			if now[fmt.Sprintf("%s %d", name, n)] {
				kept++
			}
		}
		if lost > 0 && kept < s.GetScale() {
			g.fail("%d replicas of %s served and do not any more, after: %v", lost, name, failure)
		}
	}
}
