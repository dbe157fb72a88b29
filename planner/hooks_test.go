package planner

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/project"
)

// Whatever the story, with hooks in every service no running container is stopped, restarted or removed before its
// pre_stop hooks have run, and none is started without its post_start hooks after it.
func TestHooksOnEveryPath(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	checked := map[string]int{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			s := readStoryWith(t, file, withHooks)
			plan, err := s.plan(t, s.world)
			if err != nil {
				return // the story is about a refusal
			}
			w := s.world.copy()
			for i, step := range plan.Steps {
				checkHooked(t, w, plan.Steps, i, checked)
				if err := w.apply(step.Action); err != nil {
					t.Fatalf("%s: %v", step.ID, err)
				}
			}
		})
	}
	for _, what := range []string{"start", "stop", "restart"} {
		if checked[what] < 5 {
			t.Errorf("only %d stories have a %s", checked[what], what)
		}
	}
}

// withHooks gives all services that have none a hook of each kind.
func withHooks(p *project.Project) {
	hook := []project.ServiceHook{{Command: []string{"do"}}}
	for _, services := range []map[string]project.Service{p.Services, p.Inactive} {
		for name, s := range services {
			if len(s.PreStop) == 0 {
				s.PreStop = hook
			}
			if len(s.PostStart) == 0 {
				s.PostStart = hook
			}
			services[name] = s
		}
	}
}

// checkHooked looks at the hooks around step i, before it is done.
func checkHooked(t *testing.T, w *world, steps []Step, i int, checked map[string]int) {
	t.Helper()
	ref := steps[i].Action.Resource()
	c := w.container(ref.Name)
	if ref.Kind != KindContainer || c == nil || c.OneOff || c.Labels[LabelHook] != "" {
		return
	}
	hooked := func(when string, among []Step) bool {
		return slices.ContainsFunc(among, func(s Step) bool {
			h, ok := s.Action.(RunHook)
			return ok && h.When == when && h.Name == ref.Name
		})
	}
	running := c.Status == Running
	ends := func(what string) {
		checked[what]++
		if running && !hooked("pre_stop", steps[:i]) {
			t.Errorf("%s: its pre_stop hooks have not run", steps[i].ID)
		}
	}
	begins := func(what string) {
		checked[what]++
		if !hooked("post_start", steps[i+1:]) {
			t.Errorf("%s: its post_start hooks do not run", steps[i].ID)
		}
	}
	switch steps[i].Action.(type) {
	case StopContainer:
		ends("stop")
	case RemoveContainer:
		ends("remove")
	case RestartContainer:
		ends("restart")
		begins("restart")
	case StartContainer:
		if !running && c.Status != Paused {
			begins("start")
		}
	}
}
