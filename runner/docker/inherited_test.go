package docker

import (
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/musterhq/muster/planner"
)

// TestInheritedLabels: a container that has the project's labels from its image only, as of docker run or of a swarm, is none
// of the project's.
func TestInheritedLabels(t *testing.T) {
	r := newRig(t)
	if err := r.connect(r.ctx); err != nil {
		t.Fatal(err)
	}
	made, err := r.client.ContainerCreate(r.ctx, &container.Config{Image: busybox(), Labels: map[string]string{
		planner.LabelProject: r.project, planner.LabelService: "web", planner.LabelVersion: "2.40.3",
	}}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	state, err := r.Observe(r.ctx, planner.Scope{Project: r.project})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range state.Containers {
		if c.ID == made.ID {
			t.Errorf("%s counts as a container of the project: %v", c.Name, c.Labels)
		}
	}
}
