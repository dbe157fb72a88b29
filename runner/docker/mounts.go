package docker

import (
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/versions"
)

// mounts adds the service's volumes. What the engine's older notation can say is
// said in it, as docker compose does: it is the only one that makes a missing folder on older engines and
// that knows SELinux labels.
func (w *writer) mounts(h *container.HostConfig) {
	for _, v := range w.service.Volumes {
		if bind, ok := w.shortMount(v); ok {
			h.Binds = append(h.Binds, bind)
			continue
		}
		if m, ok := w.longMount(v); ok {
			h.Mounts = append(h.Mounts, m)
		}
	}
}

// source is what is mounted, a volume by its name on the engine.
func (w *writer) source(v types.ServiceVolumeConfig) string {
	if v.Type == types.VolumeTypeVolume {
		if name := w.action.Volumes[v.Source]; name != "" {
			return name
		}
	}
	return v.Source
}

// shortMount writes source:target:options where that is enough.
func (w *writer) shortMount(v types.ServiceVolumeConfig) (string, bool) {
	source := w.source(v)
	if source == "" || v.Target == "" || colon(source) || colon(v.Target) {
		return "", false
	}
	options := []string{"rw"}
	if v.ReadOnly {
		options[0] = "ro"
	}
	switch v.Type {
	case types.VolumeTypeVolume:
		if v.Volume != nil && (v.Volume.Subpath != "" || len(v.Volume.Labels) > 0) {
			return "", false
		}
		if v.Volume != nil && v.Volume.NoCopy {
			options = append(options, "nocopy")
		}
	case types.VolumeTypeBind:
		if b := v.Bind; b != nil {
			if !bool(b.CreateHostPath) || b.Recursive != "" && b.Recursive != "enabled" {
				return "", false
			}
			for _, o := range []string{b.SELinux, b.Propagation} {
				if o != "" {
					options = append(options, o)
				}
			}
		}
	default:
		return "", false
	}
	if v.Consistency != "" {
		options = append(options, v.Consistency)
	}
	return source + ":" + v.Target + ":" + strings.Join(options, ","), true
}

// colon says whether a path has a colon other than that of a drive letter, which the older notation
// would take for the next part.
func colon(path string) bool { return strings.Contains(path[min(2, len(path)):], ":") }

// longMount writes what the older notation cannot say.
func (w *writer) longMount(v types.ServiceVolumeConfig) (mount.Mount, bool) {
	m := mount.Mount{
		Type: mount.Type(v.Type), Source: w.source(v), Target: v.Target,
		ReadOnly: v.ReadOnly, Consistency: mount.Consistency(v.Consistency),
	}
	path := "volumes[" + v.Target + "]."
	switch v.Type {
	case types.VolumeTypeBind:
		m.BindOptions = w.bindOptions(v, path)
	case types.VolumeTypeVolume:
		if o := v.Volume; o != nil {
			m.VolumeOptions = &mount.VolumeOptions{NoCopy: o.NoCopy, Labels: o.Labels, Subpath: o.Subpath}
			if o.Subpath != "" {
				w.need("1.45", path+"volume.subpath")
			}
		}
	case types.VolumeTypeTmpfs:
		if o := v.Tmpfs; o != nil {
			m.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: int64(o.Size), Mode: os.FileMode(o.Mode)}
		}
	case types.VolumeTypeImage:
		w.need("1.48", path+"type image")
		if o := v.Image; o != nil && o.SubPath != "" {
			m.ImageOptions = &mount.ImageOptions{Subpath: o.SubPath}
		}
	case types.VolumeTypeNamedPipe:
	default:
		w.cannot(path+"type", "type "+v.Type+" needs a swarm")
		return m, false
	}
	return m, true
}

func (w *writer) bindOptions(v types.ServiceVolumeConfig, path string) *mount.BindOptions {
	b := v.Bind
	if b == nil {
		b = &types.ServiceVolumeBind{CreateHostPath: true}
	}
	out := &mount.BindOptions{Propagation: mount.Propagation(b.Propagation)}
	if bool(b.CreateHostPath) && versions.GreaterThanOrEqualTo(w.api, "1.42") {
		out.CreateMountpoint = true
	}
	if b.SELinux != "" {
		w.cannot(path+"bind.selinux", "the engine takes it only with create_host_path and without recursive")
	}
	switch b.Recursive {
	case "disabled":
		out.NonRecursive = true
	case "writable":
		w.need("1.44", path+"bind.recursive")
		out.ReadOnlyNonRecursive = true
	case "readonly":
		w.need("1.44", path+"bind.recursive")
		out.ReadOnlyForceRecursive = true
	}
	return out
}
