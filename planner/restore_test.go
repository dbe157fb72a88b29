package planner

import (
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/project"
)

// Cut anywhere, a restore leaves what the volume had, or all of what the snapshot has once the next up has carried on, and nothing beside it.
func TestRestoreIsInterrupted(t *testing.T) {
	for _, c := range []struct {
		story   string
		removed StepID // the step from which on there is a way forward only
		order   func([]Step) []Step
	}{
		{"volume_restored", "remove volume shop_data", asPlanned},
		{"volume_restored_new", "create volume shop_data.muster-migrating", asPlanned},
		{"volume_exchanged", "exchange volume shop_data with shop_data.restored-20261129-010307", asPlanned},
		{"volume_exchanged", "exchange volume shop_data with shop_data.restored-20261129-010307", fillsLast},
		{"volume_exchanged_two", "exchange volume shop_data with shop_data.restored-20261129-010307", asPlanned},
		{"volume_exchanged_two", "exchange volume shop_data with shop_data.restored-20261129-010307", fillsLast},
		{"volume_exchanged_large", "exchange volume shop_data with shop_data.restored-20261129-010307", fillsLast},
		{"volume_exchanged_shared", "exchange volume shop_data with shop_data.restored-20261129-010307", asPlanned},
	} {
		s := readStory(t, "testdata/"+c.story+".txtar")
		plan, err := s.plan(t, s.world)
		if err != nil {
			t.Fatal(err)
		}
		steps := c.order(plan.Steps)
		const volume = "shop_data"
		over := false
		for cut := 0; cut <= len(steps); cut++ {
			over = over || cut > 0 && steps[cut-1].ID == c.removed
			w := s.world.copy()
			if err := w.run(steps[:cut]); err != nil {
				t.Fatal(err)
			}
			how := s.how
			s.how.Restore = nil
			for range 2 {
				next, err := s.plan(t, w)
				if err != nil {
					t.Fatalf("%s, cut after %d: %v", c.story, cut, err)
				}
				if err := w.run(next.Steps); err != nil {
					t.Fatalf("%s, cut after %d: %v", c.story, cut, err)
				}
			}
			if third, err := s.plan(t, w); err != nil || len(third.Steps) > 0 {
				t.Errorf("%s, cut after %d: a third plan: %v\n%s", c.story, cut, err, third.StepsText(TextOptions{}))
			}
			s.how = how
			want := s.world.data[volume]
			if over {
				want = "seeded"
			}
			if w.data[volume] != want {
				t.Errorf("%s, cut after %d: the volume has %q, want %q", c.story, cut, w.data[volume], want)
			}
			if len(w.state.Volumes) != max(1, len(s.world.state.Volumes)) {
				t.Errorf("%s, cut after %d: volumes %+v", c.story, cut, w.state.Volumes)
			}
		}
	}
}

// asPlanned and fillsLast are orders in which the steps of a restore may be done.
func asPlanned(steps []Step) []Step { return steps }

func fillsLast(steps []Step) []Step {
	var out []Step
	done := map[StepID]bool{}
	ready := func(late bool) int {
		return slices.IndexFunc(steps, func(s Step) bool {
			_, fills := s.Action.(FillVolume)
			return !done[s.ID] && fills == late && !slices.ContainsFunc(s.Needs, func(id StepID) bool { return !done[id] })
		})
	}
	for range steps {
		i := ready(false)
		if i < 0 {
			i = ready(true)
		}
		done[steps[i].ID] = true
		out = append(out, steps[i])
	}
	return out
}

// Containers are stopped beside the unpacking where that is known to be short, and where nothing runs before a stop that nothing takes back.
func TestRestoreStopsEarly(t *testing.T) {
	for _, c := range []struct {
		data, media int64
		hook        string
		early       bool
	}{
		{1, 1, "", true},
		{unpackedBeside - 1, 1, "", true},
		{unpackedBeside, 1, "", false},
		{0, 1, "", false},
		{1, 0, "", false},
		{1, 1, "drain", false},
	} {
		s := readStoryWith(t, "testdata/volume_exchanged_two.txtar", func(p *project.Project) {
			if c.hook != "" {
				db := p.Services["db"]
				db.PreStop = []project.ServiceHook{{Command: []string{c.hook}}}
				p.Services["db"] = db
			}
		})
		for key, size := range map[string]int64{"data": c.data, "media": c.media} {
			restore := s.how.Restore[key]
			restore.Size = size
			s.how.Restore[key] = restore
		}
		plan, err := s.plan(t, s.world)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range plan.Steps {
			stop, is := step.Action.(StopContainer)
			if !is || stop.Name != "shop-web-1" {
				continue
			}
			if early := slices.Contains(step.Needs, "create volume shop_media.restored-20261129-010307"); early != c.early {
				t.Errorf("%+v: it is stopped after %v", c, step.Needs)
			}
			if last := slices.Contains(step.Needs, "fill volume shop_media.restored-20261129-010307"); last == c.early {
				t.Errorf("%+v: it is stopped after %v", c, step.Needs)
			}
		}
	}
}

// Whatever a restore that was cut leaves, goes with the volume: by down with volumes, and with an instance that nobody needs any more.
func TestRestoreIsInterruptedAndTakenDown(t *testing.T) {
	for _, story := range []string{"volume_restored", "volume_restored_new", "volume_exchanged", "volume_exchanged_two", "volume_exchanged_shared"} {
		s := readStory(t, "testdata/"+story+".txtar")
		plan, err := s.plan(t, s.world)
		if err != nil {
			t.Fatal(err)
		}
		for cut := 0; cut <= len(plan.Steps); cut++ {
			for what, take := range map[string]func(State) (Plan, error){
				"down --volumes": func(have State) (Plan, error) {
					return Teardown(s.load(t, "compose.yaml", nil), have, Policy{Volumes: true})
				},
				"gc": func(have State) (Plan, error) { return Removal("shop", have, s.how.Now) },
			} {
				w := s.world.copy()
				if err := w.run(plan.Steps[:cut]); err != nil {
					t.Fatal(err)
				}
				down, err := take(w.state)
				if err != nil {
					t.Fatalf("%s, cut after %d, %s: %v", story, cut, what, err)
				}
				if err := w.run(down.Steps); err != nil {
					t.Fatalf("%s, cut after %d, %s: %v", story, cut, what, err)
				}
				if len(w.state.Volumes)+len(down.Warnings) > 0 {
					t.Errorf("%s, cut after %d, %s leaves %+v; %q", story, cut, what, w.state.Volumes, down.Warnings)
				}
			}
		}
	}
}

// As long as a volume stays that is not whole yet, so does the copy that it is filled from.
func TestRestoreIsInterruptedAndTheVolumeStays(t *testing.T) {
	s := readStory(t, "testdata/volume_restored.txtar")
	plan, err := s.plan(t, s.world)
	if err != nil {
		t.Fatal(err)
	}
	w := s.world.copy()
	if err := w.run(plan.Steps[:7]); err != nil { // the volume is made anew
		t.Fatal(err)
	}
	other := s.load(t, "compose.yaml", nil)
	other.Volumes, other.Model = nil, nil
	down, err := Teardown(other, w.state, Policy{Volumes: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.run(down.Steps); err != nil {
		t.Fatal(err)
	}
	if len(w.state.Volumes) != 3 {
		t.Errorf("%+v are left", w.state.Volumes)
	}
}

// Restored again within the same second, a volume is filled from a copy of its own: what the first restore left goes, at whatever time.
func TestRestoreAfterOneOfTheSameSecond(t *testing.T) {
	s := readStory(t, "testdata/volume_restored.txtar")
	plan, err := s.plan(t, s.world)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; plan.Steps[cut-1].ID != "remove volume shop_data"; cut++ {
		w := s.world.copy()
		if err := w.run(plan.Steps[:cut]); err != nil {
			t.Fatal(err)
		}
		next, err := s.plan(t, w)
		if err != nil && strings.Contains(err.Error(), "which was interrupted") {
			continue
		}
		if err != nil {
			t.Fatalf("cut after %d: %v", cut, err)
		}
		for _, id := range []StepID{"create volume shop_data.restored-20261129-010308", "remove volume shop_data.restored-20261129-010307"} {
			if !slices.ContainsFunc(next.Steps, func(s Step) bool { return s.ID == id }) {
				t.Errorf("cut after %d: no step %s:\n%s", cut, id, next.StepsText(TextOptions{}))
			}
		}
		if err := w.run(next.Steps); err != nil {
			t.Fatalf("cut after %d: %v", cut, err)
		}
		if got := w.data["shop_data"]; got != "seeded" || len(w.state.Volumes) != 1 {
			t.Errorf("cut after %d: the volume has %q, volumes %+v", cut, got, w.state.Volumes)
		}
	}
}

// While a volume is on its way, or is somebody else's, it is not filled with something else.
func TestRestoreIsRefused(t *testing.T) {
	s := readStory(t, "testdata/volume_restored.txtar")
	plan, err := s.plan(t, s.world)
	if err != nil {
		t.Fatal(err)
	}
	w := s.world.copy()
	if err := w.run(plan.Steps[:7]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.plan(t, w); err == nil || err.Error() != "volume shop_data was being filled from shop_data.restored-20261129-010307, which was interrupted\n  `muster up` carries that on; restore the snapshot after that" {
		t.Errorf("on its way: %v", err)
	}
	w = s.world.copy()
	for i := range w.state.Volumes {
		w.state.Volumes[i].Labels[LabelProject] = "other"
	}
	if _, err := s.plan(t, w); err == nil || err.Error() != "volume shop_data is not of project shop\n  only volumes that this project has made are filled from snapshots" {
		t.Errorf("of another project: %v", err)
	}
}
