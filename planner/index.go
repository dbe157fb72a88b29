package planner

import (
	"sort"
	"strconv"
	"strings"
)

// index finds things in a State by what they are asked for.
type index struct {
	services   map[string][]*Container // without one-offs, by number and name
	containers map[string]*Container   // by name
	networks   map[string]*Network
	volumes    map[string]*Volume
	images     map[string]*Image // by familiar reference and by ID
	oneOffs    []*Container
	adjusted   *Volume // the one with LabelAdjusted; nil where all containers are set as their labels say

	lateNetworks bool
	converges    bool
	deployed     map[string]*Deployed // by service
	objects      []Object
	nodes        []Node
	registry     map[string]string // what images stand for there, by reference
	ready        int               // nodes that take containers
}

func newIndex(have State) index {
	x := index{
		services:   map[string][]*Container{},
		containers: make(map[string]*Container, len(have.Containers)),
		networks:   make(map[string]*Network, len(have.Networks)),
		volumes:    make(map[string]*Volume, len(have.Volumes)),
		images:     make(map[string]*Image, len(have.Images)),
	}
	for i := range have.Containers {
		c := &have.Containers[i]
		x.containers[c.Name] = c
		if c.OneOff {
			x.oneOffs = append(x.oneOffs, c)
			continue
		}
		x.services[c.Service] = append(x.services[c.Service], c)
	}
	for _, list := range x.services {
		sort.SliceStable(list, func(i, j int) bool {
			if a, b := list[i].number(), list[j].number(); a != b {
				return a < b
			}
			return list[i].Name < list[j].Name
		})
	}
	for i := range have.Networks {
		x.networks[have.Networks[i].Name] = &have.Networks[i]
	}
	for i := range have.Volumes {
		v := &have.Volumes[i]
		x.volumes[v.Name] = v
		if v.Labels[LabelAdjusted] != "" {
			x.adjusted = v
		}
	}
	x.lateNetworks = have.Engine.LateNetworks
	x.converges, x.objects, x.nodes, x.registry, x.deployed = have.Converges, have.Objects, have.Nodes, have.Registry, map[string]*Deployed{}
	for i := range have.Deployed {
		x.deployed[have.Deployed[i].Service] = &have.Deployed[i]
	}
	for _, n := range have.Nodes {
		if n.Ready {
			x.ready++
		}
	}
	for i := range have.Images {
		m := &have.Images[i]
		x.images[m.ID] = m
		for _, tag := range m.Tags {
			x.images[familiar(tag)] = m
		}
		for _, digest := range m.Digests {
			x.images[familiar(digest)] = m
		}
	}
	return x
}

// object is a config or a secret by its name; nil where there is none.
func (x *index) object(kind Kind, name string) *Object {
	for i := range x.objects {
		if o := &x.objects[i]; o.Kind == kind && o.Name == name {
			return o
		}
	}
	return nil
}

// number is the replica's number; a container that lost its label still has it in its name.
func (c *Container) number() int {
	if c.Number > 0 {
		return c.Number
	}
	name := strings.TrimSuffix(c.Name, successorSuffix)
	digits := strings.LastIndexAny(name, "-_")
	if n, err := strconv.Atoi(name[digits+1:]); err == nil && n > 0 {
		return n
	}
	return 1
}

// up says whether the container's process exists, so that it has to be stopped before it can go.
func (c *Container) up() bool {
	switch c.Status {
	case Running, Paused, Restarting:
		return true
	}
	return false
}

// completed says whether a job has done its work.
func (c *Container) completed() bool { return c.Status == Exited && c.ExitCode == 0 }

// ready says whether the engine's own verdict is good, as far as it has one.
func (c *Container) ready() bool {
	return c.Status == Running && (c.Health == NoHealth || c.Health == Healthy)
}
