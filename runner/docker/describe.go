package docker

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"

	"github.com/musterhq/muster/planner"
)

// Describe writes down containers, by name or ID, as services that would make such containers. What an image
// says by itself is left out, and so is what the engine chose.
func (e *Engine) Describe(ctx context.Context, names []string) (*types.Project, error) {
	out := &types.Project{Services: types.Services{}, Networks: types.Networks{}, Volumes: types.Volumes{}}
	for _, name := range names {
		got, err := e.inspect(ctx, name)
		if err != nil {
			return nil, err
		}
		img, err := e.client.ImageInspect(ctx, got.Image)
		if err != nil && !gone(err) {
			return nil, e.wrap(ctx, err, "inspect image", got.Config.Image)
		}
		d := describer{got: got, project: out}
		if img.Config != nil {
			d.image = imageDefaults(img)
		}
		d.add()
	}
	return out, nil
}

// defaults are what an image says by itself.
type defaults struct {
	env                 []string
	command, entrypoint []string
	user, dir           string
	labels              map[string]string
	volumes             map[string]struct{}
	check               []string
}

func imageDefaults(img image.InspectResponse) defaults {
	c := img.Config
	d := defaults{env: c.Env, command: c.Cmd, entrypoint: c.Entrypoint, user: c.User, dir: c.WorkingDir, labels: c.Labels, volumes: c.Volumes}
	if c.Healthcheck != nil {
		d.check = c.Healthcheck.Test
	}
	return d
}

// describer writes one container down.
type describer struct {
	got     container.InspectResponse
	image   defaults
	project *types.Project
}

// add adds the service. Several containers of a service are its replicas.
func (d *describer) add() {
	labels := d.got.Config.Labels
	name := labels[planner.LabelService]
	if name == "" {
		name = strings.TrimPrefix(d.got.Name, "/")
	}
	if d.project.Name == "" {
		d.project.Name = labels[planner.LabelProject]
	}
	if s, known := d.project.Services[name]; known {
		n := s.GetScale() + 1
		s.Scale = &n
		d.project.Services[name] = s
		return
	}
	s := types.ServiceConfig{Name: name}
	d.config(&s)
	d.host(&s)
	d.mounts(&s)
	d.networks(&s)
	if labels[planner.LabelService] == "" {
		s.ContainerName = name
	}
	d.project.Services[name] = s
}

// config is what would be the same on any host.
func (d *describer) config(s *types.ServiceConfig) {
	c := d.got.Config
	s.Image, s.Tty, s.StdinOpen, s.StopSignal = c.Image, c.Tty, c.OpenStdin, c.StopSignal
	if !slices.Equal(c.Cmd, d.image.command) {
		s.Command = types.ShellCommand(c.Cmd)
	}
	if !slices.Equal(c.Entrypoint, d.image.entrypoint) {
		s.Entrypoint = types.ShellCommand(c.Entrypoint)
	}
	if c.User != d.image.user {
		s.User = c.User
	}
	if c.WorkingDir != d.image.dir {
		s.WorkingDir = c.WorkingDir
	}
	if !strings.HasPrefix(d.got.ID, c.Hostname) { // the engine's own choice is the short ID
		s.Hostname = c.Hostname
	}
	for _, variable := range c.Env {
		if slices.Contains(d.image.env, variable) {
			continue
		}
		if s.Environment == nil {
			s.Environment = types.MappingWithEquals{}
		}
		key, value, _ := strings.Cut(variable, "=")
		s.Environment[key] = &value
	}
	for key, value := range c.Labels {
		if !planner.OwnLabel(key) && d.image.labels[key] != value {
			if s.Labels == nil {
				s.Labels = types.Labels{}
			}
			s.Labels[key] = value
		}
	}
	if h := c.Healthcheck; h != nil && !slices.Equal(h.Test, d.image.check) {
		s.HealthCheck = &types.HealthCheckConfig{Test: types.HealthCheckTest(h.Test)}
		if h.Interval > 0 {
			interval := types.Duration(h.Interval)
			s.HealthCheck.Interval = &interval
		}
		if h.Timeout > 0 {
			timeout := types.Duration(h.Timeout)
			s.HealthCheck.Timeout = &timeout
		}
		if h.StartPeriod > 0 {
			start := types.Duration(h.StartPeriod)
			s.HealthCheck.StartPeriod = &start
		}
		if h.Retries > 0 {
			retries := uint64(h.Retries)
			s.HealthCheck.Retries = &retries
		}
	}
}

// host is what depends on the host.
func (d *describer) host(s *types.ServiceConfig) {
	h := d.got.HostConfig
	s.Privileged, s.ReadOnly, s.Init = h.Privileged, h.ReadonlyRootfs, h.Init
	s.CapAdd, s.CapDrop, s.SecurityOpt, s.GroupAdd = h.CapAdd, h.CapDrop, h.SecurityOpt, h.GroupAdd
	s.MemLimit, s.CPUS = types.UnitBytes(h.Memory), float32(h.NanoCPUs)/1e9
	if name := string(h.RestartPolicy.Name); name != "" && name != "no" {
		s.Restart = name
		if n := h.RestartPolicy.MaximumRetryCount; n > 0 {
			s.Restart += ":" + strconv.Itoa(n)
		}
	}
	for _, port := range slices.Sorted(maps.Keys(h.PortBindings)) {
		for _, at := range h.PortBindings[port] {
			s.Ports = append(s.Ports, types.ServicePortConfig{
				HostIP: at.HostIP, Published: at.HostPort, Target: uint32(port.Int()), Protocol: port.Proto(), Mode: "ingress",
			})
		}
	}
}

// mounts are those that were asked for: an anonymous volume that the image declares comes by itself.
func (d *describer) mounts(s *types.ServiceConfig) {
	for _, m := range d.got.Mounts {
		v := types.ServiceVolumeConfig{Type: string(m.Type), Source: m.Source, Target: m.Destination, ReadOnly: !m.RW}
		if m.Type == mount.TypeVolume {
			if _, declared := d.image.volumes[m.Destination]; declared && planner.Nameless(m.Name) {
				continue
			}
			v.Source = m.Name
			if planner.Nameless(m.Name) {
				v.Source = ""
			} else {
				d.project.Volumes[m.Name] = types.VolumeConfig{Name: m.Name, External: true}
			}
		}
		s.Volumes = append(s.Volumes, v)
	}
	slices.SortFunc(s.Volumes, func(a, b types.ServiceVolumeConfig) int { return strings.Compare(a.Target, b.Target) })
}

// networks are those that it is in, unless it has another's or the host's.
func (d *describer) networks(s *types.ServiceConfig) {
	mode := d.got.HostConfig.NetworkMode
	if !mode.IsUserDefined() {
		if !mode.IsDefault() && !mode.IsBridge() {
			s.NetworkMode = string(mode)
		}
		return
	}
	if d.got.NetworkSettings == nil {
		return
	}
	s.Networks = map[string]*types.ServiceNetworkConfig{}
	for name, at := range d.got.NetworkSettings.Networks {
		endpoint := &types.ServiceNetworkConfig{}
		for _, alias := range at.Aliases {
			if alias != s.Name && alias != strings.TrimPrefix(d.got.Name, "/") && !strings.HasPrefix(d.got.ID, alias) {
				endpoint.Aliases = append(endpoint.Aliases, alias)
			}
		}
		if at.IPAMConfig != nil {
			endpoint.Ipv4Address, endpoint.Ipv6Address = at.IPAMConfig.IPv4Address, at.IPAMConfig.IPv6Address
		}
		if endpoint.Aliases == nil && endpoint.Ipv4Address == "" && endpoint.Ipv6Address == "" {
			endpoint = nil
		}
		s.Networks[name] = endpoint
		d.project.Networks[name] = types.NetworkConfig{Name: name, External: true}
	}
}
