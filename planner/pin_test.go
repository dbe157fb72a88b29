package planner

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A tag has moved on, another image is only in its registry, a third is as it was, a fourth is gone.
func TestPinImages(t *testing.T) {
	pins := map[string]Pin{
		"web:1":                    {ID: "sha256:old"},
		"db:1":                     {ID: "sha256:db", Digest: "db@sha256:d"},
		"docker.io/library/mail:1": {ID: "sha256:mail"},
		"gone":                     {ID: "sha256:gone"},
	}
	have := State{Images: []Image{
		{ID: "sha256:old", Tags: []string{"sha256:old"}},
		{ID: "sha256:new", Tags: []string{"web:1", "web:latest"}},
		{ID: "sha256:mail", Tags: []string{"mail:1"}},
	}}
	then, lost := PinImages(have, pins)
	if !slices.Equal(lost, []string{"gone"}) {
		t.Errorf("lost %v", lost)
	}
	for ref, want := range map[string]string{"web:1": "sha256:old", "web:latest": "sha256:new", "mail:1": "sha256:mail"} {
		if image := FindImage(then, ref); image == nil || image.ID != want {
			t.Errorf("%s is %v, want %s", ref, image, want)
		}
	}
	if image := FindImage(then, "db:1"); image != nil {
		t.Errorf("db:1 is %v", image)
	}
	if image := FindImage(have, "web:1"); image == nil || image.ID != "sha256:new" {
		t.Error("the state itself was changed")
	}

	plan := Plan{Steps: []Step{
		{ID: "pull db:1", Action: PullImage{Ref: "db:1"}},
		{ID: "create db", Action: CreateContainer{Name: "db", Image: "db:1"}, Needs: []StepID{"pull db:1"}},
		{ID: "create mail", Action: CreateContainer{Name: "mail", Image: "mail:1"}},
		{ID: "create web", Action: CreateContainer{Name: "web", Image: "web:1"}, Needs: []StepID{"create db"}},
		{ID: "create x", Action: CreateContainer{Name: "x", Image: "x:1"}},
	}}
	var got []Step
	for _, s := range plan.Pinned(pins, have).Steps {
		got = append(got, Step{ID: s.ID, Action: s.Action, Needs: s.Needs})
	}
	want := []Step{
		{ID: "pull db@sha256:d", Action: PullImage{Ref: "db@sha256:d"}},
		{ID: "create db", Action: CreateContainer{Name: "db", Image: "db@sha256:d"}, Needs: []StepID{"pull db@sha256:d"}},
		{ID: "create mail", Action: CreateContainer{Name: "mail", Image: "mail:1"}},
		{ID: "create web", Action: CreateContainer{Name: "web", Image: "sha256:old"}, Needs: []StepID{"create db"}},
		{ID: "create x", Action: CreateContainer{Name: "x", Image: "x:1"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The labels of a stamp come on containers only, and not into the plan that was stamped.
func TestStamped(t *testing.T) {
	labels := map[string]string{LabelService: "web"}
	plan := Plan{Steps: []Step{
		{Action: CreateNetwork{Name: "n"}}, {Action: CreateContainer{Name: "a", Labels: labels}}, {Action: CreateContainer{Name: "b"}},
	}}
	stamped := plan.Stamped(Stamp{Revision: "7", At: "2026-11-01T12:00:00Z", By: "ann@box"})
	want := map[string]string{LabelService: "web", LabelRevision: "7", LabelAt: "2026-11-01T12:00:00Z", LabelBy: "ann@box"}
	if diff := cmp.Diff(want, stamped.Steps[1].Action.(CreateContainer).Labels); diff != "" {
		t.Error(diff)
	}
	if got := stamped.Steps[2].Action.(CreateContainer).Labels[LabelRevision]; got != "7" {
		t.Errorf("without labels of its own it has revision %q", got)
	}
	if len(labels) != 1 {
		t.Errorf("the plan itself was changed: %v", labels)
	}
}
