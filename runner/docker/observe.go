package docker

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker/entry"
)

// Observe answers with what the engine has of a project. It takes one call each
// for containers, networks, volumes and images (none for images when the
// scope names none, and one for each of a few), all at the same time, whatever the size of the project, and one for each image
// that is pulled again after a time, or whose build is watched for changes and that has another ID by now; the very first also asks the engine for its version.
func (e *Engine) Observe(ctx context.Context, scope planner.Scope) (planner.State, error) {
	var state planner.State
	info, err := e.Info(ctx)
	if err != nil {
		return state, err
	}
	state.Engine = info
	outer := ctx // the group's ends with it
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		state.Containers, err = e.containers(ctx, scope)
		return err
	})
	if scope.ContainersOnly {
		return state, group.Wait()
	}
	group.Go(func() (err error) {
		state.Networks, err = e.networks(ctx, scope)
		return err
	})
	group.Go(func() (err error) {
		state.Volumes, err = e.volumes(ctx, scope)
		return err
	})
	group.Go(func() (err error) {
		if state.Images, err = e.images(ctx, scope.Images); err == nil {
			err = e.ages(ctx, scope.Aged, state.Images)
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return state, err
	}
	return state, e.compareImages(outer, &state)
}

// containers lists the project's containers, or those of one service, stopped ones included.
func (e *Engine) containers(ctx context.Context, scope planner.Scope) ([]planner.Container, error) {
	filter := ofProject(scope.Project)
	if scope.Service != "" {
		filter.Add("label", planner.LabelService+"="+scope.Service)
	}
	listed, err := e.client.ContainerList(ctx, container.ListOptions{All: true, Filters: filter})
	if err != nil {
		return nil, e.wrap(ctx, err, "list the containers of", scope.Project)
	}
	out := make([]planner.Container, 0, len(listed))
	for _, s := range listed {
		if !entry.Inherited(s.Labels) {
			out = append(out, fromSummary(s))
		}
	}
	slices.SortFunc(out, func(a, b planner.Container) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func ofProject(name string) filters.Args {
	return filters.NewArgs(filters.Arg("label", planner.LabelProject+"="+name))
}

// networks lists the project's networks and those that the scope names. The
// engine cannot be asked for "this label or this name"; so where there are names, it
// is asked for all.
func (e *Engine) networks(ctx context.Context, scope planner.Scope) ([]planner.Network, error) {
	options := network.ListOptions{}
	if len(scope.Networks) == 0 {
		options.Filters = ofProject(scope.Project)
	}
	listed, err := e.client.NetworkList(ctx, options)
	if err != nil {
		return nil, e.wrap(ctx, err, "list the networks of", scope.Project)
	}
	var out []planner.Network
	for _, n := range listed {
		if n.Labels[planner.LabelProject] != scope.Project && !slices.Contains(scope.Networks, n.Name) && !slices.Contains(scope.Networks, n.ID) {
			continue
		}
		out = append(out, planner.Network{ID: n.ID, Name: n.Name, Driver: n.Driver, Labels: n.Labels, Made: asNetwork(n)})
	}
	slices.SortFunc(out, func(a, b planner.Network) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	return out, nil
}

// volumes lists the project's volumes and those that the scope names.
func (e *Engine) volumes(ctx context.Context, scope planner.Scope) ([]planner.Volume, error) {
	options := volume.ListOptions{}
	if len(scope.Volumes) == 0 {
		options.Filters = ofProject(scope.Project)
	}
	listed, err := e.client.VolumeList(ctx, options)
	if err != nil {
		return nil, e.wrap(ctx, err, "list the volumes of", scope.Project)
	}
	var out []planner.Volume
	for _, v := range listed.Volumes {
		if v.Labels[planner.LabelProject] != scope.Project && !slices.Contains(scope.Volumes, v.Name) {
			continue
		}
		out = append(out, planner.Volume{Name: v.Name, Driver: v.Driver, Labels: v.Labels, Made: &types.VolumeConfig{
			Name: v.Name, Driver: v.Driver, DriverOpts: v.Options, Labels: ownLabels(v.Labels),
		}})
	}
	slices.SortFunc(out, func(a, b planner.Volume) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// fromSummary reads one entry of the list of containers.
func fromSummary(s container.Summary) planner.Container {
	c := planner.Container{
		ID:       s.ID,
		Name:     entry.Name(s.Names),
		Image:    s.Image,
		ImageID:  s.ImageID,
		Joined:   joinedTo(map[string]string{"network_mode": s.HostConfig.NetworkMode}),
		Status:   planner.Status(entry.State(s.State)),
		Health:   planner.Health(entry.Health(s.Status)),
		ExitCode: entry.ExitCode(s.Status),
		Created:  time.Unix(s.Created, 0).UTC(),
		Since:    s.Status,
		Command:  s.Command,
	}
	label(&c, s.Labels)
	if s.NetworkSettings != nil {
		c.Endpoints = endpoints(s.NetworkSettings.Networks, false)
	}
	c.Mounts = mountPoints(s.Mounts)
	for _, p := range s.Ports {
		c.Ports = append(c.Ports, planner.Port{HostIP: p.IP, Published: int(p.PublicPort), Target: int(p.PrivatePort), Protocol: p.Type})
	}
	sortPorts(c.Ports)
	return c
}

// joinedTo are the containers that modes name, by the key of the mode; the engine keeps an ID
// where it was given one.
func joinedTo(modes map[string]string) map[string]string {
	var out map[string]string
	for key, mode := range modes {
		if other, ok := strings.CutPrefix(mode, "container:"); ok {
			if out == nil {
				out = map[string]string{}
			}
			out[key] = other
		}
	}
	return out
}

// label reads what the labels say of a container.
func label(c *planner.Container, labels map[string]string) {
	c.Labels = labels
	c.Service = labels[planner.LabelService]
	c.OneOff = entry.IsOneOff(labels)
	c.Number, _ = strconv.Atoi(labels[planner.LabelNumber])
}

// endpoints are the networks that a container is in. Only an inspection tells by what names and with which options.
func endpoints(networks map[string]*network.EndpointSettings, inspected bool) []planner.Endpoint {
	var out []planner.Endpoint
	for name, s := range networks {
		if s == nil {
			continue
		}
		e := planner.Endpoint{
			Network: name, NetworkID: s.NetworkID, IPv4: s.IPAddress, IPv6: s.GlobalIPv6Address, MAC: s.MacAddress, Priority: s.GwPriority,
		}
		if asked := s.IPAMConfig; asked != nil {
			e.Fixed = &planner.FixedAddresses{IPv4: asked.IPv4Address, IPv6: asked.IPv6Address}
		}
		if inspected {
			e.Aliases, e.Options = append([]string{}, s.Aliases...), s.DriverOpts
			slices.Sort(e.Aliases)
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b planner.Endpoint) int { return strings.Compare(a.Network, b.Network) })
	return out
}

func mountPoints(points []container.MountPoint) []planner.Mount {
	var out []planner.Mount
	for _, m := range points {
		out = append(out, planner.Mount{Type: string(m.Type), Name: m.Name, Source: m.Source, Target: m.Destination, ReadOnly: !m.RW})
	}
	slices.SortFunc(out, func(a, b planner.Mount) int { return strings.Compare(a.Target, b.Target) })
	return out
}

func sortPorts(ports []planner.Port) {
	slices.SortFunc(ports, func(a, b planner.Port) int {
		if a.Target != b.Target {
			return a.Target - b.Target
		}
		if c := strings.Compare(a.Protocol, b.Protocol); c != 0 {
			return c
		}
		if c := strings.Compare(a.HostIP, b.HostIP); c != 0 {
			return c
		}
		return a.Published - b.Published
	})
}
