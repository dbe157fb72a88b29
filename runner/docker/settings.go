package docker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/musterhq/muster/planner"
)

// settings reads what can be changed in a container that exists.
func settings(h *container.HostConfig) *planner.Settings {
	s := &planner.Settings{
		NanoCPUs: h.NanoCPUs, CPUShares: h.CPUShares, CPUPeriod: h.CPUPeriod, CPUQuota: h.CPUQuota,
		CPURealtimePeriod: h.CPURealtimePeriod, CPURealtimeRuntime: h.CPURealtimeRuntime, CPUSet: h.CpusetCpus,
		Memory: max(0, h.Memory), MemoryReservation: max(0, h.MemoryReservation), MemorySwap: h.MemorySwap,
		BlkioWeight: int64(h.BlkioWeight),
		Restart:     planner.RestartText(string(h.RestartPolicy.Name), h.RestartPolicy.MaximumRetryCount),
	}
	if s.CPUPeriod != 0 && s.NanoCPUs == s.CPUQuota*1e9/s.CPUPeriod {
		// Podman says the same thing twice.
		s.CPUPeriod, s.CPUQuota = 0, 0
	}
	if h.PidsLimit != nil {
		s.Pids = max(0, *h.PidsLimit)
	}
	return s
}

// updateConfig is the other direction: what is 0 there stays as it is.
func updateConfig(s planner.Settings) container.UpdateConfig {
	name, attempts, _ := strings.Cut(s.Restart, ":")
	policy := container.RestartPolicy{Name: container.RestartPolicyMode(name)}
	policy.MaximumRetryCount, _ = strconv.Atoi(attempts) // digits or nothing
	pids := s.Pids
	if pids == 0 {
		pids = -1 // lifts the limit
	}
	swap := s.MemorySwap
	if s.Memory > 0 && swap == 0 {
		// What the engine gives a new container. Without it, raising the limit
		// above the old swap limit is refused.
		swap = 2 * s.Memory
	}
	return container.UpdateConfig{RestartPolicy: policy, Resources: container.Resources{
		BlkioWeight: uint16(s.BlkioWeight), CPUPeriod: s.CPUPeriod, CPUQuota: s.CPUQuota, CPURealtimePeriod: s.CPURealtimePeriod,
		CPURealtimeRuntime: s.CPURealtimeRuntime, CPUShares: s.CPUShares, CpusetCpus: s.CPUSet, NanoCPUs: s.NanoCPUs,
		Memory: s.Memory, MemoryReservation: s.MemoryReservation, MemorySwap: swap, PidsLimit: &pids,
	}}
}

// cpuPeriod is the kernel's usual period for CPU quotas, in microseconds.
const cpuPeriod = 100_000

func (e *Engine) update(ctx context.Context, a planner.UpdateContainer) error {
	change := updateConfig(a.Settings)
	if change.NanoCPUs != 0 && e.isPodman() { // it overlooks these here, though not at the creation
		change.CPUPeriod, change.CPUQuota, change.NanoCPUs = cpuPeriod, change.NanoCPUs*cpuPeriod/1e9, 0
	}
	answer, err := e.client.ContainerUpdate(ctx, a.Name, change)
	if err != nil {
		return e.wrap(ctx, err, "update container", a.Name)
	}
	for _, w := range answer.Warnings {
		// A weight that was discarded at creation is not asked for on its own.
		if strings.Contains(w, "discarded") && !strings.Contains(w, "weight") {
			return &refusal{
				problem: fmt.Sprintf("the engine cannot limit %s: %s", a.Service, w), cause: errors.New(w),
				hint: "its kernel has to support the limit; else take the key out",
			}
		}
	}
	return nil
}
