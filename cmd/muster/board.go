package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// board knows how far a run has come, by service. Displays are drawn from it,
// and so is the summary.
type board struct {
	project string
	goal    string // what a service is at the end: ready, stopped, removed …
	began   time.Time
	rows    []*row // in the order of the plan
	// idle is the number of services that the plan leaves as they are.
	idle int
	// running are the containers of the plan's services that run and that it does not touch.
	running []string

	steps map[planner.StepID]*stepView
	// successors maps the name of a successor to the one that it will have.
	successors map[string]string
	replaced   map[string]bool // names of containers that get a successor
	// asked is by service; see [timeline.Record]. Of replicas it is the first that counts.
	asked map[string]time.Duration
}

// row is one service, or another resource, on its way.
type row struct {
	name  string
	kind  planner.Kind
	steps []*stepView
	// lastLine is what one of its containers printed last, while it is waited for.
	lastLine, lastFrom string
	undoing            planner.Action
}

// stepView is a step on its way.
type stepView struct {
	step         planner.Step
	row          *row
	state        runner.StepState // empty: not begun
	began, ended time.Time
	progress     runner.Progress
	layers       map[string]runner.Progress
	err          error
}

// newBoard lays out the plan. have may be empty.
func newBoard(plan planner.Plan, have planner.State, goal string, now time.Time) *board {
	b := &board{
		project: plan.Project, goal: goal, began: now,
		steps: map[planner.StepID]*stepView{}, successors: map[string]string{}, replaced: map[string]bool{}, asked: map[string]time.Duration{},
	}
	touched := map[string]bool{}
	for _, s := range plan.Steps {
		switch a := s.Action.(type) {
		case planner.RenameContainer:
			b.successors[a.Name] = a.To
		case planner.CreateContainer:
			if old := a.Labels[planner.LabelReplaces]; old != "" {
				b.replaced[old] = true
			}
			if a.As != "" {
				b.successors[a.Name] = a.As
			}
		}
		if ref := s.Action.Resource(); ref.Kind == planner.KindContainer {
			touched[ref.Name] = true
		}
		view := &stepView{step: s, row: b.rowFor(s.Action)}
		view.row.steps = append(view.row.steps, view)
		b.steps[s.ID] = view
	}
	about := map[string]bool{}
	for _, item := range plan.Items {
		if item.Ref.Kind != planner.KindService {
			continue
		}
		about[item.Ref.Name] = true
		if b.find(item.Ref.Name, planner.KindService) == nil {
			b.idle++
		}
	}
	for _, c := range have.Containers {
		if !have.Converges && c.Status == planner.Running && about[c.Service] && !touched[c.Name] && !c.OneOff {
			b.running = append(b.running, c.Name)
		}
	}
	return b
}

// rowFor is the row that an action belongs to: its service's, or its own.
func (b *board) rowFor(a planner.Action) *row {
	ref := a.Resource()
	name, kind := ref.Name, ref.Kind
	if ref.Service != "" {
		name, kind = ref.Service, planner.KindService
	}
	switch a := a.(type) {
	case planner.PullImage:
		if len(a.Services) > 0 {
			name, kind = a.Services[0], planner.KindService
		}
	case planner.PushImage:
		if len(a.Services) > 0 {
			name, kind = a.Services[0], planner.KindService
		}
	}
	if r := b.find(name, kind); r != nil {
		return r
	}
	r := &row{name: name, kind: kind}
	b.rows = append(b.rows, r)
	return r
}

func (b *board) find(name string, kind planner.Kind) *row {
	i := slices.IndexFunc(b.rows, func(r *row) bool { return r.name == name && r.kind == kind })
	if i < 0 {
		return nil
	}
	return b.rows[i]
}

// passed notes how long after its start a service's check was asked that succeeded.
func (b *board) passed(service string, asked time.Duration) {
	if _, known := b.asked[service]; !known {
		b.asked[service] = asked
	}
}

// take notes an event.
func (b *board) take(e runner.Event) {
	view := b.steps[e.Step.ID]
	if e.Undo {
		// A rollout that goes back has steps of its own.
		row := b.rowFor(e.Action)
		row.undoing = e.Action
		if e.State != runner.Begun && e.State != runner.Working {
			row.undoing = nil
		}
		return
	}
	if view == nil {
		return
	}
	view.state = e.State
	switch e.State {
	case runner.Begun:
		view.began = e.At
	case runner.Working:
		view.working(e.Progress)
	default:
		view.ended, view.err = e.At, e.Err
	}
}

// working notes how far a step is; the parts of a pull add up.
func (v *stepView) working(p runner.Progress) {
	if _, converges := v.step.Action.(planner.AwaitService); converges || p.ID == "" {
		v.progress = p
		return
	}
	if v.layers == nil {
		v.layers = map[string]runner.Progress{}
	}
	v.layers[p.ID] = p
	sum := runner.Progress{Text: p.Text, Line: v.progress.Line}
	for _, layer := range v.layers {
		sum.Current += layer.Current
		sum.Total += layer.Total
	}
	v.progress = sum
}

// hidden says that an event is a part of a replacement that docker compose's lines do not have.
func (b *board) hidden(e runner.Event) bool {
	if e.Undo {
		return false
	}
	switch a := e.Step.Action.(type) {
	case planner.StopContainer:
		return b.replaced[a.Name] && e.State != runner.Failed
	case planner.RemoveContainer:
		return b.replaced[a.Name] && e.State != runner.Failed
	}
	return false
}

// finalRef is what an action is about, under the name that it has in the end.
func (b *board) finalRef(a planner.Action) planner.Ref {
	ref := a.Resource()
	if final := b.successors[ref.Name]; final != "" && ref.Kind == planner.KindContainer {
		ref.Name = final
	}
	return ref
}

// active says that a step is under way.
func (v *stepView) active() bool { return v.state == runner.Begun || v.state == runner.Working }

// over says that nothing more comes of a step.
func (v *stepView) over() bool { return v.state != "" && !v.active() }

// state is how the row stands as a whole: empty while nothing has begun.
func (r *row) state() runner.StepState {
	begun, over := false, true
	for _, s := range r.steps {
		switch {
		case s.state == runner.Failed:
			return runner.Failed
		case s.state == runner.Skipped, s.state == runner.Cancelled:
			return s.state
		case s.state != "":
			begun = true
		}
		over = over && s.over()
	}
	switch {
	case over:
		return runner.Done
	case begun:
		return runner.Working
	}
	return ""
}

// current is the step that is under way and began last; nil if none is.
func (r *row) current() *stepView {
	var latest *stepView
	for _, s := range r.steps {
		if s.active() && (latest == nil || !s.began.Before(latest.began)) {
			latest = s
		}
	}
	return latest
}

// span is how long a row's steps took, what goes on at the same time counted
// once and the time in which it waits for others not at all.
func (r *row) span(now time.Time) time.Duration {
	var begun []*stepView
	for _, s := range r.steps {
		if !s.began.IsZero() {
			begun = append(begun, s)
		}
	}
	slices.SortStableFunc(begun, func(a, b *stepView) int { return a.began.Compare(b.began) })
	var sum time.Duration
	var until time.Time
	for _, s := range begun {
		from, to := s.began, s.ended
		if to.IsZero() {
			to = now
		}
		if from.Before(until) {
			from = until
		}
		if to.After(from) {
			sum, until = sum+to.Sub(from), to
		}
	}
	return sum
}

// waitsFor names the rows whose steps the row's next step needs.
func (b *board) waitsFor(r *row) []string {
	var names []string
	for _, s := range r.steps {
		if s.state != "" {
			continue
		}
		for _, id := range s.step.Needs {
			need := b.steps[id]
			if need != nil && !need.over() && need.row != r && !slices.Contains(names, need.row.name) {
				names = append(names, need.row.name)
			}
		}
		if len(names) > 0 {
			break
		}
	}
	return names
}

// outcome is what became of a row, in a word or three.
func (r *row) outcome() string {
	replaced, word := 0, ""
	for _, s := range r.steps {
		if s.state != runner.Done || s.err != nil {
			continue
		}
		switch a := s.step.Action.(type) {
		case planner.RenameContainer:
			replaced++
		case planner.Await:
			word = awaitOutcome(a.Condition, word)
		case planner.AwaitService:
			word = awaitOutcome(a.Condition, word)
		case planner.CreateContainer:
			if a.Labels[planner.LabelReplaces] == "" {
				word = "created"
			}
		case planner.UpdateContainer, planner.ConnectNetwork, planner.DisconnectNetwork:
			word = "updated in place"
		default:
			if done := wordsOf(a).done; done != "" && !r.isPartOfReplacement(s) {
				word = strings.ToLower(done)
			}
		}
	}
	switch {
	case replaced == 1:
		return "replaced"
	case replaced > 1:
		return fmt.Sprintf("%d replaced", replaced)
	}
	return word
}

func (r *row) isPartOfReplacement(s *stepView) bool {
	return isReplacement(s.step)
}

// awaitOutcome is the word after a wait.
func awaitOutcome(c planner.Condition, before string) string {
	switch c {
	case planner.IsHealthy:
		return "healthy"
	case planner.IsCompleted:
		return "completed"
	case planner.IsReady, planner.IsStable:
		return "ready"
	}
	return before
}

// replacements counts the containers of a row that have been and will be replaced.
func (r *row) replacements() (done, all int) {
	for _, s := range r.steps {
		if _, ok := s.step.Action.(planner.RenameContainer); ok {
			all++
			if s.state == runner.Done {
				done++
			}
		}
	}
	return done, all
}

// slowest is the service that took the longest, if any took time.
func (b *board) slowest(now time.Time) (name string, took time.Duration) {
	for _, r := range b.rows {
		if span := r.span(now); r.kind == planner.KindService && span > took {
			name, took = r.name, span
		}
	}
	return name, took
}

// services counts those that are at their goal, and all.
func (b *board) services() (done, all int) {
	done, all = b.idle, b.idle
	for _, r := range b.rows {
		if r.kind != planner.KindService {
			continue
		}
		all++
		if r.state() == runner.Done {
			done++
		}
	}
	return done, all
}
