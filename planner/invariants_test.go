package planner

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// checkRepeatable plans again from the same input: the same bytes come out, and the input was not touched.
func (s *story) checkRepeatable(t *testing.T, plan Plan) {
	t.Helper()
	again, err := s.plan(t, s.world)
	if err != nil {
		t.Error(err)
		return
	}
	a, errA := json.Marshal(plan)
	b, errB := json.Marshal(again)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("the same input gives another plan:\n%s\n%s", a, b)
	}
}

// checkReplacements holds what makes a replacement safe, whatever the story: nothing is stopped before its
// successor exists, nothing is removed before its successor is proven, and when a step fails, taking
// back brings back what was.
func (s *story) checkReplacements(t *testing.T, plan Plan) {
	t.Helper()
	if s.how.Command != "" || s.how.NoStart {
		return
	}
	byID := map[StepID]Step{}
	for _, step := range plan.Steps {
		byID[step.ID] = step
	}
	made := map[string]bool{}
	for _, step := range plan.Steps {
		if c, ok := step.Action.(CreateContainer); ok {
			made[c.Name] = true
		}
		a, ok := step.Action.(RenameContainer)
		if !ok || !made[a.Name] || !strings.HasSuffix(a.Name, successorSuffix) {
			continue
		}
		removal := byID[step.Needs[0]]
		if _, ok := removal.Action.(RemoveContainer); !ok {
			t.Errorf("%s comes after %s and not after a removal", step.ID, removal.ID)
			continue
		}
		if !needs(byID, removal.ID, func(s Step) bool { w, ok := s.Action.(Await); return ok && w.Name == a.Name }) {
			t.Errorf("%s does not wait for the proof of %s", removal.ID, a.Name)
		}
		if removal.Group != "" || step.Group != "" {
			t.Errorf("%s is taken back although the successor is proven", removal.ID)
		}
	}
	for i, step := range plan.Steps {
		if step.Group != "" {
			s.checkUndo(t, plan, i)
		}
	}
}

func needs(byID map[StepID]Step, id StepID, is func(Step) bool) bool {
	for _, n := range byID[id].Needs {
		if is(byID[n]) || needs(byID, n, is) {
			return true
		}
	}
	return false
}

// checkUndo lets step i fail, having done half of what it does or nothing, and takes its group back.
func (s *story) checkUndo(t *testing.T, plan Plan, i int) {
	t.Helper()
	for _, half := range []bool{false, true} {
		w := s.world.copy()
		end := i
		if half {
			end++
		}
		if err := w.run(plan.Steps[:end]); err != nil {
			t.Errorf("the plan cannot be run: %v", err)
			return
		}
		group := plan.Steps[i].Group
		back := slices.Clone(plan.Steps[:i+1])
		slices.Reverse(back)
		for _, step := range back {
			if step.Group != group {
				continue
			}
			for _, u := range step.Undo {
				if err := w.apply(u); err != nil {
					if slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.Contains(w, "cannot be put back") }) {
						continue
					}
					t.Errorf("taking %s back: %v", step.ID, err)
				}
			}
		}
		for _, name := range strings.Split(strings.TrimPrefix(group, ReplaceGroup), ", ") {
			was := s.world.container(successorName(name))
			if c := w.container(successorName(name)); c != nil && (was == nil || was.ID != c.ID) {
				t.Errorf("%s fails: %s stays as %s", plan.Steps[i].ID, c.Name, c.Status)
			}
			for _, c := range s.world.state.Containers {
				now := w.container(c.Name)
				if c.up() && c.Name == name && (now == nil || !now.up()) {
					if slices.ContainsFunc(plan.Warnings, func(w string) bool { return strings.Contains(w, "from "+c.Service+" before the new") }) {
						continue // as the plan says
					}
					t.Errorf("%s fails: %s served and does not any more", plan.Steps[i].ID, c.Name)
				}
			}
		}
		if s.how.Recreate == "always" || s.how.Renew || s.how.AlwaysRecreateDeps {
			continue
		}
		next, err := s.plan(t, w)
		if err == nil {
			err = w.run(next.Steps)
		}
		if err != nil {
			t.Errorf("%s fails: the next plan cannot be run: %v", plan.Steps[i].ID, err)
		}
	}
}

// No credential of any story shows in its plan, in none of its forms.
func TestCredentialsAreHidden(t *testing.T) {
	s := readStory(t, "testdata/change_environment.txtar")
	plan, err := s.plan(t, s.world)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{plan.Text(TextOptions{}), plan.StepsText(TextOptions{}), string(asJSON)} {
		for _, secret := range []string{"sekret-one", "sekret-two", "shop:pw"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q shows in\n%s", secret, text)
			}
		}
		for _, label := range strings.Split(text, `"`) {
			if spec, err := DecodeSpec(label); err == nil && bytes.Contains(spec, []byte("sekret-one")) {
				t.Error("the recorded spec shows in the JSON form")
			}
		}
	}
	open, err := plan.JSON(TextOptions{ShowValues: true})
	if err != nil || !bytes.Contains(open, []byte(`"from":"sekret-one"`)) {
		t.Errorf("values do not show where they are asked for: %v", err)
	}
}

// Every action has a kind in the schema, an ID that says what it does, and a resource.
func TestEveryActionIsDescribed(t *testing.T) {
	actions := []Action{
		CreateNetwork{Name: "x"}, RemoveNetwork{Name: "x"}, CreateVolume{Name: "x"}, CopyVolume{From: "y", To: "x"}, BeginFill{Name: "x"}, FillVolume{Name: "x"}, MoveVolume{From: "y", To: "x"}, ExchangeVolume{Name: "x", From: "y"}, RemoveVolume{Name: "x"},
		PullImage{Ref: "x", Services: []string{"s"}}, BuildImage{Ref: "x", Service: "s"}, RemoveImage{Ref: "x"},
		CreateContainer{Name: "x", Number: 1, Labels: map[string]string{}}, StartContainer{Name: "x"}, StopContainer{Name: "x"}, KillContainer{Name: "x"}, PauseContainer{Name: "x"}, PushImage{Ref: "x", Services: []string{"x"}}, UnpauseContainer{Name: "x"},
		RestartContainer{Name: "x"}, RemoveContainer{Name: "x"}, RenameContainer{Name: "x", To: "y"}, Await{Name: "x", Condition: IsReady},
		RunHook{Name: "x", When: "pre_stop"}, UpdateContainer{Name: "x"}, ConnectNetwork{Name: "x", Network: "y"}, DisconnectNetwork{Name: "x", Network: "y"},
	}
	seen := map[StepID]bool{}
	plan := Plan{Project: "p"}
	for _, a := range actions {
		id := idOf(a)
		if seen[id] || strings.Contains(string(id), "planner.") || a.Resource().Name == "" {
			t.Errorf("%T has the ID %q and the resource %v", a, id, a.Resource())
		}
		seen[id] = true
		if c, ok := a.(CreateNetwork); ok {
			c.Labels = map[string]string{}
			a = c
		}
		if c, ok := a.(CreateVolume); ok {
			c.Labels = map[string]string{}
			a = c
		}
		plan.Steps = append(plan.Steps, Step{ID: id, Action: a})
	}
	checkSchema(t, plan)
}
