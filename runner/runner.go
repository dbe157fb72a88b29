// Package runner carries out a plan: it walks the graph, does what can be done
// at the same time at the same time, reports every step, and takes a failed
// replacement back.
package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

// Engine is what a plan needs of a container engine, and no more.
type Engine interface {
	// Observe answers with what exists, in a fixed number of calls however
	// large the project is.
	Observe(ctx context.Context, scope planner.Scope) (planner.State, error)
	Inspector
	// Apply does one action. It is idempotent: "already so" is success.
	// report may be called at any time until Apply returns; it may be nil.
	Apply(ctx context.Context, a planner.Action, report func(Progress)) error
}

// Progress is how far a long action has come.
type Progress struct {
	ID      string // part of the action, such as a layer; empty is the whole
	Text    string // "Downloading"
	Current int64  // bytes or steps
	Total   int64  // 0 where unknown
	Line    string // a line of build output
	// Trying is what a wait tries, for the Current-th time, where it tries something; Text is
	// what came of it.
	Trying string
}

// Options say how to run. The zero value works.
type Options struct {
	// Parallel bounds the actions in flight; 0 or less begins with a number that suits
	// most engines and finds a better one while it goes on. Waits do not count.
	Parallel int
	// Events gets everything that happens, one at a time, in order; it must not block for long.
	Events func(Event)
	// Health answers Await steps; needed by plans that have any.
	Health healthcheck.Engine
	// ProbeEngineOnly leaves the containers' health checks to the engine.
	ProbeEngineOnly bool
	// Asked is how long after its start it was worth asking a service's check, when it was started last; see
	// [healthcheck.Target]. It may be nil.
	Asked func(service string) time.Duration
	// Passed is told that of each container that this run has started, as Events is. It may be nil.
	Passed func(service string, asked time.Duration)
	// UndoTimeout bounds the taking back of one group, which goes on after
	// a cancellation; 0 is one minute.
	UndoTimeout time.Duration
}

// Event is something that happened during a run.
type Event struct {
	Step     planner.Step
	State    StepState
	At       time.Time
	Progress Progress // with State Working
	Err      error    // with Failed; with Skipped, the failure that caused it; with Done, why an optional wait was in vain
	// Undo says that Action (and not the step's own) is being taken back.
	Undo   bool
	Action planner.Action
}

// StepState is where a step has got to.
type StepState string

// The states of a step. Every step of a plan ends as Done, Failed, Skipped or Cancelled.
const (
	Begun     StepState = "begun"
	Working   StepState = "working"
	Done      StepState = "done"
	Failed    StepState = "failed"
	Skipped   StepState = "skipped"
	Cancelled StepState = "cancelled"
)

// StepError is what the engine refused.
type StepError struct {
	Step  planner.Step
	Cause error
	Hint  string
	// Undone says what was taken back; nil where nothing had to be.
	Undone []planner.Action
	// UndoErr is what went wrong while taking back.
	UndoErr error
	// Rollout is what became of the rollout that the step is part of; nil where it is part of none. It is
	// filled in when Run returns.
	Rollout *RolloutEnd
}

// RolloutEnd is what became of the replicas of a service that were to be replaced.
type RolloutEnd struct {
	planner.Rollout
	Replaced int // have their new containers
	Failed   int // were tried and have their old containers again
	PutBack  int // were replaced and have their old containers again, since the rollout failed
	Left     int // were not begun
	// BackErr is why others that were replaced could not be put back.
	BackErr error
}

// Error names the step and the cause.
func (e *StepError) Error() string { return fmt.Sprintf("%s: %v", e.Step.ID, e.Cause) }

// Unwrap gives the cause.
func (e *StepError) Unwrap() error { return e.Cause }

// Hinter is an error that knows what to do about it.
type Hinter interface{ Hint() string }

// Errors are the failures of one run, in the plan's order.
type Errors []*StepError

// Error lists them, a line each.
func (es Errors) Error() string {
	var text string
	for i, e := range es {
		if i > 0 {
			text += "\n"
		}
		text += e.Error()
	}
	return text
}

// Unwrap lets errors.As reach each failure.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// Run carries out plan on engine. A failed step skips exactly what needs it; the
// rest goes on. When a step of a group fails or is cancelled, what its group has
// done is taken back by the steps' undo actions, unless the group has already
// removed something for good. A rollout in which more replicas fail than may is stopped, or goes back, as
// the plan says.
//
// When ctx is cancelled no further step begins, those in flight get the
// cancellation, and unfinished groups are taken back in a time of their own.
// The error is [Errors], or ctx's cause where it was cancelled, or both joined. A
// plan that is not a graph is refused before anything is done.
func Run(ctx context.Context, engine Engine, plan planner.Plan, o Options) error {
	g, err := newGraph(plan)
	if err != nil {
		return err
	}
	if len(plan.Steps) == 0 {
		return nil
	}
	w := newWalk(ctx, engine, g, o)
	if g.awaits {
		stop, err := w.startWaiter(ctx)
		if err != nil {
			return err
		}
		defer stop()
	}
	// Workers that still want to tell something are let go before the waiter
	// is, which may be one of them.
	defer close(w.over)
	return w.run()
}
