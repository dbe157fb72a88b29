package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/musterhq/muster/healthcheck"
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
}

// takeBack begins the undo of a group that will not come to its end, once
// nothing of it is in flight any more.
func (w *walk) takeBack(g *group) {
	if g == nil || !g.broken || g.inflight > 0 || g.undoing || len(g.done)+len(g.halfDone) == 0 {
		return
	}
	g.undoing = true
	if w.committed(g) {
		return
	}
	var todo []undo
	for _, i := range latestFirst(g) {
		for _, a := range w.graph.steps[i].Undo {
			todo = append(todo, undo{i, a})
		}
	}
	if len(todo) == 0 {
		return
	}
	w.running++
	go w.undo(g, todo)
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
		err := w.apply(ctx, u.action, func(p Progress) { tell(Working, p, nil) })
		if err != nil {
			tell(Failed, Progress{}, err)
			errs = append(errs, fmt.Errorf("take back %s: %w", step.ID, err))
			continue
		}
		tell(Done, Progress{}, nil)
		undone = append(undone, u.action)
	}
	w.tell(func() { w.tookBack(g, todo[0].step, undone, errors.Join(errs...)) })
}

// tookBack notes what an undo came to.
func (w *walk) tookBack(g *group, latest int, undone []planner.Action, err error) {
	w.running--
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
	await, ok := a.(planner.Await)
	if !ok {
		return w.engine.Apply(ctx, a, report)
	}
	return w.waiter.Wait(ctx, healthcheck.Target{Name: await.Name, Condition: healthcheck.Condition(await.Condition),
		Timeout: await.Timeout, Monitor: await.Monitor, OrCompleted: await.OrCompleted})
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
