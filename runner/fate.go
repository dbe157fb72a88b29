package runner

import (
	"context"
	"errors"

	"github.com/musterhq/muster/planner"
)

// failed notes a failure and skips what can no longer be done.
func (w *walk) failed(i int, cause error) {
	failure := &StepError{Step: w.graph.steps[i], Cause: cause}
	if r := w.rollouts[failure.Step.Rollout]; r != nil {
		failure.Rollout = r.end
	}
	var hinter Hinter
	if errors.As(cause, &hinter) {
		failure.Hint = hinter.Hint()
	}
	w.errs[i] = failure
	// Whoever gets the event may keep it, while what is taken back is still added here.
	told := *failure
	g := w.groups[failure.Step.Group]
	if g != nil {
		g.broken = true
		g.halfDone = append(g.halfDone, i)
	}
	w.finish(i, Failed, &told)
	if g != nil {
		w.breakUp(g, failure, &told)
	}
	w.skip(w.graph.next[i], failure, &told)
	w.endIdleWaits()
}

// ErrNobodyWaits is the Err of a wait that was ended since all that needed it is skipped: with the first replica of
// a dependency that fails there is nothing to wait for at the others.
var ErrNobodyWaits = errors.New("nothing waits for it any more")

// endIdleWaits ends the waits that nobody needs any more. Those that nobody ever needed were asked for themselves.
func (w *walk) endIdleWaits() {
	for i, step := range w.graph.steps {
		a, ok := step.Action.(planner.Await)
		idle := ok && a.Condition != planner.IsStable && step.Group == "" && len(w.graph.next[i]) > 0
		for _, j := range w.graph.next[i] {
			idle = idle && w.state[j] == Skipped
		}
		if !idle {
			continue
		}
		if end := w.calls[i]; end != nil {
			end(ErrNobodyWaits)
		} else if w.state[i] == "" {
			w.done(i, ErrNobodyWaits)
		}
	}
}

// breakUp gives a group up because of a failure of its own or one that it depends on.
func (w *walk) breakUp(g *group, failure, told *StepError) {
	g.broken = true
	if g.failure == nil {
		g.failure = failure
		w.countFailure(g, failure, told)
	}
}

// skip ends the given steps and all that need them, as far as they have not
// begun. A group of which one step cannot be done is not done any further: the rest of a
// replacement would get in the way of its undo.
func (w *walk) skip(steps []int, failure, told *StepError) {
	stack := append([]int(nil), steps...)
	if g := w.groups[failure.Step.Group]; g != nil {
		stack = append(stack, g.steps...)
	}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if w.state[i] != "" {
			continue
		}
		if w.optional(i) {
			w.done(i, told)
			continue
		}
		// The group first: what comes after this step has to wait until that is taken back.
		g := w.groups[w.graph.steps[i].Group]
		broke := g != nil && !g.broken && !g.goesBack
		if broke {
			w.breakUp(g, failure, told)
			stack = append(stack, g.steps...)
		}
		if w.state[i] == "" {
			w.finish(i, Skipped, told)
			stack = append(stack, w.graph.next[i]...)
		}
		if broke {
			w.takeBack(g)
		}
	}
}

// cancel ends every step that has not begun. Those in flight get the
// cancellation through their context.
func (w *walk) cancel() {
	if w.cancelled {
		return
	}
	w.cancelled = true
	// What only waits to be judged with others stays as it is, for the next plan to carry on.
	stays := map[*group]bool{}
	for _, g := range w.groups {
		stays[g] = w.proven(g)
	}
	for i := range w.state {
		if w.state[i] == "" {
			w.finish(i, Cancelled, context.Cause(w.ctx))
			if g := w.groups[w.graph.steps[i].Group]; g != nil && !stays[g] {
				g.broken = true
			}
		}
	}
	for _, name := range sortedKeys(w.groups) {
		w.takeBack(w.groups[name])
	}
}
