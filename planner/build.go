package planner

import (
	"fmt"
	"sort"
	"strings"

	"github.com/musterhq/muster/project"
)

// builder is one call of Build: what is wanted, what there is, and the plan as it grows.
type builder struct {
	want     *project.Project
	have     index
	how      Policy
	codec    specCodec
	graph    *graph
	services map[string]*service
	order    []string // of services, dependencies first
	items    []Item
	warnings []string
	problems Errors

	imageSteps   map[string]StepID   // by reference
	networkSteps map[string]StepID   // by name on the engine
	volumeSteps  map[string]StepID   // by name on the engine
	networkFate  map[string][]Change // networks that are made anew, by name
	before       map[string][]StepID // steps on a container that all others of it follow
}

// Build plans the way from have to want.
//
// The error is [Errors] where the engine lacks what the file counts on or the
// policy asks for what cannot be; nothing is planned then.
func Build(want *project.Project, have State, how Policy) (Plan, error) {
	b := newBuilder(want, have, how)
	b.choose()
	b.checkExternals()
	if len(b.problems) == 0 {
		for _, name := range b.order {
			b.decide(b.services[name])
		}
		b.rerunJobs()
		b.restartDependents()
		b.planImages()
		b.planNetworks()
		b.planVolumes()
		for _, name := range b.order {
			b.emit(b.services[name])
		}
		b.planOrphans()
		b.imageItems()
		b.yieldPorts()
		b.yieldNames()
	}
	return b.finish()
}

func newBuilder(want *project.Project, have State, how Policy) *builder {
	return &builder{
		want: want, have: newIndex(have), how: how, graph: newGraph(),
		services:     map[string]*service{},
		imageSteps:   map[string]StepID{},
		networkSteps: map[string]StepID{},
		volumeSteps:  map[string]StepID{},
		networkFate:  map[string][]Change{},
		before:       map[string][]StepID{},
	}
}

// finish puts the plan together.
func (b *builder) finish() (Plan, error) {
	if len(b.problems) > 0 {
		sort.SliceStable(b.problems, func(i, j int) bool {
			x, y := b.problems[i], b.problems[j]
			if x.Ref.Kind != y.Ref.Kind {
				return x.Ref.Kind < y.Ref.Kind
			}
			return x.Ref.Name < y.Ref.Name
		})
		return Plan{}, b.problems
	}
	steps, err := b.graph.ordered()
	if err != nil {
		return Plan{}, err
	}
	sort.SliceStable(b.items, func(i, j int) bool {
		x, y := b.items[i].Ref, b.items[j].Ref
		if x.Kind != y.Kind {
			return x.Kind < y.Kind
		}
		return x.Name < y.Name
	})
	return Plan{Project: b.want.Name, Steps: steps, Items: b.items, Warnings: b.warnings}, nil
}

func (b *builder) warn(format string, args ...any) {
	b.warnings = append(b.warnings, fmt.Sprintf(format, args...))
}

// choose finds the services that this plan is about and their order.
func (b *builder) choose() {
	chosen := b.selected()
	for _, name := range keys(chosen) {
		spec := b.want.Services[name]
		spec.Name = name
		if spec.Provider != nil {
			b.warn("%s: is run by provider %s, which muster does not start yet", name, spec.Provider.Type)
			continue
		}
		text, err := project.Spec(spec)
		if err != nil {
			b.fail(Ref{Kind: KindService, Name: name}, "", "%s: cannot be written as JSON: %v", name, err)
			continue
		}
		b.services[name] = &service{
			name: name, spec: spec, json: text,
			scale:  b.scaleOf(name, spec),
			forced: b.forced(name),
		}
	}
	for name := range b.how.Scale {
		if _, ok := b.want.Services[name]; !ok {
			b.fail(Ref{Kind: KindService, Name: name}, "", "no service %q to scale", name)
		}
	}
	b.link()
	order, circle := inOrder(b.services)
	if circle != nil {
		b.fail(Ref{Kind: KindService, Name: circle[0]}, "take one of the dependencies out",
			"services depend on each other: %s", strings.Join(circle, " → "))
	}
	b.order = order
}

// selected are the named services and, unless that is not wanted, all that they depend on.
func (b *builder) selected() map[string]bool {
	out := map[string]bool{}
	if len(b.how.Services) == 0 {
		for name := range b.want.Services {
			out[name] = true
		}
		return out
	}
	var take func(name string)
	take = func(name string) {
		s, ok := b.want.Services[name]
		if !ok || out[name] {
			return
		}
		out[name] = true
		if b.how.NoDeps {
			return
		}
		for dependency := range s.DependsOn {
			take(dependency)
		}
		for _, j := range joined(s) {
			take(j[1])
		}
	}
	for _, name := range b.how.Services {
		if _, ok := b.want.Services[name]; !ok {
			b.fail(Ref{Kind: KindService, Name: name}, "", "no service %q", name)
		}
		take(name)
	}
	return out
}

// forced says whether a service is replaced although nothing differs. --force-recreate and
// fresh anonymous volumes are for the services that were named, not for their dependencies.
func (b *builder) forced(name string) bool {
	if b.how.Recreate == RecreateNever {
		return false
	}
	named := len(b.how.Services) == 0
	for _, n := range b.how.Services {
		named = named || n == name
	}
	if !named {
		return b.how.AlwaysRecreateDeps
	}
	return b.how.Recreate == RecreateAlways || b.how.RenewAnonVolumes
}

func (b *builder) scaleOf(name string, spec project.Service) int {
	scale, asked := b.how.Scale[name]
	if !asked {
		scale = spec.GetScale()
	}
	ref := Ref{Kind: KindService, Name: name}
	if scale < 0 {
		b.fail(ref, "", "%s: cannot have %d replicas", name, scale)
		return 0
	}
	if scale > 1 && spec.ContainerName != "" {
		b.fail(ref, "take container_name out, or keep one replica",
			"%s: cannot have %d replicas, since container_name %q can be had only once", name, scale, spec.ContainerName)
		return 1
	}
	return scale
}

// link ties services together and finds the jobs.
func (b *builder) link() {
	for _, s := range b.services {
		for name, d := range s.spec.DependsOn {
			to := b.services[name]
			if to == nil || to == s {
				continue
			}
			s.edges = append(s.edges, edge{to: to, condition: condition(d), restart: d.Restart})
		}
		for _, j := range joined(s.spec) {
			to := b.services[j[1]]
			if to == nil || to == s {
				continue
			}
			s.parents = append(s.parents, parent{to: to, field: j[0], process: j[0] != "volumes_from"})
			if _, said := s.spec.DependsOn[j[1]]; !said {
				s.edges = append(s.edges, edge{to: to, condition: project.ConditionStarted})
			}
		}
		sort.Slice(s.edges, func(i, j int) bool { return s.edges[i].to.name < s.edges[j].to.name })
		sort.Slice(s.parents, func(i, j int) bool {
			if s.parents[i].to != s.parents[j].to {
				return s.parents[i].to.name < s.parents[j].to.name
			}
			return s.parents[i].field < s.parents[j].field
		})
	}
	for _, name := range keys(b.services) {
		s := b.services[name]
		for _, e := range s.edges {
			e.to.dependents = append(e.to.dependents, dependent{of: s, condition: e.condition})
		}
	}
	for _, s := range b.want.Services {
		for name, d := range s.DependsOn {
			if to := b.services[name]; to != nil && d.Condition == project.ConditionCompleted {
				to.job = true
			}
		}
	}
}

func condition(d project.ServiceDependency) string {
	if d.Condition == "" {
		return project.ConditionStarted
	}
	return d.Condition
}

// hashes are the config hashes that a container of s may carry. Shared
// namespaces are hashed as the container IDs that they lead to, as docker compose does.
func (b *builder) hashes(s *service) []string {
	spec := resolved(s.spec, func(name string) string {
		if list := b.have.services[name]; len(list) > 0 {
			return list[0].ID
		}
		return ""
	})
	hashes, err := project.ServiceHashes(spec)
	if err != nil {
		return nil
	}
	return hashes
}

// image is the local image that a reference stands for; nil where there is none.
func (b *builder) image(ref string) *Image { return b.have.images[familiar(ref)] }

// checkExternals makes sure that what must already exist does, before anything is touched.
func (b *builder) checkExternals() {
	used := b.usedNetworks()
	for _, key := range keys(b.want.Networks) {
		n := b.want.Networks[key]
		name := networkName(b.want, key, n)
		if bool(n.External) && used[key] && b.have.networks[name] == nil && !builtIn(name) {
			b.fail(Ref{Kind: KindNetwork, Name: name}, fmt.Sprintf("create it with `docker network create %s`, or take `external` out of networks.%s", name, key),
				"external network %q does not exist", name)
		}
	}
	usedVolumes := b.usedVolumes()
	for _, key := range keys(b.want.Volumes) {
		v := b.want.Volumes[key]
		name := volumeName(b.want, key, v)
		if bool(v.External) && usedVolumes[key] && b.have.volumes[name] == nil {
			b.fail(Ref{Kind: KindVolume, Name: name}, fmt.Sprintf("create it with `docker volume create %s`, or take `external` out of volumes.%s", name, key),
				"external volume %q does not exist", name)
		}
	}
}

// builtIn says whether an engine has the network by itself.
func builtIn(name string) bool {
	return name == "host" || name == "none" || name == "bridge" || name == "default"
}

// usedNetworks are the keys that a service of this plan uses.
func (b *builder) usedNetworks() map[string]bool {
	used := map[string]bool{}
	for _, s := range b.services {
		for _, key := range networkKeys(s.spec) {
			used[key] = true
		}
	}
	return used
}

// usedVolumes are the keys of the named volumes that a service of this plan mounts.
func (b *builder) usedVolumes() map[string]bool {
	used := map[string]bool{}
	for _, s := range b.services {
		for _, v := range s.spec.Volumes {
			if v.Type == "volume" && v.Source != "" {
				used[v.Source] = true
			}
		}
	}
	return used
}

// networkKeys are the networks of a service in the order of their priority; none with a
// network_mode of its own.
func networkKeys(s project.Service) []string {
	if s.NetworkMode != "" {
		return nil
	}
	if len(s.Networks) == 0 {
		return []string{"default"}
	}
	return s.NetworksByPriority()
}
