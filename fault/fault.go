// Package fault does to a stack that runs what happens to stacks: it kills, stops, pauses, restarts and cuts off containers, and makes
// the way from one service to another slow, narrow or broken. Whatever it does it takes back: when the time of the fault is over, when
// its context ends, and when anything fails.
package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// Engine is what faults need of a container engine.
type Engine interface {
	Observe(ctx context.Context, scope planner.Scope) (planner.State, error)
	Inspect(ctx context.Context, name string) (planner.Container, error)
	Apply(ctx context.Context, a planner.Action, report func(runner.Progress)) error
	// NetworkAgent starts muster's own program with these arguments in the network of a container, as one that may administer it.
	NetworkAgent(ctx context.Context, container string, args []string) (Agent, error)
}

// Agent is a program on the engine's side that ends when its input does.
type Agent interface {
	// Copy writes what it prints until it ends.
	Copy(out, errs io.Writer) error
	CloseWrite() error
	ExitCode(ctx context.Context) (int, error)
	Close() error
}

// Fault is something that can be done to a container.
type Fault interface {
	// Did says in a word or two what has been done to it, such as "killed".
	Did() string
	// Lasts is false where it is over as soon as it is done.
	Lasts() bool
	begin(ctx context.Context, s *scene, c planner.Container) (end func(ctx context.Context) (string, error), err error)
}

// Job is a fault with its targets and its times. What is zero does not count: a fault without a period is done once, and one without
// an end lasts until the context's.
type Job struct {
	Fault Fault
	// Services are those whose running containers it is done to, all of them or, where Random, one each time.
	Services []string
	Random   bool
	// Seed makes what is chosen at random the same again.
	Seed uint64
	// Delay is how long it waits before the first time, Every the time from one beginning to the next, For how long each lasts.
	Delay, Every, For time.Duration
}

// Check says what makes no sense about the times; nil where all does.
func (j Job) Check() error {
	switch {
	case j.Every < 0 || j.For < 0 || j.Delay < 0:
		return &MistakeError{"a time cannot be negative", "write it such as 10s or 1m30s"}
	case len(j.Services) == 0:
		return &MistakeError{"no service is named", "name those that it is done to"}
	case !j.Fault.Lasts() && j.For > 0:
		return &MistakeError{j.Fault.Did() + " is over at once, and lasts for no time", "take --for out"}
	case j.Fault.Lasts() && j.Every > 0 && j.For == 0:
		return &MistakeError{"with --every it has to be said how long each fault lasts", "add --for, such as --for " + (j.Every / 2).String()}
	case j.Every > 0 && j.For >= j.Every:
		return &MistakeError{fmt.Sprintf("a fault that lasts for %s cannot come every %s", j.For, j.Every), "make --for shorter than --every"}
	}
	return nil
}

// MistakeError is a fault that was asked for and makes no sense.
type MistakeError struct{ problem, hint string }

// Error is what makes no sense.
func (e *MistakeError) Error() string { return e.problem }

// Hint says what to write instead.
func (e *MistakeError) Hint() string { return e.hint }

// Event is something that was done, or taken back.
type Event struct {
	At        time.Time
	Container string // its name; empty where there was none to choose
	Did       string // such as "killed", or "started again"
	TakenBack bool
	Job       Job
}

// Options say how faults are done. The zero value works.
type Options struct {
	// Events gets everything that is done, one at a time.
	Events func(Event)
	// Begun is called for each job when its fault has been done for the first time to all that it is for.
	Begun func(Job)
	// Standing gets, before each change, the containers that have to be put back as they are here, for one who does
	// that where this process cannot; the last call has none.
	Standing func([]planner.Container) error
	// UndoTimeout bounds the taking back of one fault, which goes on after the context's end; 0 is one minute.
	UndoTimeout time.Duration
}

// Run does all jobs at the same time, and returns when all are over and taken back. The end of ctx is no error. Where one fails
// the others end too.
func Run(ctx context.Context, on Engine, project string, jobs []Job, o Options) error {
	if o.Events == nil {
		o.Events = func(Event) {}
	}
	if o.UndoTimeout == 0 {
		o.UndoTimeout = time.Minute
	}
	s := &scene{on: on, project: project, o: o}
	group, inner := errgroup.WithContext(ctx)
	for _, j := range jobs {
		if err := j.Check(); err != nil {
			return err
		}
		group.Go(func() error { return s.job(inner, j) })
	}
	err := group.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return err
}

func (s *scene) job(ctx context.Context, j Job) error {
	if !pause(ctx, j.Delay) {
		return nil
	}
	chance := rand.New(rand.NewPCG(j.Seed, j.Seed))
	next := time.Now()
	for first := true; ; first = false {
		if err := s.round(ctx, j, chance, first); err != nil || j.Every == 0 {
			return err
		}
		next = next.Add(j.Every)
		if !pause(ctx, time.Until(next)) {
			return nil
		}
	}
}

// round does the fault once to those that it is for, and takes it back.
func (s *scene) round(ctx context.Context, j Job, chance *rand.Rand, first bool) error {
	targets, err := s.targets(ctx, j, chance)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		if first && !s.disturbs(j.Services) {
			return &MistakeError{fmt.Sprintf("no container of %s runs", list(j.Services)), "bring it up with `muster up -d`"}
		}
		s.tell(Event{Did: "nothing to do it to: no container of " + list(j.Services) + " runs", Job: j})
		return nil
	}
	ends := make([]func(context.Context) (string, error), len(targets))
	began, inner := errgroup.WithContext(ctx)
	for i, c := range targets {
		began.Go(func() (err error) {
			if ends[i], err = j.Fault.begin(inner, s, c); err == nil {
				s.tell(Event{Container: c.Name, Did: j.Fault.Did(), Job: j})
			}
			return err
		})
	}
	err = began.Wait()
	if err == nil && first && s.o.Begun != nil {
		s.o.Begun(j)
	}
	if err == nil && j.Fault.Lasts() {
		if j.For > 0 {
			pause(ctx, j.For)
		} else {
			<-ctx.Done()
		}
	}
	return errors.Join(err, s.end(ctx, j, targets, ends))
}

// end takes back what has been begun, also where that has failed halfway.
func (s *scene) end(ctx context.Context, j Job, targets []planner.Container, ends []func(context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.UndoTimeout)
	defer cancel()
	var group errgroup.Group
	failed := make([]error, len(targets))
	for i, c := range targets {
		if ends[i] == nil {
			continue
		}
		group.Go(func() error {
			did, err := ends[i](ctx)
			if failed[i] = err; err == nil && did != "" {
				s.tell(Event{Container: c.Name, Did: did, TakenBack: true, Job: j})
			}
			return nil
		})
	}
	_ = group.Wait()
	return errors.Join(failed...)
}

// targets are the containers that a fault is done to now, sorted by name.
func (s *scene) targets(ctx context.Context, j Job, chance *rand.Rand) ([]planner.Container, error) {
	have, err := s.on.Observe(ctx, planner.Scope{Project: s.project})
	if err != nil {
		return nil, err
	}
	out := running(have, j.Services...)
	if j.Random && len(out) > 0 {
		i := chance.IntN(len(out))
		out = out[i : i+1]
	}
	return out, nil
}

// running are the containers of services that run.
func running(have planner.State, services ...string) []planner.Container {
	var out []planner.Container
	for _, c := range have.Containers {
		if c.Status == planner.Running && !c.OneOff && slices.Contains(services, c.Service) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b planner.Container) int {
		if a.Service != b.Service {
			return slices.Index(services, a.Service) - slices.Index(services, b.Service)
		}
		return a.Number - b.Number
	})
	return out
}

// pause is false where ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// list is "web", "web and db", "web, db and cache".
func list(names []string) string {
	text := ""
	for i, n := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			text += " and "
		default:
			text += ", "
		}
		text += n
	}
	return text
}
