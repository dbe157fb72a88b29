package memory

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// container finds a container by name or ID.
func (e *Engine) container(name string) (*Container, error) {
	if c := e.s.Containers[name]; c != nil {
		return c, nil
	}
	for _, key := range sorted(e.s.Containers) {
		if c := e.s.Containers[key]; c.ID == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("no such container: %s: %w", name, notFound{})
}

// notFound is both this package's and the health check's sentinel.
type notFound struct{}

func (notFound) Error() string { return ErrNotFound.Error() }
func (notFound) Is(target error) bool {
	return target == ErrNotFound || target == healthcheck.ErrNoContainer
}

// create makes a container and everything that comes with it, or nothing.
func (e *Engine) create(a planner.CreateContainer) error {
	if have := e.s.Containers[a.Name]; have != nil {
		if maps.Equal(have.Labels, a.Labels) {
			return nil
		}
		return fmt.Errorf("the container name %q is already in use by container %q: %w", "/"+a.Name, have.ID, ErrConflict)
	}
	image := e.image(a.Image)
	if image == nil {
		return fmt.Errorf("no such image: %s: %w", a.Image, ErrNotFound)
	}
	c := &Container{Container: planner.Container{ID: e.newID("container" + a.Name), Name: a.Name, Image: a.Image, ImageID: image.ID,
		Status: planner.Created, Created: time.Now(), Command: strings.Join(a.Spec.Command, " "), Labels: maps.Clone(a.Labels)}}
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	settings, err := planner.SettingsOf(a.Spec)
	if err != nil {
		return err
	}
	c.set(settings)
	c.AutoRemove = a.AutoRemove
	c.Check = checkOf(a.Spec.HealthCheck, image.Check)
	if a.Spec.StopGracePeriod != nil {
		c.Grace = Span(*a.Spec.StopGracePeriod)
	}
	if c.Publish, err = portsOf(a.Spec.Ports); err != nil {
		return err
	}
	if err := e.join(c, a); err != nil {
		return err
	}
	if err := e.mount(c, a, image); err != nil {
		return err
	}
	e.s.Containers[a.Name] = c
	return nil
}

// join puts a new container into its networks and namespaces.
func (e *Engine) join(c *Container, a planner.CreateContainer) error {
	for _, mode := range [][2]string{{"network_mode", a.Spec.NetworkMode}, {"ipc", a.Spec.Ipc}, {"pid", a.Spec.Pid}} {
		if other, ok := strings.CutPrefix(mode[1], "container:"); ok {
			o, err := e.container(other)
			if err != nil {
				return err
			}
			// The engine remembers the container and not its name.
			c.Spaces = append(c.Spaces, o.ID)
			if c.Joined == nil {
				c.Joined = map[string]string{}
			}
			c.Joined[mode[0]] = o.ID
		}
	}
	if a.Spec.NetworkMode != "" && a.Spec.NetworkMode != "bridge" {
		return nil
	}
	for _, key := range sorted(a.Networks) {
		if !e.s.Engine.LateNetworks {
			if err := e.hasNetwork(a.Networks[key]); err != nil {
				return err
			}
		}
		e.endpoint(c, a.Networks[key], a.Spec, key, a.As)
	}
	return nil
}

func (e *Engine) hasNetwork(name string) error {
	if e.s.Networks[name] == nil {
		return fmt.Errorf("network %s not found: %w", name, ErrNotFound)
	}
	return nil
}

// endpoint gives a container its place in a network; "already in it" renews the settings.
// as is the name that others find it by; empty is its own.
func (e *Engine) endpoint(c *Container, network string, spec project.Service, key, as string) {
	p := planner.Endpoint{Network: network, Aliases: []string{}}
	for _, alias := range []string{c.Labels[planner.LabelService], cmp.Or(as, c.Name)} {
		if alias != "" {
			p.Aliases = append(p.Aliases, alias)
		}
	}
	if settings := spec.Networks[key]; settings != nil {
		p.Aliases = append(p.Aliases, settings.Aliases...)
		p.MAC, p.Priority, p.Options = settings.MacAddress, settings.GatewayPriority, settings.DriverOpts
		if settings.Ipv4Address != "" {
			ensure(&c.Static)
			c.Static[network] = settings.Ipv4Address
		}
	}
	if settings := spec.Networks[key]; !settings.ServiceNameAliasEnabled() {
		p.Aliases = slices.DeleteFunc(p.Aliases, func(a string) bool { return a == c.Labels[planner.LabelService] })
	}
	slices.Sort(p.Aliases)
	p.Aliases = slices.Compact(p.Aliases)
	c.Endpoints = slices.DeleteFunc(c.Endpoints, func(p planner.Endpoint) bool { return p.Network == network })
	c.Endpoints = append(c.Endpoints, p)
	slices.SortFunc(c.Endpoints, func(a, b planner.Endpoint) int { return strings.Compare(a.Network, b.Network) })
}

// mount gives a new container its volumes: those of its service, those that
// its image declares, and the anonymous ones of the container it inherits from.
func (e *Engine) mount(c *Container, a planner.CreateContainer, image *Image) error {
	inherited, err := e.anonymousOf(a.Inherit)
	if err != nil {
		return err
	}
	for _, from := range a.Spec.VolumesFrom {
		parts := strings.Split(strings.TrimPrefix(from, "container:"), ":")
		other, err := e.container(parts[0])
		if err != nil {
			return err
		}
		for _, m := range other.Mounts {
			m.ReadOnly = m.ReadOnly || len(parts) > 1 && parts[1] == "ro"
			c.addMount(m)
		}
	}
	for _, v := range a.Spec.Volumes {
		m := planner.Mount{Type: v.Type, Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly}
		if v.Type == types.VolumeTypeVolume {
			m.Source = ""
			if m.Name = a.Volumes[v.Source]; m.Name == "" && v.Source != "" {
				m.Name = v.Source
			}
			if m.Name == "" {
				m.Name = inherited[v.Target]
			}
			m.Name = e.needVolume(m.Name)
		}
		c.addMount(m)
	}
	for _, target := range a.Spec.Tmpfs {
		c.addMount(planner.Mount{Type: "tmpfs", Target: strings.SplitN(target, ":", 2)[0]})
	}
	for _, target := range image.Volumes {
		if !c.has(target) {
			c.addMount(planner.Mount{Type: "volume", Name: e.needVolume(inherited[target]), Target: target})
		}
	}
	slices.SortFunc(c.Mounts, func(a, b planner.Mount) int { return strings.Compare(a.Target, b.Target) })
	return nil
}

func (c *Container) has(target string) bool {
	return slices.ContainsFunc(c.Mounts, func(m planner.Mount) bool { return m.Target == target })
}

func (c *Container) addMount(m planner.Mount) {
	c.Mounts = slices.DeleteFunc(c.Mounts, func(old planner.Mount) bool { return old.Target == m.Target })
	c.Mounts = append(c.Mounts, m)
}

// anonymousLabel marks the volumes that nobody has named.
const anonymousLabel = "com.docker.volume.anonymous"

// anonymousOf maps a container's targets to its anonymous volumes.
func (e *Engine) anonymousOf(name string) (map[string]string, error) {
	if name == "" {
		return nil, nil
	}
	c, err := e.container(name)
	if err != nil {
		return nil, fmt.Errorf("inherit volumes: %w", err)
	}
	out := map[string]string{}
	for _, m := range c.Mounts {
		if v := e.s.Volumes[m.Name]; v != nil {
			if _, anonymous := v.Labels[anonymousLabel]; anonymous {
				out[m.Target] = m.Name
			}
		}
	}
	return out, nil
}

// needVolume makes a volume where there is none, as an engine does; without a
// name it is an anonymous one.
func (e *Engine) needVolume(name string) string {
	labels := map[string]string{}
	if name == "" {
		name = e.newID("volume")
		labels[anonymousLabel] = ""
	}
	if e.s.Volumes[name] == nil {
		e.s.Volumes[name] = &planner.Volume{Name: name, Driver: "local", Labels: labels}
	}
	return name
}

// remove takes a container away, running or not.
func (e *Engine) remove(a planner.RemoveContainer) error {
	c := e.s.Containers[a.Name]
	if c == nil {
		return nil
	}
	c.AutoRemove = false // this is it
	if active(c) {
		c.ByHand = true
		e.emit(healthcheck.Event{Name: c.Name, What: "kill"})
		e.end(c, 137, false)
	}
	e.unplan(c)
	delete(e.s.Containers, c.Name)
	if a.Volumes {
		for _, m := range c.Mounts {
			if v := e.s.Volumes[m.Name]; v != nil && e.userOf(m.Name, "") == "" {
				if _, anonymous := v.Labels[anonymousLabel]; anonymous {
					delete(e.s.Volumes, m.Name)
				}
			}
		}
	}
	e.emit(healthcheck.Event{Name: c.Name, What: "destroy"})
	return nil
}

func (e *Engine) rename(a planner.RenameContainer) error {
	c, to := e.s.Containers[a.Name], e.s.Containers[a.To]
	switch {
	case a.Name == a.To && c != nil, c == nil && to != nil:
		return nil
	case c == nil:
		_, err := e.container(a.Name)
		return err
	case to != nil:
		return fmt.Errorf("error when allocating new name: the container name %q is already in use by container %q: %w", "/"+a.To, to.ID, ErrConflict)
	}
	delete(e.s.Containers, a.Name)
	c.Name = a.To
	e.s.Containers[a.To] = c
	e.emit(healthcheck.Event{Name: a.Name, What: "rename"})
	return nil
}

func (e *Engine) update(a planner.UpdateContainer) error {
	c, err := e.container(a.Name)
	if err != nil {
		return err
	}
	c.set(a.Settings)
	return nil
}

// set gives a container limits and a restart policy. What is none leaves a limit as it is, as
// with other engines.
func (c *Container) set(s planner.Settings) {
	if have := c.Settings; have != nil {
		keep := func(now *int64, before int64) {
			if *now == 0 {
				*now = before
			}
		}
		keep(&s.NanoCPUs, have.NanoCPUs)
		keep(&s.CPUShares, have.CPUShares)
		keep(&s.CPUPeriod, have.CPUPeriod)
		keep(&s.CPUQuota, have.CPUQuota)
		keep(&s.Memory, have.Memory)
		keep(&s.MemoryReservation, have.MemoryReservation)
		if s.Memory > 0 && s.MemorySwap == 0 {
			s.MemorySwap = 2 * s.Memory
		}
		keep(&s.BlkioWeight, have.BlkioWeight)
		s.CPUSet = cmp.Or(s.CPUSet, have.CPUSet)
	}
	c.Settings = &s
	var attempts string
	c.Restart, attempts, _ = strings.Cut(s.Restart, ":")
	c.Attempts, _ = strconv.Atoi(attempts) // digits or nothing
}

func (e *Engine) connect(a planner.ConnectNetwork) error {
	c, err := e.container(a.Name)
	if err != nil {
		return err
	}
	if err := e.hasNetwork(a.Network); err != nil {
		return err
	}
	e.endpoint(c, a.Network, a.Spec, a.Key, a.As)
	if active(c) {
		return e.address(c)
	}
	return nil
}

func (e *Engine) disconnect(a planner.DisconnectNetwork) error {
	c, err := e.container(a.Name)
	if err != nil {
		return nil // not there, so not in it
	}
	c.Endpoints = slices.DeleteFunc(c.Endpoints, func(p planner.Endpoint) bool { return p.Network == a.Network })
	return nil
}

// checkOf is the health check of a container: its service's, over its image's.
func checkOf(spec *types.HealthCheckConfig, image *Check) *Check {
	check := Check{}
	if image != nil {
		check = *image
	}
	if spec != nil {
		if spec.Disable || len(spec.Test) > 0 && spec.Test[0] == "NONE" {
			return nil
		}
		if len(spec.Test) > 0 {
			check.Test = spec.Test
		}
		for from, to := range map[*types.Duration]*Span{spec.Interval: &check.Interval, spec.Timeout: &check.Timeout,
			spec.StartPeriod: &check.StartPeriod, spec.StartInterval: &check.StartInterval} {
			if from != nil {
				*to = Span(*from)
			}
		}
		if spec.Retries != nil {
			check.Retries = int(*spec.Retries)
		}
	}
	if len(check.Test) == 0 || check.Test[0] == "NONE" {
		return nil
	}
	return &check
}

// portsOf lists the ports to publish.
func portsOf(specs []types.ServicePortConfig) ([]Publish, error) {
	var out []Publish
	for _, p := range specs {
		port := Publish{Port: planner.Port{HostIP: p.HostIP, Target: int(p.Target), Protocol: p.Protocol}}
		if port.Protocol == "" {
			port.Protocol = "tcp"
		}
		if p.Published != "" {
			first, last, isRange := strings.Cut(p.Published, "-")
			if !isRange {
				last = first
			}
			var err, err2 error
			port.Published, err = strconv.Atoi(first)
			port.Last, err2 = strconv.Atoi(last)
			if err := errors.Join(err, err2); err != nil {
				return nil, fmt.Errorf("invalid port %q: %w", p.Published, err)
			}
		}
		out = append(out, port)
	}
	return out, nil
}
