package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/docker/go-units"

	"github.com/musterhq/muster/planner"
)

// psRow is a container as ps prints it: the keys are docker compose's, and
// templates see the same fields.
type psRow struct {
	Command      string
	CreatedAt    string
	ExitCode     int
	Health       string
	ID           string
	Image        string
	Labels       string
	LocalVolumes string
	Mounts       string
	Name         string
	Names        string
	Networks     string
	Node         string `json:",omitempty"` // of a swarm
	Ports        string
	Project      string
	Publishers   []psPort
	RunningFor   string
	Service      string
	Size         string
	State        string
	Status       string

	fullID string
	labels map[string]string
}

// psPort is one port of a container.
type psPort struct {
	URL           string
	TargetPort    int
	PublishedPort int
	Protocol      string
}

// Label is the value of one label, for templates.
func (r psRow) Label(name string) string { return r.labels[name] }

// newPsRow describes a container; short texts are for people.
func newPsRow(c planner.Container, project string, now time.Time, short bool) psRow {
	r := psRow{
		Command: fmt.Sprintf("%q", c.Command), CreatedAt: c.Created.Format("2006-01-02 15:04:05 -0700 MST"),
		ExitCode: c.ExitCode, Health: string(c.Health), ID: c.ID, Image: c.Image,
		Name: c.Name, Names: c.Name, Ports: portsText(c.Ports), Project: project, Service: c.Service, Node: c.Node,
		RunningFor: units.HumanDuration(now.Sub(c.Created)) + " ago", Size: "0B",
		State: string(c.Status), Status: c.Since, fullID: c.ID, labels: c.Labels,
	}
	if short {
		r.Command = fmt.Sprintf("%q", ellipsis(c.Command, 20))
		r.ID = r.ID[:min(12, len(r.ID))]
	}
	var labels []string
	for _, key := range slices.Sorted(maps.Keys(c.Labels)) {
		labels = append(labels, key+"="+c.Labels[key])
	}
	r.Labels = strings.Join(labels, ",")
	var networks, mounts []string
	for _, e := range c.Endpoints {
		networks = append(networks, e.Network)
	}
	volumes := 0
	for _, m := range c.Mounts {
		name := m.Name
		if name == "" {
			name = m.Source
		}
		if m.Type == "volume" {
			volumes++
		}
		if short {
			name = ellipsis(name, 15)
		}
		mounts = append(mounts, name)
	}
	r.Networks, r.Mounts, r.LocalVolumes = strings.Join(networks, ","), strings.Join(mounts, ","), fmt.Sprint(volumes)
	r.Publishers = make([]psPort, 0, len(c.Ports))
	for _, port := range sortedPorts(c.Ports) {
		r.Publishers = append(r.Publishers, psPort{port.HostIP, port.Target, port.Published, port.Protocol})
	}
	return r
}

// ellipsis shortens a text to a number of characters.
func ellipsis(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

func sortedPorts(ports []planner.Port) []planner.Port {
	out := slices.Clone(ports)
	slices.SortFunc(out, func(a, b planner.Port) int {
		for _, d := range []int{a.Target - b.Target, strings.Compare(a.HostIP, b.HostIP), a.Published - b.Published} {
			if d != 0 {
				return d
			}
		}
		return strings.Compare(a.Protocol, b.Protocol)
	})
	return out
}

// portsText lists ports as docker does, runs of them as a range:
// "0.0.0.0:8000-8002->8000-8002/tcp".
func portsText(ports []planner.Port) string {
	type run struct{ from, to planner.Port }
	var runs []run
	for _, p := range sortedPorts(ports) {
		joined := false
		for i := range runs {
			to := &runs[i].to
			follows := p.Target == to.Target+1 && p.HostIP == to.HostIP && p.Protocol == to.Protocol
			if follows && (p.Published == to.Published+1 || p.Published == 0 && to.Published == 0) {
				*to, joined = p, true
				break
			}
		}
		if !joined {
			runs = append(runs, run{p, p})
		}
	}
	var texts []string
	for _, r := range runs {
		text := rangeText(r.from.Target, r.to.Target) + "/" + r.from.Protocol
		if r.from.Published > 0 {
			ip := r.from.HostIP
			if strings.Contains(ip, ":") {
				ip = "[" + ip + "]"
			}
			text = ip + ":" + rangeText(r.from.Published, r.to.Published) + "->" + text
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

func rangeText(from, to int) string {
	if from == to {
		return fmt.Sprint(from)
	}
	return fmt.Sprintf("%d-%d", from, to)
}
