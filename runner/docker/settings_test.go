package docker

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// withLimits is a service with every limit that a test machine has.
func withLimits(a *planner.CreateContainer) {
	a.Spec.CPUS, a.Spec.CPUShares, a.Spec.CPUSet = 0.5, 512, "0"
	a.Spec.MemLimit, a.Spec.MemReservation, a.Spec.PidsLimit = 64<<20, 32<<20, 20
	a.Spec.Restart = "on-failure:3"
}

// What the planner reads from the file is what is asked of the engine.
func TestSettingsAreThoseOfTheRequest(t *testing.T) {
	attempts := uint64(4)
	for name, s := range map[string]project.Service{
		"nothing": {},
		"plain": {Restart: "unless-stopped", ContainerSpec: types.ContainerSpec{CPUS: 0.1, CPUShares: 3, CPUPeriod: 4, CPUQuota: 5,
			CPURTPeriod: 6, CPURTRuntime: 7, CPUSet: "0-1", MemLimit: 8, MemReservation: 9, MemSwapLimit: -1, PidsLimit: -1,
			BlkioConfig: &types.BlkioConfig{Weight: 10}}},
		"deploy": {Deploy: &types.DeployConfig{
			Resources:     types.Resources{Limits: &types.Resource{NanoCPUs: 1.5, MemoryBytes: 8, Pids: 9}, Reservations: &types.Resource{MemoryBytes: 7}},
			RestartPolicy: &types.RestartPolicy{Condition: "on-failure", MaxAttempts: &attempts}}},
		"any":  {Deploy: &types.DeployConfig{RestartPolicy: &types.RestartPolicy{}}},
		"none": {Deploy: &types.DeployConfig{RestartPolicy: &types.RestartPolicy{Condition: "none"}}},
	} {
		want, err := planner.SettingsOf(s)
		if err != nil {
			t.Fatal(err)
		}
		w := writer{service: s, api: "1.51"}
		if diff := cmp.Diff(want, *settings(w.host())); diff != "" {
			t.Errorf("%s (-planner +request): %s", name, diff)
		}
	}
}

// Limits and the restart policy change while the container runs on.
func TestUpdateInPlace(t *testing.T) {
	r := newRig(t)
	create := r.shell("web", sleeper, withLimits)
	r.do(create, planner.StartContainer{Name: create.Name})
	before, err := r.inspect(r.ctx, create.Name)
	if err != nil {
		t.Fatal(err)
	}
	want, err := planner.SettingsOf(create.Spec)
	if err != nil {
		t.Fatal(err)
	}
	want.NanoCPUs, want.CPUShares, want.Memory, want.MemoryReservation, want.Pids = 1e9, 256, 512<<20, 48<<20, 0
	want.Restart = "unless-stopped"
	r.do(planner.UpdateContainer{Name: create.Name, Service: "web", Settings: want})
	after, err := r.inspect(r.ctx, create.Name)
	if err != nil {
		t.Fatal(err)
	}
	got := *fromInspect(after).Settings
	got.MemorySwap = 0 // of the engine's choice
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got: %s", diff)
	}
	if after.State.StartedAt != before.State.StartedAt || after.State.Pid != before.State.Pid {
		t.Errorf("it was started again: %+v, then %+v", before.State, after.State)
	}
}
