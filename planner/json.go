package planner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/project"
)

// The JSON form is described by plan.schema.json beside this file.

type planJSON struct {
	Project  string        `json:"project"`
	Changes  bool          `json:"changes"`
	Steps    []stepJSON    `json:"steps"`
	Items    []itemJSON    `json:"items"`
	Rollouts []rolloutJSON `json:"rollouts"`
	Warnings []string      `json:"warnings"`
}

type stepJSON struct {
	ID       StepID       `json:"id"`
	Kind     string       `json:"kind"`
	Resource Ref          `json:"resource"`
	Action   any          `json:"action"`
	Needs    []StepID     `json:"needs"`
	After    []StepID     `json:"after,omitempty"`
	Because  []changeJSON `json:"because"`
	Impact   string       `json:"impact"`
	Undo     []undoJSON   `json:"undo,omitempty"`
	Group    string       `json:"group,omitempty"`
	Rollout  string       `json:"rollout,omitempty"`
}

type rolloutJSON struct {
	Rollout
	Back *rollbackJSON `json:"back,omitempty"` // instead of that of Rollout
}

type rollbackJSON struct {
	Pace
	Units []unitJSON `json:"units"`
}

type unitJSON struct {
	Group string     `json:"group"`
	Steps []stepJSON `json:"steps"`
}

type undoJSON struct {
	Kind   string `json:"kind"`
	Action any    `json:"action"`
}

type changeJSON struct {
	Path   string `json:"path"`
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
	Secret bool   `json:"secret,omitempty"`
	Drift  bool   `json:"drift,omitempty"`
}

type itemJSON struct {
	Resource   Ref          `json:"resource"`
	Verdict    Verdict      `json:"verdict"`
	Summary    string       `json:"summary,omitempty"`
	Changes    []changeJSON `json:"changes"`
	After      []string     `json:"after,omitempty"`
	Impact     string       `json:"impact"`
	Containers int          `json:"containers,omitempty"`
}

// String is the impact in a word.
func (i Impact) String() string {
	switch i {
	case InPlace:
		return "in-place"
	case Restart:
		return "restart"
	case Replace:
		return "replace"
	case DataLoss:
		return "data-loss"
	}
	return "none"
}

// MarshalJSON writes the plan with credentials hidden.
func (p Plan) MarshalJSON() ([]byte, error) { return p.JSON(TextOptions{}) }

// JSON writes the plan as plan.schema.json says. Of o only ShowValues counts.
func (p Plan) JSON(o TextOptions) ([]byte, error) {
	out := planJSON{
		Project: p.Project, Changes: len(p.Steps) > 0,
		Steps: stepsJSON(p.Steps, o), Items: make([]itemJSON, 0, len(p.Items)),
		Rollouts: rolloutsJSON(p.Rollouts, o), Warnings: append([]string{}, p.Warnings...),
	}
	for _, i := range p.Items {
		out.Items = append(out.Items, itemJSON{
			Resource: i.Ref, Verdict: i.Verdict, Summary: i.Summary, Changes: changesJSON(i.Changes, o), After: i.After,
			Impact: i.Impact.String(), Containers: i.Containers,
		})
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(out); err != nil {
		return nil, fmt.Errorf("write plan of %s: %w", p.Project, err)
	}
	return bytes.TrimRight(text.Bytes(), "\n"), nil
}

func stepsJSON(steps []Step, o TextOptions) []stepJSON {
	out := make([]stepJSON, 0, len(steps))
	for _, s := range steps {
		step := stepJSON{
			ID: s.ID, Kind: KindOf(s.Action), Resource: s.Action.Resource(), Action: shown(s.Action, o), Needs: append([]StepID{}, s.Needs...),
			After: s.After, Because: changesJSON(s.Because, o), Impact: s.Impact.String(), Group: s.Group, Rollout: s.Rollout,
		}
		for _, u := range s.Undo {
			step.Undo = append(step.Undo, undoJSON{Kind: KindOf(u), Action: shown(u, o)})
		}
		out = append(out, step)
	}
	return out
}

func rolloutsJSON(rollouts []Rollout, o TextOptions) []rolloutJSON {
	out := make([]rolloutJSON, 0, len(rollouts))
	for _, r := range rollouts {
		one := rolloutJSON{Rollout: r}
		if r.Back != nil {
			one.Back = &rollbackJSON{Pace: r.Back.Pace, Units: make([]unitJSON, 0, len(r.Back.Units))}
			for _, u := range r.Back.Units {
				one.Back.Units = append(one.Back.Units, unitJSON{u.Group, stepsJSON(u.Steps, o)})
			}
		}
		out = append(out, one)
	}
	return out
}

func changesJSON(changes []Change, o TextOptions) []changeJSON {
	out := make([]changeJSON, 0, len(changes))
	for _, c := range changes {
		j := changeJSON(c)
		if c.Secret && !o.ShowValues {
			j.From, j.To = hide(c.From), hide(c.To)
		}
		out = append(out, j)
	}
	return out
}

// KindOf is the kind of an action in the JSON form, such as "create_container".
func KindOf(a Action) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", a), "planner.")
	var out strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				out.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		out.WriteRune(r)
	}
	return out.String()
}

// shown is an action without what must not be printed: credentials among the labels and in the
// environment of hooks, and the recorded spec, which has all of the environment.
func shown(a Action, o TextOptions) any {
	if o.ShowValues {
		return a
	}
	switch a := a.(type) {
	case CreateContainer:
		a.Labels = withoutSecrets(a.Labels)
		return a
	case CreateNetwork:
		a.Labels = withoutSecrets(a.Labels)
		a.Spec.Labels = withoutSecrets(a.Spec.Labels)
		a.Spec.DriverOpts = withoutSecrets(a.Spec.DriverOpts)
		return a
	case CreateVolume:
		a.Labels = withoutSecrets(a.Labels)
		a.Spec.Labels = withoutSecrets(a.Spec.Labels)
		a.Spec.DriverOpts = withoutSecrets(a.Spec.DriverOpts)
		return a
	case RunProvider:
		a.Options = optionsWithoutSecrets(a.Options)
		return a
	case StopProvider:
		a.Options = optionsWithoutSecrets(a.Options)
		return a
	case Await:
		a.Ready = readyWithoutSecrets(a.Ready)
		return a
	case RunHook:
		a.Hook = hookWithoutSecrets(a.Hook)
		return a
	case ApplyService:
		a.Labels = withoutSecrets(a.Labels)
		return a
	case CreateObject:
		a.Labels, a.Options = withoutSecrets(a.Labels), withoutSecrets(a.Options)
		return a
	}
	return a
}

// readyWithoutSecrets hides the values of headers, most of which are there to prove who asks.
func readyWithoutSecrets(r *project.Ready) *project.Ready {
	if r == nil {
		return nil
	}
	out := *r
	out.Probe = probeWithoutSecrets(r.Probe)
	return &out
}

func probeWithoutSecrets(p Probe) Probe {
	if p.HTTP != nil {
		h := *p.HTTP
		h.Headers = map[string]string{}
		for name := range p.HTTP.Headers {
			h.Headers[name] = "(hidden)"
		}
		p.HTTP = &h
	}
	p.All, p.Any = slices.Clone(p.All), slices.Clone(p.Any)
	for _, list := range [][]Probe{p.All, p.Any} {
		for i := range list {
			list[i] = probeWithoutSecrets(list[i])
		}
	}
	return p
}

func withoutSecrets[M ~map[string]string](values M) M {
	if values == nil {
		return nil
	}
	out := make(M, len(values))
	for k, v := range values {
		if k == LabelSpec || secretive(k, v) {
			v = "(hidden)"
		}
		out[k] = v
	}
	return out
}

func optionsWithoutSecrets(options map[string][]string) map[string][]string {
	out := make(map[string][]string, len(options))
	for k, values := range options {
		for _, v := range values {
			if secretive(k, v) {
				v = "(hidden)"
			}
			out[k] = append(out[k], v)
		}
	}
	return out
}

func hookWithoutSecrets(h project.ServiceHook) project.ServiceHook {
	if len(h.Environment) == 0 {
		return h
	}
	hidden := "(hidden)"
	environment := make(map[string]*string, len(h.Environment))
	for k, v := range h.Environment {
		if v != nil && secretive(k, *v) {
			v = &hidden
		}
		environment[k] = v
	}
	h.Environment = environment
	return h
}
