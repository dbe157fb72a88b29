package docker

import (
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
)

// ifname is the driver option that names an interface in the container.
const ifname = "com.docker.network.endpoint.ifname"

// networkName is a network's name on the engine.
func (w *writer) networkName(key string) string {
	if name := w.action.Networks[key]; name != "" {
		return name
	}
	return key
}

// networkMode is the one that the file names, or the container's first network.
func (w *writer) networkMode() container.NetworkMode {
	if w.service.NetworkMode != "" {
		return container.NetworkMode(w.service.NetworkMode)
	}
	if keys := w.service.NetworksByPriority(); len(keys) > 0 {
		return container.NetworkMode(w.networkName(keys[0]))
	}
	return network.NetworkNone
}

// networking gives the container its networks. Engines before API 1.44 take the first with
// the creation and join the others before the start.
func (w *writer) networking(config *container.Config) (*network.NetworkingConfig, []joining) {
	w.mainAddress(config)
	if w.service.NetworkMode != "" {
		return nil, nil
	}
	var later []joining
	atOnce := map[string]*network.EndpointSettings{}
	for i, key := range w.service.NetworksByPriority() {
		settings := w.endpoint(key)
		if i == 0 || versions.GreaterThanOrEqualTo(w.api, "1.44") {
			atOnce[w.networkName(key)] = settings
			continue
		}
		later = append(later, joining{Network: w.networkName(key), Settings: settings})
	}
	if len(atOnce) == 0 {
		return nil, nil
	}
	return &network.NetworkingConfig{EndpointsConfig: atOnce}, later
}

// mainAddress puts the service's own mac_address where the engine wants it.
func (w *writer) mainAddress(config *container.Config) {
	mac := w.service.MacAddress
	keys := w.service.NetworksByPriority()
	old := versions.LessThan(w.api, "1.44")
	if old && mac == "" && len(keys) > 0 && w.service.Networks[keys[0]] != nil {
		mac = w.service.Networks[keys[0]].MacAddress
	}
	if old {
		config.MacAddress = mac //nolint:staticcheck // the only place before API 1.44
	}
	if mac != "" && len(keys) == 0 && !old && w.service.NetworkMode != "" {
		w.cannot("mac_address", "the engine sets it on a network of the service's own, and network_mode gives it none")
	}
}

// endpoint is a service's place in the network of that key.
func (w *writer) endpoint(key string) *network.EndpointSettings {
	declared := w.service.Networks[key]
	if declared == nil {
		declared = &types.ServiceNetworkConfig{}
	}
	path := "networks." + key + "."
	out := &network.EndpointSettings{
		Aliases:    w.aliases(declared),
		DriverOpts: maps.Clone(declared.DriverOpts),
		GwPriority: declared.GatewayPriority,
		IPAMConfig: addresses(declared),
		Links:      w.links(),
		MacAddress: w.endpointAddress(key, declared),
	}
	if !container.NetworkMode(w.networkName(key)).IsUserDefined() {
		// The engine's own networks have no names of their own, and newer engines refuse them there.
		out.Aliases = nil
	}
	if declared.GatewayPriority != 0 {
		w.need("1.48", path+"gw_priority")
	}
	if declared.InterfaceName != "" {
		w.need("1.49", path+"interface_name")
		if out.DriverOpts == nil {
			out.DriverOpts = map[string]string{}
		}
		out.DriverOpts[ifname] = declared.InterfaceName
	}
	return out
}

// endpointAddress is the MAC address in the network of that key. On an engine
// before API 1.44 only the first network can have one, and gets it from the container's configuration.
func (w *writer) endpointAddress(key string, declared *types.ServiceNetworkConfig) string {
	keys := w.service.NetworksByPriority()
	first := len(keys) > 0 && keys[0] == key
	mac := declared.MacAddress
	if mac == "" && first {
		mac = w.service.MacAddress
	}
	if mac == "" || versions.GreaterThanOrEqualTo(w.api, "1.44") {
		return mac
	}
	if !first {
		w.need("1.44", "networks."+key+".mac_address")
	}
	return ""
}

// aliases are the names that other containers find this one by: its own, also while
// it still has another one, the service's, and the declared ones.
func (w *writer) aliases(declared *types.ServiceNetworkConfig) []string {
	own := w.action.As
	if own == "" {
		own = w.action.Name
	}
	all := []string{own}
	if declared.ServiceNameAliasEnabled() {
		all = append(all, w.service.Name)
	}
	var out []string
	for _, a := range append(all, declared.Aliases...) {
		if a != "" && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

func addresses(declared *types.ServiceNetworkConfig) *network.EndpointIPAMConfig {
	if declared.Ipv4Address == "" && declared.Ipv6Address == "" && len(declared.LinkLocalIPs) == 0 {
		return nil
	}
	return &network.EndpointIPAMConfig{
		IPv4Address: declared.Ipv4Address, IPv6Address: declared.Ipv6Address, LinkLocalIPs: declared.LinkLocalIPs,
	}
}

// links are those of the service and to containers outside, as name:alias.
// On a network of its own an engine takes any name that can be resolved, the name of a service too.
func (w *writer) links() []string {
	var out []string
	for _, l := range append(slices.Clone(w.service.Links), w.service.ExternalLinks...) {
		name, alias, found := strings.Cut(l, ":")
		if !found {
			alias = name
		}
		out = append(out, name+":"+alias)
	}
	return out
}

// hostLinks are the links on the engine's default bridge, the only network that
// has no names of its own.
func (w *writer) hostLinks() []string {
	if w.service.NetworkMode != "bridge" && w.service.NetworkMode != "default" {
		return nil
	}
	return w.links()
}
