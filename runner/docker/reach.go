package docker

import (
	"context"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/musterhq/muster/healthcheck"
)

// ways are those by which a port of a container is reached, best first: its own address where
// the bridge that it hangs on is one of this machine, a shell in it, and the port that it publishes.
type ways struct {
	container string
	direct    []string // addresses that are its own and reached from here
	// inside is its address for those inside; loopback says that a program which only
	// listens on the loopback is meant, too.
	inside    string
	loopback  bool
	published map[int]string // host:port by port of the container
}

// waysTo finds the ways. A container whose network is another one's is reached as that one is.
func (e *Engine) waysTo(ctx context.Context, name string) (ways, error) {
	got, err := e.inspect(ctx, name)
	if err != nil {
		return ways{}, err
	}
	w := ways{container: name, inside: "127.0.0.1"}
	if got.HostConfig.NetworkMode.IsContainer() {
		if got, err = e.inspect(ctx, got.HostConfig.NetworkMode.ConnectedContainer()); err != nil {
			return ways{}, err
		}
	}
	switch mode := got.HostConfig.NetworkMode; {
	case mode.IsNone():
		w.loopback = true
	case mode.IsHost():
		w.loopback = true
		if e.sharesNetwork(ctx) {
			w.direct = []string{"127.0.0.1", "::1"}
		}
	case got.NetworkSettings != nil:
		e.endpointWays(ctx, &w, got.NetworkSettings)
	}
	return w, nil
}

// endpointWays are the ways to a container that is in networks.
func (e *Engine) endpointWays(ctx context.Context, w *ways, settings *container.NetworkSettings) {
	for _, name := range slices.Sorted(maps.Keys(settings.Networks)) {
		p := settings.Networks[name]
		if p == nil {
			continue
		}
		for _, address := range []string{p.IPAddress, p.GlobalIPv6Address} {
			if address == "" {
				continue
			}
			if w.inside == "127.0.0.1" {
				w.inside = address
			}
			if e.bridgeIsHere(ctx, p) {
				w.direct = append(w.direct, address)
			}
		}
	}
	w.published = map[int]string{}
	for port, bindings := range settings.Ports {
		if host := e.publishedAt(bindings); host != "" && port.Proto() == "tcp" {
			w.published[port.Int()] = host
		}
	}
}

// publishedAt is where a published port is reached from here; empty for nowhere.
func (e *Engine) publishedAt(bindings []nat.PortBinding) string {
	machine := machineOf(e.host)
	for _, b := range bindings {
		ip := net.ParseIP(b.HostIP)
		switch {
		case ip == nil || ip.IsUnspecified():
			return net.JoinHostPort(machine, b.HostPort)
		case ip.IsLoopback() && machine != "localhost":
			continue // of another machine
		}
		return net.JoinHostPort(b.HostIP, b.HostPort)
	}
	return ""
}

// machineOf is the name of the machine of the engine at an address.
func machineOf(host string) string {
	u, err := url.Parse(host)
	if err != nil || isLocal(host) || u.Hostname() == "" {
		return "localhost"
	}
	return u.Hostname()
}

// bridgeIsHere says whether the bridge of a network is one of this machine. An address alone would not
// do: with the engine in a virtual machine or in a network namespace of its own, it may be that of another container
// here. Docker names a bridge after the network's ID, which no two engines share. The default bridge is called docker0
// everywhere, and so proves nothing.
func (e *Engine) bridgeIsHere(ctx context.Context, p *network.EndpointSettings) bool {
	if len(p.NetworkID) < 12 {
		return false
	}
	if _, err := net.InterfaceByName("br-" + p.NetworkID[:12]); err == nil {
		return true
	}
	e.mu.Lock()
	known, asked := e.bridges[p.NetworkID]
	e.mu.Unlock()
	if asked {
		return known
	}
	known = e.namedBridgeIsHere(ctx, p)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bridges == nil {
		e.bridges = map[string]bool{}
	}
	e.bridges[p.NetworkID] = known
	return known
}

// namedBridgeIsHere is bridgeIsHere for a network whose file gives the bridge a name.
func (e *Engine) namedBridgeIsHere(ctx context.Context, p *network.EndpointSettings) bool {
	n, err := e.client.NetworkInspect(ctx, p.NetworkID, network.InspectOptions{})
	if err != nil || n.Name == network.NetworkBridge {
		return false
	}
	name := n.Options["com.docker.network.bridge.name"]
	if name == "" {
		return false
	}
	bridge, err := net.InterfaceByName(name)
	if err != nil {
		return false
	}
	addresses, err := bridge.Addrs()
	return err == nil && slices.ContainsFunc(addresses, func(a net.Addr) bool {
		ip, _, err := net.ParseCIDR(a.String())
		return err == nil && ip.String() == p.Gateway
	})
}

// sharesNetwork says whether the engine's machine and its network are this one: a bridge of it is here.
func (e *Engine) sharesNetwork(ctx context.Context) bool {
	list, err := e.client.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return false
	}
	return slices.ContainsFunc(list, func(n network.Summary) bool {
		if n.Driver != "bridge" || len(n.ID) < 12 {
			return false
		}
		_, err := net.InterfaceByName("br-" + n.ID[:12])
		return err == nil
	})
}

// noShell is why nothing in a container can be asked.
const noShell = "its image has no shell to look from inside"

// noWay is the error where a port can be reached by no way, and lacks is why not from inside.
func noWay(port int, lacks string) error {
	return &healthcheck.CannotCheck{
		Reason: "port " + strconv.Itoa(port) + " cannot be reached from here: the container's network is not on this machine, it does not publish the port, and " + lacks,
		Advice: "publish the port, or let x-muster.ready look for a line of the log or run a program of the image (log, exec)",
	}
}
