package docker

import (
	"context"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// createContainer makes a container, puts it into its networks and its files
// into it. One that is there already and has not been started is completed: a run that
// was cut off between the creation and the copy leaves such a one.
func (e *Engine) createContainer(ctx context.Context, a planner.CreateContainer, report func(runner.Progress)) error {
	w := e.writer(a)
	r, err := w.request()
	if err != nil {
		return err
	}
	if err := e.clearCommand(ctx, r.Config); err != nil {
		return err
	}
	if a.Inherit != "" {
		if err := e.inherit(ctx, a, r.Host); err != nil {
			return err
		}
	}
	volume, err := e.holdFiles(ctx, a, r)
	if err != nil {
		return err
	}
	made := false
	defer func() {
		if volume != "" && !made {
			_ = e.client.VolumeRemove(context.WithoutCancel(ctx), volume, true) // the next plan finds it otherwise
		}
	}()
	made, err = e.create(ctx, a, r, report)
	return err
}

// writer writes an action down in the terms of this engine.
func (e *Engine) writer(a planner.CreateContainer) writer {
	return writer{
		service: a.Spec, action: a, api: e.client.ClientVersion(), local: isLocal(e.host), podman: e.isPodman(),
		windows: e.runsWindows(), socket: engineSocket(e.host),
		proxies: e.config.ParseProxyConfig(e.client.DaemonHost(), nil),
	}
}

// create makes the container and completes it. It answers whether it is of its making, and not one of the same kind that was there.
func (e *Engine) create(ctx context.Context, a planner.CreateContainer, r request, report func(runner.Progress)) (bool, error) {
	made, err := e.client.ContainerCreate(ctx, r.Config, r.Host, r.Networking, r.Platform, a.Name)
	own := err == nil
	switch {
	case own:
		for _, warning := range made.Warnings {
			report(runner.Progress{Line: warning})
		}
	case cerrdefs.IsConflict(err) || strings.Contains(err.Error(), "is already in use by"):
		there, same := e.sameContainer(ctx, a.Name, r.Config.Labels)
		if !same {
			return false, e.nameTaken(ctx, err, a.Name, a.Labels[planner.LabelProject])
		}
		if there.State.Status != container.StateCreated {
			return false, nil
		}
		made.ID = there.ID
	default:
		return false, e.explainCreate(ctx, err, a)
	}
	if err := e.complete(ctx, a.Name, made.ID, r); err != nil {
		// Without its files or networks it must not be taken for a good one.
		undo := context.WithoutCancel(ctx)
		_ = e.client.ContainerRemove(undo, made.ID, container.RemoveOptions{Force: true})
		return false, err
	}
	return own, nil
}

// complete does what the creation itself could not.
func (e *Engine) complete(ctx context.Context, name, id string, r request) error {
	for _, j := range r.Later {
		if err := e.join(ctx, id, j.Network, j.Settings); err != nil {
			return err
		}
	}
	return e.copyFiles(ctx, name, id, r.Copies)
}

// sameContainer says whether the container of that name has those labels.
func (e *Engine) sameContainer(ctx context.Context, name string, labels map[string]string) (container.InspectResponse, bool) {
	got, err := e.inspect(ctx, name)
	if err != nil {
		return got, false
	}
	for k, v := range labels {
		if got.Config.Labels[k] != v {
			return got, false
		}
	}
	return got, true
}

// clearCommand makes an empty command stay empty. The engine takes the image's
// command for an empty one, unless an entrypoint comes with it; so the image's own is given.
func (e *Engine) clearCommand(ctx context.Context, c *container.Config) error {
	if c.Cmd == nil || len(c.Cmd) > 0 || c.Entrypoint != nil {
		return nil
	}
	img, err := e.client.ImageInspect(ctx, c.Image)
	if err != nil {
		return e.wrap(ctx, err, "inspect image", c.Image)
	}
	if img.Config != nil && len(img.Config.Entrypoint) > 0 {
		c.Entrypoint = img.Config.Entrypoint
	}
	return nil
}

// inherit mounts the anonymous volumes of another container where the service or its image has such ones, too.
func (e *Engine) inherit(ctx context.Context, a planner.CreateContainer, h *container.HostConfig) error {
	old, err := e.inspect(ctx, a.Inherit)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	taken, asked := map[string]bool{}, map[string]bool{}
	for path := range h.Tmpfs {
		taken[path] = true
	}
	for _, f := range a.Files {
		taken[f.Target] = true
	}
	for _, v := range a.Spec.Volumes {
		asked[v.Target] = v.Source == "" && v.Type == "volume"
		taken[v.Target] = taken[v.Target] || !asked[v.Target]
	}
	var unasked []container.MountPoint
	for _, m := range old.Mounts {
		switch {
		case m.Type != mount.TypeVolume || !planner.Nameless(m.Name) || taken[m.Destination]:
		case asked[m.Destination]:
			h.Mounts = append(withoutTarget(h.Mounts, m.Destination), inherited(m))
		default:
			unasked = append(unasked, m)
		}
	}
	if len(unasked) == 0 {
		return nil
	}
	return e.inheritDeclared(ctx, a, h, unasked)
}

func inherited(m container.MountPoint) mount.Mount {
	return mount.Mount{Type: mount.TypeVolume, Source: m.Name, Target: m.Destination, ReadOnly: !m.RW}
}

// inheritDeclared mounts those that the image declares, except where they come from another container: that one may have others by now.
// What neither asks for is left out, as it would go on hiding what the image has at that place.
func (e *Engine) inheritDeclared(ctx context.Context, a planner.CreateContainer, h *container.HostConfig, mounts []container.MountPoint) error {
	img, err := e.client.ImageInspect(ctx, a.Image)
	if gone(err) || err == nil && img.Config == nil {
		return nil // the creation says so
	}
	if err != nil {
		return e.wrap(ctx, err, "inspect image", a.Image)
	}
	lent := map[string]bool{}
	for _, from := range h.VolumesFrom {
		name, _, _ := strings.Cut(from, ":")
		other, err := e.inspect(ctx, name)
		if err != nil && !gone(err) {
			return err
		}
		for _, m := range other.Mounts {
			lent[m.Destination] = true
		}
	}
	for _, m := range mounts {
		if _, declared := img.Config.Volumes[m.Destination]; declared && !lent[m.Destination] {
			h.Mounts = append(h.Mounts, inherited(m))
		}
	}
	return nil
}

func withoutTarget(mounts []mount.Mount, target string) []mount.Mount {
	var out []mount.Mount
	for _, m := range mounts {
		if m.Target != target {
			out = append(out, m)
		}
	}
	return out
}

// explainCreate says what to do about the reasons for which a container cannot be made.
func (e *Engine) explainCreate(ctx context.Context, err error, a planner.CreateContainer) error {
	text := said(err)
	switch {
	case gone(err) && strings.Contains(strings.ToLower(text), "no such image"), strings.Contains(text, "image not known"):
		return &refusal{
			problem: fmt.Sprintf("image %s is not on the engine", a.Image),
			hint:    "pull it with `muster pull " + a.Spec.Name + "`, or set pull_policy: missing",
			cause:   err,
		}
	case networkGone(err):
		return noNetwork(err, a.Name)
	case strings.Contains(text, "bind source path does not exist"):
		_, path, _ := strings.Cut(text, "does not exist: ")
		return &refusal{
			problem: fmt.Sprintf("%s is mounted into %s and does not exist", path, a.Spec.Name),
			hint:    "make it, or correct " + "services." + a.Spec.Name + ".volumes" + elsewhere(e.host),
			cause:   err,
		}
	case mountDenied(text) != "":
		return noEntry(err, mountDenied(text), a.Spec.Name)
	case strings.Contains(text, "does not match the specified platform"), strings.Contains(text, "was found but its platform"),
		strings.Contains(text, "was found but does not provide the specified platform"):
		return &refusal{
			problem: fmt.Sprintf("image %s is there, but not for %s", a.Image, a.Spec.Platform),
			hint:    "pull it with `muster pull " + a.Spec.Name + "`, or change services." + a.Spec.Name + ".platform",
			cause:   err,
		}
	case strings.Contains(text, "no command specified"), strings.Contains(text, "No command specified"):
		return &refusal{
			problem: fmt.Sprintf("image %s has no command of its own", a.Image),
			hint:    "set services." + a.Spec.Name + ".command",
			cause:   err,
		}
	}
	return e.wrap(ctx, err, "create container", a.Name)
}

// elsewhere reminds that paths are those of the engine's machine.
func elsewhere(host string) string {
	if isLocal(host) {
		return ""
	}
	return "; the engine at " + host + " looks for it on its own machine"
}
