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
			for _, r := range plan.Rollouts {
				if r.Back == nil {
					continue
				}
				for _, u := range r.Back.Units {
					for i, step := range u.Steps {
						checkBackHooked(t, u.Steps, i, checked)
						checkUndoHooked(t, u.Steps, step, checked)
					}
				}
			}
			w := s.world.copy()
			for i, step := range plan.Steps {
				checkHooked(t, w, plan.Steps, i, checked)
				checkUndoHooked(t, plan.Steps, step, checked)
				if err := w.apply(step.Action); err != nil {
					t.Fatalf("%s: %v", step.ID, err)
				}
			}
		})
	}
	for _, what := range []string{"start", "stop", "restart", "undo start", "undo stop", "back start", "back stop"} {
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
	hooked := func(when string, among []Step) bool { return hasHook(when, ref.Name, actionsOf(among)) }
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

// checkUndoHooked looks at the hooks in a step's undo. What starts may have its hooks in another undo of the same group.
func checkUndoHooked(t *testing.T, steps []Step, step Step, checked map[string]int) {
	t.Helper()
	for i, a := range step.Undo {
		name := a.Resource().Name
		switch a.(type) {
		case StopContainer:
			checked["undo stop"]++
			if !hasHook("pre_stop", name, step.Undo[:i]) {
				t.Errorf("%s: its undo stops %s without its pre_stop hooks", step.ID, name)
			}
		case StartContainer:
			checked["undo start"]++
			var all []Action
			for _, s := range steps {
				if s.Group == step.Group {
					all = append(all, s.Undo...)
				}
			}
			if !hasHook("post_start", name, all) {
				t.Errorf("%s: its undo starts %s without its post_start hooks", step.ID, name)
			}
		}
	}
}

// checkBackHooked looks at the hooks around step i of a way back.
func checkBackHooked(t *testing.T, steps []Step, i int, checked map[string]int) {
	t.Helper()
	name := steps[i].Action.Resource().Name
	switch steps[i].Action.(type) {
	case StopContainer:
		checked["back stop"]++
		if !hasHook("pre_stop", name, actionsOf(steps[:i])) {
			t.Errorf("%s: its pre_stop hooks have not run", steps[i].ID)
		}
	case StartContainer:
		checked["back start"]++
		if !hasHook("post_start", name, actionsOf(steps[i+1:])) {
			t.Errorf("%s: its post_start hooks do not run", steps[i].ID)
		}
	}
}

func hasHook(when, container string, among []Action) bool {
	return slices.ContainsFunc(among, func(a Action) bool {
		h, ok := a.(RunHook)
		return ok && h.When == when && h.Name == container
	})
}

func actionsOf(steps []Step) []Action {
	var out []Action
	for _, s := range steps {
		out = append(out, s.Action)
	}
	return out
}
