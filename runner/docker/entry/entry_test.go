package entry

import (
	"testing"

	"github.com/musterhq/muster/planner"
)

func TestStatusText(t *testing.T) {
	for text, want := range map[string]struct {
		health planner.Health
		code   int
	}{
		"Up 2 hours":                            {"", 0},
		"Up 2 hours (healthy)":                  {planner.Healthy, 0},
		"Up 2 seconds (health: starting)":       {planner.Starting, 0},
		"Up 2 hours (unhealthy)":                {planner.Unhealthy, 0},
		"Up 2 hours (Paused)":                   {"", 0},
		"Exited (137) 3 minutes ago":            {"", 137},
		"Exited (0) Less than a second ago":     {"", 0},
		"Restarting (3) Less than a second ago": {"", 3},
		"Created":                               {"", 0},
		"Exited (-1) 3 minutes ago":             {"", -1},
	} {
		if health, code := Health(text), ExitCode(text); health != string(want.health) || code != want.code {
			t.Errorf("%q: %q, %d", text, health, code)
		}
	}
}

// A container that Podman is about to stop runs, and one that it has stopped has ended.
func TestStateOfBothEngines(t *testing.T) {
	for state, want := range map[string]planner.Status{
		"created": planner.Created, "configured": planner.Created, "initialized": planner.Created,
		"running": planner.Running, "stopping": planner.Running, "paused": planner.Paused, "restarting": planner.Restarting,
		"stopped": planner.Exited, "exited": planner.Exited, "removing": planner.Removing, "dead": planner.Dead,
	} {
		if got := State(state); got != string(want) {
			t.Errorf("%s is %s, want %s", state, got, want)
		}
	}
}

// The labels are those that the planner knows.
func TestLabels(t *testing.T) {
	for ours, planners := range map[string]string{
		LabelService: planner.LabelService, LabelNumber: planner.LabelNumber, LabelOneOff: planner.LabelOneOff, LabelConfigHash: planner.LabelConfigHash,
	} {
		if ours != planners {
			t.Errorf("%s is %s", ours, planners)
		}
	}
}
