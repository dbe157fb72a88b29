package docker

import (
	"context"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/go-connections/nat"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// Compare looks at a container that carries no record of its service, and says in the words of a Compose file how it was
// made and how it would be made now. Both go through the engine's own terms, so that a field is written
// the same way on both sides, however the file has it.
func (e *Engine) Compare(ctx context.Context, name string, meant planner.CreateContainer) (planner.Container, error) {
	got, err := e.inspect(ctx, name)
	if err != nil {
		return planner.Container{}, asVanished(err)
	}
	c := fromInspect(got)
	w := e.writer(meant)
	r, err := w.request()
	if err != nil {
		return c, nil // the step that makes one says so
	}
	img, err := e.client.ImageInspect(ctx, got.Image)
	if err != nil && !gone(err) {
		return c, e.wrap(ctx, err, "inspect image", got.Config.Image)
	}
	byImage := imageConfig(img)
	completed(r.Config, byImage)
	wanted, made := asService(r.Config, r.Host), asService(got.Config, got.HostConfig)
	wanted.Name, made.Name = meant.Spec.Name, meant.Spec.Name
	engineChose(got, wanted, &made)
	made.Volumes = slices.DeleteFunc(made.Volumes, func(v types.ServiceVolumeConfig) bool {
		_, declared := byImage.Volumes[v.Target]
		declared = declared && v.Source == ""
		copied := slices.ContainsFunc(meant.Files, func(f planner.File) bool { return f.Target == v.Target }) // docker compose mounts it
		return (declared || copied) && !slices.ContainsFunc(wanted.Volumes, func(w types.ServiceVolumeConfig) bool { return w.Target == v.Target })
	})
	for _, s := range []*types.ServiceConfig{&wanted, &made} {
		for i, from := range s.VolumesFrom {
			s.VolumesFrom[i], _, _ = strings.Cut(from, ":") // docker compose drops the mode
		}
	}
	if c.Made, err = project.Spec(made); err == nil {
		c.Meant, err = project.Spec(wanted)
	}
	return c, err
}

// imageConfig is what an image says by itself.
func imageConfig(img image.InspectResponse) container.Config {
	c := img.Config
	if c == nil {
		return container.Config{}
	}
	out := container.Config{
		Env: c.Env, Cmd: c.Cmd, Entrypoint: c.Entrypoint, User: c.User, WorkingDir: c.WorkingDir, Labels: c.Labels, Volumes: c.Volumes,
		StopSignal: c.StopSignal, ExposedPorts: nat.PortSet{},
	}
	for port := range c.ExposedPorts {
		out.ExposedPorts[nat.Port(port)] = struct{}{}
	}
	if h := c.Healthcheck; h != nil {
		out.Healthcheck = &container.HealthConfig{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout,
			StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries}
	}
	return out
}

// completed fills in what the engine takes from the image when it makes a container.
func completed(c *container.Config, by container.Config) {
	if len(c.Entrypoint) == 0 && len(c.Cmd) == 0 {
		c.Cmd = by.Cmd
	}
	if c.Entrypoint == nil {
		c.Entrypoint = by.Entrypoint
	}
	for _, variable := range by.Env {
		key, _, _ := strings.Cut(variable, "=")
		if !slices.ContainsFunc(c.Env, func(own string) bool { return own == key || strings.HasPrefix(own, key+"=") }) {
			c.Env = append(c.Env, variable)
		}
	}
	c.Labels = merged(by.Labels, c.Labels)
	for port := range by.ExposedPorts {
		if c.ExposedPorts == nil {
			c.ExposedPorts = nat.PortSet{}
		}
		c.ExposedPorts[port] = struct{}{}
	}
	for _, of := range []struct{ own, by *string }{{&c.User, &by.User}, {&c.WorkingDir, &by.WorkingDir}, {&c.StopSignal, &by.StopSignal}} {
		if *of.own == "" {
			*of.own = *of.by
		}
	}
	c.Healthcheck = completedCheck(c.Healthcheck, by.Healthcheck)
}

func completedCheck(own, by *container.HealthConfig) *container.HealthConfig {
	if own == nil || by == nil {
		if own == nil {
			return by
		}
		return own
	}
	out := *own
	if len(out.Test) == 0 {
		out.Test = by.Test
	}
	for _, of := range []struct{ own, by *int64 }{
		{(*int64)(&out.Interval), (*int64)(&by.Interval)}, {(*int64)(&out.Timeout), (*int64)(&by.Timeout)},
		{(*int64)(&out.StartPeriod), (*int64)(&by.StartPeriod)}, {(*int64)(&out.StartInterval), (*int64)(&by.StartInterval)},
	} {
		if *of.own == 0 {
			*of.own = *of.by
		}
	}
	if out.Retries == 0 {
		out.Retries = by.Retries
	}
	return &out
}
