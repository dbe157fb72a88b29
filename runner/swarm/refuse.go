package swarm

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/versions"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
)

// Refusal is a value in the file that asks for what a swarm cannot do.
type Refusal struct {
	Service string
	Key     string // below the service, such as "volumes[/data].type"
	Why     string
	Hint    string
	// Minor: the service works all the same, and people should know.
	Minor bool
}

// Path is what it is about, as people read it.
func (r Refusal) Path() string { return "services." + r.Service + "." + r.Key }

// Place is the same part by part, with elements of lists by their names.
func (r Refusal) Place() []string {
	out := []string{"services", r.Service}
	key, rest, listed := strings.Cut(r.Key, "[")
	out = append(out, strings.Split(key, ".")...)
	if listed {
		element, below, _ := strings.Cut(rest, "]")
		out = append(out, element)
		if below != "" {
			out = append(out, strings.Split(strings.TrimPrefix(below, "."), ".")...)
		}
	}
	return out
}

// Check finds the values that a swarm has nothing for, before anything is done. Of whole keys the support table tells. api is the
// version that the manager speaks. The result is sorted by service.
func Check(p *project.Project, api string) []Refusal {
	var out []Refusal
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		c := checker{service: p.Services[name], api: api, folder: p.WorkingDir}
		c.service.Name = name
		c.check()
		out = append(out, c.found...)
	}
	return out
}

// checker collects what cannot be done of one service.
type checker struct {
	service project.Service
	api     string
	folder  string
	found   []Refusal
}

func (c *checker) check() {
	c.container()
	c.network()
	c.mounts()
	c.versions()
}

// cannot notes a key, where it is set.
func (c *checker) cannot(set bool, key, why, hint string) {
	if set {
		c.found = append(c.found, Refusal{Service: c.service.Name, Key: key, Why: why, Hint: hint})
	}
}

func (c *checker) minor(set bool, key, why string) {
	if set {
		c.found = append(c.found, Refusal{Service: c.service.Name, Key: key, Why: why, Minor: true})
	}
}

// container are values of keys of the container itself.
func (c *checker) container() {
	s := c.service
	w := writer{service: s, action: planner.ApplyService{Service: s.Name, Labels: map[string]string{planner.LabelWorkingDir: c.folder}}}
	for _, option := range s.SecurityOpt {
		switch err := w.secure(&swarm.Privileges{}, option); {
		case errors.Is(err, errOption):
			c.cannot(true, "security_opt", "a swarm has nothing for "+strconv.Quote(option), "it knows no-new-privileges, seccomp, apparmor=unconfined and label")
		case err != nil:
			_, why, _ := strings.Cut(err.Error(), ": ")
			c.cannot(true, "security_opt", why, "correct the path: it starts from the project's folder")
		}
	}
	if spec := s.CredentialSpec; spec != nil {
		given := 0
		for _, each := range []string{spec.Config, spec.File, spec.Registry} {
			if each != "" {
				given++
			}
		}
		c.cannot(given > 1, "credential_spec", "only one of config, file and registry can count", "leave the others out")
	}
	_, number, counted := strings.Cut(s.Restart, ":")
	if _, err := strconv.ParseUint(number, 10, 32); counted && err != nil {
		c.cannot(true, "restart", strconv.Quote(number)+" is not a number of attempts", "write on-failure:3")
	}
}

// network are values that would need a place in a network, or a port, that a swarm does not choose.
func (c *checker) network() {
	s := c.service
	c.cannot(s.NetworkMode != "" && !ofNodes(s.NetworkMode), "network_mode", "containers of a swarm share no networks: they may be on different nodes",
		"give it a network of its own and reach the other one by its name")
	for _, link := range s.Links {
		name, alias, aliased := strings.Cut(link, ":")
		c.cannot(aliased && alias != name, "links", "a swarm has no links", "give "+name+" the alias "+alias+" in its networks")
	}
	for _, p := range s.Ports {
		_, err := strconv.ParseUint(p.Published, 10, 16)
		c.cannot(p.Published != "" && err != nil, "ports", "a swarm does not choose from a range of ports ("+p.Published+")", "name one, or none")
	}
}

func (c *checker) mounts() {
	for _, v := range c.service.Volumes {
		key := "volumes[" + v.Target + "]"
		switch v.Type {
		case types.VolumeTypeBind:
			c.minor(true, key, "each node that runs it has to have "+v.Source+"; deploy.placement.constraints can say which do")
			if b := v.Bind; b != nil {
				c.cannot(b.Recursive == "writable" || b.Recursive == "readonly", key+".bind.recursive", "a swarm mounts what is below as well, or not at all", "leave it out, or write disabled")
			}
		case types.VolumeTypeImage:
			c.cannot(true, key+".type", "a swarm mounts no images", "copy what it needs into the service's image")
		case types.VolumeTypeVolume:
			c.cannot(v.Volume != nil && len(v.Volume.Labels) > 0, key+".volume.labels", "a swarm makes volumes where they are needed, and labels them as volumes says", "give the labels to the volume in volumes")
		}
	}
	for _, entry := range c.service.Tmpfs {
		_, err := tmpfs(entry)
		c.cannot(err != nil, "tmpfs", "a swarm has nothing for all of "+strconv.Quote(entry), "it knows size, mode, ro and exec")
	}
}

// versions are keys that an older manager would not keep.
func (c *checker) versions() {
	s := c.service
	h := docker.HealthConfig(s.HealthCheck)
	for _, each := range []struct {
		set       bool
		key, need string
	}{
		{h != nil && h.StartInterval != 0, "healthcheck.start_interval", "1.44"},
		{len(s.SecurityOpt) > 0, "security_opt", "1.44"},
		{slices.ContainsFunc(s.Tmpfs, func(entry string) bool { m, _ := tmpfs(entry); return len(m.TmpfsOptions.Options) > 0 }), "tmpfs", "1.46"},
		{s.OomScoreAdj != 0, "oom_score_adj", "1.46"},
		{slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Volume != nil && v.Volume.Subpath != "" }), "volumes.volume.subpath", "1.45"},
		{slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Type == types.VolumeTypeCluster }), "volumes.type", "1.42"},
	} {
		old := versions.LessThan(c.api, each.need)
		c.cannot(each.set && old, each.key, "it needs engine API "+each.need+", this manager speaks "+c.api, "update the engines, or take it out")
	}
}
