package memory

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

func (e *Engine) createNetwork(a planner.CreateNetwork) error {
	if e.s.Networks[a.Name] != nil {
		return nil
	}
	driver := a.Spec.Driver
	if driver == "" {
		driver = "bridge"
	}
	e.s.Networks[a.Name] = &planner.Network{ID: e.newID("network" + a.Name), Name: a.Name, Driver: driver, Labels: maps.Clone(a.Labels)}
	return nil
}

// removeNetwork refuses while a running container is in it; one that is
// stopped keeps a reference that will not start any more.
func (e *Engine) removeNetwork(a planner.RemoveNetwork) error {
	n := e.s.Networks[a.Name]
	if n == nil {
		return nil
	}
	for _, name := range sorted(e.s.Containers) {
		c := e.s.Containers[name]
		if !active(c) {
			continue
		}
		for _, p := range c.Endpoints {
			if p.NetworkID == n.ID {
				return fmt.Errorf("network %s has active endpoints (name:%q): %w", a.Name, name, ErrConflict)
			}
		}
	}
	delete(e.s.Networks, a.Name)
	return nil
}

func (e *Engine) createVolume(a planner.CreateVolume) error {
	if e.s.Volumes[a.Name] == nil {
		driver := a.Spec.Driver
		if driver == "" {
			driver = "local"
		}
		e.s.Volumes[a.Name] = &planner.Volume{Name: a.Name, Driver: driver, Labels: maps.Clone(a.Labels)}
	}
	return nil
}

// copyVolume refuses what would be torn: a volume that a running container has.
func (e *Engine) copyVolume(a planner.CopyVolume) error {
	if err := e.idle(a.From, a.To); err != nil {
		return fmt.Errorf("copy volume %s: %w", a.From, err)
	}
	if e.image(a.Image) == nil {
		return fmt.Errorf("no such image: %s: %w", a.Image, ErrNotFound)
	}
	e.s.Data[a.To] = e.s.Data[a.From]
	return nil
}

// idle says that these volumes are there, and that nothing runs that has one of them.
func (e *Engine) idle(volumes ...string) error {
	for _, name := range volumes {
		if e.s.Volumes[name] == nil {
			return fmt.Errorf("volume %s: %w", name, ErrNotFound)
		}
		for _, other := range sorted(e.s.Containers) {
			c := e.s.Containers[other]
			mounted := slices.ContainsFunc(c.Mounts, func(m planner.Mount) bool { return m.Name == name })
			if mounted && active(c) {
				return fmt.Errorf("%s has volume %s and runs: %w", other, name, ErrConflict)
			}
		}
	}
	return nil
}

// beginFill does nothing yet: what a volume is filled with comes at once.
func (e *Engine) beginFill(a planner.BeginFill) error {
	if e.s.Volumes[a.Name] == nil {
		return fmt.Errorf("volume %s: %w", a.Name, ErrNotFound)
	}
	return nil
}

// fillVolume takes the name of the snapshot for what is in it.
func (e *Engine) fillVolume(a planner.FillVolume) error {
	if e.s.Volumes[a.Name] == nil {
		return fmt.Errorf("volume %s: %w", a.Name, ErrNotFound)
	}
	if e.image(a.Image) == nil {
		return fmt.Errorf("no such image: %s: %w", a.Image, ErrNotFound)
	}
	e.s.Data[a.Name] = a.Snapshot
	return nil
}

// moveVolume leaves the volume that it came from empty.
func (e *Engine) moveVolume(a planner.MoveVolume) error {
	if e.s.Volumes[a.From] != nil && e.s.Volumes[a.To] != nil && e.s.Data[a.From] == "" {
		return nil // it is done
	}
	if err := e.copyVolume(planner.CopyVolume(a)); err != nil {
		return err
	}
	delete(e.s.Data, a.From)
	return nil
}

// exchangeVolume keeps nothing of what the volume had, which nobody may count on.
func (e *Engine) exchangeVolume(a planner.ExchangeVolume) error {
	if err := e.idle(a.From, a.Name); err != nil {
		return fmt.Errorf("exchange volume %s: %w", a.Name, err)
	}
	if e.s.Data[a.From] != "" {
		e.s.Data[a.Name] = e.s.Data[a.From]
		delete(e.s.Data, a.From)
	}
	return nil
}

// removeVolume refuses while any container, stopped ones too, has it.
func (e *Engine) removeVolume(a planner.RemoveVolume) error {
	if user := e.userOf(a.Name, ""); user != "" && e.s.Volumes[a.Name] != nil {
		return fmt.Errorf("remove %s: volume is in use - [%s]: %w", a.Name, user, ErrConflict)
	}
	delete(e.s.Volumes, a.Name)
	delete(e.s.Data, a.Name)
	return nil
}

// userOf names a container that has a volume, other than one.
func (e *Engine) userOf(volume, other string) string {
	for _, name := range sorted(e.s.Containers) {
		for _, m := range e.s.Containers[name].Mounts {
			if m.Type == "volume" && m.Name == volume && name != other {
				return name
			}
		}
	}
	return ""
}

// familiar is a reference in the one form that the engine keeps it in.
func familiar(ref string) string {
	for _, prefix := range []string{"index.docker.io/", "docker.io/", "library/"} {
		ref = strings.TrimPrefix(ref, prefix)
	}
	last := ref[strings.LastIndex(ref, "/")+1:]
	if !strings.Contains(last, ":") && !strings.Contains(ref, "@") {
		ref += ":latest"
	}
	return ref
}

// image finds a local image by reference, digest or ID.
func (e *Engine) image(ref string) *Image {
	if i := e.s.Images[ref]; i != nil {
		return i
	}
	for _, id := range sorted(e.s.Images) {
		i := e.s.Images[id]
		for _, tag := range i.Tags {
			if familiar(tag) == familiar(ref) {
				return i
			}
		}
		if slices.Contains(i.Digests, ref) {
			return i
		}
	}
	return nil
}

// tag puts an image under a reference; whatever had it goes without.
func (e *Engine) tag(ref string, image *Image) {
	if image.ID == "" {
		image.ID = "sha256:" + e.newID("image"+ref)
	}
	if image.Created.IsZero() {
		image.Created = time.Now()
	}
	if have := e.s.Images[image.ID]; have != nil {
		image = have
	}
	ref = familiar(ref)
	for _, other := range e.s.Images {
		other.Tags = slices.DeleteFunc(other.Tags, func(t string) bool { return familiar(t) == ref })
	}
	if strings.Contains(ref, "@") {
		if !slices.Contains(image.Digests, ref) {
			image.Digests = append(image.Digests, ref)
		}
	} else {
		image.Tags = append(image.Tags, ref)
		slices.Sort(image.Tags)
	}
	e.s.Images[image.ID] = image
}

// imagesOf looks references up; what is not there is left out.
func (e *Engine) imagesOf(refs []string) []planner.Image {
	var out []planner.Image
	seen := map[string]bool{}
	for _, ref := range slices.Sorted(slices.Values(refs)) {
		i := e.image(ref)
		if i == nil || seen[i.ID] {
			continue
		}
		seen[i.ID] = true
		copied := i.Image
		copied.Tags = slices.Clone(i.Tags)
		copied.Digests = slices.Clone(i.Digests)
		copied.Labels = maps.Clone(i.Labels)
		out = append(out, copied)
	}
	return out
}

func (e *Engine) pull(a planner.PullImage, report func(runner.Progress)) error {
	remote := e.s.Registry[familiar(a.Ref)]
	if remote == nil {
		if a.Optional && e.image(a.Ref) != nil {
			return nil
		}
		return fmt.Errorf("pull access denied for %s, repository does not exist or may require 'docker login': %w", a.Ref, ErrNotFound)
	}
	if report != nil {
		report(runner.Progress{ID: remote.ID[:min(len(remote.ID), 19)], Text: "Pull complete", Current: 1, Total: 1})
	}
	local := *remote
	local.Tags, local.Digests = nil, slices.Clone(remote.Digests)
	e.tag(a.Ref, &local)
	e.image(a.Ref).Fetched = time.Now()
	return nil
}

// build makes an image whose content is what the build section and the
// service's source say.
func (e *Engine) build(a planner.BuildImage, report func(runner.Progress)) error {
	recipe, err := json.Marshal(a.Spec.Build)
	if err != nil {
		return fmt.Errorf("build %s: %w", a.Ref, err)
	}
	if report != nil {
		report(runner.Progress{Line: "writing image"})
	}
	id := fmt.Sprintf("sha256:%x", sha256.Sum256(append(recipe, e.s.Sources[a.Service]...)))
	e.tag(a.Ref, &Image{Image: planner.Image{ID: id}})
	e.s.Images[id].Labels = maps.Clone(a.Labels) // of the same content, too
	return nil
}

// push makes an image that can be pulled.
func (e *Engine) push(a planner.PushImage) error {
	i := e.image(a.Ref)
	if i == nil {
		return fmt.Errorf("an image does not exist locally with the tag: %s: %w", a.Ref, ErrNotFound)
	}
	e.s.Registry[familiar(a.Ref)] = i
	return nil
}

// removeImage takes one reference away, and the image with its last one.
func (e *Engine) removeImage(a planner.RemoveImage) error {
	i := e.image(a.Ref)
	if i == nil {
		return nil
	}
	if len(i.Tags) <= 1 {
		for _, name := range sorted(e.s.Containers) {
			if e.s.Containers[name].ImageID == i.ID {
				return fmt.Errorf("unable to remove repository reference %q (must force) - container %s is using its referenced image: %w",
					a.Ref, name, ErrConflict)
			}
		}
	}
	i.Tags = slices.DeleteFunc(i.Tags, func(t string) bool { return familiar(t) == familiar(a.Ref) })
	if len(i.Tags) == 0 {
		delete(e.s.Images, i.ID)
	}
	return nil
}

// Fill says what a volume has in it.
func (e *Engine) Fill(volume, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s.Data[volume] = text
}

// Content is what a volume has in it; ok is false where there is no such volume.
func (e *Engine) Content(volume string) (text string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.s.Data[volume], e.s.Volumes[volume] != nil
}
