package planner

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/project"
)

// A container's place in a network is compared with the engine's side and not with the record: it can be changed while the
// container runs, and the record cannot. Only its names and options are hidden: no list of containers has them.

// placed says whether a field of a service is about such a place, and not one of those few for which it takes another container.
func placed(path string) bool {
	rest, ok := strings.CutPrefix(path, "networks.")
	return ok && !strings.HasSuffix(rest, ".priority") && !strings.HasSuffix(rest, ".mac_address") && !strings.Contains(rest, ".link_local_ips")
}

// place is one field of a container's place in a network.
type place struct {
	key string
	// hidden fields are known of containers that were inspected.
	hidden bool
	of     func(*project.ServiceNetwork) string
	// is the value on the engine, given what it would be if nobody had touched it; that is the answer where the engine does not say.
	is func(e *Endpoint, asked, recorded string) string
}

func places() []place {
	return []place{
		{key: "ipv4_address", of: func(n *project.ServiceNetwork) string { return n.Ipv4Address }, is: func(e *Endpoint, asked, recorded string) string {
			return e.addressIs(e.fixed().IPv4, e.IPv4, asked, recorded)
		}},
		{key: "ipv6_address", of: func(n *project.ServiceNetwork) string { return n.Ipv6Address }, is: func(e *Endpoint, asked, recorded string) string {
			return e.addressIs(e.fixed().IPv6, e.IPv6, asked, recorded)
		}},
		{key: "gw_priority", of: func(n *project.ServiceNetwork) string { return number(n.GatewayPriority) }, is: func(e *Endpoint, _, _ string) string {
			return number(e.Priority)
		}},
		{key: "interface_name", hidden: true, of: func(n *project.ServiceNetwork) string { return n.InterfaceName }, is: func(e *Endpoint, _, recorded string) string {
			return e.option("com.docker.network.endpoint.ifname", recorded)
		}},
	}
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// addressIs tells a container's address where the file, or the record, has one; one that the engine chose does not count.
func (e *Endpoint) addressIs(fixed, now, asked, recorded string) string {
	switch {
	case e.Fixed != nil:
		return fixed
	case now == "": // it does not run
		return recorded
	case asked == "" && now != recorded:
		return ""
	}
	return now
}

func (e *Endpoint) fixed() FixedAddresses {
	if e.Fixed == nil {
		return FixedAddresses{}
	}
	return *e.Fixed
}

func (e *Endpoint) option(name, otherwise string) string {
	if e.Options == nil {
		return otherwise
	}
	return e.Options[name]
}

// networkOf is how a service wants to be in a network; in says whether it wants to be there at all.
func networkOf(of applied, key string) (n *project.ServiceNetwork, in bool) {
	n, in = of.Networks[key]
	out := project.ServiceNetwork{}
	if n != nil {
		out = *n
	}
	s := project.Service{}
	s.Networks = of.Networks
	if by := s.NetworksByPriority(); out.MacAddress == "" && len(by) > 0 && by[0] == key {
		out.MacAddress = of.MacAddress
	}
	return &out, in
}

// recordOf is what a container was made from; known is false where nothing tells.
func (b *builder) recordOf(s *service, c *Container) (of applied, known bool) {
	if !c.foreign() {
		return b.codec.recorded(c.Labels), true
	}
	return wantedOf(s), b.hashFits(s, c)
}

func wantedOf(s *service) applied {
	return applied{Networks: s.spec.Networks, MacAddress: s.spec.MacAddress}
}

// misplaced are the differences between a container's place in the network of that key and the one that its service wants.
func (b *builder) misplaced(s *service, c *Container, key string) []Change {
	name := b.network(key)
	e := c.endpoint(name)
	if e == nil || builtIn(name) {
		return nil
	}
	want, _ := networkOf(wantedOf(s), key)
	record, known := b.recordOf(s, c)
	recorded, was := networkOf(record, key)
	known = known && was
	var out []Change
	note := func(field, from, to string, same bool) {
		out = append(out, Change{Path: s.path("networks." + key + "." + field), From: from, To: to, Drift: known && same && b.have.adjusted == nil})
	}
	for _, f := range places() {
		w, r := f.of(want), f.of(recorded)
		if !known {
			r = w
		}
		h := r
		if !f.hidden || e.Aliases != nil {
			h = f.is(e, w, r)
		}
		if h != w {
			note(f.key, h, w, w == r)
		}
	}
	aliases, before := aliasesOf(s.name, want), aliasesOf(s.name, recorded)
	if !known {
		before = aliases
	}
	found := before
	if e.Aliases != nil {
		found = e.Aliases
	}
	for _, a := range aliases {
		if !slices.Contains(found, a) {
			note("aliases", "", a, slices.Contains(before, a))
		}
	}
	for _, a := range found {
		if !slices.Contains(aliases, a) && !b.ownName(s, c, a) {
			note("aliases", a, "", !slices.Contains(before, a))
		}
	}
	for _, k := range keys(merged(recorded.DriverOpts, want.DriverOpts)) {
		w, r := want.DriverOpts[k], recorded.DriverOpts[k]
		if !known {
			r = w
		}
		if h := e.option(k, r); h != w {
			note("driver_opts."+k, h, w, w == r)
		}
	}
	return out
}

// lostHardware are the MAC addresses that a container has lost, or is about to lose since their network is made anew. Engines
// take them with the creation only, and ignore them where a container joins a network.
func (b *builder) lostHardware(s *service, c *Container) []Change {
	var out []Change
	for _, key := range networkKeys(s.spec) {
		want, _ := networkOf(wantedOf(s), key)
		e := c.endpoint(b.network(key))
		if e == nil || want.MacAddress == "" {
			continue
		}
		path := s.path("networks." + key + ".mac_address")
		n := b.have.networks[b.network(key)]
		switch {
		case n != nil && n.Labels[LabelProject] == b.want.Name && len(b.networkChanges(key, b.want.Networks[key], n)) > 0:
			out = append(out, Change{Path: path, From: e.MAC, To: want.MacAddress + " (the network is made anew)"})
		case e.MAC != "" && !strings.EqualFold(e.MAC, want.MacAddress) && !b.how.IgnoreDrift:
			out = append(out, Change{Path: path, From: e.MAC, To: want.MacAddress, Drift: true})
		}
	}
	return out
}

// costlyPlaces are the changes for which a container would have to join a network where it wants a MAC address, and so would lose it.
func (b *builder) costlyPlaces(s *service, c *Container) []Change {
	if s.spec.NetworkMode != "" {
		return nil
	}
	var out []Change
	for _, key := range networkKeys(s.spec) {
		name := b.network(key)
		want, _ := networkOf(wantedOf(s), key)
		_, defined := b.want.Networks[key]
		switch {
		case want.MacAddress == "" || builtIn(name) || !defined:
		case c.endpoint(name) == nil:
			out = append(out, b.unconnected(s, c, key))
		default:
			out = append(out, b.misplaced(s, c, key)...)
		}
	}
	return slices.DeleteFunc(out, func(d Change) bool { return d.Drift && b.how.IgnoreDrift })
}

// aliasesOf are the names that a service is to be found by in a network, besides those of its containers.
func aliasesOf(service string, n *project.ServiceNetwork) []string {
	var out []string
	if n.ServiceNameAliasEnabled() {
		out = append(out, service)
	}
	return distinct(append(out, n.Aliases...))
}

// ownName says whether a name in a network is the container's own, now or before: every engine finds it by these.
func (b *builder) ownName(s *service, c *Container, alias string) bool {
	recorded := project.Service{Name: c.Service, ContainerName: b.codec.recorded(c.Labels).ContainerName}
	own := []string{c.Name, strings.TrimSuffix(c.Name, successorSuffix), b.want.ContainerName(s.spec, c.number()), b.want.ContainerName(recorded, c.number())}
	const shortID = 12
	return slices.Contains(own, alias) || len(alias) >= shortID && strings.HasPrefix(c.ID, alias)
}

// hiddenPlaces says whether the record leaves open by what names and with which options a container is in its networks.
func (b *builder) hiddenPlaces(s *service, c *Container) bool {
	record, known := b.recordOf(s, c)
	for _, key := range networkKeys(s.spec) {
		want, _ := networkOf(wantedOf(s), key)
		recorded, was := networkOf(record, key)
		if c.endpoint(b.network(key)) != nil && (!known || !was || !samePlace(s.name, want, recorded)) {
			return true
		}
	}
	return false
}

// samePlace compares what no list of containers tells.
func samePlace(service string, a, b *project.ServiceNetwork) bool {
	return slices.Equal(aliasesOf(service, a), aliasesOf(service, b)) && a.InterfaceName == b.InterfaceName &&
		maps.Equal(a.DriverOpts, b.DriverOpts)
}
