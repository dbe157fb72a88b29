package docker

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker/entry"
)

// Inspect looks at one container, by name or ID. [IsNotFound] tells when there
// is none.
func (e *Engine) Inspect(ctx context.Context, name string) (planner.Container, error) {
	got, err := e.inspect(ctx, name)
	if err != nil {
		return planner.Container{}, asVanished(err)
	}
	return fromInspect(got), nil
}

// asVanished lets those who do not know engines see that there is no such container.
func asVanished(err error) error {
	if IsNotFound(err) {
		return &vanished{err}
	}
	return err
}

// vanished is the engine's word that there is no such container, for those who do not know engines.
type vanished struct{ error }

// Unwrap gives the engine's word.
func (v *vanished) Unwrap() error { return v.error }

// Is says that it is [healthcheck.ErrNoContainer].
func (v *vanished) Is(target error) bool { return target == healthcheck.ErrNoContainer }

// inspect asks the engine and makes sure that the parts which the client
// leaves as pointers are there.
func (e *Engine) inspect(ctx context.Context, name string) (container.InspectResponse, error) {
	if err := e.connect(ctx); err != nil {
		return container.InspectResponse{}, err
	}
	got, err := e.client.ContainerInspect(ctx, name)
	if err != nil {
		return got, e.wrap(ctx, err, "inspect container", name)
	}
	if got.ContainerJSONBase == nil || got.State == nil || got.Config == nil || got.HostConfig == nil {
		return got, e.wrap(ctx, errors.New("the engine's answer is not complete"), "inspect container", name)
	}
	if limit := got.HostConfig.PidsLimit; limit != nil && *limit == podmanPids && e.isPodman() {
		got.HostConfig.PidsLimit = nil
	}
	return got, nil
}

// podmanPids is how many processes Podman allows a container that was given no limit (containers.conf, pids_limit); to us that is none.
const podmanPids = 2048

func fromInspect(got container.InspectResponse) planner.Container {
	c := planner.Container{
		ID:      got.ID,
		Name:    strings.TrimPrefix(got.Name, "/"),
		Image:   got.Config.Image,
		ImageID: got.Image,
		Joined: joinedTo(map[string]string{
			"network_mode": string(got.HostConfig.NetworkMode), "ipc": string(got.HostConfig.IpcMode), "pid": string(got.HostConfig.PidMode),
		}),
		Status:   planner.Status(entry.State(got.State.Status)),
		ExitCode: got.State.ExitCode,
		Created:  parseTime(got.Created),
		Command:  strings.Join(append([]string{got.Path}, got.Args...), " "),
		Mounts:   mountPoints(got.Mounts),
		Settings: settings(got.HostConfig),
	}
	if h := got.State.Health; h != nil && h.Status != container.NoHealthcheck {
		c.Health = planner.Health(h.Status)
	}
	label(&c, got.Config.Labels)
	if got.NetworkSettings == nil {
		return c
	}
	c.Endpoints = endpoints(got.NetworkSettings.Networks, true)
	for port, bindings := range got.NetworkSettings.Ports {
		if len(bindings) == 0 {
			c.Ports = append(c.Ports, planner.Port{Target: port.Int(), Protocol: port.Proto()})
		}
		for _, b := range bindings {
			published, _ := strconv.Atoi(b.HostPort)
			c.Ports = append(c.Ports, planner.Port{HostIP: b.HostIP, Published: published, Target: port.Int(), Protocol: port.Proto()})
		}
	}
	sortPorts(c.Ports)
	return c
}

// parseTime reads the engine's times; the zero time where there is none.
func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t.UTC()
}
