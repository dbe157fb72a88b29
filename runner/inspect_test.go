package runner_test

import (
	"context"
	"testing"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// looker answers with how a container was made only where that is asked for.
type looker struct{}

func (looker) Inspect(context.Context, string) (planner.Container, error) {
	return planner.Container{}, nil
}

func (looker) Compare(_ context.Context, _ string, meant planner.CreateContainer) (planner.Container, error) {
	return planner.Container{Made: []byte("as it was"), Meant: []byte(meant.Name)}, nil
}

// An engine around another one, such as the one that keeps restarts, looks as closely as that.
func TestInspectThroughAnotherEngine(t *testing.T) {
	around := struct{ runner.Inspector }{looker{}}
	have := planner.State{Containers: []planner.Container{{ID: "1", Name: "p-web-1"}, {ID: "2", Name: "p-db-1"}}}
	doubts := []planner.Doubt{{Name: "p-web-1", Meant: &planner.CreateContainer{Name: "p-web-1"}}, {Name: "p-db-1"}, {Name: "gone"}}
	if err := runner.Inspect(t.Context(), around, &have, doubts); err != nil {
		t.Fatal(err)
	}
	if c := have.Containers[0]; string(c.Made) != "as it was" || string(c.Meant) != "p-web-1" {
		t.Errorf("made %q, meant %q: the container was not compared", c.Made, c.Meant)
	}
	if c := have.Containers[1]; c.Made != nil {
		t.Errorf("made %q: nobody asked for it", c.Made)
	}
}
