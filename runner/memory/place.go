package memory

import (
	"cmp"
	"fmt"

	"github.com/musterhq/muster/planner"
)

// address gives a container its addresses. A network that was removed and made again
// under the same name is not the one that it has been in.
func (e *Engine) address(c *Container) error {
	for i := range c.Endpoints {
		p := &c.Endpoints[i]
		n := e.s.Networks[p.Network]
		if n == nil || p.NetworkID != "" && p.NetworkID != n.ID {
			return fmt.Errorf("network %s not found: %w", cmp.Or(p.NetworkID, p.Network), ErrNotFound)
		}
		p.NetworkID = n.ID
		if want := c.Static[p.Network]; want != "" {
			if other := e.holder(p.Network, want, c); other != "" {
				return fmt.Errorf("address %s already in use by container %s: %w", want, other, ErrConflict)
			}
			p.IPv4 = want
		}
		if p.IPv4 == "" {
			e.s.Seq++
			p.IPv4 = fmt.Sprintf("172.%d.%d.%d", 18+e.s.Seq>>16&7, e.s.Seq>>8&255, e.s.Seq&255)
		}
		if p.MAC == "" {
			e.s.Seq++
			p.MAC = fmt.Sprintf("02:42:ac:%02x:%02x:%02x", e.s.Seq>>16&255, e.s.Seq>>8&255, e.s.Seq&255)
		}
	}
	return nil
}

// holder names the running container that has an address, other than c.
func (e *Engine) holder(network, address string, c *Container) string {
	for _, name := range sorted(e.s.Containers) {
		other := e.s.Containers[name]
		for _, p := range other.Endpoints {
			if other != c && active(other) && p.Network == network && p.IPv4 == address {
				return name
			}
		}
	}
	return ""
}

// bind publishes a container's ports, or says which one is taken.
func (e *Engine) bind(c *Container) error {
	c.Ports = nil
	for _, want := range c.Publish {
		port := want.Port
		if port.HostIP == "" {
			port.HostIP = "0.0.0.0"
		}
		last := want.Last
		if port.Published == 0 {
			port.Published, last = 32768, 60999
		}
		for e.taken(port) {
			if port.Published >= last {
				c.Ports = nil
				return fmt.Errorf("driver failed programming external connectivity on endpoint %s: bind for %s:%d failed: port is already allocated: %w",
					c.Name, port.HostIP, port.Published, ErrConflict)
			}
			port.Published++
		}
		c.Ports = append(c.Ports, port)
	}
	return nil
}

// taken says whether a running container has a host port.
func (e *Engine) taken(port planner.Port) bool {
	for _, c := range e.s.Containers {
		for _, have := range c.Ports {
			if have.Published == port.Published && have.Protocol == port.Protocol && overlap(have.HostIP, port.HostIP) {
				return true
			}
		}
	}
	return false
}

func overlap(a, b string) bool { return a == b || a == "0.0.0.0" || b == "0.0.0.0" }
