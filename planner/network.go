package planner

import (
	"errors"
	"slices"

	"github.com/musterhq/muster/project"
)

// planNetworks makes the networks that are missing, and anew those whose definition has changed.
func (b *builder) planNetworks() {
	used := b.usedNetworks()
	for _, key := range keys(b.want.Networks) {
		n := b.want.Networks[key]
		if !used[key] || bool(n.External) {
			continue
		}
		name := networkName(b.want, key, n)
		have := b.have.networks[name]
		item := Item{Ref: Ref{Kind: KindNetwork, Name: name}, Verdict: Unchanged}
		switch {
		case have == nil:
			why := []Change{{Path: "networks." + key, To: name}}
			b.networkSteps[name] = b.createNetwork(key, n, nil, why)
			item.Verdict, item.Summary, item.Changes = Create, "new network", nil
		case have.Labels[LabelProject] != b.want.Name:
			b.warn("network %s was not made for this project (%s); it is used as it is", name, owner(have.Labels))
		default:
			if changes := b.networkChanges(key, n, have); len(changes) > 0 && b.have.converges {
				item.Verdict, item.Changes, item.Impact = Modify, changes, Replace
				item.Summary = "made anew; " + plural(b.redeployNetwork(key, n, have, changes), "service") + " removed before and created after"
			} else if len(changes) > 0 {
				item.Verdict, item.Changes, item.Impact = Modify, changes, InPlace
				item.Summary = "made anew; " + plural(b.renewNetwork(key, n, changes), "container") + " reconnected"
			}
		}
		b.items = append(b.items, item)
	}
}

func owner(labels map[string]string) string {
	if p := labels[LabelProject]; p != "" {
		return "it belongs to project " + p
	}
	return "it has no project label"
}

func (b *builder) createNetwork(key string, n project.Network, needs []StepID, why []Change) StepID {
	name := networkName(b.want, key, n)
	n.Name = name
	return b.graph.add(Step{
		Action: CreateNetwork{Name: name, Spec: n, Labels: b.networkLabels(key, n)},
		Needs:  needs, Because: why,
	})
}

// networkChanges compares a network with its definition. One without any record is
// taken as it is: older versions of docker compose left none.
func (b *builder) networkChanges(key string, n project.Network, have *Network) []Change {
	n.Name = have.Name
	spec, specErr := project.NetworkSpec(n)
	hash, hashErr := project.NetworkHash(n)
	if specErr != nil || hashErr != nil {
		return nil
	}
	if label := have.Labels[LabelSpec]; label != "" {
		return b.recordedChanges("networks."+key+".", label, string(spec), plainRules{})
	}
	was := have.Labels[LabelConfigHash]
	if was == "" || was == hash {
		return nil
	}
	if have.Made != nil {
		made, wanted := alike(*have.Made, n)
		was, wasErr := project.NetworkSpec(made)
		is, isErr := project.NetworkSpec(wanted)
		if changes, err := diffSpecs("networks."+key+".", string(was), string(is), plainRules{}); errors.Join(wasErr, isErr, err) == nil {
			return changes
		}
	}
	return []Change{{Path: "networks." + key + ".config-hash",
		From: "made by docker compose " + have.Labels[LabelVersion] + "; its config-hash differs", To: "this file"}}
}

// alike takes from two definitions of a network what the engine fills in and what says nothing.
func alike(made, wanted project.Network) (project.Network, project.Network) {
	made.Name = wanted.Name
	if wanted.Driver == "" && made.Driver == "bridge" {
		made.Driver = ""
	}
	made.Ipam.Config = slices.Clone(made.Ipam.Config)
	if len(wanted.Ipam.Config) == 0 {
		made.Ipam.Config = nil
	}
	for i, pool := range made.Ipam.Config {
		if i < len(wanted.Ipam.Config) && pool != nil && wanted.Ipam.Config[i] != nil && wanted.Ipam.Config[i].Gateway == "" {
			own := *pool
			own.Gateway = ""
			made.Ipam.Config[i] = &own
		}
	}
	for _, n := range []*project.Network{&made, &wanted} {
		if n.Ipam.Driver == "default" {
			n.Ipam.Driver = ""
		}
		if n.EnableIPv4 != nil && *n.EnableIPv4 {
			n.EnableIPv4 = nil
		}
		if n.EnableIPv6 != nil && !*n.EnableIPv6 {
			n.EnableIPv6 = nil
		}
	}
	return made, wanted
}

// recordedChanges compares a spec with the one that a label has.
func (b *builder) recordedChanges(prefix, label, spec string, rule rules) []Change {
	return b.codec.compare(label, spec, differ{rules: rule, prefix: prefix}).changes
}

// renewNetwork takes every container off a network, makes it anew and brings them back
// with their aliases and addresses. They keep running meanwhile. An interruption leaves containers without an endpoint,
// which the next plan mends. The answer is how many come back.
func (b *builder) renewNetwork(key string, n project.Network, why []Change) int {
	name := networkName(b.want, key, n)
	leaving := b.leaving()
	var off []StepID
	var back []*Container
	for _, c := range b.attached(name) {
		id := b.graph.add(Step{
			Action: DisconnectNetwork{Name: c.Name, Service: c.Service, Network: name},
			Needs:  b.after(c.Name), Because: why, Impact: InPlace,
		})
		off = append(off, id)
		b.before[c.Name] = append(b.before[c.Name], id)
		if !leaving[c.Name] {
			back = append(back, c)
		}
	}
	removed := b.graph.add(Step{Action: RemoveNetwork{Name: name}, Needs: off, Because: why, Impact: InPlace})
	made := b.createNetwork(key, n, []StepID{removed}, why)
	b.networkSteps[name] = made
	for _, c := range back {
		id := b.graph.add(Step{
			Action: ConnectNetwork{Name: c.Name, As: b.becomes(c), Service: c.Service, Network: name, Key: key, Spec: b.endpointSpec(c, key, name)},
			Needs:  []StepID{made}, Because: why, Impact: InPlace,
		})
		b.before[c.Name] = append(b.before[c.Name], id)
	}
	return len(back)
}

// becomes is the name that a container gets in the end; empty where it keeps its own.
func (b *builder) becomes(c *Container) string {
	if s := b.services[c.Service]; s != nil {
		for _, r := range s.replicas {
			if (r.old == c && r.verb != replace || r.next == c) && r.name != c.Name {
				return r.name
			}
		}
	}
	return ""
}

// attached are the project's containers on a network, one-offs included.
func (b *builder) attached(network string) []*Container {
	var out []*Container
	for _, name := range keys(b.have.containers) {
		if c := b.have.containers[name]; c.endpoint(network) != nil {
			out = append(out, c)
		}
	}
	return out
}

// leaving are the containers that the plan removes without a successor.
func (b *builder) leaving() map[string]bool {
	out := map[string]bool{}
	for _, s := range b.services {
		for _, x := range s.surplus {
			out[x.container.Name] = true
		}
		for _, r := range s.replicas {
			for _, c := range r.litter {
				out[c.Name] = true
			}
		}
	}
	if b.how.RemoveOrphans {
		for _, c := range b.orphans() {
			out[c.Name] = true
		}
	}
	return out
}

// endpointSpec says how a container was in a network, for bringing it back.
func (b *builder) endpointSpec(c *Container, key, network string) project.Service {
	if s := b.services[c.Service]; s != nil && !c.OneOff {
		spec := b.resolve(s.spec)
		for _, r := range s.replicas {
			if r.old == c && r.verb == replace {
				// Its addresses may be those of the old definition.
				spec.Networks = withoutAddresses(b.codec.recorded(c.Labels).Networks)
			}
		}
		if _, ok := spec.Networks[key]; ok || len(spec.Networks) > 0 {
			return spec
		}
	}
	spec := project.Service{Name: c.Service}
	spec.Networks = b.codec.recorded(c.Labels).Networks
	if _, ok := spec.Networks[key]; !ok {
		endpoint := &project.ServiceNetwork{}
		if e := c.endpoint(network); e != nil {
			endpoint.Aliases = e.Aliases
		}
		spec.Networks = map[string]*project.ServiceNetwork{key: endpoint}
	}
	return spec
}

func withoutAddresses(networks map[string]*project.ServiceNetwork) map[string]*project.ServiceNetwork {
	out := make(map[string]*project.ServiceNetwork, len(networks))
	for key, n := range networks {
		if n != nil {
			bare := *n
			bare.Ipv4Address, bare.Ipv6Address, bare.MacAddress, bare.LinkLocalIPs = "", "", "", nil
			n = &bare
		}
		out[key] = n
	}
	return out
}
