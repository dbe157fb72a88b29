package runner

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

// undoTimeout bounds the taking back of one group where Options do not.
const undoTimeout = time.Minute

// walk is one run. The goroutine that calls run owns it; workers get what they
// need as arguments and answer through tell.
type walk struct {
	ctx    context.Context
	engine Engine
	graph  *graph
	o      Options
	waiter *healthcheck.Waiter

	mail chan func()   // what workers tell, run by the owner
	over chan struct{} // closed when the owner no longer listens

	state    []StepState // empty until begun
	needs    []int       // not done yet
	after    []int       // not over yet
	let      []bool      // those that come after it have been told that it is over
	ready    [classes]*queue
	inflight [classes]int
	total    int // in flight, in all bounded classes
	running  int // steps and undos in flight, waits too
	limit    [classes]int
	crowd    *crowd // has the limit of quick actions; nil where a user has set one

	errs   map[int]*StepError // by step
	groups map[string]*group
	// rollouts are by service, inRollouts by group.
	rollouts   map[string]*rollout
	inRollouts map[string][]*rollout
	awaits     map[string][]int                // steps in flight that wait for a container, by its name
	calls      map[int]context.CancelCauseFunc // ends a step in flight that only waits

	begunSteps int // of groups
	cancelled  bool
}

// newWalk makes everything that a run needs, and does nothing.
func newWalk(ctx context.Context, engine Engine, g *graph, o Options) *walk {
	w := &walk{ctx: ctx, engine: engine, graph: g, o: o,
		mail: make(chan func()), over: make(chan struct{}),
		state: make([]StepState, len(g.steps)), needs: append([]int(nil), g.needs...),
		after: append([]int(nil), g.after...), let: make([]bool, len(g.steps)),
		limit: limits(o.Parallel), errs: map[int]*StepError{}, groups: map[string]*group{}, awaits: map[string][]int{},
		calls: map[int]context.CancelCauseFunc{}}
	for c := range w.ready {
		w.ready[c] = &queue{graph: g}
	}
	if o.Parallel <= 0 {
		w.crowd = newCrowd(w.limit[quick], g.count(quick))
	}
	for name, members := range g.groups {
		w.groups[name] = &group{steps: members}
	}
	w.openRollouts()
	return w
}

// limits are the bounds on actions in flight. What a user asks for bounds
// everything together. Otherwise quick actions do not queue behind downloads
// and stops, and theirs is only where [crowd] begins: four times the processors keeps a local engine at work without a crowd
// at its locks (docs/performance.md has what was measured; they are the client's, since asking the engine for its own is
// a call that takes longer than it is worth). An engine fetches three layers at a time anyway, and a stop mostly sleeps.
func limits(parallel int) [classes]int {
	if parallel > 0 {
		return [classes]int{quick: parallel, fetch: parallel, linger: parallel}
	}
	return [classes]int{quick: min(max(4*runtime.GOMAXPROCS(0), 8), 16), fetch: 4, linger: 64}
}

// startWaiter begins to collect events, before the first step can cause any.
func (w *walk) startWaiter(ctx context.Context) (stop func(), err error) {
	if w.o.Health == nil {
		return nil, errors.New("the plan waits for containers, and nobody can say how they are")
	}
	// Waits that a cancellation takes back still need the events.
	ctx = context.WithoutCancel(ctx)
	w.waiter = healthcheck.New(w.o.Health, healthcheck.Options{ProbeEngineOnly: w.o.ProbeEngineOnly, Report: w.waitReport, Passed: w.passed})
	if err := w.waiter.Start(ctx); err != nil {
		return nil, err
	}
	return w.waiter.Close, nil
}

// tell hands f to the owner; it is dropped when the run is over.
func (w *walk) tell(f func()) {
	select {
	case w.mail <- f:
	case <-w.over:
	}
}

// run is the owner's loop.
func (w *walk) run() error {
	for i := range w.needs {
		w.enqueue(i)
	}
	done := w.ctx.Done()
	if w.ctx.Err() != nil {
		w.cancel()
		done = nil
	}
	w.begin()
	for w.running > 0 {
		select {
		case f := <-w.mail:
			f()
			w.rollBack()
		case <-done:
			w.cancel()
			done = nil
		}
		w.begin()
	}
	return w.result()
}

// enqueue makes a step ready, if nothing is before it any more.
func (w *walk) enqueue(i int) {
	if w.needs[i] > 0 || w.after[i] > 0 || w.state[i] != "" {
		return
	}
	heap.Push(w.ready[classOf(w.graph.steps[i].Action)], i)
}

// begin starts every step that may start now.
func (w *walk) begin() {
	for c := range classes {
		for w.ready[c].Len() > 0 && w.room(c) {
			i := heap.Pop(w.ready[c]).(int)
			if w.state[i] == "" {
				w.start(i, c)
			}
		}
	}
}

// room says whether one more action of a class may begin.
func (w *walk) room(c class) bool {
	switch {
	case c == unbound:
		return true
	case w.o.Parallel > 0:
		return w.total < w.o.Parallel
	case c == quick:
		return w.inflight[c] < w.crowd.limit
	default:
		return w.inflight[c] < w.limit[c]
	}
}

func (w *walk) start(i int, c class) {
	// A cancellation that has come but was not read yet counts already.
	if !w.cancelled && w.ctx.Err() != nil {
		w.cancel()
		return
	}
	step := w.graph.steps[i]
	w.state[i] = Begun
	w.count(c, 1)
	if g := w.groups[step.Group]; g != nil {
		g.inflight++
		w.begunSteps++
		g.latest = w.begunSteps
	}
	w.emit(Event{Step: step, State: Begun, Action: step.Action})
	ctx := w.ctx
	switch a := step.Action.(type) {
	case planner.Await:
		w.awaits[a.Name] = append(w.awaits[a.Name], i)
		ctx, w.calls[i] = context.WithCancelCause(ctx)
	case planner.Delay:
		ctx, w.calls[i] = context.WithCancelCause(ctx)
	}
	report := func(p Progress) {
		w.tell(func() { w.working(i, p) })
	}
	note := func(error) {}
	if c == quick && w.crowd != nil {
		k := w.crowd.began(step.Action)
		note = func(err error) { w.crowd.ended(k, err) }
	}
	go func() {
		err := w.apply(ctx, step.Action, report)
		w.tell(func() {
			note(err)
			w.ended(i, c, err)
		})
	}()
}

func (w *walk) count(c class, by int) {
	w.running += by
	w.inflight[c] += by
	if c != unbound {
		w.total += by
	}
}

// working passes progress on, unless its step has ended.
func (w *walk) working(i int, p Progress) {
	if w.state[i] == Begun {
		step := w.graph.steps[i]
		w.emit(Event{Step: step, State: Working, Progress: p, Action: step.Action})
	}
}

// waitReport passes on what a wait is at; it is called from the waiter's goroutine.
func (w *walk) waitReport(name string, a healthcheck.Attempt) {
	w.tell(func() {
		for _, i := range w.awaits[name] {
			w.working(i, Progress{Trying: a.What, Text: a.Output, Current: int64(a.Try)})
		}
	})
}

// passed passes on that a check has succeeded; it is called from the waiter's goroutine.
func (w *walk) passed(container string, asked time.Duration) {
	if w.o.Passed == nil || !w.graph.starts[container] {
		return
	}
	w.tell(func() {
		if steps := w.awaits[container]; len(steps) > 0 {
			w.o.Passed(w.graph.steps[steps[0]].Action.Resource().Service, asked)
		}
	})
}

// ended takes in how a step ended.
func (w *walk) ended(i int, c class, err error) {
	// A cancellation that has come but was not read yet counts already.
	if err != nil && w.ctx.Err() != nil {
		w.cancel()
	}
	step := w.graph.steps[i]
	w.count(c, -1)
	if a, ok := step.Action.(planner.Await); ok {
		w.awaits[a.Name] = without(w.awaits[a.Name], i)
	}
	if end := w.calls[i]; end != nil {
		end(nil)
		delete(w.calls, i)
	}
	g := w.groups[step.Group]
	if g != nil {
		g.inflight--
	}
	switch {
	case err == nil:
		w.done(i, nil)
	case w.cancelled && stopped(w.ctx, err):
		w.finish(i, Cancelled, context.Cause(w.ctx))
		if g != nil {
			g.halfDone = append(g.halfDone, i)
			g.broken = true
		}
	case errors.Is(err, errCut):
		w.cutShort(i)
	case w.optional(i), errors.Is(err, ErrNobodyWaits):
		w.done(i, err)
	default:
		w.failed(i, err)
	}
	w.takeBack(g)
}

// done notes a step that is done, or an optional wait that was in vain, and lets those go on that need it.
func (w *walk) done(i int, inVain error) {
	w.finish(i, Done, inVain)
	if g := w.groups[w.graph.steps[i].Group]; g != nil {
		g.done = append(g.done, i)
	}
	for _, j := range w.graph.next[i] {
		w.needs[j]--
		w.enqueue(j)
	}
}

// optional says whether those who need a step go on without it.
func (w *walk) optional(i int) bool {
	switch a := w.graph.steps[i].Action.(type) {
	case planner.Await:
		return a.Optional
	case planner.AwaitService:
		return a.Optional
	}
	return false
}

// finish ends a step.
func (w *walk) finish(i int, s StepState, err error) {
	w.state[i] = s
	step := w.graph.steps[i]
	if w.crowd != nil && classOf(step.Action) == quick {
		w.crowd.left--
	}
	w.emit(Event{Step: step, State: s, Err: err, Action: step.Action})
	w.release(i)
}

// release lets those go on that come after a step, when it is over and nothing of its group is to be taken back any more.
func (w *walk) release(i int) {
	g := w.groups[w.graph.steps[i].Group]
	if w.let[i] || g != nil && g.broken && g.begun() && !g.settled {
		return
	}
	w.let[i] = true
	for _, j := range w.graph.later[i] {
		w.after[j]--
		w.enqueue(j)
	}
}

func (w *walk) emit(e Event) {
	if w.o.Events != nil {
		e.At = time.Now()
		w.o.Events(e)
	}
}

// result is what Run returns.
func (w *walk) result() error {
	w.closeRollouts()
	var errs Errors
	cut := false
	for i := range w.graph.steps {
		if e := w.errs[i]; e != nil {
			errs = append(errs, e)
		}
		cut = cut || w.state[i] == Cancelled
	}
	switch {
	case cut && len(errs) > 0:
		return errors.Join(context.Cause(w.ctx), errs)
	case cut:
		return context.Cause(w.ctx)
	case len(errs) > 0:
		return errs
	default:
		return nil
	}
}

// stopped says whether err is only the echo of ctx's end.
func stopped(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Cause(ctx))
}

// PanicError is a panic of an engine, which must not take the program down
// while other containers are half way.
type PanicError struct {
	Value any
	Stack string
}

// Error gives the panic's value.
func (e *PanicError) Error() string { return fmt.Sprintf("engine panicked: %v", e.Value) }

func without(list []int, i int) []int {
	out := list[:0]
	for _, j := range list {
		if j != i {
			out = append(out, j)
		}
	}
	return out
}
