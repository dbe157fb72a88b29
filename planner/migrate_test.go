package planner

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Once the old volume is gone, what was begun is carried on although nobody asks for it any more; before, it is
// refused as if it had never begun, and the volume is whole.
func TestMigrationCarriesOn(t *testing.T) {
	s := readStory(t, "testdata/volume_migrated.txtar")
	plan, err := s.plan(t, s.world)
	if err != nil {
		t.Fatal(err)
	}
	const volume = "shop_data"
	for cut := 0; cut <= len(plan.Steps); cut++ {
		w := s.world.copy()
		if err := w.run(plan.Steps[:cut]); err != nil {
			t.Fatal(err)
		}
		whole := w.data[volume] == s.world.data[volume]
		s.how.Migrate = false
		second, err := s.plan(t, w)
		s.how.Migrate = true
		begun := cut >= 9 // the old volume is removed by the ninth step
		if (err != nil) != !begun {
			t.Errorf("cut after %d: %v", cut, err)
			continue
		}
		if !begun {
			if !whole {
				t.Errorf("cut after %d: the volume has %q", cut, w.data[volume])
			}
			continue
		}
		if err := w.run(second.Steps); err != nil || w.data[volume] != s.world.data[volume] {
			t.Errorf("cut after %d: the volume has %q (%v)", cut, w.data[volume], err)
		}
	}
}

// Where the definition goes back to what it was, what was begun is cleared away.
func TestMigrationGivenUp(t *testing.T) {
	s := readStory(t, "testdata/volume_migrated.txtar")
	plan, err := s.plan(t, s.world)
	if err != nil {
		t.Fatal(err)
	}
	w := s.world.copy()
	if err := w.run(plan.Steps[:6]); err != nil { // the copy is made
		t.Fatal(err)
	}
	before, err := Build(s.load(t, "before.yaml", nil), w.state, Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.run(before.Steps); err != nil {
		t.Fatal(err)
	}
	if len(w.state.Volumes) != len(s.world.state.Volumes) || w.data["shop_data"] != s.world.data["shop_data"] {
		t.Errorf("volumes %v, data %v", w.state.Volumes, w.data)
	}
}

// Where the definition changes once more while the new volume is not whole yet, that one goes, and the copy is what counts.
func TestMigrationToAnother(t *testing.T) {
	s := readStory(t, "testdata/volume_migrated.txtar")
	plan, err := s.plan(t, s.world)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 9; cut < 12; cut++ { // the old volume is gone, the new one is not known to be whole
		w := s.world.copy()
		if err := w.run(plan.Steps[:cut]); err != nil {
			t.Fatal(err)
		}
		back := s.load(t, "before.yaml", nil)
		for round := range 2 {
			next, err := Build(back, w.state, Policy{})
			if err != nil {
				t.Fatal(err)
			}
			if round == 1 && len(next.Steps) > 0 {
				t.Errorf("cut after %d: a second plan:\n%s", cut, next.StepsText(TextOptions{}))
			}
			if err := w.run(next.Steps); err != nil {
				t.Errorf("cut after %d: %v", cut, err)
			}
		}
		if w.data["shop_data"] != s.world.data["shop_data"] {
			t.Errorf("cut after %d: the volume has %q", cut, w.data["shop_data"])
		}
	}
}

// What goes with a container besides what the engine takes for its own are volumes for which the file has no name, where muster has made it.
func TestInherited(t *testing.T) {
	var codec specCodec
	hex := func(digit string) string { return strings.Repeat(digit, 64) }
	c := Container{
		Labels: map[string]string{LabelSpec: codec.encode(`{"volumes":[{"type":"volume","target":"/a"},{"type":"volume","source":"mine","target":"/b"}]}`)},
		Mounts: []Mount{
			{Type: "volume", Name: hex("a"), Target: "/a"}, {Type: "volume", Name: hex("b"), Target: "/b"}, // an external one may have such a name
			{Type: "volume", Name: hex("c"), Target: "/of/the/image"}, {Type: "volume", Name: "shop_data", Target: "/d"}, {Type: "bind", Target: "/e"},
		},
	}
	if d := cmp.Diff([]string{hex("a"), hex("c")}, NewRemoveContainer(c, true).Inherited); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for what, label := range map[string]string{"another's": "", "unreadable": "?"} {
		c.Labels[LabelSpec] = label
		if got := NewRemoveContainer(c, true).Inherited; got != nil {
			t.Errorf("%s: %v", what, got)
		}
	}
}
