package main

import (
	"context"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

// Checkup is that of an engine that is well.
func (e memoryEngine) Checkup(context.Context) (docker.Checkup, error) {
	return docker.Checkup{
		Engine: planner.EngineInfo{Name: "memory", API: "1.51"}, Host: e.Host(), BuildKit: true, CgroupVersion: "2", Root: "/data",
		Free: 50 << 30, Size: 100 << 30, Logins: []string{"docker.io"},
	}, nil
}

// PortUser has port 81 taken.
func (e memoryEngine) PortUser(_ context.Context, _ string, p planner.Port) (string, error) {
	if p.Published == 81 {
		return "nginx (pid 312)", nil
	}
	return "", nil
}

func TestEngineFindings(t *testing.T) {
	for name, c := range map[string]struct {
		of    docker.Checkup
		what  string
		state string
	}{
		"old":       {docker.Checkup{Engine: planner.EngineInfo{API: "1.40"}}, "engine", bad},
		"new":       {docker.Checkup{Engine: planner.EngineInfo{API: "1.101"}}, "engine", fine},
		"classic":   {docker.Checkup{}, "builds", doubtful},
		"cgroups 1": {docker.Checkup{CgroupVersion: "1"}, "cgroups", doubtful},
		"far away":  {docker.Checkup{}, "disk", unknown},
		"room":      {docker.Checkup{Free: 11, Size: 100}, "disk", fine},
		"tight":     {docker.Checkup{Free: 9, Size: 100}, "disk", doubtful},
		"full":      {docker.Checkup{Free: 1, Size: 1000}, "disk", bad},
	} {
		found := false
		for _, f := range engineFindings(c.of) {
			if f.What != c.what {
				continue
			}
			found = true
			if f.State != c.state {
				t.Errorf("%s: %s (%s), want %s", name, f.State, f.Text, c.state)
			}
			if f.State == bad && f.Hint == "" {
				t.Errorf("%s: no hint", name)
			}
		}
		if !found {
			t.Errorf("%s: nothing about %s", name, c.what)
		}
	}
}

// Describe is not for an engine in memory.
func (e memoryEngine) Describe(_ context.Context, containers []string) (*types.Project, error) {
	return &types.Project{Services: types.Services{containers[0]: {Name: containers[0], ContainerSpec: types.ContainerSpec{Image: "web:1"}}}}, nil
}
