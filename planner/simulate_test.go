package planner

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/project"
)

// world is a State that actions can be applied to: the least of an engine that stories
// need. It keeps no rules of its own; runner/memory does that.
type world struct {
	state State
	clock int
	specs map[string]project.Service // of containers, by name
	// settings are those that an inspection finds, by ID, and aliases the names in a network, by ID and network.
	settings map[string]Settings
	aliases  map[string][]string
	// data is what is in the volumes, by name.
	data map[string]string
}

// inspected is the State when the containers in doubt have been looked at.
func (w *world) inspected(doubts []Doubt) State {
	state := w.state
	state.Containers = append([]Container(nil), state.Containers...)
	for _, doubt := range doubts {
		for i := range state.Containers {
			c := &state.Containers[i]
			if c.Name != doubt.Name {
				continue
			}
			settings := w.settings[c.ID]
			c.Settings = &settings
			c.Endpoints = append([]Endpoint(nil), c.Endpoints...)
			for j := range c.Endpoints {
				c.Endpoints[j].Aliases = append([]string{c.Name}, w.aliases[c.ID+c.Endpoints[j].Network]...)
			}
			if doubt.Meant != nil {
				c.Made, c.Meant = described(w.specs[c.Name]), described(doubt.Meant.Spec)
			}
		}
	}
	return state
}

// described is a service as an engine tells of it.
func described(s project.Service) []byte {
	s.Networks, s.Deploy, s.Restart, s.Image, s.PreStop, s.PostStart = nil, nil, "", "", nil, nil
	s.MemLimit, s.CPUS, s.PidsLimit = 0, 0, 0
	text, err := project.Spec(s)
	if err != nil {
		panic(err)
	}
	return text
}

func newWorld() *world {
	return &world{specs: map[string]project.Service{}, settings: map[string]Settings{}, aliases: map[string][]string{}, data: map[string]string{}, state: State{Engine: EngineInfo{API: "1.51"}}}
}

func (w *world) container(name string) *Container {
	for i := range w.state.Containers {
		if w.state.Containers[i].Name == name {
			return &w.state.Containers[i]
		}
	}
	return nil
}

// tick is the next moment.
func (w *world) tick() time.Time {
	w.clock++
	return time.Date(2026, 1, 1, 0, 0, w.clock, 0, time.UTC)
}

// run applies steps in their order. It answers with what an engine would refuse.
func (w *world) run(steps []Step) error {
	done := map[StepID]bool{}
	for _, s := range steps {
		for _, n := range s.Needs {
			if !done[n] {
				return fmt.Errorf("%s comes before %s, which it needs", s.ID, n)
			}
		}
		if err := w.apply(s.Action); err != nil {
			return fmt.Errorf("%s: %w", s.ID, err)
		}
		done[s.ID] = true
	}
	return nil
}

// idle says that nothing runs that has one of these volumes.
func (w *world) idle(volumes ...string) error {
	for _, c := range w.state.Containers {
		for _, m := range c.Mounts {
			if c.up() && slices.Contains(volumes, m.Name) {
				return fmt.Errorf("%s has volume %s and runs", c.Name, m.Name)
			}
		}
	}
	return nil
}

func (w *world) apply(a Action) error {
	defer w.sort()
	switch a := a.(type) {
	case CreateNetwork:
		w.clock++
		w.state.Networks = append(w.state.Networks, Network{ID: fmt.Sprintf("net%d", w.clock), Name: a.Name, Driver: a.Spec.Driver, Labels: a.Labels})
	case RemoveNetwork:
		for _, c := range w.state.Containers {
			if c.endpoint(a.Name) != nil && (c.up() || !w.state.Engine.LateNetworks) {
				return fmt.Errorf("network is in use by %s", c.Name)
			}
		}
		w.state.Networks = remove(w.state.Networks, func(n Network) bool { return n.Name == a.Name })
	case CreateVolume:
		w.state.Volumes = append(w.state.Volumes, Volume{Name: a.Name, Driver: "local", Labels: a.Labels})
	case FillVolume:
		w.data[a.Name] = a.Snapshot
	case MoveVolume:
		if w.data[a.From] == "" {
			return nil // it is done
		}
		w.data[a.To], w.data[a.From] = w.data[a.From], ""
	case ExchangeVolume:
		if err := w.idle(a.From, a.Name); err != nil {
			return err
		}
		if w.data[a.From] != "" {
			w.data[a.Name], w.data[a.From] = w.data[a.From], ""
		}
	case CopyVolume:
		if err := w.idle(a.From, a.To); err != nil {
			return err
		}
		w.data[a.To] = w.data[a.From]
	case RemoveVolume:
		for _, c := range w.state.Containers {
			for _, m := range c.Mounts {
				if m.Name == a.Name {
					return fmt.Errorf("%s has the volume", c.Name)
				}
			}
		}
		delete(w.data, a.Name)
		w.state.Volumes = remove(w.state.Volumes, func(v Volume) bool { return v.Name == a.Name })
	case PullImage:
		w.addImage(a.Ref)
	case BuildImage:
		w.addImage(a.Ref)
	case RemoveImage:
		w.state.Images = remove(w.state.Images, func(m Image) bool { return m.Tags[0] == a.Ref })
	case CreateContainer:
		return w.create(a)
	case StartContainer:
		return w.start(a.Name)
	case StopContainer:
		if c := w.container(a.Name); c != nil && c.up() {
			c.Status, c.Health, c.ExitCode, c.Ports = Exited, NoHealth, 143, nil
		}
	case RestartContainer:
		return w.start(a.Name)
	case RemoveContainer:
		w.state.Containers = remove(w.state.Containers, func(c Container) bool { return c.Name == a.Name })
	case RenameContainer:
		if w.container(a.To) != nil {
			return fmt.Errorf("name %s is taken", a.To)
		}
		if w.container(a.Name) == nil {
			return fmt.Errorf("no container %s", a.Name)
		}
		w.container(a.Name).Name = a.To
		w.specs[a.To] = w.specs[a.Name]
	case UpdateContainer:
		settings := a.Settings
		w.settings[w.container(a.Name).ID] = settings
	case Await:
		return w.await(a)
	case ConnectNetwork:
		w.join(w.container(a.Name), a.Network, a.Spec, a.Key)
	case DisconnectNetwork:
		if c := w.container(a.Name); c != nil {
			c.Endpoints = remove(c.Endpoints, func(e Endpoint) bool { return e.Network == a.Network })
		}
	case ApplyService, RemoveService, AwaitService, CreateObject, RemoveObject:
		return w.deploy(a)
	case RunHook:
		if c := w.container(a.Name); (c == nil || c.Status != Running) && a.When != "pre_stop" {
			return fmt.Errorf("container is not running")
		}
	}
	return nil
}

func (w *world) create(a CreateContainer) error {
	if w.container(a.Name) != nil {
		return fmt.Errorf("name %s is taken", a.Name)
	}
	image := w.image(a.Image)
	if image == nil {
		return fmt.Errorf("no image %s", a.Image)
	}
	c := Container{
		Name: a.Name, Service: a.Labels[LabelService], Image: a.Image, ImageID: image.ID, Status: Created,
		Created: w.tick(), Labels: a.Labels,
	}
	c.ID = fmt.Sprintf("id%d", w.clock)
	c.Number, _ = strconv.Atoi(a.Labels[LabelNumber])
	c.OneOff = a.Labels[LabelOneOff] == "True"
	for _, v := range a.Spec.Volumes {
		m := Mount{Type: v.Type, Source: v.Source, Target: v.Target}
		if v.Type == "volume" {
			m.Name = a.Volumes[v.Source]
		}
		c.Mounts = append(c.Mounts, m)
	}
	for _, key := range keys(a.Networks) {
		w.join(&c, a.Networks[key], a.Spec, key)
	}
	for _, ref := range []string{a.Spec.NetworkMode, a.Spec.Ipc, a.Spec.Pid} {
		if name, ok := strings.CutPrefix(ref, "container:"); ok && w.container(name) == nil {
			return fmt.Errorf("no container %s to join", name)
		}
	}
	w.specs[a.Name] = a.Spec
	settings, err := SettingsOf(a.Spec)
	if err != nil {
		return err
	}
	w.settings[c.ID] = settings
	w.state.Containers = append(w.state.Containers, c)
	return nil
}

// join puts a container into a network as its service wants it.
func (w *world) join(c *Container, network string, spec project.Service, key string) {
	n, _ := networkOf(applied{Networks: spec.Networks}, key)
	w.connect(c, network, aliasesOf(spec.Name, n), FixedAddresses{n.Ipv4Address, n.Ipv6Address})
	if e := c.endpoint(network); e != nil {
		e.MAC, e.Priority = n.MacAddress, n.GatewayPriority
	}
}

func (w *world) connect(c *Container, network string, aliases []string, fixed FixedAddresses) {
	if c == nil || c.endpoint(network) != nil {
		return
	}
	e := Endpoint{Network: network, Fixed: &fixed, IPv4: fixed.IPv4}
	w.aliases[c.ID+network] = aliases
	for _, n := range w.state.Networks {
		if n.Name == network {
			e.NetworkID = n.ID
		}
	}
	c.Endpoints = append(c.Endpoints, e)
	sort.Slice(c.Endpoints, func(i, j int) bool { return c.Endpoints[i].Network < c.Endpoints[j].Network })
}

func (w *world) start(name string) error {
	c := w.container(name)
	if c == nil {
		return fmt.Errorf("no container %s", name)
	}
	for _, e := range c.Endpoints {
		if e.NetworkID == "" && !slices.ContainsFunc(w.state.Networks, func(n Network) bool { return n.Name == e.Network }) {
			return fmt.Errorf("no network %s", e.Network)
		}
	}
	spec := w.specs[name]
	for _, p := range spec.Ports {
		published, _ := strconv.Atoi(p.Published)
		for _, other := range w.state.Containers {
			for _, q := range other.Ports {
				if other.Name != name && published > 0 && q.Published == published {
					return fmt.Errorf("port %d is taken by %s", published, other.Name)
				}
			}
		}
		if c.Status != Running {
			c.Ports = append(c.Ports, Port{Published: published, Target: int(p.Target), Protocol: p.Protocol})
		}
	}
	c.Status = Running
	if h := spec.HealthCheck; h != nil && !h.Disable {
		c.Health = Healthy
	}
	return nil
}

func (w *world) await(a Await) error {
	c := w.container(a.Name)
	if c == nil {
		return fmt.Errorf("no container %s", a.Name)
	}
	switch a.Condition {
	case IsCompleted:
		c.Status, c.ExitCode, c.Health, c.Ports = Exited, 0, NoHealth, nil
	case IsHealthy:
		if c.Health == Starting {
			c.Health = Healthy
		}
		if c.Health != Healthy && a.Ready == nil {
			return fmt.Errorf("it is %s and has health %q", c.Status, c.Health)
		}
	case IsReady, IsStable, IsRunning:
		if c.Health == Starting {
			c.Health = Healthy
		}
		if c.Status != Running {
			return fmt.Errorf("it is %s", c.Status)
		}
	}
	return nil
}

func (w *world) image(ref string) *Image {
	for i := range w.state.Images {
		if familiar(w.state.Images[i].Tags[0]) == familiar(ref) {
			return &w.state.Images[i]
		}
	}
	return nil
}

func (w *world) addImage(ref string) {
	id := "sha256:" + hash([]byte(ref))
	if m := w.image(ref); m != nil {
		m.ID = "sha256:" + hash([]byte(m.ID))
		m.Created = w.tick()
		return
	}
	w.state.Images = append(w.state.Images, Image{ID: id, Tags: []string{ref}, Created: w.tick()})
}

// sort keeps the State as engines list it.
func (w *world) sort() {
	s := &w.state
	sort.Slice(s.Containers, func(i, j int) bool { return s.Containers[i].Name < s.Containers[j].Name })
	sort.Slice(s.Networks, func(i, j int) bool { return s.Networks[i].Name < s.Networks[j].Name })
	sort.Slice(s.Volumes, func(i, j int) bool { return s.Volumes[i].Name < s.Volumes[j].Name })
	sort.Slice(s.Deployed, func(i, j int) bool { return s.Deployed[i].Name < s.Deployed[j].Name })
	sort.Slice(s.Objects, func(i, j int) bool { return s.Objects[i].Name < s.Objects[j].Name })
}

// copy shares nothing that apply changes.
func (w *world) copy() *world {
	out := newWorld()
	out.clock = w.clock
	for k, v := range w.specs {
		out.specs[k] = v
	}
	for k, v := range w.settings {
		out.settings[k] = v
	}
	for k, v := range w.aliases {
		out.aliases[k] = v
	}
	for k, v := range w.data {
		out.data[k] = v
	}
	for _, c := range w.state.Containers {
		c.Endpoints = append([]Endpoint(nil), c.Endpoints...)
		c.Ports = append([]Port(nil), c.Ports...)
		out.state.Containers = append(out.state.Containers, c)
	}
	out.state.Networks = append(out.state.Networks, w.state.Networks...)
	out.state.Volumes = append(out.state.Volumes, w.state.Volumes...)
	out.state.Images = append(out.state.Images, w.state.Images...)
	out.state.Converges, out.state.Nodes, out.state.Registry = w.state.Converges, w.state.Nodes, w.state.Registry
	out.state.Deployed = append(out.state.Deployed, w.state.Deployed...)
	out.state.Objects = append(out.state.Objects, w.state.Objects...)
	return out
}

func remove[T any](list []T, which func(T) bool) []T {
	out := list[:0:0]
	for _, v := range list {
		if !which(v) {
			out = append(out, v)
		}
	}
	return out
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
