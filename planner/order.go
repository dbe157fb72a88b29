package planner

import (
	"slices"

	"github.com/musterhq/muster/project"
)

// startFirst says whether a service asks for its successors to start while the old containers still run and, where it
// asks and cannot have it, why not.
func (b *builder) startFirst(s *service, u *unit) (asked bool, why string) {
	return b.updatePace(s).Order == StartFirst, b.onlyOnce(s, u)
}

// onlyOnce says what two containers of a service cannot have at the same time; empty for nothing.
func (b *builder) onlyOnce(s *service, u *unit) string {
	for _, p := range s.spec.Ports {
		if fixed(p) {
			return "host port " + p.Published + " can be held only once"
		}
	}
	if s.spec.ContainerName != "" {
		return "container_name " + s.spec.ContainerName + " can be had only once"
	}
	if mode := s.spec.NetworkMode; mode != "" && mode != "none" && !b.movesWith(s, u) {
		return "it shares its ports through network_mode " + mode
	}
	for _, key := range keys(s.spec.Networks) {
		n := s.spec.Networks[key]
		if n != nil && (n.Ipv4Address != "" || n.Ipv6Address != "" || n.MacAddress != "") {
			return "its address on network " + key + " can be had only once"
		}
	}
	if s.spec.MacAddress != "" {
		return "mac_address " + s.spec.MacAddress + " can be had only once"
	}
	if len(s.spec.Devices) > 0 {
		return "device " + s.spec.Devices[0].Source + " may be held only once"
	}
	return b.exclusiveVolume(s)
}

// movesWith says whether the container whose network those of s use is replaced in the same unit: then each of
// two has the ports of its own.
func (b *builder) movesWith(s *service, u *unit) bool {
	for _, p := range s.parents {
		if p.field == "network_mode" {
			return u != nil && len(p.to.replicas) > 0 && p.to.replicas[0].unit == u
		}
	}
	return false
}

// exclusiveVolume says what volume two containers of a service cannot both write, as far as anybody can tell: one
// that a single container writes now. A database that finds another one at its files damages them. What several
// write already, replicas or services, is made for it; of others the file can say so with x-muster.shared_volumes.
func (b *builder) exclusiveVolume(s *service) string {
	for _, v := range s.spec.Volumes {
		switch {
		case v.Type != "volume" || v.ReadOnly:
		case v.Source == "" && !b.how.RenewAnonVolumes && !slices.Contains(s.shared, v.Target):
			return "the volume at " + v.Target + " has one writer"
		case v.Source != "" && s.scale < 2 && !slices.Contains(s.shared, v.Source) && !b.writtenElsewhere(s, v.Source):
			return "volume " + v.Source + " has one writer"
		}
	}
	if b.how.RenewAnonVolumes {
		return ""
	}
	for _, r := range s.replicas {
		if target := b.imageVolume(s, r.old); target != "" && !slices.Contains(s.shared, target) {
			return "the image's volume at " + target + " has one writer"
		}
	}
	return ""
}

// writtenElsewhere says whether another service may write a volume too.
func (b *builder) writtenElsewhere(s *service, volume string) bool {
	if b.writers == nil {
		b.writers = map[string][]string{}
		for name := range b.want.Services {
			for _, v := range b.want.Services[name].Volumes {
				if v.Type == "volume" && !v.ReadOnly {
					b.writers[v.Source] = append(b.writers[v.Source], name)
				}
			}
		}
	}
	return slices.ContainsFunc(b.writers[volume], func(name string) bool { return name != s.name })
}

// imageVolume is where a container has an anonymous volume that its image asked for and that its successor
// gets; empty for none.
func (b *builder) imageVolume(s *service, c *Container) string {
	if c == nil || len(s.spec.VolumesFrom) > 0 {
		return "" // those of another container
	}
	for _, m := range c.Mounts {
		listed := slices.ContainsFunc(s.spec.Volumes, func(v project.ServiceVolume) bool { return v.Target == m.Target })
		if m.Type == "volume" && !m.ReadOnly && !listed && Nameless(m.Name) {
			return m.Target
		}
	}
	return ""
}
