package docker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/blkiodev"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/musterhq/muster/planner"
)

// host is the part that depends on the host: one line a key. Volumes, configs
// and secrets are added by mounts and files.
func (w *writer) host() *container.HostConfig {
	s := w.service
	security, unmasked := w.securityOptions()
	h := &container.HostConfig{
		Annotations:    s.Annotations,
		AutoRemove:     w.action.AutoRemove,
		CapAdd:         s.CapAdd,
		CapDrop:        s.CapDrop,
		CgroupnsMode:   container.CgroupnsMode(s.Cgroup),
		ConsoleSize:    [2]uint{uint(w.action.Rows), uint(w.action.Columns)},
		DNS:            s.DNS,
		DNSOptions:     s.DNSOpts,
		DNSSearch:      s.DNSSearch,
		ExtraHosts:     sorted(s.ExtraHosts.AsList(":")),
		GroupAdd:       s.GroupAdd,
		Init:           s.Init,
		IpcMode:        container.IpcMode(s.Ipc),
		Isolation:      container.Isolation(s.Isolation),
		Links:          w.hostLinks(),
		LogConfig:      logging(s),
		NetworkMode:    w.networkMode(),
		OomScoreAdj:    int(s.OomScoreAdj),
		PidMode:        container.PidMode(s.Pid),
		PortBindings:   w.portBindings(),
		Privileged:     s.Privileged,
		ReadonlyRootfs: s.ReadOnly,
		Resources:      w.resources(),
		RestartPolicy:  w.restartPolicy(),
		Runtime:        s.Runtime,
		SecurityOpt:    security,
		ShmSize:        int64(s.ShmSize),
		StorageOpt:     s.StorageOpt,
		Sysctls:        s.Sysctls,
		Tmpfs:          tmpfs(s.Tmpfs),
		UTSMode:        container.UTSMode(s.Uts),
		UsernsMode:     container.UsernsMode(s.UserNSMode),
		VolumeDriver:   s.VolumeDriver,
		VolumesFrom:    volumesFrom(s.VolumesFrom),
	}
	if unmasked {
		h.MaskedPaths, h.ReadonlyPaths = []string{}, []string{}
	}
	if len(s.Annotations) > 0 {
		w.need("1.43", "annotations")
	}
	return h
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// resources are the limits and devices. What deploy says goes before the plain keys.
func (w *writer) resources() container.Resources {
	s := w.service
	r := container.Resources{
		CPUCount:           s.CPUCount,
		CPUPercent:         int64(s.CPUPercent * 100),
		CPUPeriod:          s.CPUPeriod,
		CPUQuota:           s.CPUQuota,
		CPURealtimePeriod:  s.CPURTPeriod,
		CPURealtimeRuntime: s.CPURTRuntime,
		CPUShares:          s.CPUShares,
		CgroupParent:       s.CgroupParent,
		CpusetCpus:         s.CPUSet,
		DeviceCgroupRules:  s.DeviceCgroupRules,
		Memory:             int64(s.MemLimit),
		MemoryReservation:  int64(s.MemReservation),
		MemorySwap:         int64(s.MemSwapLimit),
		NanoCPUs:           NanoCPUs(s.CPUS),
		Ulimits:            Ulimits(s.Ulimits),
	}
	if s.MemSwappiness != 0 {
		n := int64(s.MemSwappiness)
		r.MemorySwappiness = &n
	}
	if s.OomKillDisable {
		r.OomKillDisable = &s.OomKillDisable
	}
	if s.PidsLimit != 0 {
		r.PidsLimit = &s.PidsLimit
	}
	w.blkio(&r)
	w.devices(&r)
	w.deploy(&r)
	return r
}

// NanoCPUs are processors in the engine's unit, without the error of a float32: 0.1 is 100000000 and not 100000001.
func NanoCPUs(cpus float32) int64 {
	exact, _ := strconv.ParseFloat(strconv.FormatFloat(float64(cpus), 'f', -1, 32), 64)
	return int64(math.Round(exact * 1e9))
}

func (w *writer) deploy(r *container.Resources) {
	if w.service.Deploy == nil {
		return
	}
	if l := w.service.Deploy.Resources.Limits; l != nil {
		if l.MemoryBytes != 0 {
			r.Memory = int64(l.MemoryBytes)
		}
		if l.NanoCPUs != 0 {
			r.NanoCPUs = NanoCPUs(l.NanoCPUs.Value())
		}
		if l.Pids != 0 {
			r.PidsLimit = &l.Pids
		}
	}
	if v := w.service.Deploy.Resources.Reservations; v != nil {
		if v.MemoryBytes != 0 {
			r.MemoryReservation = int64(v.MemoryBytes)
		}
		for _, d := range v.Devices {
			r.DeviceRequests = append(r.DeviceRequests, deviceRequest(d))
		}
	}
}

// deviceRequest asks for devices by their capabilities; neither a count nor IDs means all.
func deviceRequest(d types.DeviceRequest) container.DeviceRequest {
	out := container.DeviceRequest{
		Driver: d.Driver, Count: int(d.Count), DeviceIDs: d.IDs, Options: d.Options,
		Capabilities: [][]string{d.Capabilities},
	}
	if out.Count == 0 && len(out.DeviceIDs) == 0 {
		out.Count = -1
	}
	return out
}

func (w *writer) blkio(r *container.Resources) {
	b := w.service.BlkioConfig
	if b == nil {
		return
	}
	r.BlkioWeight = b.Weight
	for _, d := range b.WeightDevice {
		r.BlkioWeightDevice = append(r.BlkioWeightDevice, &blkiodev.WeightDevice{Path: d.Path, Weight: d.Weight})
	}
	r.BlkioDeviceReadBps = throttles(b.DeviceReadBps)
	r.BlkioDeviceReadIOps = throttles(b.DeviceReadIOps)
	r.BlkioDeviceWriteBps = throttles(b.DeviceWriteBps)
	r.BlkioDeviceWriteIOps = throttles(b.DeviceWriteIOps)
}

func throttles(list []types.ThrottleDevice) []*blkiodev.ThrottleDevice {
	var out []*blkiodev.ThrottleDevice
	for _, d := range list {
		out = append(out, &blkiodev.ThrottleDevice{Path: d.Path, Rate: uint64(d.Rate)})
	}
	return out
}

// devices are those of the host, those of the Container Device Interface, which have a
// qualified name instead of a path, and GPUs.
func (w *writer) devices(r *container.Resources) {
	var cdi []string
	for _, d := range w.service.Devices {
		if d.Source == d.Target && isCDI(d.Source) {
			cdi = append(cdi, d.Source)
			continue
		}
		mode := d.Permissions
		if mode == "" {
			mode = "rwm"
		}
		r.Devices = append(r.Devices, container.DeviceMapping{PathOnHost: d.Source, PathInContainer: d.Target, CgroupPermissions: mode})
	}
	if len(cdi) > 0 {
		r.DeviceRequests = append(r.DeviceRequests, container.DeviceRequest{Driver: "cdi", DeviceIDs: cdi})
	}
	for _, g := range w.service.Gpus {
		if !slices.Contains(g.Capabilities, "gpu") {
			g.Capabilities = append(slices.Clone(g.Capabilities), "gpu")
		}
		r.DeviceRequests = append(r.DeviceRequests, deviceRequest(g))
	}
}

// isCDI recognises vendor.com/class=name.
func isCDI(name string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*=[\w.:-]+$`).MatchString(name)
}

// Ulimits are those of a service in the engine's terms, sorted.
func Ulimits(declared map[string]*types.UlimitsConfig) []*container.Ulimit {
	var out []*container.Ulimit
	for name, u := range declared {
		if u == nil {
			continue
		}
		limit := &container.Ulimit{Name: name, Soft: int64(u.Soft), Hard: int64(u.Hard)}
		if u.Single != 0 {
			limit.Soft, limit.Hard = int64(u.Single), int64(u.Single)
		}
		out = append(out, limit)
	}
	slices.SortFunc(out, func(a, b *container.Ulimit) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func logging(s types.ServiceConfig) container.LogConfig {
	if s.Logging != nil {
		return container.LogConfig{Type: s.Logging.Driver, Config: s.Logging.Options}
	}
	return container.LogConfig{Type: s.LogDriver, Config: s.LogOpt}
}

// restartPolicy is that of restart, or that of deploy where it has one.
func (w *writer) restartPolicy() container.RestartPolicy {
	if w.service.Deploy == nil || w.service.Deploy.RestartPolicy == nil {
		name, count, counted := strings.Cut(w.service.Restart, ":")
		out := container.RestartPolicy{Name: container.RestartPolicyMode(name)}
		if !counted {
			return out
		}
		n, err := strconv.Atoi(count)
		if err != nil {
			w.cannot("restart", strconv.Quote(count)+" is not a number of attempts")
		}
		out.MaximumRetryCount = n
		return out
	}
	p := w.service.Deploy.RestartPolicy
	out := container.RestartPolicy{Name: container.RestartPolicyMode(p.Condition)}
	switch p.Condition {
	case "none", "no":
		out.Name = container.RestartPolicyDisabled
	case "any", "always", "":
		out.Name = container.RestartPolicyAlways
	}
	if p.MaxAttempts == nil || *p.MaxAttempts == 0 {
		return out
	}
	if out.Name == container.RestartPolicyOnFailure {
		out.MaximumRetryCount = int(*p.MaxAttempts)
	} else {
		w.cannot("deploy.restart_policy.max_attempts", "the Docker engine counts attempts with the condition on-failure only")
	}
	return out
}

func (w *writer) portBindings() nat.PortMap {
	out := nat.PortMap{}
	for _, p := range w.service.Ports {
		port := containerPort(p)
		if w.podman && strings.Contains(p.Published, "-") {
			w.cannot("ports", "Podman takes no range of host ports to choose from; name one, or none")
		}
		out[port] = append(out[port], nat.PortBinding{HostIP: p.HostIP, HostPort: p.Published})
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// tmpfs reads "path" and "path:options".
func tmpfs(list []string) map[string]string {
	if len(list) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, entry := range list {
		path, options, _ := strings.Cut(entry, ":")
		out[path] = options
	}
	return out
}

// volumesFrom takes container names, with or without "container:" before them.
func volumesFrom(list []string) []string {
	var out []string
	for _, entry := range list {
		out = append(out, strings.TrimPrefix(entry, "container:"))
	}
	return out
}

// securityOptions puts a seccomp profile's text in the place of its file, which the
// engine could not read. unmasked says that the system paths are to be left open.
func (w *writer) securityOptions() (options []string, unmasked bool) {
	for _, option := range w.service.SecurityOpt {
		name, value, found := strings.Cut(option, "=")
		if !found {
			name, value, _ = strings.Cut(option, ":")
		}
		switch {
		case name == "systempaths" && value == "unconfined":
			unmasked = true
		case name == "seccomp" && value != "unconfined" && value != "builtin":
			folder := w.action.Labels[planner.LabelWorkingDir]
			text, err := SeccompProfile(w.key("security_opt"), value, folder)
			if w.podman { // it reads the file itself, and takes no text
				text = profileFile(value, folder)
			}
			if err != nil {
				w.problems = append(w.problems, err)
				continue
			}
			options = append(options, "seccomp="+text)
		default:
			options = append(options, option)
		}
	}
	if c := w.service.CredentialSpec; c != nil && c.File != "" {
		options = append(options, "credentialspec=file://"+c.File)
	} else if c != nil && c.Registry != "" {
		options = append(options, "credentialspec=registry://"+c.Registry)
	}
	return options, unmasked
}

// SeccompProfile reads the profile that key names, from the project's folder.
func SeccompProfile(key, path, folder string) (string, error) {
	path = profileFile(path, folder)
	text, err := os.ReadFile(path)
	if err != nil {
		return "", &refusal{
			problem: fmt.Sprintf("%s: the seccomp profile cannot be read: %v", key, err),
			hint:    "relative paths start from the project's folder",
			cause:   err,
		}
	}
	var tight bytes.Buffer
	if err := json.Compact(&tight, text); err != nil {
		return "", &refusal{
			problem: fmt.Sprintf("%s: the seccomp profile %s is not JSON: %v", key, path, err),
			hint:    "see https://docs.docker.com/engine/security/seccomp/ for its form",
			cause:   err,
		}
	}
	return tight.String(), nil
}

func profileFile(path, folder string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, path)
	}
	return path
}
