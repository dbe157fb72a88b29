package docker

import (
	"context"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
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
		d := describer{got: got, image: imageConfig(img), project: out}
		d.add()
	}
	return out, nil
}

// describer writes one container down.
type describer struct {
	got     container.InspectResponse
	image   container.Config // what the image says by itself
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
	s := asService(d.got.Config, d.got.HostConfig)
	s.Name, s.Image, s.Volumes = name, d.got.Config.Image, nil
	d.withoutImage(&s)
	engineChose(d.got, types.ServiceConfig{}, &s)
	d.limits(&s)
	d.mounts(&s)
	d.networks(&s)
	if labels[planner.LabelService] == "" {
		s.ContainerName = name
	}
	d.project.Services[name] = s
}

// withoutImage leaves out what the image says by itself.
func (d *describer) withoutImage(s *types.ServiceConfig) {
	said := asService(&d.image, &container.HostConfig{})
	if slices.Equal(s.Command, said.Command) {
		s.Command = nil
	}
	if slices.Equal(s.Entrypoint, said.Entrypoint) {
		s.Entrypoint = nil
	}
	for key, value := range said.Environment {
		if now, has := s.Environment[key]; has && value != nil && now != nil && *now == *value {
			delete(s.Environment, key)
		}
	}
	for key, value := range said.Labels {
		if s.Labels[key] == value {
			delete(s.Labels, key)
		}
	}
	s.Expose = slices.DeleteFunc(s.Expose, func(port string) bool { return slices.Contains(said.Expose, port) })
	if s.HealthCheck != nil && said.HealthCheck != nil && slices.Equal(s.HealthCheck.Test, said.HealthCheck.Test) {
		s.HealthCheck = nil
	}
	for _, of := range []struct{ now, by *string }{{&s.User, &said.User}, {&s.WorkingDir, &said.WorkingDir}, {&s.StopSignal, &said.StopSignal}} {
		if *of.now == *of.by {
			*of.now = ""
		}
	}
}

// limits are what can be changed while it runs.
func (d *describer) limits(s *types.ServiceConfig) {
	h := d.got.HostConfig
	s.MemLimit, s.CPUS = types.UnitBytes(h.Memory), float32(h.NanoCPUs)/1e9
	if policy := planner.RestartText(string(h.RestartPolicy.Name), h.RestartPolicy.MaximumRetryCount); policy != "no" {
		s.Restart = policy
	}
}

// mounts are those that were asked for: an anonymous volume that the image declares comes by itself.
func (d *describer) mounts(s *types.ServiceConfig) {
	for _, m := range d.got.Mounts {
		v := types.ServiceVolumeConfig{Type: string(m.Type), Source: m.Source, Target: m.Destination, ReadOnly: !m.RW}
		if m.Type == mount.TypeVolume {
			if _, declared := d.image.Volumes[m.Destination]; declared && planner.Nameless(m.Name) {
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
