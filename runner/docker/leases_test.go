package docker

import (
	"testing"
	"time"

	"github.com/musterhq/muster/planner"
)

// What a job that was killed early has left counts as well; what a container says counts more than what it uses.
func TestInstancesOf(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 29, 1, minute, 0, 0, time.UTC) }
	label := func(project, instance string, at time.Time) map[string]string {
		return map[string]string{planner.LabelProject: project, planner.LabelInstance: instance, planner.LabelInstanceOf: "shop", planner.LabelExpires: at.Format(time.RFC3339)}
	}
	got := instancesOf([]Listed{
		{Name: "shop"},
		{Name: "shop-kept", Instance: "kept"},
		{Name: "shop-timed", Instance: "timed", Expires: at(5)},
	}, []map[string]string{
		label("shop-half", "half", at(1)), label("shop-half", "half", at(3)), label("shop-half", "half", at(2)),
		label("shop-kept", "kept", at(1)), label("shop-timed", "timed", at(9)),
		label("shop", "", at(1)),
		{planner.LabelProject: "shop-odd", planner.LabelInstance: "odd", planner.LabelExpires: "soon"},
	})
	want := []Listed{
		{Name: "shop-half", Instance: "half", First: "shop", Expires: at(3)},
		{Name: "shop-kept", Instance: "kept"},
		{Name: "shop-timed", Instance: "timed", Expires: at(5)},
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i, w := range want {
		if g := got[i]; g.Name != w.Name || g.Instance != w.Instance || g.First != w.First || !g.Expires.Equal(w.Expires) {
			t.Errorf("got %+v, want %+v", g, w)
		}
	}
}

// A container that has no time keeps its instance, the others' times or not.
func TestListedExpires(t *testing.T) {
	one, two := time.Unix(100, 0), time.Unix(200, 0)
	for _, c := range []struct {
		times []time.Time
		want  time.Time
	}{
		{[]time.Time{one, two}, two},
		{[]time.Time{two, one}, two},
		{[]time.Time{one, {}, two}, time.Time{}},
		{[]time.Time{{}, two}, time.Time{}},
	} {
		var l Listed
		for i, at := range c.times {
			l.until(at, i == 0)
		}
		if !l.Expires.Equal(c.want) {
			t.Errorf("%v: got %v", c.times, l.Expires)
		}
	}
}
