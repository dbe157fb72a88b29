package project

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"
	"gopkg.in/yaml.v3"
)

const (
	// AutoInstance as the name of an instance makes each linked git worktree an instance of its own.
	AutoInstance = "auto"
	// FirstInstance is the name of the copy that keeps all names and ports of the files.
	FirstInstance = "default"
)

// HostPort is a port of this machine that the files fix. Only the first copy of a stack can have it.
type HostPort struct {
	Service   string
	HostIP    string // empty is any address
	Published int
	Target    int    // of the container
	Protocol  string // tcp, udp or sctp
}

// Copy is one instance of a stack.
type Copy struct {
	Project string // its name, by which everything on the engine is found
	First   string // the name of the first copy
	Name    string // of the instance
	Dir     string // the folder of its files
}

// Copy is which instance it is.
func (p *Project) Copy() Copy {
	return Copy{Project: p.Name, First: p.First, Name: p.Instance, Dir: p.WorkingDir}
}

// String names it within its project: "web 127.0.0.1:8080:80/tcp".
func (h HostPort) String() string {
	return fmt.Sprintf("%s %s:%d:%d/%s", h.Service, h.HostIP, h.Published, h.Target, h.Protocol)
}

// MarshalText makes it a key in JSON.
func (h HostPort) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what String gives.
func (h *HostPort) UnmarshalText(text []byte) error {
	service, rest, ok := strings.Cut(string(text), " ")
	rest, protocol, _ := strings.Cut(rest, "/")
	parts := strings.Split(rest, ":")
	n := len(parts)
	if !ok || n < 3 {
		return fmt.Errorf("%q is no host port", text)
	}
	published, err1 := strconv.Atoi(parts[n-2])
	target, err2 := strconv.Atoi(parts[n-1])
	*h = HostPort{Service: service, HostIP: strings.Join(parts[:n-2], ":"), Published: published, Target: target, Protocol: protocol}
	return errors.Join(err1, err2)
}

// The ports that instances get begin below those that systems hand out by themselves (32768 on Linux), so that nothing
// else takes them by chance.
const (
	firstDerivedPort = 20000
	derivedPorts     = 12000
)

// Derived are the ports for a port of an instance, best one first: the same at each call, and others for another project.
func (h HostPort) Derived(project string) func(yield func(int) bool) {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(project + "\x00" + h.String())) // never fails
	start := int(sum.Sum32() % derivedPorts)
	return func(yield func(int) bool) {
		for i := range derivedPorts {
			if !yield(firstDerivedPort + (start+i)%derivedPorts) {
				return
			}
		}
	}
}

// instance is the name of the copy of the stack that is meant: from the flag, then the environment, then the files, which are only asked where
// nobody has given the project's name. Empty is the first one.
func (w *location) instance(src []*document) (string, error) {
	name, by := w.o.Instance, "--instance"
	if name == "" {
		name, by = w.env["MUSTER_INSTANCE"], "MUSTER_INSTANCE"
	}
	if name != "" {
		if name == FirstInstance {
			return "", nil
		}
		if name == AutoInstance {
			w.beyond = true
			return loader.NormalizeProjectName(worktree(w.dir)), nil
		}
		if loader.NormalizeProjectName(name) != name {
			e := invalidName(&Error{Path: by}, name)
			e.Problem = quote(name) + " is not the name of an instance"
			return "", Errors{e}
		}
		return name, nil
	}
	if w.givenName() != "" {
		return "", nil
	}
	for i := len(src) - 1; i >= 0; i-- {
		node := src[i].topLevelMuster("instance")
		if node == nil {
			continue
		}
		name, err := w.substituted(&Error{File: src[i].name, Line: node.Line, Column: node.Column, Path: extensionKey + ".instance"}, node.Value)
		if err != nil {
			return "", err
		}
		switch name {
		case FirstInstance:
			return "", nil
		case AutoInstance:
			w.beyond = true
			name = worktree(w.dir)
		}
		return loader.NormalizeProjectName(name), nil
	}
	return "", nil
}

// topLevelMuster is the node of a key below x-muster; see [document.topLevel]. Files that say nothing of it are not parsed for it.
func (d *document) topLevelMuster(key string) *yaml.Node {
	if !bytes.Contains(d.content, []byte(extensionKey)) || !bytes.Contains(d.content, []byte(key)) {
		return nil
	}
	return d.topLevel(extensionKey, key)
}

// worktree is the name of the linked git worktree that a folder lies in; empty for the main one, and outside of git. The
// .git of a linked one is a file that points into .git/worktrees of the main one (gitrepository-layout(5)).
func worktree(dir string) string {
	for {
		path := filepath.Join(dir, ".git")
		if info, err := os.Lstat(path); err == nil {
			if !info.Mode().IsRegular() {
				return ""
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return ""
			}
			target, _ := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: ")
			target = filepath.ToSlash(target)
			if parts := strings.Split(target, "/"); len(parts) > 1 && parts[len(parts)-2] == "worktrees" {
				return parts[len(parts)-1]
			}
			return "" // of a submodule
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// named is the name of the project, and its parts: that of the first copy, and that of the instance.
func (w *location) named(src []*document) (name, first, instance string, err error) {
	if first, err = w.projectName(src); err != nil {
		return "", "", "", err
	}
	if instance, err = w.instance(src); err != nil {
		return "", "", "", err
	}
	if instance == "" {
		return first, first, "", nil
	}
	return first + "-" + instance, first, instance, nil
}

// asInstance makes the project of the first copy that of the instance. It comes last, so that what is remembered of the files has no
// ports in it.
func (l *loading) asInstance(p *Project) (*Project, error) {
	if l.instance == "" || p.Model == nil {
		return p, nil
	}
	m := cloned(p.Model)
	if errs := l.apart(m); len(errs) > 0 {
		return nil, errs.sorted(l.places)
	}
	p.bind(m)
	for key := range p.Networks {
		p.Networks[key] = m.Networks[key]
	}
	for key := range p.Volumes {
		p.Volumes[key] = m.Volumes[key]
	}
	return p, nil
}

// apart gives an instance what would otherwise be one and the same for all copies of the stack: names that the files fix, the
// images that it builds, and host ports. What is external stays shared.
func (l *loading) apart(m *types.Project) Errors {
	own := func(name string) string {
		if name == "" || strings.Contains(name, l.name) {
			return name // made from the project's name, which has the instance's
		}
		return name + "-" + l.instance
	}
	for key, n := range m.Networks {
		if !n.External {
			n.Name = own(n.Name)
			m.Networks[key] = n
		}
	}
	for key, v := range m.Volumes {
		if !v.External {
			v.Name = own(v.Name)
			m.Volumes[key] = v
		}
	}
	images, errs := l.ownImages(m)
	for _, services := range []types.Services{m.Services, m.DisabledServices} {
		for name, s := range services {
			s.ContainerName = own(s.ContainerName)
			if image, built := images[s.Image]; built {
				s.Image = image
			}
			if s.Build != nil && len(s.Build.Tags) > 0 {
				build := *s.Build
				build.Tags = nil
				for _, tag := range s.Build.Tags {
					build.Tags = append(build.Tags, images[tag])
				}
				s.Build = &build
			}
			services[name] = s
		}
	}
	return append(errs, l.ownPorts(m)...)
}

// ownImages are the names for the images that are built here, by those that the files have for them.
func (l *loading) ownImages(m *types.Project) (map[string]string, Errors) {
	out := map[string]string{}
	var errs Errors
	services := m.AllServices()
	for _, key := range sortedKeys(services) {
		s := services[key]
		if s.Build == nil {
			continue
		}
		for _, image := range append(slices.Clone(s.Build.Tags), s.Image) {
			if image == "" || strings.Contains(image, l.name) {
				out[image] = image
				continue
			}
			tagged, err := retagged(image, l.instance)
			if err != nil {
				e := l.places.find("services", key, "image").atKey()
				e.Path, e.Problem = dotted([]string{"services", key, "image"}), "cannot get a name for instance "+quote(l.instance)+": "+err.Error()
				e.Hint = "choose a shorter name for the instance"
				errs = append(errs, e)
				continue
			}
			out[image] = tagged
		}
	}
	return out, errs
}

// retagged adds the name of an instance to an image's tag.
func retagged(image, instance string) (string, error) {
	named, err := reference.ParseDockerRef(image)
	if err != nil {
		return image, nil // told by the check
	}
	tag := "latest"
	if tagged, ok := named.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	out, err := reference.WithTag(reference.TrimNamed(named), tag+"-"+instance)
	if err != nil {
		return "", err
	}
	return reference.FamiliarString(out), nil
}

// ownPorts puts the instance's own host ports in the place of those that the files fix.
func (l *loading) ownPorts(m *types.Project) Errors {
	type at struct {
		services types.Services
		name     string
		port     int
	}
	var fixed []HostPort
	var where []at
	for _, services := range []types.Services{m.Services, m.DisabledServices} {
		for _, name := range sortedKeys(map[string]types.ServiceConfig(services)) {
			for i, p := range services[name].Ports {
				published, err := strconv.Atoi(p.Published)
				if err != nil || published == 0 {
					continue // chosen by the engine, or from a range
				}
				fixed = append(fixed, HostPort{Service: name, HostIP: p.HostIP, Published: published, Target: int(p.Target), Protocol: p.Protocol})
				where = append(where, at{services, name, i})
			}
		}
	}
	choose := l.o.HostPorts
	if choose == nil {
		choose = DerivedPorts
	}
	ports, err := choose(Copy{Project: l.name, First: l.first, Name: l.instance, Dir: l.where.dir}, fixed)
	if err != nil {
		return Errors{{Problem: "no host ports for instance " + quote(l.instance) + ": " + err.Error()}}
	}
	for i, w := range where {
		s := w.services[w.name]
		s.Ports = slices.Clone(s.Ports)
		s.Ports[w.port].Published = strconv.Itoa(ports[i])
		w.services[w.name] = s
	}
	return nil
}

// DerivedPorts chooses the host ports of an instance by calculation alone, for commands that only look.
func DerivedPorts(of Copy, fixed []HostPort) ([]int, error) {
	taken := map[int]bool{}
	out := make([]int, len(fixed))
	for i, h := range fixed {
		for port := range h.Derived(of.Project) {
			if !taken[port] {
				out[i], taken[port] = port, true
				break
			}
		}
		if out[i] == 0 {
			return nil, fmt.Errorf("all %d ports from %d are taken", derivedPorts, firstDerivedPort)
		}
	}
	return out, nil
}

// cloned is a project whose services, networks and volumes can be changed.
func cloned(m *types.Project) *types.Project {
	out := *m
	out.Services, out.DisabledServices = maps.Clone(m.Services), maps.Clone(m.DisabledServices)
	out.Networks, out.Volumes = maps.Clone(m.Networks), maps.Clone(m.Volumes)
	return &out
}
