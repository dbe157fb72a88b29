package planner

import (
	"fmt"

	"github.com/musterhq/muster/project"
)

// checkExternals makes sure that what must already exist does, before anything is touched.
func (b *builder) checkExternals() {
	used := b.usedNetworks()
	for _, key := range keys(b.want.Networks) {
		n := b.want.Networks[key]
		name := networkName(b.want, key, n)
		if bool(n.External) && used[key] && b.have.networks[name] == nil && !builtIn(name) {
			b.fail(Ref{Kind: KindNetwork, Name: name}, fmt.Sprintf("create it with `docker network create %s`, or take `external` out of networks.%s", name, key),
				"external network %q does not exist", name)
		}
	}
	if b.have.converges {
		return // nobody can say what volumes the other machines have
	}
	usedVolumes := b.usedVolumes()
	for _, key := range keys(b.want.Volumes) {
		v := b.want.Volumes[key]
		name := volumeName(b.want, key, v)
		if bool(v.External) && usedVolumes[key] && b.have.volumes[name] == nil {
			b.fail(Ref{Kind: KindVolume, Name: name}, fmt.Sprintf("create it with `docker volume create %s`, or take `external` out of volumes.%s", name, key),
				"external volume %q does not exist", name)
		}
	}
}

// builtIn says whether an engine has the network by itself.
func builtIn(name string) bool {
	return name == "host" || name == "none" || name == "bridge" || name == "default"
}

// usedNetworks are the keys that a service of this plan uses.
func (b *builder) usedNetworks() map[string]bool {
	used := map[string]bool{}
	for _, s := range b.services {
		for _, key := range networkKeys(s.spec) {
			used[key] = true
		}
		for _, h := range s.spec.PreStart {
			for key := range h.Networks {
				used[key] = true
			}
		}
	}
	return used
}

// usedVolumes are the keys of the named volumes that a service of this plan mounts.
func (b *builder) usedVolumes() map[string]bool {
	used := map[string]bool{}
	for _, s := range b.services {
		for _, v := range s.spec.Volumes {
			if v.Type == "volume" && v.Source != "" {
				used[v.Source] = true
			}
		}
		for _, h := range s.spec.PreStart {
			for _, v := range h.Volumes {
				if v.Type == "volume" && v.Source != "" {
					used[v.Source] = true
				}
			}
		}
	}
	return used
}

// networkKeys are the networks of a service in the order of their priority; none with a
// network_mode of its own.
func networkKeys(s project.Service) []string {
	if s.NetworkMode != "" {
		return nil
	}
	switch len(s.Networks) {
	case 0:
		return []string{"default"}
	case 1:
		for key := range s.Networks {
			return []string{key}
		}
	}
	return s.NetworksByPriority()
}
