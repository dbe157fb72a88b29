package listing

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/docker/go-units"
)

// Row is a container as it is printed: the keys are docker compose's, and
// templates see the same fields.
type Row struct {
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
	Publishers   []Publisher
	RunningFor   string
	Service      string
	Size         string
	State        string
	Status       string

	fullID string
	labels map[string]string
}

// Publisher is one port of a container, by docker compose's names.
type Publisher struct {
	URL           string
	TargetPort    int
	PublishedPort int
	Protocol      string
}

// Label is the value of one label, for templates.
func (r Row) Label(name string) string { return r.labels[name] }

// newRow describes a container, but for its labels; short texts are for people.
func newRow(c Container, project string, now time.Time, short bool) Row {
	r := Row{
		Command: strconv.Quote(c.Command), CreatedAt: c.Created.Format("2006-01-02 15:04:05 -0700 MST"),
		ExitCode: c.ExitCode, Health: c.Health, ID: c.ID, Image: c.Image,
		Name: c.Name, Names: c.Name, Networks: strings.Join(c.Networks, ","), Ports: PortsText(c.Ports), Project: project, Service: c.Service, Node: c.Node,
		RunningFor: units.HumanDuration(now.Sub(c.Created)) + " ago", Size: "0B",
		State: c.Status, Status: c.Since, fullID: c.ID, labels: c.Labels,
	}
	if short {
		r.Command = strconv.Quote(ellipsis(c.Command, 20))
		r.ID = r.ID[:min(12, len(r.ID))]
	}
	var mounts []string
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
	r.Mounts, r.LocalVolumes = strings.Join(mounts, ","), strconv.Itoa(volumes)
	r.Publishers = make([]Publisher, 0, len(c.Ports))
	for _, port := range SortedPorts(c.Ports) {
		r.Publishers = append(r.Publishers, Publisher{port.HostIP, port.Target, port.Published, port.Protocol})
	}
	return r
}

func labelsText(of map[string]string) string {
	labels := make([]string, 0, len(of))
	for _, key := range slices.Sorted(maps.Keys(of)) {
		labels = append(labels, key+"="+of[key])
	}
	return strings.Join(labels, ",")
}

// ellipsis shortens a text to a number of characters.
func ellipsis(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

// SortedPorts are ports in the order in which people read them.
func SortedPorts(ports []Port) []Port {
	out := slices.Clone(ports)
	slices.SortFunc(out, func(a, b Port) int {
		for _, d := range []int{a.Target - b.Target, strings.Compare(a.HostIP, b.HostIP), a.Published - b.Published} {
			if d != 0 {
				return d
			}
		}
		return strings.Compare(a.Protocol, b.Protocol)
	})
	return out
}

// PortsText lists ports as docker does, runs of them as a range where they have the same numbers inside and outside:
// "0.0.0.0:8000-8002->8000-8002/tcp". Others are looked for by scripts as "0.0.0.0:8080->80/tcp".
func PortsText(ports []Port) string {
	type run struct{ from, to Port }
	var runs []run
	for _, p := range SortedPorts(ports) {
		joined := false
		for i := range runs {
			to := &runs[i].to
			follows := p.Target == to.Target+1 && p.HostIP == to.HostIP && p.Protocol == to.Protocol
			alike := p.Published == p.Target && to.Published == to.Target
			if follows && (alike || p.Published == 0 && to.Published == 0) {
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
		return strconv.Itoa(from)
	}
	return strconv.Itoa(from) + "-" + strconv.Itoa(to)
}
