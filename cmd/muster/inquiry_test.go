package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

// Processes are one for each container: its command.
func (e memoryEngine) Processes(ctx context.Context, container string) (docker.Processes, error) {
	c, err := e.Inspect(ctx, container)
	return docker.Processes{Titles: []string{"UID", "PID", "CMD"}, Rows: [][]string{{"root", "1", c.Command}}}, err
}

// ImageDetails come from what the engine holds.
func (e memoryEngine) ImageDetails(_ context.Context, ids []string) (map[string]docker.ImageDetail, error) {
	s, err := e.state()
	out := map[string]docker.ImageDetail{}
	for _, id := range ids {
		if i := s.Images[id]; i != nil {
			out[id] = docker.ImageDetail{ID: i.ID, Tags: i.Tags, Platform: "linux/amd64", Size: 1_984_272, Tagged: time.Now().Add(-3 * time.Hour)}
		}
	}
	return out, err
}

// VolumeDetails come from what the engine holds.
func (e memoryEngine) VolumeDetails(_ context.Context, project string) ([]docker.VolumeDetail, error) {
	s, err := e.state()
	var out []docker.VolumeDetail
	for _, name := range slices.Sorted(maps.Keys(s.Volumes)) {
		if v := s.Volumes[name]; v.Labels[planner.LabelProject] == project {
			out = append(out, docker.VolumeDetail{Name: name, Driver: "local", Mountpoint: "/volumes/" + name, Scope: "local", Labels: v.Labels})
		}
	}
	return out, err
}

// Happenings are the starts of the containers that there are.
func (e memoryEngine) Happenings(_ context.Context, project string, _ docker.HappeningsOptions, each func(docker.Event) error) error {
	s, err := e.state()
	for _, name := range slices.Sorted(maps.Keys(s.Containers)) {
		c := s.Containers[name]
		if err != nil || c.Labels[planner.LabelProject] != project {
			continue
		}
		labels := maps.Clone(c.Labels)
		labels["image"], labels["name"] = c.Image, name
		err = each(docker.Event{
			At: time.Date(2026, 11, 25, 1, 52, 13, 487381875, time.UTC), Action: "start", ID: "0123", Name: name, Service: labels[planner.LabelService],
			OneOff: labels[planner.LabelOneOff] == "True", Labels: labels,
		})
	}
	return err
}

// Usages are the same for each container.
func (e memoryEngine) Usages(_ context.Context, _ string, _ bool, each func(docker.Usage) error) error {
	return each(docker.Usage{CPU: 1.5, Memory: 1536 << 10, MemoryLimit: 1 << 30, Received: 1880, Sent: 126, Processes: 2})
}

// PSFormat is none.
func (e memoryEngine) PSFormat() string { return "" }

func TestImageRow(t *testing.T) {
	for _, c := range []struct {
		ran  string // what the container was made from
		tags []string
		want string // repository and tag
	}{
		{"web:1", []string{"web:1"}, "web 1"},
		{"web", []string{"web:latest"}, "web latest"},
		{"registry.test:5000/shop/web", []string{"registry.test:5000/shop/web:2"}, "registry.test:5000/shop/web 2"},
		{"web:1", []string{"web:2"}, "web 2"},
		{"web:1", nil, " "},
	} {
		r := newImageRow(planner.Container{Image: c.ran}, docker.ImageDetail{Tags: c.tags})
		if got := r.Repository + " " + r.Tag; got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.ran, strings.Join(c.tags, ","), got, c.want)
		}
	}
}
