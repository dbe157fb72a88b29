package fault

import (
	"slices"
	"strings"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// Restoring are the actions that make of a container as it is now what it was before: in its networks under the same names and at the
// addresses that it was given, and running. Both have been inspected.
func Restoring(before, now planner.Container) []planner.Action {
	var out []planner.Action
	for _, e := range before.Endpoints {
		if !slices.ContainsFunc(now.Endpoints, func(n planner.Endpoint) bool { return n.Network == e.Network }) {
			out = append(out, reconnection(before, e))
		}
	}
	switch {
	case before.Status != planner.Running:
	case now.Status == planner.Paused:
		out = append(out, planner.UnpauseContainer{Name: before.Name, Service: before.Service})
	case now.Status != planner.Running:
		out = append(out, planner.StartContainer{Name: before.Name, Service: before.Service})
	}
	return out
}

// reconnection puts a container back into a network. An address that the engine had chosen is its to choose again: it takes none
// from us where the network's subnet is its own.
func reconnection(c planner.Container, e planner.Endpoint) planner.ConnectNetwork {
	aliases := slices.DeleteFunc(slices.Clone(e.Aliases), func(alias string) bool {
		return len(alias) >= 12 && strings.HasPrefix(c.ID, alias) // which engines add themselves
	})
	no := false // where it was found by the service's name, that is among the others
	place := &project.ServiceNetwork{UseServiceNameAlias: &no, Aliases: aliases, DriverOpts: e.Options, GatewayPriority: e.Priority}
	if e.Fixed != nil {
		place.Ipv4Address, place.Ipv6Address = e.Fixed.IPv4, e.Fixed.IPv6
	}
	var spec project.Service
	spec.Name, spec.Networks = c.Service, map[string]*project.ServiceNetwork{e.Network: place}
	return planner.ConnectNetwork{Name: c.Name, Service: c.Service, Network: e.Network, Key: e.Network, Spec: spec}
}
