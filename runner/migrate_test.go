package runner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/memory"
)

// dataStack has a service with a volume, and another one that reads it.
func dataStack(volume project.Volume) *project.Project {
	mount := func(readOnly bool) []types.ServiceVolumeConfig {
		return []types.ServiceVolumeConfig{{Type: "volume", Source: "data", Target: "/data", ReadOnly: readOnly}}
	}
	db := project.Service{Name: "db"}
	db.Image, db.Volumes = "db:1", append(mount(false), types.ServiceVolumeConfig{Type: "volume", Target: "/scratch"})
	backup := project.Service{Name: "backup"}
	backup.Image, backup.Volumes = "db:1", mount(true)
	backup.DependsOn = types.DependsOnConfig{"db": {Condition: "service_started", Required: true}}
	return &project.Project{
		Name: "p", WorkingDir: "/src", Separator: "-", Content: map[string]string{},
		Services: map[string]project.Service{"db": db, "backup": backup},
		Networks: map[string]project.Network{"default": {Name: "p_default"}},
		Volumes:  map[string]project.Volume{"data": volume},
	}
}

// migrate brings a stack to what is wanted.
func migrate(ctx context.Context, e *memory.Engine, want *project.Project, asked bool) error {
	have, err := e.Observe(ctx, planner.ScopeOf(want))
	if err != nil {
		return err
	}
	plan, err := planner.Build(want, have, planner.Policy{MigrateVolumes: asked, Now: time.Now()})
	if err != nil {
		return err
	}
	return runner.Run(ctx, e, plan, runner.Options{Health: e})
}

// Wherever carrying a volume over is cut off or goes wrong, its data is in a volume that the next run finds.
func TestMigrationLosesNothing(t *testing.T) {
	before := dataStack(project.Volume{Name: "p_data"})
	after := dataStack(project.Volume{Name: "p_data", DriverOpts: types.Options{"type": "none", "device": "/fast"}})
	points := 0
	for _, fate := range []memory.Fate{memory.Refuse, memory.Forget, memory.Die, memory.DieAfter} {
		for call := 1; ; call++ {
			met := false
			synctest.Test(t, func(t *testing.T) {
				met = migrateWithFault(t, before, after, memory.Fault{Call: call, Do: fate})
			})
			if !met {
				break
			}
			points++
		}
	}
	t.Logf("%d points tried", points)
	if points < 60 {
		t.Errorf("only %d points were tried", points)
	}
}

// migrateWithFault answers whether the fault was met.
func migrateWithFault(t *testing.T, before, after *project.Project, fault memory.Fault) bool {
	where := fmt.Sprintf("%s at call %d", fault.Do, fault.Call)
	ctx := t.Context()
	e := memory.New()
	e.Put(planner.State{Images: []planner.Image{{Tags: []string{"db:1"}}}})
	if err := migrate(ctx, e, before, false); err != nil {
		t.Fatalf("%s: the first run: %v", where, err)
	}
	e.Fill("p_data", "precious")
	scratch := anonymous(t, e)
	calls := len(e.Calls())
	e.Fail(fault)
	first := migrate(ctx, e, after, true)
	met := len(e.Calls())-calls >= fault.Call
	e.Revive()
	if first != nil && !errors.Is(first, memory.ErrDead) {
		checkTakenBack(t, e, where)
	}
	if err := migrate(ctx, e, after, true); err != nil {
		t.Errorf("%s: the next run: %v", where, err)
	}
	if text, _ := e.Content("p_data"); text != "precious" {
		t.Errorf("%s: the volume has %q", where, text)
	}
	have, err := e.Observe(ctx, planner.ScopeOf(after))
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, v := range have.Volumes {
		if strings.HasSuffix(v.Name, "migrating") {
			t.Errorf("%s: %s is left", where, v.Name)
		}
		if text, _ := e.Content(v.Name); v.Labels[planner.LabelKeptFrom] != "" && text == "precious" {
			kept++
		}
	}
	if kept == 0 {
		t.Errorf("%s: the old data is not kept", where)
	}
	for _, c := range have.Containers {
		if c.Status != planner.Running {
			t.Errorf("%s: %s is %s", where, c.Name, c.Status)
		}
	}
	if len(have.Containers) != 2 {
		t.Errorf("%s: there are %d containers", where, len(have.Containers))
	}
	if got := anonymous(t, e); got != scratch {
		t.Errorf("%s: the anonymous volume was %s and is %s", where, scratch, got)
	}
	return met
}

// anonymous is the name of db's anonymous volume.
func anonymous(t *testing.T, e *memory.Engine) string {
	c, err := e.Inspect(t.Context(), "p-db-1")
	if err != nil {
		return ""
	}
	for _, m := range c.Mounts {
		if m.Target == "/scratch" {
			return m.Name
		}
	}
	return ""
}

// checkTakenBack: while the old volume is still whole, what was stopped runs again.
func checkTakenBack(t *testing.T, e *memory.Engine, where string) {
	have, err := e.Observe(t.Context(), planner.Scope{Project: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if len(have.Containers) < 2 {
		return // it had gone too far for that
	}
	for _, c := range have.Containers {
		text, _ := e.Content("p_data")
		if filled := volumeOf(have, "p_data").Labels[planner.LabelFilled]; text == "precious" && filled == "" && c.Status != planner.Running {
			t.Errorf("%s: %s was not started again, it is %s", where, c.Name, c.Status)
		}
	}
}

func volumeOf(have planner.State, name string) planner.Volume {
	for _, v := range have.Volumes {
		if v.Name == name {
			return v
		}
	}
	return planner.Volume{}
}

// Wherever an exchange of a volume's data is cut off or goes wrong, the volume has the one or the other, whole; its services run again, at once where it was
// taken back and else after the next run, which leaves nothing beside it.
func TestExchangeLosesNothing(t *testing.T) {
	want := dataStack(project.Volume{Name: "p_data"})
	points := 0
	for _, fate := range []memory.Fate{memory.Refuse, memory.Forget, memory.Die, memory.DieAfter} {
		for _, size := range []int64{0, 1} { // filled before the stop, and beside it
			for call := 1; ; call++ {
				met := false
				synctest.Test(t, func(t *testing.T) {
					met = exchangeWithFault(t, want, size, memory.Fault{Call: call, Do: fate})
				})
				if !met {
					break
				}
				points++
			}
		}
	}
	t.Logf("%d points tried", points)
	if points < 70 {
		t.Errorf("only %d points were tried", points)
	}
}

// exchangeWithFault answers whether the fault was met.
func exchangeWithFault(t *testing.T, want *project.Project, size int64, fault memory.Fault) bool {
	where := fmt.Sprintf("%s at call %d, %d bytes", fault.Do, fault.Call, size)
	ctx := t.Context()
	e, plan := exchange(t, want, size)
	calls := len(e.Calls())
	e.Fail(fault)
	first := runner.Run(ctx, e, plan, runner.Options{Health: e})
	met := len(e.Calls())-calls >= fault.Call
	e.Revive()
	text, _ := e.Content("p_data")
	if first != nil && !errors.Is(first, memory.ErrDead) && text == "precious" {
		checkTakenBack(t, e, where)
	}
	if text != "seeded" && (text != "precious" || first == nil) {
		t.Errorf("%s: the volume has %q (%v)", where, text, first)
	}
	if err := migrate(ctx, e, want, false); err != nil {
		t.Errorf("%s: the next run: %v", where, err)
	}
	if after, _ := e.Content("p_data"); after != text {
		t.Errorf("%s: the volume had %q and has %q", where, text, after)
	}
	have, err := e.Observe(ctx, planner.ScopeOf(want))
	if err != nil {
		t.Fatal(err)
	}
	named := slices.DeleteFunc(have.Volumes, func(v planner.Volume) bool { return planner.Nameless(v.Name) })
	if len(named) != 1 {
		t.Errorf("%s: there are %v", where, named)
	}
	for _, c := range have.Containers {
		if c.Status != planner.Running {
			t.Errorf("%s: %s is %s", where, c.Name, c.Status)
		}
	}
	return met
}

// exchange is a stack that is up on an engine, and a plan to give its volume so many bytes of a snapshot.
func exchange(t *testing.T, want *project.Project, size int64) (*memory.Engine, planner.Plan) {
	t.Helper()
	e := memory.New()
	e.Put(planner.State{Images: []planner.Image{{Tags: []string{"db:1"}}}})
	if err := migrate(t.Context(), e, want, false); err != nil {
		t.Fatalf("the first run: %v", err)
	}
	e.Fill("p_data", "precious")
	have, err := e.Observe(t.Context(), planner.ScopeOf(want))
	if err != nil {
		t.Fatal(err)
	}
	restore := map[string]planner.Restore{"data": {Snapshot: "seeded", Size: size, Exchange: true}}
	plan, err := planner.Build(want, have, planner.Policy{Restore: restore, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return e, plan
}

// What was stopped beside the unpacking runs again, with what it had, where that fails, or cannot even begin, or is interrupted, after the stop or during it;
// and nothing is left of what was begun.
func TestFillFailsBesideTheStop(t *testing.T) {
	want := dataStack(project.Volume{Name: "p_data"})
	for _, c := range []struct {
		what             string
		fails            string
		stop, fill, quit time.Duration
		stops            int
	}{
		{"after the stop", "FillVolume", time.Second, time.Minute, 0, 2},
		{"during the stop", "FillVolume", time.Minute, time.Second, 0, 1},
		{"interrupted", "", time.Second, time.Minute, 10 * time.Second, 2},
		{"cannot begin", "BeginFill", time.Second, time.Second, 0, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			e, plan := exchange(t, want, 1)
			e.SetLatency("StopContainer", c.stop)
			e.SetLatency("FillVolume", c.fill)
			if c.fails != "" {
				e.Fail(memory.Fault{Action: c.fails, Do: memory.Refuse})
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.quit > 0 {
				defer time.AfterFunc(c.quit, cancel).Stop()
			}
			if err := runner.Run(ctx, e, plan, runner.Options{Health: e}); err == nil {
				t.Errorf("%s: it went well", c.what)
			}
			have, err := e.Observe(t.Context(), planner.ScopeOf(want))
			if err != nil {
				t.Fatal(err)
			}
			for _, of := range have.Containers {
				if of.Status != planner.Running {
					t.Errorf("%s: %s is %s", c.what, of.Name, of.Status)
				}
			}
			if stops := e.Count("StopContainer"); stops != c.stops {
				t.Errorf("%s: %d containers were stopped", c.what, stops)
			}
			if text, _ := e.Content("p_data"); text != "precious" || len(have.Containers) != 2 {
				t.Errorf("%s: the volume has %q, and there are %d containers", c.what, text, len(have.Containers))
			}
			if left := slices.DeleteFunc(have.Volumes, func(v planner.Volume) bool { return planner.Nameless(v.Name) }); len(left) != 1 {
				t.Errorf("%s: there are %v", c.what, left)
			}
		})
	}
}
