package docker

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// A container is in all its networks when it is created, with what was declared for each, on new
// engines and on old ones.
func TestSeveralNetworks(t *testing.T) {
	r := newRig(t)
	front, back := r.network("front"), r.network("back")
	subnet := freeSubnet(r)
	back.Spec.Ipam.Config = []*types.IPAMPool{{Subnet: subnet + "0/24"}}
	on := map[string]string{"front": front.Name, "back": back.Name}
	web := r.shell("web", sleeper, func(a *planner.CreateContainer) {
		a.Networks = on
		a.Spec.Networks = map[string]*types.ServiceNetworkConfig{
			"front": {Aliases: []string{"www"}, Priority: 10},
			"back":  {Aliases: []string{"inside"}, Ipv4Address: subnet + "77"},
		}
	})
	other := r.shell("other", sleeper, func(a *planner.CreateContainer) {
		a.Networks = on
		a.Spec.Networks = map[string]*types.ServiceNetworkConfig{"back": nil}
		a.Spec.Links = []string{"web:friend"}
	})
	r.do(front, back, web, other, planner.StartContainer{Name: web.Name}, planner.StartContainer{Name: other.Name})
	names := []string{"web", "inside", web.Name, "friend"}
	if r.isPodman() {
		names = names[:3] // it has no links
	}
	for _, name := range names {
		r.resolves(other.Name, name, subnet+"77")
	}
	if got, err := r.Probe(r.ctx, other.Name, healthcheck.Check{Exec: []string{"CMD", "nslookup", "www"}}); err != nil || got.ExitCode == 0 {
		t.Errorf("www is an alias of the front only: %+v, %v", got, err)
	}
	// Taken off and put back, it is found as before.
	r.do(
		planner.DisconnectNetwork{Name: web.Name, Network: back.Name},
		planner.ConnectNetwork{Name: web.Name, Network: back.Name, Key: "back", Spec: web.Spec},
	)
	r.resolves(other.Name, "inside", subnet+"77")
}

// A successor is found by its final name while it still has another one, and after it
// was renamed.
func TestSuccessorIsFoundByItsName(t *testing.T) {
	r := newRig(t)
	in := func(a *planner.CreateContainer) {
		a.Networks = map[string]string{"front": r.project + "_front"}
		a.Spec.Networks = map[string]*types.ServiceNetworkConfig{"front": nil}
	}
	next := r.shell("web", sleeper, in)
	next.Name, next.As = next.Name+".next", next.Name
	r.do(r.network("front"), next, r.shell("other", sleeper, in),
		planner.StartContainer{Name: next.Name}, planner.StartContainer{Name: r.name("other")})
	r.resolves(r.name("other"), next.As, "")
	r.do(planner.RenameContainer{Name: next.Name, To: next.As})
	r.resolves(r.name("other"), next.As, "")
}

// freeSubnet finds the first three numbers of a range that no network of the engine has.
func freeSubnet(r *rig) string {
	r.t.Helper()
	if err := r.connect(r.ctx); err != nil {
		r.t.Fatal(err)
	}
	nets, err := r.client.NetworkList(r.ctx, network.ListOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	var taken []string
	for _, n := range nets {
		for _, c := range n.IPAM.Config {
			taken = append(taken, c.Subnet)
		}
	}
	// Tests of other runs look at the same time; the clock keeps them apart.
	for i := range 250 {
		prefix := "10.214." + strconv.Itoa((int(time.Now().UnixNano()/1000)+i)%250) + "."
		if !slices.Contains(taken, prefix+"0/24") {
			return prefix
		}
	}
	r.t.Fatal("no range is free")
	return ""
}

func TestNetworkOptions(t *testing.T) {
	on, off := true, false
	a := planner.CreateNetwork{
		Name: "p_front", Labels: map[string]string{planner.LabelNetwork: "front"},
		Spec: project.Network{
			Driver: "bridge", DriverOpts: types.Options{"a": "b"}, Internal: true, Attachable: true, EnableIPv6: &on,
			Labels: types.Labels{"mine": "yes"}, EnableIPv4: &on,
			Ipam: types.IPAMConfig{Driver: "default", Options: types.Options{"c": "d"}, Config: []*types.IPAMPool{{
				Subnet: "10.1.0.0/16", Gateway: "10.1.0.1", IPRange: "10.1.2.0/24", AuxiliaryAddresses: types.Mapping{"h": "10.1.0.2"},
			}}},
		},
	}
	want := network.CreateOptions{
		Driver: "bridge", Options: map[string]string{"a": "b"}, Internal: true, Attachable: true, EnableIPv6: &on, EnableIPv4: &on,
		Labels: map[string]string{"mine": "yes", planner.LabelNetwork: "front"},
		IPAM: &network.IPAM{Driver: "default", Options: map[string]string{"c": "d"}, Config: []network.IPAMConfig{{
			Subnet: "10.1.0.0/16", Gateway: "10.1.0.1", IPRange: "10.1.2.0/24", AuxAddress: map[string]string{"h": "10.1.0.2"},
		}}},
	}
	got, err := networkOptions(a, "1.51")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if got, err := networkOptions(a, "1.41"); err != nil || got.EnableIPv4 != nil {
		t.Errorf("enable_ipv4: true on an old engine: %+v, %v", got, err)
	}
	a.Spec.EnableIPv4 = &off
	if _, err := networkOptions(a, "1.41"); err == nil || err.Error() != "networks.front.enable_ipv4 needs engine API 1.47, this engine speaks 1.41" {
		t.Errorf("enable_ipv4: false on an old engine: %v", err)
	}
}

// What only newer engines can do is done there and refused by its name elsewhere.
func TestInterfaceName(t *testing.T) {
	r := newRig(t)
	r.do(r.network("front"))
	a := r.shell("web", sleeper, func(a *planner.CreateContainer) {
		a.Networks = map[string]string{"front": r.project + "_front"}
		a.Spec.Networks = map[string]*types.ServiceNetworkConfig{"front": {InterfaceName: "shop0", MacAddress: "02:42:ac:11:65:43"}}
	})
	if versions.LessThan(r.apiVersion(), "1.49") {
		r.refuses(a, "services.web.networks.front.interface_name", "1.49")
		return
	}
	r.do(a, planner.StartContainer{Name: a.Name})
	if got := r.sh(a.Name, "cat /sys/class/net/shop0/address"); got != "02:42:ac:11:65:43" {
		t.Error(got)
	}
}
