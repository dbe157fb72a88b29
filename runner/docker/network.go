package docker

import (
	"context"
	"maps"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/api/types/volume"

	"github.com/musterhq/muster/planner"
)

func (e *Engine) createNetwork(ctx context.Context, a planner.CreateNetwork) error {
	options, err := networkOptions(a, e.client.ClientVersion())
	if err != nil {
		return err
	}
	_, err = e.client.NetworkCreate(ctx, a.Name, options)
	if err == nil || cerrdefs.IsConflict(err) || cerrdefs.IsAlreadyExists(err) {
		return nil
	}
	text := said(err)
	switch {
	case strings.Contains(text, "already exists"): // Podman, and engines before 1.44
		return nil
	case strings.Contains(text, "fully subnetted"), strings.Contains(text, "could not find an available"):
		return &refusal{
			problem: "no address range is left for network " + a.Name,
			hint:    "`docker network prune` removes the networks that nothing uses; or give it a range: networks." + key(a) + ".ipam.config: [{subnet: 10.99.0.0/24}]",
			cause:   err,
		}
	case strings.Contains(text, "verlaps with"):
		return &refusal{
			problem: "the address range of network " + a.Name + " overlaps with that of another network",
			hint:    "choose another ipam subnet for networks." + key(a) + "; `docker network ls` and `docker network inspect` show the others",
			cause:   err,
		}
	}
	return e.wrap(ctx, err, "create network", a.Name)
}

// key is the network's key in the file, for hints.
func key(a planner.CreateNetwork) string {
	if k := a.Labels[planner.LabelNetwork]; k != "" {
		return k
	}
	return a.Name
}

func networkOptions(a planner.CreateNetwork, api string) (network.CreateOptions, error) {
	s := a.Spec
	options := network.CreateOptions{
		Driver:     s.Driver,
		Options:    s.DriverOpts,
		Internal:   s.Internal,
		Attachable: s.Attachable,
		EnableIPv4: s.EnableIPv4,
		EnableIPv6: s.EnableIPv6,
		Labels:     merged(s.Labels, s.CustomLabels, a.Labels),
		IPAM:       ipam(s.Ipam),
	}
	if s.EnableIPv4 == nil {
		return options, nil
	}
	if versions.LessThan(api, "1.47") {
		if *s.EnableIPv4 { // that is what older engines do
			options.EnableIPv4 = nil
			return options, nil
		}
		return options, &UnsupportedError{Key: "networks." + key(a) + ".enable_ipv4", Need: "1.47", Have: api}
	}
	return options, nil
}

func ipam(c types.IPAMConfig) *network.IPAM {
	if c.Driver == "" && len(c.Config) == 0 && len(c.Options) == 0 {
		return nil
	}
	out := &network.IPAM{Driver: c.Driver, Options: c.Options}
	for _, pool := range c.Config {
		if pool == nil {
			continue
		}
		out.Config = append(out.Config, network.IPAMConfig{
			Subnet: pool.Subnet, IPRange: pool.IPRange, Gateway: pool.Gateway, AuxAddress: pool.AuxiliaryAddresses,
		})
	}
	return out
}

func (e *Engine) removeNetwork(ctx context.Context, name string) error {
	err := e.client.NetworkRemove(ctx, name)
	if gone(err) {
		return nil
	}
	if err != nil && (strings.Contains(err.Error(), "has active endpoints") || strings.Contains(err.Error(), "network is being used")) {
		return e.networkInUse(ctx, err, name)
	}
	return e.wrap(ctx, err, "remove network", name)
}

func (e *Engine) createVolume(ctx context.Context, a planner.CreateVolume) error {
	_, err := e.client.VolumeCreate(ctx, volume.CreateOptions{
		Name: a.Name, Driver: a.Spec.Driver, DriverOpts: a.Spec.DriverOpts,
		Labels: merged(a.Spec.Labels, a.Spec.CustomLabels, a.Labels),
	})
	if cerrdefs.IsConflict(err) || cerrdefs.IsAlreadyExists(err) {
		return nil
	}
	return e.wrap(ctx, err, "create volume", a.Name)
}

func (e *Engine) removeVolume(ctx context.Context, name string) error {
	if m := e.kept(name); m != nil {
		m.quit(ctx) // or it would write what is being removed
	}
	err := e.client.VolumeRemove(ctx, name, false)
	if cerrdefs.IsConflict(err) {
		// A muster that was killed may have left the container that it reached the volume through.
		e.removeCopier(ctx, name)
		err = e.client.VolumeRemove(ctx, name, false)
	}
	if gone(err) {
		return nil
	}
	if cerrdefs.IsConflict(err) {
		return e.volumeInUse(ctx, err, name)
	}
	return e.wrap(ctx, err, "remove volume", name)
}

func (e *Engine) connectNetwork(ctx context.Context, a planner.ConnectNetwork) error {
	w := writer{service: a.Spec, action: planner.CreateContainer{Name: a.Name, As: a.As}, api: e.client.ClientVersion()}
	settings := w.endpoint(a.Key)
	if err := w.err(); err != nil {
		return err
	}
	return e.join(ctx, a.Name, a.Network, settings)
}

// join puts a container into a network; being in it is success.
func (e *Engine) join(ctx context.Context, name, net string, settings *network.EndpointSettings) error {
	err := e.client.NetworkConnect(ctx, net, name, settings)
	if err == nil {
		return nil
	}
	text := said(err)
	if strings.Contains(text, "already exists in network") || strings.Contains(text, "already connected") || strings.Contains(text, "is already attached") {
		return nil
	}
	return e.wrap(ctx, err, "connect container "+name+" to network", net)
}

func (e *Engine) disconnectNetwork(ctx context.Context, a planner.DisconnectNetwork) error {
	err := e.client.NetworkDisconnect(ctx, a.Network, a.Name, false)
	if err == nil || gone(err) || strings.Contains(err.Error(), "is not connected to") {
		return nil
	}
	return e.wrap(ctx, err, "disconnect container "+a.Name+" from network", a.Network)
}

// merged puts maps over each other, the last one on top.
func merged(all ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}
