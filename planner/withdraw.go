package planner

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/musterhq/muster/project"
)

// underway is how long a container stays that has no name any more: as long as a client takes to ask again
// whose first packet met nobody. Linux does so after a second.
const underway = 1200 * time.Millisecond

// withdraw takes the names of a container away before it is stopped, where its successor answers to them
// as well. The engine's DNS gives its address away until it has taken the stopped container's network down, some
// hundred milliseconds after the process has ended, and who asks for it then is refused.
//
// An engine changes names only with the whole endpoint. Merely off the network a container cannot finish what it
// has begun, and who has a connection to it, such as a proxy, is not even told that nobody is there any more. But if
// it comes back at once with the same address and no name, all connections go on. The engine lets an address be
// chosen only on networks whose subnet the file sets; elsewhere the container is just stopped.
func (b *builder) withdraw(s *service, r *replica, name string, needs []StepID, group string) []StepID {
	old := r.old
	if r.unit.order != StartFirst || r.unit.together() || old.Labels[LabelSpec] == "" || old.Status != Running || len(s.spec.Ports) > 0 {
		return needs // a published port would be another one afterwards
	}
	left := false
	for _, key := range networkKeys(s.spec) {
		network := b.network(key)
		bare := endpointWithoutName(s.spec, key, b.want.Networks[key], old.endpoint(network))
		if bare == nil || b.networkSteps[network] != "" {
			continue
		}
		leave := DisconnectNetwork{Name: name, Service: s.name, Network: network}
		off := Step{Action: leave, Needs: needs, Because: r.because, Impact: InPlace, Group: group}
		back := Step{
			Action:  ConnectNetwork{Name: name, Service: s.name, Network: network, Key: key, Spec: *bare},
			Because: r.because, Impact: InPlace, Group: group,
		}
		if group != "" {
			again := b.endpointSpec(old, key, network)
			off.Undo = []Action{ConnectNetwork{Name: name, Service: s.name, Network: network, Key: key, Spec: again}}
			back.Undo = []Action{leave}
		}
		back.Needs = []StepID{b.graph.add(off)}
		needs, left = []StepID{b.graph.add(back)}, true
	}
	if !left {
		return needs
	}
	return []StepID{b.graph.add(Step{
		Action: Delay{Service: s.name, Behind: name, For: underway}, Needs: needs, Because: r.because, Group: group,
	})}
}

// endpointWithoutName is the service with the address that a container of it has in a network, and without a name there; nil
// where the engine would not give it the same address again.
func endpointWithoutName(spec project.Service, key string, n project.Network, e *Endpoint) *project.Service {
	if e == nil || e.IPv4 == "" || bool(n.External) || !inSubnets(n, e.IPv4) || e.IPv6 != "" && !inSubnets(n, e.IPv6) {
		return nil
	}
	spec.Networks = anonymous(spec.Networks)
	at := spec.Networks[key]
	if at == nil {
		return nil
	}
	at.Ipv4Address, at.Ipv6Address = e.IPv4, e.IPv6
	if e.MAC != derivedMAC(e.IPv4) { // else it comes with the address, also on engines that take none here
		at.MacAddress = e.MAC
	}
	return &spec
}

func inSubnets(n project.Network, address string) bool {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	for _, pool := range n.Ipam.Config {
		if pool == nil {
			continue
		}
		if subnet, err := netip.ParsePrefix(pool.Subnet); err == nil && subnet.Contains(ip) {
			return true
		}
	}
	return false
}

// derivedMAC is what engines before 28 make of an address.
func derivedMAC(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || !ip.Is4() {
		return ""
	}
	four := ip.As4()
	return fmt.Sprintf("02:42:%02x:%02x:%02x:%02x", four[0], four[1], four[2], four[3])
}
