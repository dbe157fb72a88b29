package docker

import (
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/blkiodev"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"

	"github.com/musterhq/muster/planner"
)

// asService is the way back from the engine's terms to those of a Compose file: what writer writes, without the image,
// the networks and what can be changed while the container runs. It is for containers that carry no record of their service.
func asService(c *container.Config, h *container.HostConfig) types.ServiceConfig {
	s := types.ServiceConfig{ContainerSpec: types.ContainerSpec{
		Annotations: h.Annotations, CapAdd: capabilities(h.CapAdd), CapDrop: capabilities(h.CapDrop), Cgroup: string(h.CgroupnsMode),
		CgroupParent: h.CgroupParent, Command: types.ShellCommand(c.Cmd), CPUCount: h.CPUCount, CPUPercent: float32(h.CPUPercent) / 100,
		DeviceCgroupRules: h.DeviceCgroupRules, Devices: devicesOf(h), DNS: h.DNS, DNSOpts: h.DNSOptions, DNSSearch: h.DNSSearch,
		DomainName: c.Domainname, Entrypoint: types.ShellCommand(c.Entrypoint), Environment: types.NewMappingWithEquals(c.Env), GroupAdd: h.GroupAdd,
		Gpus: gpusOf(h), Hostname: c.Hostname, Init: h.Init, Ipc: string(h.IpcMode), Isolation: string(h.Isolation), Labels: ownLabels(c.Labels),
		MemSwappiness: types.UnitBytes(max(0, deref(h.MemorySwappiness))), OomKillDisable: deref(h.OomKillDisable), OomScoreAdj: int64(h.OomScoreAdj),
		Pid: string(h.PidMode), Privileged: h.Privileged, ReadOnly: h.ReadonlyRootfs, Runtime: h.Runtime, SecurityOpt: h.SecurityOpt,
		ShmSize: types.UnitBytes(h.ShmSize), StopSignal: c.StopSignal, StorageOpt: h.StorageOpt, Sysctls: h.Sysctls,
		Ulimits: ulimitsOf(h), User: c.User, UserNSMode: string(h.UsernsMode), Uts: string(h.UTSMode), VolumeDriver: h.VolumeDriver,
		VolumesFrom: slices.Clone(h.VolumesFrom), WorkingDir: c.WorkingDir, BlkioConfig: blkioOf(h),
		Volumes: volumesOf(h),
	}}
	s.StdinOpen, s.Tty, s.HealthCheck = c.OpenStdin, c.Tty, healthcheckOf(c.Healthcheck)
	if hosts, err := types.NewHostsList(h.ExtraHosts); err == nil && len(hosts) > 0 {
		s.ExtraHosts = hosts
	}
	if mode := h.NetworkMode; !mode.IsUserDefined() && !mode.IsDefault() && !mode.IsBridge() {
		s.NetworkMode = string(mode)
	}
	if h.LogConfig.Type != "" || len(h.LogConfig.Config) > 0 {
		s.Logging = &types.LoggingConfig{Driver: h.LogConfig.Type, Options: h.LogConfig.Config}
	}
	if c.StopTimeout != nil {
		grace := types.Duration(*c.StopTimeout) * 1e9
		s.StopGracePeriod = &grace
	}
	for _, path := range slices.Sorted(maps.Keys(h.Tmpfs)) {
		s.Tmpfs = append(s.Tmpfs, strings.TrimSuffix(path+":"+h.Tmpfs[path], ":"))
	}
	for _, port := range slices.Sorted(maps.Keys(h.PortBindings)) {
		for _, at := range h.PortBindings[port] {
			s.Ports = append(s.Ports, types.ServicePortConfig{
				HostIP: at.HostIP, Published: at.HostPort, Target: uint32(port.Int()), Protocol: port.Proto(), Mode: "ingress",
			})
		}
	}
	for port := range c.ExposedPorts {
		if len(h.PortBindings[port]) == 0 {
			ports, err := exposedPorts(string(port)) // docker compose passes ranges on
			if err != nil {
				ports = []string{string(port)}
			}
			s.Expose = append(s.Expose, ports...)
		}
	}
	slices.Sort(s.Expose)
	return s
}

// asNetwork is a network in the words of a Compose file.
func asNetwork(n network.Summary) *types.NetworkConfig {
	out := &types.NetworkConfig{
		Name: n.Name, Driver: n.Driver, DriverOpts: n.Options, Internal: n.Internal, Attachable: n.Attachable, Labels: ownLabels(n.Labels),
		EnableIPv4: &n.EnableIPv4, EnableIPv6: &n.EnableIPv6, Ipam: types.IPAMConfig{Driver: n.IPAM.Driver, Options: n.IPAM.Options},
	}
	if !n.EnableIPv4 && !n.EnableIPv6 { // it is older than that
		out.EnableIPv4 = nil
	}
	for _, pool := range n.IPAM.Config {
		out.Ipam.Config = append(out.Ipam.Config, &types.IPAMPool{
			Subnet: pool.Subnet, Gateway: pool.Gateway, IPRange: pool.IPRange, AuxiliaryAddresses: pool.AuxAddress,
		})
	}
	return out
}

func deref[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// capabilities are written without the prefix that newer engines add.
func capabilities(list []string) []string {
	var out []string
	for _, name := range list {
		out = append(out, strings.TrimPrefix(strings.ToUpper(name), "CAP_"))
	}
	return out
}

// ownLabels are those that were not written by a tool for itself.
func ownLabels(labels map[string]string) types.Labels {
	out := types.Labels{}
	for key, value := range labels {
		if !planner.OwnLabel(key) {
			out[key] = value
		}
	}
	return out
}

func devicesOf(h *container.HostConfig) []types.DeviceMapping {
	var out []types.DeviceMapping
	for _, d := range h.Devices {
		out = append(out, types.DeviceMapping{Source: d.PathOnHost, Target: d.PathInContainer, Permissions: d.CgroupPermissions})
	}
	return out
}

func gpusOf(h *container.HostConfig) []types.DeviceRequest {
	var out []types.DeviceRequest
	for _, r := range h.DeviceRequests {
		d := types.DeviceRequest{Driver: r.Driver, Count: types.DeviceCount(r.Count), IDs: r.DeviceIDs, Options: r.Options}
		for _, c := range r.Capabilities {
			d.Capabilities = append(d.Capabilities, c...)
		}
		out = append(out, d)
	}
	return out
}

func ulimitsOf(h *container.HostConfig) map[string]*types.UlimitsConfig {
	out := map[string]*types.UlimitsConfig{}
	for _, u := range h.Ulimits {
		out[u.Name] = &types.UlimitsConfig{Soft: int(u.Soft), Hard: int(u.Hard)}
		if u.Soft == u.Hard {
			out[u.Name] = &types.UlimitsConfig{Single: int(u.Soft)}
		}
	}
	return out
}

// blkioOf is what of blkio_config cannot be changed. Weights of devices are not in it: engines discard them without a word.
func blkioOf(h *container.HostConfig) *types.BlkioConfig {
	rates := func(list []*blkiodev.ThrottleDevice) []types.ThrottleDevice {
		var out []types.ThrottleDevice
		for _, d := range list {
			out = append(out, types.ThrottleDevice{Path: d.Path, Rate: types.UnitBytes(d.Rate)})
		}
		return out
	}
	out := types.BlkioConfig{
		DeviceReadBps: rates(h.BlkioDeviceReadBps), DeviceReadIOps: rates(h.BlkioDeviceReadIOps),
		DeviceWriteBps: rates(h.BlkioDeviceWriteBps), DeviceWriteIOps: rates(h.BlkioDeviceWriteIOps),
	}
	if len(out.DeviceReadBps)+len(out.DeviceReadIOps)+len(out.DeviceWriteBps)+len(out.DeviceWriteIOps) == 0 {
		return nil
	}
	return &out
}

func healthcheckOf(h *container.HealthConfig) *types.HealthCheckConfig {
	if h == nil {
		return nil
	}
	span := func(d int64) *types.Duration {
		if d == 0 {
			return nil
		}
		out := types.Duration(d)
		return &out
	}
	out := &types.HealthCheckConfig{
		Test: types.HealthCheckTest(h.Test), Interval: span(int64(h.Interval)), Timeout: span(int64(h.Timeout)),
		StartPeriod: span(int64(h.StartPeriod)), StartInterval: span(int64(h.StartInterval)),
	}
	if h.Retries != 0 {
		retries := uint64(h.Retries)
		out.Retries = &retries
	}
	return out
}

// volumesOf are the mounts that were asked for, sorted by where they are. A volume that nobody has named has no source.
func volumesOf(h *container.HostConfig) []types.ServiceVolumeConfig {
	var out []types.ServiceVolumeConfig
	for _, bind := range h.Binds {
		out = append(out, bindOf(bind))
	}
	for _, m := range h.Mounts {
		v := types.ServiceVolumeConfig{Type: string(m.Type), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly, Consistency: string(m.Consistency)}
		if o := m.BindOptions; o != nil && (o.Propagation != "" || o.NonRecursive || o.ReadOnlyNonRecursive || o.ReadOnlyForceRecursive) {
			v.Bind = &types.ServiceVolumeBind{CreateHostPath: true, Propagation: string(o.Propagation), Recursive: recursiveOf(o)}
		}
		if o := m.VolumeOptions; o != nil && (o.NoCopy || o.Subpath != "" || len(o.Labels) > 0) {
			v.Volume = &types.ServiceVolumeVolume{NoCopy: o.NoCopy, Subpath: o.Subpath, Labels: o.Labels}
		}
		if o := m.TmpfsOptions; o != nil && (o.SizeBytes != 0 || o.Mode != 0) {
			v.Tmpfs = &types.ServiceVolumeTmpfs{Size: types.UnitBytes(o.SizeBytes), Mode: uint32(o.Mode)}
		}
		if o := m.ImageOptions; o != nil && o.Subpath != "" {
			v.Image = &types.ServiceVolumeImage{SubPath: o.Subpath}
		}
		out = append(out, v)
	}
	for i := range out {
		out[i].Target = strings.TrimRight(out[i].Target, "/")
		if planner.Nameless(out[i].Source) {
			out[i].Source = ""
		}
	}
	slices.SortFunc(out, func(a, b types.ServiceVolumeConfig) int { return strings.Compare(a.Target, b.Target) })
	return out
}

func recursiveOf(o *mount.BindOptions) string {
	switch {
	case o.NonRecursive:
		return "disabled"
	case o.ReadOnlyNonRecursive:
		return "writable"
	case o.ReadOnlyForceRecursive:
		return "readonly"
	}
	return ""
}

// bindOf reads source:target:options. A source that is no path is a volume.
func bindOf(bind string) types.ServiceVolumeConfig {
	v := types.ServiceVolumeConfig{Type: types.VolumeTypeVolume}
	parts := strings.Split(bind, ":")
	if len(parts) > 2 && len(parts[0]) == 1 { // a drive
		parts = append([]string{parts[0] + ":" + parts[1]}, parts[2:]...)
	}
	if len(parts) < 2 {
		v.Target = bind
		return v
	}
	v.Source, v.Target = parts[0], parts[1]
	if strings.ContainsAny(v.Source, `/\`) {
		v.Type = types.VolumeTypeBind
	}
	if len(parts) == 2 {
		return v
	}
	for _, option := range strings.Split(parts[2], ",") {
		switch option {
		case "rw", "":
		case "ro":
			v.ReadOnly = true
		case "nocopy":
			v.Volume = &types.ServiceVolumeVolume{NoCopy: true}
		case "z", "Z":
			v.Bind = &types.ServiceVolumeBind{CreateHostPath: true, SELinux: option}
		case "consistent", "cached", "delegated":
			v.Consistency = option
		default:
			v.Bind = &types.ServiceVolumeBind{CreateHostPath: true, Propagation: option}
		}
	}
	return v
}

// engineChose takes from made what the engine, or its client, has filled in where meant says nothing.
func engineChose(got container.InspectResponse, meant types.ServiceConfig, made *types.ServiceConfig) {
	const usualShm = 64 << 20
	mode := got.HostConfig.NetworkMode
	if meant.Hostname == "" && (strings.HasPrefix(got.ID, made.Hostname) || mode.IsHost() || mode.IsContainer()) {
		made.Hostname = ""
	}
	for _, of := range []struct {
		meant string
		made  *string
		usual []string
	}{
		{meant.Ipc, &made.Ipc, []string{"private", "shareable"}},
		{meant.Cgroup, &made.Cgroup, []string{"private", "host"}},
		{meant.Runtime, &made.Runtime, []string{"runc", "crun", "io.containerd.runc.v2", "oci"}},
		{meant.Isolation, &made.Isolation, []string{"default"}},
		{meant.StopSignal, &made.StopSignal, []string{"SIGTERM", "15"}},
		{meant.NetworkMode, &made.NetworkMode, []string{"none"}},
		{meant.UserNSMode, &made.UserNSMode, []string{"private"}},
		{meant.Pid, &made.Pid, []string{"private"}},
		{meant.Uts, &made.Uts, []string{"private"}},
	} {
		if of.meant == "" && slices.Contains(of.usual, *of.made) {
			*of.made = ""
		}
	}
	made.SecurityOpt = slices.DeleteFunc(slices.Clone(made.SecurityOpt), func(o string) bool { // comes with privileged
		return o == "label=disable" && !slices.Contains(meant.SecurityOpt, o)
	})
	if meant.ShmSize == 0 && made.ShmSize == usualShm {
		made.ShmSize = 0
	}
	if meant.Init == nil && made.Init != nil && !*made.Init {
		made.Init = nil
	}
	if l := made.Logging; meant.Logging == nil && l != nil && len(l.Options) == 0 && slices.Contains([]string{"json-file", "journald", "local"}, l.Driver) {
		made.Logging = nil
	}
	for key := range made.Environment {
		if _, said := meant.Environment[key]; !said && strings.HasSuffix(strings.ToLower(key), "_proxy") {
			delete(made.Environment, key)
		}
	}
}
