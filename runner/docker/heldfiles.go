package docker

import (
	"context"
	"crypto/rand"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/api/types/volume"

	"github.com/musterhq/muster/planner"
)

// heldAt is where the container that fills a volume has it.
const heldAt = "/files"

// holdFiles puts the files that a copy cannot bring to their place into a volume, and mounts each from there, read-only.
// The volume is the container's alone: the planner removes it when that goes. It is filled through a container that is
// never started, since the container itself shall not be able to write to it. The answer is the volume's name.
func (e *Engine) holdFiles(ctx context.Context, a planner.CreateContainer, r request) (name string, err error) {
	if len(r.Held) == 0 {
		return "", nil
	}
	labels := map[string]string{planner.LabelProject: a.Labels[planner.LabelProject], planner.LabelFiles: "true"}
	made, err := e.client.VolumeCreate(ctx, volume.CreateOptions{
		Name: labels[planner.LabelProject] + "_muster.files." + strings.ToLower(rand.Text()[:12]), Labels: labels,
	})
	if err != nil {
		return "", e.wrap(ctx, err, "make a volume for configs and secrets of", a.Spec.Name)
	}
	if err := e.fill(ctx, a, r, made.Name); err != nil {
		_ = e.client.VolumeRemove(context.WithoutCancel(ctx), made.Name, true)
		return "", err
	}
	// Older engines cannot mount a part of a volume; there it is mounted from where the engine has the volume.
	parts := !versions.LessThan(e.client.ClientVersion(), "1.45")
	for i, f := range r.Held {
		m := mount.Mount{Type: mount.TypeBind, Source: path.Join(made.Mountpoint, heldName(i)), Target: f.Target, ReadOnly: true}
		if parts {
			m.Type, m.Source = mount.TypeVolume, made.Name
			m.VolumeOptions = &mount.VolumeOptions{Subpath: heldName(i), NoCopy: true}
		}
		r.Host.Mounts = append(r.Host.Mounts, m)
	}
	return made.Name, nil
}

// heldName is what a file is called in the volume; its own name could hide another one's folder.
func heldName(i int) string { return strconv.Itoa(i) }

// fill copies the files into the volume.
func (e *Engine) fill(ctx context.Context, a planner.CreateContainer, r request, volume string) error {
	// It belongs to nobody's replicas; should we be cut off, the next plan takes it for what is left of a hook.
	labels := map[string]string{
		planner.LabelProject: a.Labels[planner.LabelProject], planner.LabelService: a.Spec.Name, planner.LabelOneOff: "True", planner.LabelHook: "files",
	}
	filler, err := e.client.ContainerCreate(ctx,
		&container.Config{Image: r.Config.Image, Cmd: []string{"-"}, Labels: labels, Volumes: map[string]struct{}{}},
		&container.HostConfig{NetworkMode: "none", Mounts: []mount.Mount{{
			Type: mount.TypeVolume, Source: volume, Target: heldAt, VolumeOptions: &mount.VolumeOptions{NoCopy: true},
		}}}, nil, r.Platform, "")
	if err != nil {
		return e.explainCreate(ctx, err, a)
	}
	defer func() {
		_ = e.client.ContainerRemove(context.WithoutCancel(ctx), filler.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	}()
	files := make([]planner.File, len(r.Held))
	for i, f := range r.Held {
		files[i] = f
		files[i].Target = "/" + heldName(i)
	}
	if err := e.copyTo(ctx, a.Name, filler.ID, heldAt, files); err != nil {
		return fmt.Errorf("configs and secrets of %s: %w", a.Spec.Name, err)
	}
	return nil
}
