package docker

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
)

// Whose namespaces a container uses is known by ID, so that a plan notices when that container is another one.
func TestInspectTellsJoinedNamespaces(t *testing.T) {
	r := newRig(t)
	base := r.shell("base", sleeper, func(a *planner.CreateContainer) { a.Spec.Ipc = "shareable" })
	web := r.shell("web", sleeper, func(a *planner.CreateContainer) {
		a.Spec.NetworkMode, a.Spec.Ipc, a.Spec.Pid = "container:"+base.Name, "container:"+base.Name, "container:"+base.Name
	})
	r.do(base, planner.StartContainer{Name: base.Name}, web)
	parent, err := r.Inspect(r.ctx, base.Name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Inspect(r.ctx, web.Name)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"network_mode": parent.ID, "ipc": parent.ID, "pid": parent.ID}
	if diff := cmp.Diff(want, got.Joined); diff != "" {
		t.Error(diff)
	}
	if len(parent.Joined) != 0 {
		t.Errorf("base joined %v", parent.Joined)
	}
}
