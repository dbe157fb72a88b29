package docker

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/musterhq/muster/planner"
)

// ID tells the engine from all others, whatever address it is reached at.
func (e *Engine) ID(ctx context.Context) (string, error) {
	if err := e.connect(ctx); err != nil {
		return "", err
	}
	got, err := e.client.Info(ctx)
	if err != nil {
		return "", e.wrap(ctx, err, "ask about", e.host)
	}
	if e.isPodman() { // it makes one up each time that it is asked
		return "podman " + got.Name + ":" + got.DockerRootDir, nil
	}
	return got.ID, nil
}

// Instances finds every copy of a stack that is not the first one, sorted by name: as [Engine.Projects] does and, of those that have a time, also
// where only networks and volumes are left or were made so far.
func (e *Engine) Instances(ctx context.Context) ([]Listed, error) {
	projects, err := e.Projects(ctx)
	if err != nil {
		return nil, err
	}
	timed := filters.NewArgs(filters.Arg("label", planner.LabelProject), filters.Arg("label", planner.LabelExpires))
	nets, err := e.client.NetworkList(ctx, network.ListOptions{Filters: timed})
	if err != nil {
		return nil, e.wrap(ctx, err, "list the networks of", "instances")
	}
	vols, err := e.client.VolumeList(ctx, volume.ListOptions{Filters: timed})
	if err != nil {
		return nil, e.wrap(ctx, err, "list the volumes of", "instances")
	}
	var labels []map[string]string
	for _, n := range nets {
		labels = append(labels, n.Labels)
	}
	for _, v := range vols.Volumes {
		labels = append(labels, v.Labels)
	}
	return instancesOf(projects, labels), nil
}

// instancesOf adds to the projects that are instances what labels of networks and volumes tell of others.
func instancesOf(projects []Listed, labels []map[string]string) []Listed {
	out := slices.DeleteFunc(projects, func(l Listed) bool { return l.Instance == "" })
	contained := len(out)
	for _, l := range labels {
		name, at := l[planner.LabelProject], expires(l)
		i := slices.IndexFunc(out, func(o Listed) bool { return o.Name == name })
		switch {
		case at.IsZero() || l[planner.LabelInstance] == "":
		case i < 0:
			out = append(out, Listed{Name: name, Instance: l[planner.LabelInstance], First: l[planner.LabelInstanceOf], Expires: at})
		case i >= contained:
			out[i].Expires = later(out[i].Expires, at)
		}
	}
	slices.SortFunc(out, func(a, b Listed) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// expires reads [planner.LabelExpires]; zero is never, also where it cannot be read.
func expires(labels map[string]string) time.Time {
	at, err := time.Parse(time.RFC3339, labels[planner.LabelExpires])
	if err != nil {
		return time.Time{}
	}
	return at
}

// later is the later one of two times of which the zero one is never.
func later(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return a
	}
	return b
}
