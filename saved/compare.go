package saved

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/musterhq/muster/planner"
)

// Moved is a saved plan that no longer holds.
type Moved struct {
	Plan *Plan
	// Differences say what has moved, a line each: resources of the engine first, then the files, then steps.
	Differences []string
}

// most is how many differences are listed.
const most = 12

// Error lists the differences.
func (e *Moved) Error() string {
	var out strings.Builder
	fmt.Fprintf(&out, "the plan no longer holds: %s has moved on since it was made at %s", e.Plan.Project, e.Plan.Made.Local().Format("2006-01-02 15:04:05"))
	for i, d := range e.Differences {
		if i == most {
			fmt.Fprintf(&out, "\n  and %d more", len(e.Differences)-most)
			break
		}
		out.WriteString("\n  " + d)
	}
	out.WriteString("\nnothing was changed.")
	return out.String()
}

// Hint says how to go on.
func (e *Moved) Hint() string {
	for _, d := range e.Differences {
		if strings.Contains(d, ".environment.") {
			return "the values of variables are not in a plan: set those that it was made with, or make a new one with `muster plan -o FILE`"
		}
	}
	return "make a new one with `muster plan -o FILE`"
}

// Check holds what is now against what was: nil where the saved plan still is the plan. notes say what has changed without
// any consequence.
func (s *Plan) Check(now Source) (notes []string, err error) {
	fresh := &Plan{Salt: s.Salt}
	model, err := fresh.digestModel(now.Want)
	if err != nil {
		return nil, err
	}
	var differences []string
	if now.Want.Name != s.Project {
		differences = append(differences, fmt.Sprintf("project: %s → %s", s.Project, now.Want.Name))
	}
	differences = append(differences, moved(s.State, factsOf(now.Have, s.digest))...)
	fields := movedModel(s.Model, model)
	files := s.movedFiles(fresh.digestFiles(now.Want), now.Want.WorkingDir)
	if len(fields) > 0 {
		differences = append(append(differences, files...), fields...)
	}
	steps, err := movedSteps(s, now)
	if err != nil {
		return nil, err
	}
	if len(differences) == 0 { // with a cause at hand its consequences would only be noise
		differences = steps
	}
	if len(differences) > 0 {
		return nil, &Moved{Plan: s, Differences: differences}
	}
	return files, nil
}

// movedFiles names the files that are not what they were.
func (s *Plan) movedFiles(now map[string]string, dir string) []string {
	var out []string
	for _, file := range union(s.Files, now) {
		if s.Files[file] == now[file] {
			continue
		}
		name := file
		if rel, err := filepath.Rel(dir, file); err == nil && !strings.HasPrefix(rel, "..") {
			name = rel
		}
		out = append(out, fmt.Sprintf("file %s %s", name, change(s.Files[file] != "", now[file] != "")))
	}
	return out
}

// movedModel names the fields that differ; a whole service that came or went is one line.
func movedModel(was, is map[string]string) []string {
	before, now := things(was), things(is)
	var out []string
	for _, path := range union(was, is) {
		if was[path] == is[path] {
			continue
		}
		line := path + " " + change(was[path] != "", is[path] != "")
		if thing := thingOf(path); !before[thing] || !now[thing] {
			line = thing + " " + change(before[thing], now[thing])
		}
		if !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out
}

// thingOf is the service, network and so on that a path is about: its first two parts.
func thingOf(path string) string {
	parts := strings.SplitN(path, ".", 3)
	return strings.Join(parts[:min(len(parts), 2)], ".")
}

func things(paths map[string]string) map[string]bool {
	out := map[string]bool{}
	for path := range paths {
		out[thingOf(path)] = true
	}
	return out
}

// step is what of a step has to be the same: not its reasons, which may tell how long ago something was.
type step struct {
	ID     string          `json:"id"`
	Action json.RawMessage `json:"action"`
	Needs  []string        `json:"needs"`
	Impact string          `json:"impact"`
	Undo   json.RawMessage `json:"undo"`
	Group  string          `json:"group"`
}

func stepsOf(plan []byte) (map[string]string, error) {
	var p struct {
		Steps []step `json:"steps"`
	}
	if err := json.Unmarshal(plan, &p); err != nil {
		return nil, fmt.Errorf("read the steps of a plan: %w", err)
	}
	out := make(map[string]string, len(p.Steps))
	for _, s := range p.Steps {
		text, err := json.Marshal(s) // which compacts what was indented
		if err != nil {
			return nil, fmt.Errorf("read the steps of a plan: %w", err)
		}
		out[s.ID] = string(text)
	}
	return out, nil
}

// movedSteps names the steps that the plan has now and had not, and the other way round.
func movedSteps(s *Plan, now Source) ([]string, error) {
	was, err := stepsOf(s.Plan)
	if err != nil {
		return nil, err
	}
	written, err := now.Plan.JSON(planner.TextOptions{})
	if err != nil {
		return nil, err
	}
	is, err := stepsOf(written)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, id := range union(was, is) {
		if was[id] != is[id] {
			out = append(out, fmt.Sprintf("step %q %s", id, change(was[id] != "", is[id] != "")))
		}
	}
	return out, nil
}

// Exceeds refuses what comes out of images that were only made or fetched now, beyond what the saved plan had and
// said might come: that the services which run them are replaced.
func (s *Plan) Exceeds(now Source) error {
	was, err := stepsOf(s.Plan)
	if err != nil {
		return err
	}
	renewed, err := s.renewed(now)
	if err != nil {
		return err
	}
	var more []string
	for _, step := range now.Plan.Steps {
		if was[string(step.ID)] == "" && !renewed[step.Action.Resource().Service] {
			more = append(more, fmt.Sprintf("step %q is new", step.ID))
		}
	}
	if len(more) == 0 {
		return nil
	}
	return &Exceeded{Steps: more}
}

// renewed are the services whose image the saved plan fetches or builds.
func (s *Plan) renewed(now Source) (map[string]bool, error) {
	var p struct {
		Steps []struct {
			Kind   string `json:"kind"`
			Action struct {
				Ref string `json:"ref"`
			} `json:"action"`
		} `json:"steps"`
	}
	if err := json.Unmarshal(s.Plan, &p); err != nil {
		return nil, fmt.Errorf("read the steps of a plan: %w", err)
	}
	refs := map[string]bool{}
	for _, step := range p.Steps {
		if step.Kind == planner.KindOf(planner.PullImage{}) || step.Kind == planner.KindOf(planner.BuildImage{}) {
			refs[step.Action.Ref] = true
		}
	}
	out := map[string]bool{}
	for name, service := range now.Want.Services {
		service.Name = name
		if refs[now.Want.ImageName(service)] {
			out[name] = true
		}
	}
	return out, nil
}

// Exceeded is a plan whose images were fetched or built, and turned out to ask for more than was saved.
type Exceeded struct{ Steps []string }

// Error lists the steps.
func (e *Exceeded) Error() string {
	return "the new images ask for more than the plan has:\n  " + strings.Join(e.Steps, "\n  ") + "\nthe images are there; nothing else was changed."
}

// Hint says how to go on.
func (e *Exceeded) Hint() string {
	return "`muster plan -o FILE`, without --build and --pull, shows what they change"
}

func union[V any](a, b map[string]V) []string {
	both := maps.Clone(a)
	if both == nil {
		both = map[string]V{}
	}
	maps.Copy(both, b)
	return slices.Sorted(maps.Keys(both))
}
