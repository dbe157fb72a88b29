package swarm

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/swarm"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
)

// writer writes one service down in Swarm's terms.
type writer struct {
	service project.Service
	action  planner.ApplyService
	// refs are the IDs of configs and secrets by kind and name.
	refs map[objectName]string
}

// objectName names a config or a secret.
type objectName struct {
	kind planner.Kind
	name string
}

// specOf writes an action down: networks are named, and images not resolved yet.
func specOf(a planner.ApplyService, refs map[objectName]string) swarm.ServiceSpec {
	w := writer{service: a.Spec, action: a, refs: refs}
	deploy := w.deploy()
	labels := maps.Clone(a.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[labelStack], labels[labelImage] = a.Project, a.Image
	return swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: a.Name, Labels: labels},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: w.container(),
			LogDriver:     w.logging(),
			Resources:     w.resources(),
			RestartPolicy: w.restartPolicy(),
			Placement:     w.placement(),
			Networks:      w.networks(),
		},
		Mode:           w.mode(),
		UpdateConfig:   updateConfig(deploy.UpdateConfig),
		RollbackConfig: updateConfig(deploy.RollbackConfig),
		EndpointSpec:   w.endpoint(),
	}
}

// deploy is the service's section of that name, empty where it has none.
func (w *writer) deploy() types.DeployConfig {
	if w.service.Deploy == nil {
		return types.DeployConfig{}
	}
	return *w.service.Deploy
}

func (w *writer) mode() swarm.ServiceMode {
	n := uint64(max(0, w.action.Replicas))
	switch w.action.Mode {
	case planner.Global:
		return swarm.ServiceMode{Global: &swarm.GlobalService{}}
	case planner.GlobalJob:
		return swarm.ServiceMode{GlobalJob: &swarm.GlobalJob{}}
	case planner.ReplicatedJob:
		return swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &n, TotalCompletions: &n}}
	}
	return swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &n}}
}

func updateConfig(c *types.UpdateConfig) *swarm.UpdateConfig {
	if c == nil {
		return nil
	}
	out := &swarm.UpdateConfig{
		Parallelism: 1, Delay: time.Duration(c.Delay), FailureAction: c.FailureAction,
		Monitor: time.Duration(c.Monitor), MaxFailureRatio: c.MaxFailureRatio, Order: c.Order,
	}
	if c.Parallelism != nil {
		out.Parallelism = *c.Parallelism
	}
	return out
}

// restartPolicy is that of deploy, or what restart comes closest to. A service that is a job although its file does not say so
// runs once where its file has it not restarted.
func (w *writer) restartPolicy() *swarm.RestartPolicy {
	if p := w.deploy().RestartPolicy; p != nil {
		return &swarm.RestartPolicy{
			Condition: swarm.RestartPolicyCondition(p.Condition), Delay: pointer(p.Delay), MaxAttempts: p.MaxAttempts, Window: pointer(p.Window),
		}
	}
	name, count, _ := strings.Cut(w.service.Restart, ":")
	var attempts *uint64
	if n, err := strconv.ParseUint(count, 10, 64); err == nil && n > 0 {
		attempts = &n
	}
	switch name {
	case types.RestartPolicyAlways, types.RestartPolicyUnlessStopped:
		return &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, MaxAttempts: attempts}
	case types.RestartPolicyOnFailure:
		return &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionOnFailure, MaxAttempts: attempts}
	}
	if w.action.Mode.Job() && planner.Mode(w.deploy().Mode) != w.action.Mode {
		return &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone}
	}
	return nil
}

func pointer(d *types.Duration) *time.Duration {
	if d == nil {
		return nil
	}
	out := time.Duration(*d)
	return &out
}

func (w *writer) placement() *swarm.Placement {
	declared := w.deploy().Placement
	out := &swarm.Placement{Constraints: declared.Constraints, MaxReplicas: declared.MaxReplicas}
	for _, p := range declared.Preferences {
		out.Preferences = append(out.Preferences, swarm.PlacementPreference{Spread: &swarm.SpreadOver{SpreadDescriptor: p.Spread}})
	}
	if os, arch, found := strings.Cut(w.service.Platform, "/"); os != "" {
		if found {
			arch, _, _ = strings.Cut(arch, "/")
		}
		out.Platforms = []swarm.Platform{{OS: os, Architecture: arch}}
	}
	return out
}

// resources are those of deploy; the plain keys, which mean the same, fill in what it leaves out.
func (w *writer) resources() *swarm.ResourceRequirements {
	s, declared := w.service, w.deploy().Resources
	out := &swarm.ResourceRequirements{}
	if l := declared.Limits; l != nil || s.MemLimit != 0 || s.CPUS != 0 || s.PidsLimit != 0 {
		if l == nil {
			l = &types.Resource{}
		}
		out.Limits = &swarm.Limit{
			NanoCPUs:    cmp.Or(docker.NanoCPUs(l.NanoCPUs.Value()), docker.NanoCPUs(s.CPUS)),
			MemoryBytes: cmp.Or(int64(l.MemoryBytes), int64(s.MemLimit)),
			Pids:        cmp.Or(l.Pids, s.PidsLimit),
		}
	}
	if r := declared.Reservations; r != nil || s.MemReservation != 0 {
		if r == nil {
			r = &types.Resource{}
		}
		out.Reservations = &swarm.Resources{
			NanoCPUs: docker.NanoCPUs(r.NanoCPUs.Value()), MemoryBytes: cmp.Or(int64(r.MemoryBytes), int64(s.MemReservation)),
			GenericResources: generic(r.GenericResources),
		}
	}
	return out
}

func generic(declared []types.GenericResource) []swarm.GenericResource {
	var out []swarm.GenericResource
	for _, g := range declared {
		if d := g.DiscreteResourceSpec; d != nil {
			out = append(out, swarm.GenericResource{DiscreteResourceSpec: &swarm.DiscreteGenericResource{Kind: d.Kind, Value: d.Value}})
		}
	}
	return out
}

func (w *writer) logging() *swarm.Driver {
	if l := w.service.Logging; l != nil {
		return &swarm.Driver{Name: l.Driver, Options: l.Options}
	}
	if w.service.LogDriver != "" {
		return &swarm.Driver{Name: w.service.LogDriver, Options: w.service.LogOpt}
	}
	return nil
}

// networks are those of the service, by name. One of the nodes' own, which network_mode asks for, is attached in the same way.
func (w *writer) networks() []swarm.NetworkAttachmentConfig {
	if mode := w.service.NetworkMode; mode != "" {
		return []swarm.NetworkAttachmentConfig{{Target: mode}}
	}
	out := make([]swarm.NetworkAttachmentConfig, 0, len(w.service.Networks))
	for key, n := range w.service.Networks {
		if n == nil {
			n = &types.ServiceNetworkConfig{}
		}
		target := cmp.Or(w.action.Networks[key], key)
		config := swarm.NetworkAttachmentConfig{Target: target, DriverOpts: n.DriverOpts}
		// The nodes' own networks know no names.
		if !ofNodes(target) {
			config.Aliases = slices.Clone(n.Aliases)
			if n.ServiceNameAliasEnabled() {
				config.Aliases = append(config.Aliases, w.action.Service)
			}
		}
		out = append(out, config)
	}
	slices.SortFunc(out, func(a, b swarm.NetworkAttachmentConfig) int { return strings.Compare(a.Target, b.Target) })
	return out
}

// ofNodes says whether a network is one that each node has of its own.
func ofNodes(network string) bool {
	return slices.Contains([]string{"host", "none", "bridge"}, network)
}

func (w *writer) endpoint() *swarm.EndpointSpec {
	ports := make([]swarm.PortConfig, 0, len(w.service.Ports))
	for _, p := range w.service.Ports {
		published, _ := strconv.ParseUint(p.Published, 10, 32) // what is no number is refused before
		ports = append(ports, swarm.PortConfig{
			Protocol: swarm.PortConfigProtocol(p.Protocol), TargetPort: p.Target, PublishedPort: uint32(published),
			PublishMode: swarm.PortConfigPublishMode(p.Mode),
		})
	}
	slices.SortFunc(ports, func(a, b swarm.PortConfig) int {
		return cmp.Or(cmp.Compare(a.PublishedPort, b.PublishedPort), cmp.Compare(a.TargetPort, b.TargetPort), cmp.Compare(a.Protocol, b.Protocol))
	})
	return &swarm.EndpointSpec{Mode: swarm.ResolutionMode(strings.ToLower(w.deploy().EndpointMode)), Ports: ports}
}
