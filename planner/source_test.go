package planner

import (
	"testing"

	"github.com/musterhq/muster/project"
)

// Nothing on the engine says whether a provider runs that no container has variables from.
func TestLoneProviderRunsEachTime(t *testing.T) {
	want := &project.Project{Name: "shop", Services: map[string]project.Service{
		"db": {Name: "db", Provider: &project.Provider{Type: "cloud"}},
	}}
	plan, err := Build(want, State{}, Policy{})
	if err != nil || len(plan.Steps) != 1 || plan.Steps[0].ID != "run provider db" {
		t.Errorf("%v %v", plan.Steps, err)
	}
}

func TestEnvName(t *testing.T) {
	for key, want := range map[string]string{"db": "DB", "my-db": "MY_DB", "a.b_2": "A_B_2"} {
		if got := EnvName(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}
