package swarm

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-units"
)

// mounts are those of volumes, then those of tmpfs, and the shared memory where a size is given: a swarm has no other setting for it.
func (w *writer) mounts() []mount.Mount {
	out := make([]mount.Mount, 0, len(w.service.Volumes))
	for _, v := range w.service.Volumes {
		out = append(out, w.mount(v))
	}
	for _, entry := range w.service.Tmpfs {
		m, _ := tmpfs(entry) // what cannot be done is refused before
		out = append(out, m)
	}
	if size := int64(w.service.ShmSize); size != 0 {
		out = append(out, mount.Mount{Type: mount.TypeTmpfs, Target: "/dev/shm", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: size, Mode: 0o1777}})
	}
	return out
}

func (w *writer) mount(v types.ServiceVolumeConfig) mount.Mount {
	m := mount.Mount{
		Type: mount.Type(v.Type), Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly, Consistency: mount.Consistency(v.Consistency),
	}
	switch v.Type {
	case types.VolumeTypeBind:
		m.BindOptions = bindOptions(v.Bind)
	case types.VolumeTypeVolume:
		w.volume(v, &m)
	case types.VolumeTypeTmpfs:
		if o := v.Tmpfs; o != nil {
			m.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: int64(o.Size), Mode: os.FileMode(o.Mode)}
		}
	case types.VolumeTypeCluster:
		m.ClusterOptions = &mount.ClusterOptions{}
		if name := w.action.Volumes[v.Source]; name != "" {
			m.Source = name
		}
	}
	return m
}

// volume names a volume and says how a node makes it that does not have it. The definition goes along with each service, since the
// node may be any.
func (w *writer) volume(v types.ServiceVolumeConfig, m *mount.Mount) {
	if v.Source == "" {
		return
	}
	if name := w.action.Volumes[v.Source]; name != "" {
		m.Source = name
	}
	m.VolumeOptions = &mount.VolumeOptions{}
	if o := v.Volume; o != nil {
		m.VolumeOptions.NoCopy, m.VolumeOptions.Subpath = o.NoCopy, o.Subpath
	}
	declared, known := w.action.Definitions[v.Source]
	if !known || bool(declared.External) {
		return
	}
	labels := maps.Clone(map[string]string(declared.Labels))
	if labels == nil {
		labels = map[string]string{}
	}
	labels[labelStack] = w.action.Project
	m.VolumeOptions.Labels = labels
	if declared.Driver != "" || declared.DriverOpts != nil {
		m.VolumeOptions.DriverConfig = &mount.Driver{Name: declared.Driver, Options: declared.DriverOpts}
	}
}

// bindOptions are those that are not what a swarm does anyway. Folders that are missing on a node are never made: an empty one would
// pass for the data that is on another.
func bindOptions(b *types.ServiceVolumeBind) *mount.BindOptions {
	if b == nil || b.Propagation == "" && b.Recursive == "" {
		return nil
	}
	out := &mount.BindOptions{Propagation: mount.Propagation(b.Propagation)}
	switch b.Recursive {
	case "disabled":
		out.NonRecursive = true
	case "writable":
		out.ReadOnlyNonRecursive = true
	case "readonly":
		out.ReadOnlyForceRecursive = true
	}
	return out
}

// tmpfs reads "path" and "path:size=64m,mode=1777,ro". A swarm knows no others of its options.
func tmpfs(entry string) (mount.Mount, error) {
	path, options, _ := strings.Cut(entry, ":")
	m := mount.Mount{Type: mount.TypeTmpfs, Target: path, TmpfsOptions: &mount.TmpfsOptions{}}
	for _, option := range strings.Split(options, ",") {
		name, value, _ := strings.Cut(option, "=")
		switch {
		case name == "", name == "rw":
		case name == "ro":
			m.ReadOnly = true
		case name == "size":
			size, err := units.RAMInBytes(value)
			if err != nil {
				return m, err
			}
			m.TmpfsOptions.SizeBytes = size
		case name == "mode":
			mode, err := strconv.ParseUint(value, 8, 32)
			if err != nil {
				return m, err
			}
			m.TmpfsOptions.Mode = os.FileMode(mode)
		case slices.Contains([]string{"noexec", "nosuid", "nodev"}, name): // which it is anyway
		case name == "exec":
			m.TmpfsOptions.Options = append(m.TmpfsOptions.Options, []string{name})
		default:
			return m, errOption
		}
	}
	return m, nil
}
