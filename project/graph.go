package project

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

func sortedKeys[M ~map[K]V, K cmp.Ordered, V any](m M) []K { return slices.Sorted(maps.Keys(m)) }

// Dependency is a service that another one needs, and how.
type Dependency struct {
	Service   string
	Condition string // service_started, service_healthy, service_completed_successfully
	// Restart says that the dependent restarts with it.
	Restart bool
	// Required is false where the dependent may start without it.
	Required bool
	// Shares says that the dependent lives in a namespace or on volumes of its
	// containers, so that it has to be replaced with them.
	Shares bool
}

// Dependencies are the services that s needs, sorted by name: depends_on, and what
// links, volumes_from and the service: forms of network_mode, ipc, pid, uts and
// cgroup imply.
func Dependencies(s Service) []Dependency {
	deps := map[string]Dependency{}
	for name, d := range s.DependsOn {
		deps[name] = Dependency{Service: name, Condition: d.Condition, Restart: d.Restart, Required: d.Required}
	}
	imply := func(name string, restart, shares bool) {
		d, ok := deps[name]
		if !ok {
			d = Dependency{Service: name, Condition: types.ServiceConditionStarted, Restart: restart, Required: true}
		}
		d.Shares = d.Shares || shares
		deps[name] = d
	}
	for _, link := range s.Links {
		name, _, _ := strings.Cut(link, ":")
		imply(name, true, false)
	}
	for _, r := range sharings(s) {
		imply(r.service, r.key != "volumes_from", true)
	}
	out := make([]Dependency, 0, len(deps))
	for _, name := range sortedKeys(deps) {
		out = append(out, deps[name])
	}
	return out
}

// sharing is a key of a service that names another service.
type sharing struct{ key, service string }

// sharings are the service: references of s.
func sharings(s Service) []sharing {
	var out []sharing
	for _, m := range []struct{ key, mode string }{
		{"network_mode", s.NetworkMode}, {"ipc", s.Ipc}, {"pid", s.Pid}, {"uts", s.Uts}, {"cgroup", s.Cgroup},
	} {
		if name, ok := strings.CutPrefix(m.mode, types.ServicePrefix); ok {
			out = append(out, sharing{m.key, name})
		}
	}
	for _, from := range s.VolumesFrom {
		if strings.HasPrefix(from, types.ContainerPrefix) {
			continue
		}
		name, _, _ := strings.Cut(from, ":")
		out = append(out, sharing{"volumes_from", name})
	}
	return out
}

// StartOrder lists the active services so that each comes after those that it
// needs; where the order is free it is by name.
func (p *Project) StartOrder() []string {
	var order []string
	state := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		s, ok := p.Services[name]
		if !ok || state[name] {
			return
		}
		state[name] = true
		for _, d := range Dependencies(s) {
			visit(d.Service)
		}
		order = append(order, name)
	}
	for _, name := range sortedKeys(p.Services) {
		visit(name)
	}
	return order
}

// Replicas is how many containers a service has: scale, else deploy.replicas, else 1.
func Replicas(s Service) int { return s.GetScale() }

// ContainerName is the name of a service's container on the engine; number counts
// from 1.
func (p *Project) ContainerName(s Service, number int) string {
	if s.ContainerName != "" {
		return s.ContainerName
	}
	sep := p.Separator
	if sep == "" {
		sep = "-"
	}
	return strings.Join([]string{p.Name, s.Name, strconv.Itoa(number)}, sep)
}

// ImageName is the image that a service runs: its image, or the name that its build is
// tagged with.
func (p *Project) ImageName(s Service) string {
	if s.Image != "" {
		return s.Image
	}
	sep := p.Separator
	if sep == "" {
		sep = "-"
	}
	return p.Name + sep + s.Name
}

// Grace is the time that a service has between the stop signal and the kill;
// nil leaves it to the engine (10 s).
func Grace(s Service) *time.Duration {
	if s.StopGracePeriod == nil {
		return nil
	}
	d := time.Duration(*s.StopGracePeriod)
	return &d
}
