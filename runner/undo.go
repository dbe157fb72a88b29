package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/musterhq/muster/planner"
)

// group is one replacement, which is carried through or taken back.
type group struct {
	steps    []int
	inflight int
	done     []int // in the order of their ends
	halfDone []int // failed or cancelled in flight
	broken   bool  // it will not come to its end
	failure  *StepError
	undoing  bool
	goesBack bool            // it was replaced and goes back with its rollout
	settled  bool            // taken back, as far as that was possible
	latest   int             // when its last step began, in steps of the run
	reach    map[*group]bool // the groups that have steps which need steps of this one, once asked for
}

// begun says whether a group has anything to take back, now or later.
func (g *group) begun() bool { return g.inflight+len(g.done)+len(g.halfDone) > 0 }

// takeBack begins the undo of a group that will not come to its end, once
// nothing of it is in flight any more, and nothing that was built on it is left.
func (w *walk) takeBack(g *group) {
	if g == nil || !g.broken || g.inflight > 0 || g.undoing || !g.begun() || w.builtOn(g) {
		return
	}
	g.undoing = true
	var todo []undo
	if !w.committed(g) {
		for _, i := range latestFirst(g) {
			for _, a := range w.graph.steps[i].Undo {
				todo = append(todo, undo{i, a})
			}
		}
	}
	if len(todo) == 0 {
		w.tookBack(g, 0, nil, nil)
		return
	}
	w.running++
	go w.undo(g, todo)
}

// builtOn says whether another group has to be taken back first, since steps
// of it need steps of this one: what was given up for it comes back after it is gone. Of groups that
// need each other the one that began a step last goes first.
func (w *walk) builtOn(g *group) bool {
	for _, name := range sortedKeys(w.groups) {
		h := w.groups[name]
		if h == g || !h.broken || !h.begun() || h.settled || !w.reach(g)[h] {
			continue
		}
		if !w.reach(h)[g] || h.latest > g.latest {
			return true
		}
	}
	return false
}

// reach finds the groups that have steps which need steps of g, or of a group that it finds so.
func (w *walk) reach(g *group) map[*group]bool {
	if g.reach != nil {
		return g.reach
	}
	g.reach = map[*group]bool{}
	seen := make([]bool, len(w.graph.steps))
	stack := slices.Clone(g.steps)
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[i] {
			continue
		}
		seen[i] = true
		if h := w.groups[w.graph.steps[i].Group]; h != nil && h != g && !g.reach[h] {
			// All of it: or three groups could each have to wait for the next.
			g.reach[h] = true
			stack = append(stack, h.steps...)
		}
		stack = append(stack, w.graph.next[i]...)
	}
	return g.reach
}

// committed says whether a group has removed something for good, or may
// have: then going back would lose what works, and the next plan finishes it.
func (w *walk) committed(g *group) bool {
	for _, i := range append(slices.Clone(g.done), g.halfDone...) {
		if w.graph.final[i] {
			return true
		}
	}
	return false
}

// latestFirst lists the steps to take back.
func latestFirst(g *group) []int {
	out := append(slices.Clone(g.done), g.halfDone...)
	slices.Reverse(out)
	return out
}

// undo is one action that takes back one step.
type undo struct {
	step   int
	action planner.Action
}

// undo runs in a worker. What cannot be taken back does not keep the rest
// from being taken back: the old container is started even if the new one
// could not be removed.
func (w *walk) undo(g *group, todo []undo) {
	bound := w.o.UndoTimeout
	if bound <= 0 {
		bound = undoTimeout
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), bound)
	defer cancel()
	var undone []planner.Action
	var errs []error
	for _, u := range todo {
		step := w.graph.steps[u.step]
		tell := func(s StepState, p Progress, err error) {
			w.tell(func() {
				w.emit(Event{Step: step, State: s, Progress: p, Err: err, Undo: true, Action: u.action})
			})
		}
		tell(Begun, Progress{}, nil)
		err := w.applyUndo(ctx, u.action, func(p Progress) { tell(Working, p, nil) })
		if err != nil {
			tell(Failed, Progress{}, err)
			if isParting(u.action) {
				continue // told, and no more: its container goes all the same
			}
			errs = append(errs, fmt.Errorf("take back %s: %w", step.ID, err))
			continue
		}
		tell(Done, Progress{}, nil)
		undone = append(undone, u.action)
	}
	w.tell(func() {
		w.running--
		w.tookBack(g, todo[0].step, undone, errors.Join(errs...))
	})
}

// applyUndo does one action of an undo. A hook gets half of the time that is left: what comes after it brings back what worked.
func (w *walk) applyUndo(ctx context.Context, a planner.Action, report func(Progress)) error {
	if end, bounded := ctx.Deadline(); bounded {
		if _, hook := a.(planner.RunHook); hook {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
			defer cancel()
		}
	}
	return w.apply(ctx, a, report)
}

// isParting says whether an action is a hook that runs before a stop.
func isParting(a planner.Action) bool {
	h, ok := a.(planner.RunHook)
	return ok && h.When == "pre_stop"
}

// tookBack notes what an undo came to, and lets those go on that waited for it.
func (w *walk) tookBack(g *group, latest int, undone []planner.Action, err error) {
	g.settled = true
	w.noteUndo(g, latest, undone, err)
	for _, i := range g.steps {
		if s := w.state[i]; s != "" && s != Begun {
			w.release(i)
		}
	}
	for _, name := range sortedKeys(w.groups) {
		w.takeBack(w.groups[name])
	}
}

func (w *walk) noteUndo(g *group, latest int, undone []planner.Action, err error) {
	failure := g.failure
	if failure == nil { // cancelled
		if err == nil {
			return
		}
		failure = &StepError{Step: w.graph.steps[latest], Cause: context.Cause(w.ctx)}
		w.errs[latest] = failure
	}
	failure.Undone = append(failure.Undone, undone...)
	failure.UndoErr = errors.Join(failure.UndoErr, err)
}

// apply does one action, in a worker.
func (w *walk) apply(ctx context.Context, a planner.Action, report func(Progress)) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: string(debug.Stack())}
		}
	}()
	switch a := a.(type) {
	case planner.Await:
		t := targetOf(a)
		if w.o.Asked != nil && w.graph.starts[a.Name] {
			t.Asked = w.o.Asked(a.Service)
		}
		return w.waiter.Wait(ctx, t)
	case planner.Delay:
		return pass(ctx, a.For)
	}
	return w.engine.Apply(ctx, a, report)
}

// pass lets time go by.
func pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
