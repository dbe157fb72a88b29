package planner

import (
	"sort"
	"strings"

	"github.com/musterhq/muster/project"
)

// choose finds the services that this plan is about and their order.
func (b *builder) choose() {
	chosen := keys(b.selected())
	services := make([]*service, 0, len(chosen))
	for _, name := range chosen {
		spec := b.want.Services[name]
		spec.Name = name
		if spec.Provider != nil {
			b.providers[name] = spec
			continue
		}
		services = append(services, &service{name: name, spec: spec})
	}
	b.write(services)
	for _, s := range services {
		if s.unwritable != nil {
			b.fail(s.ref(), "", "%s: cannot be written as JSON: %v", s.name, s.unwritable)
			continue
		}
		says, err := project.Extension(s.spec)
		if err != nil {
			b.fail(s.ref(), "", "%v", err)
			continue
		}
		s.ready, s.shared, s.scale, s.forced = says.Ready, says.SharedVolumes, b.scaleOf(s.name, s.spec), b.forced(s.name)
		b.services[s.name] = s
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
	if scale > 1 && spec.ContainerName != "" && !b.have.converges {
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
				b.linkThrough(s, name, map[string]bool{})
				continue
			}
			s.edges = append(s.edges, b.edgeOf(s, to, d))
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
	for other := range b.want.Services { // a service is large to copy
		for name, d := range b.want.Services[other].DependsOn {
			if to := b.services[name]; to != nil && d.Condition == project.ConditionCompleted {
				to.job = true
			}
		}
	}
}

// linkThrough ties a service to what a provider that it depends on depends on itself.
func (b *builder) linkThrough(s *service, provider string, seen map[string]bool) {
	p, ok := b.providers[provider]
	if !ok || seen[provider] {
		return
	}
	seen[provider] = true
	for name, d := range p.DependsOn {
		if to := b.services[name]; to != nil && to != s {
			s.edges = append(s.edges, edge{to: to, condition: condition(d)})
		}
		b.linkThrough(s, name, seen)
	}
}

// edgeOf reads an entry of depends_on.
func (b *builder) edgeOf(s, to *service, d project.ServiceDependency) edge {
	timeout, err := project.DependencyTimeout(d)
	if err != nil {
		b.fail(s.ref(), "", "%s: %v", s.name, err)
	}
	return edge{to: to, condition: condition(d), restart: d.Restart, optional: !d.Required, timeout: timeout}
}

func condition(d project.ServiceDependency) string {
	if d.Condition == "" {
		return project.ConditionStarted
	}
	return d.Condition
}
