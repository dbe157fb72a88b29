package docker

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/strslice"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/go-connections/nat"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// request is a service in the engine's terms.
type request struct {
	Config     *container.Config
	Host       *container.HostConfig
	Networking *network.NetworkingConfig
	// Later are the networks to join after creation, since engines before API 1.44
	// take but one at that time.
	Later    []joining         `json:",omitempty"`
	Platform *ocispec.Platform `json:",omitempty"`
	Copies   []planner.File    `json:",omitempty"` // the files to copy in before the start
	Held     []planner.File    `json:",omitempty"` // those that it gets in a volume of its own
}

// joining is one network that a container has yet to join.
type joining struct {
	Network  string
	Settings *network.EndpointSettings
}

// writer writes one service down in the engine's terms. It collects what the
// engine cannot do, so that all of it is said at once.
type writer struct {
	service project.Service
	action  planner.CreateContainer
	api     string
	// windows says that the engine runs Windows containers.
	windows bool
	// socket is where the engine's own machine has its socket.
	socket string
	// local says that the engine sees the files of this machine.
	local bool
	// podman says that the engine is Podman and not Docker.
	podman bool
	// proxies are the variables that docker's own configuration wants in every container.
	proxies  map[string]*string
	problems []error
}

// request writes all of it.
func (w *writer) request() (request, error) {
	r := request{Config: w.config(), Host: w.host()}
	w.mounts(r.Host)
	w.apiSocket(r.Host)
	r.Copies, r.Held = w.files(r.Host)
	r.Networking, r.Later = w.networking(r.Config)
	r.Platform = w.platform()
	w.refuse()
	return r, w.err()
}

func (w *writer) err() error { return errors.Join(w.problems...) }

// key is the path of one of the service's keys.
func (w *writer) key(name string) string { return "services." + w.service.Name + "." + name }

// need notes that key takes at least version of the API.
func (w *writer) need(version, key string) {
	if versions.LessThan(w.api, version) {
		w.problems = append(w.problems, &UnsupportedError{Key: w.key(key), Need: version, Have: w.api})
	}
}

// cannot notes that key is something that no version can do.
func (w *writer) cannot(key, why string) {
	w.problems = append(w.problems, &UnsupportedError{Key: w.key(key), Have: w.api, Why: why})
}

// config is the part that would be the same on any host: one line a key.
func (w *writer) config() *container.Config {
	s := w.service
	return &container.Config{
		AttachStdin:  w.action.Interactive,
		AttachStdout: true,
		AttachStderr: true,
		Cmd:          strslice.StrSlice(s.Command), // null inherits the image's
		Domainname:   s.DomainName,
		Entrypoint:   strslice.StrSlice(s.Entrypoint),
		Env:          Environment(s.Environment, w.proxies),
		ExposedPorts: w.exposed(),
		Healthcheck:  w.healthcheck(),
		Hostname:     s.Hostname,
		Image:        w.action.Image,
		Labels:       merged(s.Labels, s.CustomLabels, w.action.Labels),
		OpenStdin:    s.StdinOpen,
		StdinOnce:    w.action.Interactive && s.StdinOpen,
		StopSignal:   s.StopSignal,
		StopTimeout:  stopTimeout(s.StopGracePeriod),
		Tty:          s.Tty,
		User:         s.User,
		WorkingDir:   s.WorkingDir,
	}
}

// Environment gives KEY=VALUE, sorted; defaults are for keys that are not declared. A
// declared key without a value takes the image's variable away, which the
// engine writes as the bare key.
func Environment(declared types.MappingWithEquals, defaults map[string]*string) []string {
	var out []string
	for k, v := range declared {
		if v == nil {
			out = append(out, k)
			continue
		}
		out = append(out, k+"="+*v)
	}
	for k, v := range defaults {
		if _, known := declared[k]; !known && v != nil {
			out = append(out, k+"="+*v)
		}
	}
	slices.Sort(out)
	return out
}

func stopTimeout(grace *types.Duration) *int {
	if grace == nil {
		return nil
	}
	s := seconds(time.Duration(*grace))
	return &s
}

func (w *writer) healthcheck() *container.HealthConfig {
	out := HealthConfig(w.service.HealthCheck)
	if w.podman && out != nil && len(out.Test) == 0 {
		return nil // it takes no settings of the image's own check, which it does not run without systemd anyway
	}
	if out != nil && out.StartInterval != 0 {
		w.need("1.44", "healthcheck.start_interval")
	}
	return out
}

// HealthConfig is a health check in the engine's terms; nil for none.
func HealthConfig(h *types.HealthCheckConfig) *container.HealthConfig {
	if h == nil {
		return nil
	}
	if h.Disable {
		return &container.HealthConfig{Test: []string{"NONE"}}
	}
	out := &container.HealthConfig{
		Test:          h.Test,
		Interval:      period(h.Interval),
		Timeout:       period(h.Timeout),
		StartPeriod:   period(h.StartPeriod),
		StartInterval: period(h.StartInterval),
	}
	if h.Retries != nil {
		out.Retries = int(*h.Retries)
	}
	return out
}

func period(d *types.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return time.Duration(*d)
}

// exposed are the ports of expose, single or ranges, and those of ports.
func (w *writer) exposed() nat.PortSet {
	out := nat.PortSet{}
	for _, e := range w.service.Expose {
		ports, err := exposedPorts(e)
		if err != nil {
			w.cannot("expose", strconv.Quote(e)+" is no port")
		}
		for _, p := range ports {
			out[nat.Port(p)] = struct{}{}
		}
	}
	for _, p := range w.service.Ports {
		out[containerPort(p)] = struct{}{}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// exposedPorts are the ports of an entry, a single one or a range, each with its protocol.
func exposedPorts(entry string) ([]string, error) {
	proto, ports := nat.SplitProtoPort(entry)
	first, last, err := nat.ParsePortRange(ports)
	if err != nil {
		return nil, err
	}
	var out []string
	for p := first; p <= last; p++ {
		out = append(out, strconv.FormatUint(p, 10)+"/"+proto)
	}
	return out, nil
}

func containerPort(p types.ServicePortConfig) nat.Port {
	proto := strings.ToLower(p.Protocol)
	if proto == "" {
		proto = "tcp"
	}
	return nat.Port(strconv.Itoa(int(p.Target)) + "/" + proto)
}

// platform is what the image has to be for; nil leaves it to the engine.
func (w *writer) platform() *ocispec.Platform {
	if w.service.Platform == "" {
		return nil
	}
	parts := strings.Split(w.service.Platform, "/")
	out := &ocispec.Platform{OS: parts[0]}
	if len(parts) > 1 {
		out.Architecture = parts[1]
	}
	if len(parts) > 2 {
		out.Variant = parts[2]
	}
	return out
}

// refuse names the keys that the engine has nothing for. Nothing is dropped in
// silence.
func (w *writer) refuse() {
	s := w.service
	if !w.windows {
		w.refuseWindows()
	}
	if strings.HasPrefix(s.Uts, "container:") {
		w.cannot("uts", "the Docker engine can share it with the host only")
	}
	if strings.HasPrefix(s.Cgroup, "container:") {
		w.cannot("cgroup", "the Docker engine has host and private")
	}
	if s.Umask != nil {
		w.cannot("umask", "the Docker engine has no setting for it")
	}
	if s.CredentialSpec != nil && s.CredentialSpec.Config != "" {
		w.cannot("credential_spec.config", "only swarm has such configs; use file or registry")
	}
}

// refuseWindows names the keys that only engines of Windows containers know.
func (w *writer) refuseWindows() {
	s := w.service
	if s.CredentialSpec != nil && s.CredentialSpec.Config == "" {
		w.cannot("credential_spec", "only Windows containers have credential specs, and this engine runs Linux containers")
	}
	if s.Isolation != "" && s.Isolation != "default" {
		w.cannot("isolation", "only Windows containers have isolation "+strconv.Quote(s.Isolation)+"; Linux ones have default")
	}
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeNamedPipe {
			w.cannot("volumes["+v.Target+"].type", "only Windows has named pipes, and this engine runs Linux containers")
		}
	}
}
