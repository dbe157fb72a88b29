package runner

import (
	"errors"
	"slices"

	"github.com/musterhq/muster/planner"
)

// errCut ends what only lets time pass when its rollout is given up.
var errCut = errors.New("its rollout is given up")

// rollout is the replacement of one service's containers on its way.
type rollout struct {
	planner.Rollout
	steps  []int
	failed int // replicas
	// failure is why it is given up; nil while it is not.
	failure, told *StepError
	back          bool // what was replaced goes back
	goingBack     bool
	end           *RolloutEnd
	way           *walk // back, once it has been gone
}

func (w *walk) openRollouts() {
	w.rollouts, w.inRollouts = map[string]*rollout{}, map[string][]*rollout{}
	for _, spec := range w.graph.rollouts {
		spec.Groups = slices.DeleteFunc(slices.Clone(spec.Groups), func(name string) bool { return w.groups[name] == nil })
		r := &rollout{Rollout: spec, end: &RolloutEnd{Rollout: spec}}
		w.rollouts[spec.Service] = r
		seen := map[string]bool{}
		for _, name := range spec.Groups {
			if !seen[name] {
				seen[name] = true
				w.inRollouts[name] = append(w.inRollouts[name], r)
			}
		}
	}
	for i, step := range w.graph.steps {
		if r := w.rollouts[step.Rollout]; r != nil {
			r.steps = append(r.steps, i)
		}
	}
}

// countFailure notes in the rollouts of a group that its replicas have failed, and gives those up in
// which that is too much.
func (w *walk) countFailure(g *group, failure, told *StepError) {
	for _, r := range w.inRollouts[w.graph.steps[g.steps[0]].Group] {
		for _, name := range r.Groups {
			if w.groups[name] == g {
				r.failed++
			}
		}
		if r.failure == nil && r.OnFailure != planner.ContinueRollout && r.Exceeded(r.failed, len(r.Groups)) {
			r.failure, r.told = failure, told
			r.back = r.OnFailure == planner.RollBack
			w.giveUp(r)
		}
	}
}

// giveUp ends a rollout. What has not begun does not begin. What is on its way comes to its own end, unless all is
// to go back: then it is taken back.
func (w *walk) giveUp(r *rollout) {
	var steps []int
	var broken []*group
	for _, i := range r.steps {
		g := w.groups[w.graph.steps[i].Group]
		_, delay := w.graph.steps[i].Action.(planner.Delay)
		if g != nil && r.back {
			g.goesBack = g.goesBack || w.proven(g)
		}
		switch {
		case g == nil && !r.back && !delay, g != nil && g.begun() && !r.back:
			continue // comes to its own end
		case g != nil && g.goesBack:
		case g != nil && !g.broken:
			g.broken, g.failure = true, r.failure
			broken = append(broken, g)
		}
		if w.state[i] == "" {
			steps = append(steps, i)
		} else if end := w.calls[i]; end != nil {
			end(errCut)
		}
	}
	w.skip(steps, r.failure, r.told)
	for _, g := range broken {
		w.takeBack(g)
	}
}

// cutShort ends a step whose rollout was given up while it only let time pass.
func (w *walk) cutShort(i int) {
	step := w.graph.steps[i]
	if g := w.groups[step.Group]; g != nil {
		g.halfDone = append(g.halfDone, i)
	}
	r := w.rollouts[step.Rollout]
	w.finish(i, Skipped, r.told)
	w.skip(w.graph.next[i], r.failure, r.told)
}

// complete says whether a group has come to its end.
func (w *walk) complete(g *group) bool { return !g.broken && len(g.done) == len(g.steps) }

// proven says whether all that a group has left waits for the others of its rollout to come as far.
func (w *walk) proven(g *group) bool {
	if g.broken || len(g.done) == 0 {
		return false
	}
	for _, i := range g.steps {
		if w.state[i] != Done && (w.state[i] != "" || len(w.graph.steps[i].After) == 0) {
			return false
		}
	}
	return true
}

// rollBack sends the rollouts back that have to go, as soon as nothing of them is on its way any more. A
// cancelled run goes nowhere: the next plan carries on from what it left.
func (w *walk) rollBack() {
	for _, name := range sortedKeys(w.rollouts) {
		r := w.rollouts[name]
		if !r.back || r.goingBack || w.cancelled {
			continue
		}
		var replaced []string
		ready := true
		for _, group := range r.Groups {
			switch g := w.groups[group]; {
			case g.goesBack:
				replaced = append(replaced, group)
			case g.begun() && !g.settled:
				ready = false
			}
		}
		if ready {
			r.goingBack = true
			w.goBack(r, r.Back.Plan(r.Service, replaced))
		}
	}
}

// goBack carries out the way back, as a walk of its own beside this one.
func (w *walk) goBack(r *rollout, plan planner.Plan) {
	if len(plan.Steps) == 0 {
		return
	}
	graph, err := newGraph(plan)
	if err != nil {
		r.end.BackErr = err
		return
	}
	o := w.o
	o.Events = func(e Event) {
		e.Undo = true
		w.tell(func() { w.emit(e) })
	}
	r.way = newWalk(w.ctx, w.engine, graph, o)
	r.way.waiter = w.waiter
	w.running++
	go func() {
		err := r.way.run()
		close(r.way.over)
		w.tell(func() {
			w.running--
			r.end.BackErr = err
		})
	}()
}

// closeRollouts counts what became of the replicas.
func (w *walk) closeRollouts() {
	for _, r := range w.rollouts {
		end := r.end
		back := 0
		if r.way != nil {
			for _, name := range r.way.graph.rollouts[0].Groups {
				g := r.way.groups[name]
				// One without a group has nothing that has to prove itself: the old container did not run before either.
				if g == nil && end.BackErr == nil || g != nil && r.way.complete(g) {
					back++
				}
			}
		}
		for _, name := range r.Groups {
			switch g := w.groups[name]; {
			case g.goesBack, w.complete(g):
				end.Replaced++
			case g.begun():
				end.Failed++
			default:
				end.Left++
			}
		}
		end.Replaced, end.PutBack = end.Replaced-back, back
	}
}
