package planner

import (
	"slices"
	"sort"
	"strings"

	"github.com/musterhq/muster/project"
)

// changes says in what a container differs from its service so that only another
// container can mend it.
func (b *builder) changes(s *service, c *Container) []Change {
	out, beside := b.specChanges(s, c)
	if !mentions(out, s.path("image")) {
		out = append(out, b.imageChanges(s, c)...)
	}
	out = append(out, b.contentChanges(s, c)...)
	out = append(out, b.mountChanges(s, c)...)
	out = append(out, b.staleEndpoints(s, c)...)
	for _, lost := range b.lostHardware(s, c) {
		if !mentions(out, lost.Path) {
			out = append(out, lost)
		}
	}
	inPlace, anew, _ := b.adjustments(s, c)
	out = append(append(out, anew...), b.lostNetworks(s, c, beside)...)
	if len(out) == 0 {
		out = b.costlyPlaces(s, c)
		costly := out
		beside = slices.DeleteFunc(beside, func(d Change) bool { return mentions(costly, d.Path) })
	}
	if len(out) > 0 {
		out = append(append(out, inPlace...), beside...)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out
}

func mentions(changes []Change, path string) bool {
	for _, c := range changes {
		if c.Path == path {
			return true
		}
	}
	return false
}

// specChanges compares the file with what the container was made from. beside are those changes of its networks that
// need no other container.
func (b *builder) specChanges(s *service, c *Container) (changes, beside []Change) {
	if c.foreign() {
		return b.foreignChanges(s, c), nil
	}
	for _, d := range s.compare(&b.codec, c.Labels[LabelSpec]).changes {
		switch path := strings.TrimPrefix(d.Path, s.path("")); {
		case b.adjustable(path):
		case placed(path) && s.spec.NetworkMode == "":
			beside = append(beside, d)
		default:
			changes = append(changes, d)
		}
	}
	if mentions(changes, s.path("network_mode")) {
		return append(changes, beside...), nil
	}
	b.nameImages(s, c, changes)
	return changes, beside
}

// lostNetworks are networks that the file has taken from a service and that a container may still be in: they are not in the
// file any more, so that nobody knows by what name to leave them.
func (b *builder) lostNetworks(s *service, c *Container, beside []Change) []Change {
	unknown := false
	for _, e := range c.Endpoints {
		unknown = unknown || b.have.networks[e.Network] == nil && !builtIn(e.Network)
	}
	var out []Change
	for _, d := range beside {
		key := strings.TrimPrefix(d.Path, s.path("networks."))
		_, wanted := s.spec.Networks[key]
		_, defined := b.want.Networks[key]
		if _, had := b.codec.recorded(c.Labels).Networks[key]; had && !wanted && !defined && unknown {
			out = append(out, d)
		}
	}
	return out
}

// nameImages adds short digests to a change of the image's name, where they are known.
func (b *builder) nameImages(s *service, c *Container, changes []Change) {
	for i := range changes {
		if changes[i].Path != s.path("image") {
			continue
		}
		changes[i].From = withDigest(changes[i].From, c.ImageID)
		if image := b.image(changes[i].To); image != nil {
			changes[i].To = withDigest(changes[i].To, image.ID)
		}
	}
}

func withDigest(ref, id string) string {
	if ref == "" || id == "" || strings.Contains(ref, "@") {
		return ref
	}
	return ref + " (" + short(id) + ")"
}

// imageChanges notices that the tag means other content by now.
func (b *builder) imageChanges(s *service, c *Container) []Change {
	ref := b.want.ImageName(s.spec)
	image := b.image(ref)
	if image == nil || c.ImageID == "" || image.ID == c.ImageID || contains(image.Same, c.ImageID) {
		return nil
	}
	return []Change{{Path: s.path("image"), From: withDigest(ref, c.ImageID), To: withDigest(ref, image.ID)}}
}

// contentChanges compares what stands in configs and secrets. A container without
// a record of it is not judged: it was made by another tool.
func (b *builder) contentChanges(s *service, c *Container) []Change {
	if c.Labels[LabelSpec] == "" {
		return nil
	}
	now := b.content(s.spec)
	if len(now) == 0 {
		return nil
	}
	was := readContent(c.Labels[LabelContent])
	var out []Change
	for _, key := range keys(now) {
		old, ok := was[key]
		switch {
		case strings.HasPrefix(key, "providers.") && old != now[key]:
			// That it depends on a provider stands nowhere else.
			out = append(out, Change{Path: s.path(key), From: short(old), To: short(now[key])})
		case strings.HasPrefix(key, "models.") && ok && old != now[key]:
			out = append(out, Change{Path: s.path(key), From: short(old), To: short(now[key])})
		case ok && old != now[key]:
			out = append(out, Change{Path: s.path(key + ".content"), From: short(old), To: short(now[key])})
		}
	}
	return out
}

// mountChanges notices a named volume under another name: the service's own spec has only its key.
func (b *builder) mountChanges(s *service, c *Container) []Change {
	if len(c.Mounts) == 0 {
		return nil
	}
	at := map[string]Mount{}
	for _, m := range c.Mounts {
		at[m.Target] = m
	}
	var out []Change
	for _, v := range s.spec.Volumes {
		if v.Type != "volume" || v.Source == "" {
			continue
		}
		name := b.volume(v.Source)
		if m, ok := at[v.Target]; ok && m.Type == "volume" && m.Name != name {
			out = append(out, Change{Path: s.path("volumes." + v.Target), From: m.Name, To: name})
		}
	}
	return out
}

// staleEndpoints notices that a network was made anew behind the container's back: it cannot be
// started again, since the engine remembers the old network's ID.
func (b *builder) staleEndpoints(s *service, c *Container) []Change {
	var out []Change
	for _, key := range networkKeys(s.spec) {
		name := b.network(key)
		e := c.endpoint(name)
		if e == nil || e.NetworkID == "" {
			continue
		}
		n := b.have.networks[name]
		switch {
		case b.how.IgnoreDrift:
		case n == nil:
			out = append(out, Change{Path: s.path("networks." + key), From: name + " (gone)", To: name, Drift: true})
		case n.ID != "" && n.ID != e.NetworkID:
			out = append(out, Change{Path: s.path("networks." + key), From: name + " (an older one)", To: name, Drift: true})
		}
	}
	return out
}

func (c *Container) endpoint(network string) *Endpoint {
	for i := range c.Endpoints {
		if c.Endpoints[i].Network == network {
			return &c.Endpoints[i]
		}
	}
	return nil
}

// network is the name on the engine of the network with key.
func (b *builder) network(key string) string { return networkName(b.want, key, b.want.Networks[key]) }

// volume is the name on the engine of the volume with key.
func (b *builder) volume(key string) string { return volumeName(b.want, key, b.want.Volumes[key]) }

// fixed says whether a port takes one particular port of the host.
func fixed(p project.ServicePort) bool {
	return p.Published != "" && p.Published != "0" && !strings.Contains(p.Published, "-")
}
