package docker

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/musterhq/muster/planner"
)

// Wait waits until a container does not run and gives its exit code.
func (e *Engine) Wait(ctx context.Context, name string) (int, error) {
	if err := e.connect(ctx); err != nil {
		return 0, err
	}
	ended, failed := e.client.ContainerWait(ctx, name, container.WaitConditionNotRunning)
	select {
	case r := <-ended:
		return int(r.StatusCode), nil
	case err := <-failed:
		return 0, e.wrap(ctx, err, "wait for container", name)
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// Listed is a project that the engine has containers of.
type Listed struct {
	Name string
	// Containers counts them by status, one-offs left out.
	Containers map[planner.Status]int
	// Instance is the name of the copy of the stack that it is, and First the project of the first copy; empty where it is that.
	Instance, First string
	WorkingDir      string
	ConfigFiles     []string
	// Expires is the time from which on anybody may remove it: the latest that its containers have, and zero where one has none.
	Expires time.Time
}

// until takes the time of one more container into account.
func (l *Listed) until(at time.Time, first bool) {
	switch {
	case first:
		l.Expires = at
	case at.IsZero() || l.Expires.IsZero():
		l.Expires = time.Time{}
	default:
		l.Expires = later(l.Expires, at)
	}
}

// Projects finds every project on the engine, by the labels of its containers,
// sorted by name.
func (e *Engine) Projects(ctx context.Context) ([]Listed, error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	there, err := e.client.ContainerList(ctx, container.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", planner.LabelProject), filters.Arg("label", planner.LabelConfigHash)),
	})
	if err != nil {
		return nil, e.wrap(ctx, err, "list", "projects")
	}
	byName := map[string]*Listed{}
	for _, s := range there {
		c := fromSummary(s)
		if c.OneOff {
			continue
		}
		name := c.Labels[planner.LabelProject]
		p := byName[name]
		if p == nil {
			p = &Listed{Name: name, Containers: map[planner.Status]int{}}
			byName[name] = p
		}
		p.until(expires(c.Labels), len(p.Containers) == 0)
		p.Containers[c.Status]++
		p.WorkingDir = c.Labels[planner.LabelWorkingDir]
		p.Instance, p.First = c.Labels[planner.LabelInstance], c.Labels[planner.LabelInstanceOf]
		for _, f := range strings.Split(c.Labels[planner.LabelConfigFiles], ",") {
			if f != "" && !slices.Contains(p.ConfigFiles, f) {
				p.ConfigFiles = append(p.ConfigFiles, f)
			}
		}
	}
	out := make([]Listed, 0, len(byName))
	for _, p := range byName {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b Listed) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Version is what the engine says of itself.
type Version struct {
	Name       string // such as "Docker Engine - Community"
	Version    string
	API        string // the highest that it speaks
	MinAPI     string
	Spoken     string // the one that is spoken with it
	OS, Arch   string
	Kernel     string
	Components map[string]string // versions of its parts by their names
}

// Version asks the engine for its version. It takes a call of its own; [Engine.Info] mostly does not.
func (e *Engine) Version(ctx context.Context) (Version, error) {
	if err := e.connect(ctx); err != nil {
		return Version{}, err
	}
	got, err := e.client.ServerVersion(ctx)
	if err != nil {
		return Version{}, e.wrap(ctx, err, "ask for the version of", e.host)
	}
	out := Version{
		Name: got.Platform.Name, Version: got.Version, API: got.APIVersion, MinAPI: got.MinAPIVersion,
		Spoken: e.client.ClientVersion(), OS: got.Os, Arch: got.Arch, Kernel: got.KernelVersion, Components: map[string]string{},
	}
	for _, c := range got.Components {
		out.Components[c.Name] = c.Version
	}
	return out, nil
}
