package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Condition is what can be waited for. The words are the planner's.
type Condition string

// The conditions.
const (
	Running   Condition = "running"
	Healthy   Condition = "healthy"   // a container without a health check fails
	Ready     Condition = "ready"     // healthy, or running where there is no health check
	Stable    Condition = "stable"    // ready without having died once; without a health check, running for all of Monitor
	Steady    Condition = "steady"    // for all of Monitor, from the beginning of the wait, neither ended nor unhealthy
	Completed Condition = "completed" // exited with 0
)

// Target is one wait.
type Target struct {
	Name      string // of the container
	Condition Condition
	Timeout   time.Duration // 0: as long as it takes
	// Monitor is how long a container must keep steady, and one without a health check must keep
	// running to be stable, from the moment it is seen to run.
	Monitor time.Duration
	// Check is what the container is ready by, in the place of its own health check; nil for
	// that. It counts with Healthy, Ready and Stable. The waits for one container share the
	// first that one of them has.
	Check *Check
	// Asked is how long after the beginning of a wait it was worth asking the check, when the container was started last: when the one was asked that
	// succeeded, or halfway to that from one that came too early. Nothing is asked for most of that, half a second at most: a check that fails keeps the
	// start up that it waits for. 0 where it is not known, or was not started just now.
	Asked time.Duration
	// OrCompleted: where running for long is waited for (ready, stable, running), having
	// exited with 0 is as good.
	OrCompleted bool
}

// Options say how to wait. The zero value works.
type Options struct {
	// ProbeEngineOnly leaves the containers' own checks to the engine. A [Target.Check] is still
	// asked: nobody else would.
	ProbeEngineOnly bool
	// Report is told what a wait is at. It is called
	// from the one goroutine that serves all waits and must not block for long.
	Report func(name string, a Attempt)
	// Passed is told what [Target.Asked] is to be the next time, once a check of ours has succeeded. It is called as Report is.
	Passed func(name string, asked time.Duration)
	// LogLines is how many of a failed container's last lines go into its [Failure]; 0 is 10.
	LogLines int
}

// ErrClosed is returned by waits of a [Waiter] that was closed or never started.
var ErrClosed = errors.New("waiting has ended")

// Waiter serves all waits of one run with one stream of events and one
// goroutine, which owns everything that is known about the containers.
type Waiter struct {
	engine Engine
	o      Options

	ask  chan func(*scheduler) // what others want done with the owner's state
	gone chan struct{}         // closed when the owner has ended
	stop context.CancelFunc

	calls sync.WaitGroup // engine calls in flight
}

// New makes a Waiter; nothing happens before [Waiter.Start].
func New(engine Engine, o Options) *Waiter {
	if o.LogLines <= 0 {
		o.LogLines = 10
	}
	return &Waiter{engine: engine, o: o, ask: make(chan func(*scheduler)), gone: make(chan struct{})}
}

// Start begins to collect events. Whatever happens to a container after it
// has returned is noticed, so it is called before the first start.
func (w *Waiter) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	events, err := w.engine.Watch(ctx)
	if err != nil {
		cancel()
		return fmt.Errorf("watch containers: %w", err)
	}
	w.stop = cancel
	go newScheduler(ctx, w).run(events)
	return nil
}

// Close ends all waits with [ErrClosed] and returns when nothing runs any more.
func (w *Waiter) Close() {
	if w.stop == nil {
		return
	}
	w.stop()
	<-w.gone
	w.calls.Wait()
}

// Wait returns nil when the target's condition is met, a [*Failure] when it no
// longer can be or the time is over, and the cause of ctx when that ends first.
func (w *Waiter) Wait(ctx context.Context, t Target) error {
	if w.stop == nil {
		return ErrClosed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if t.Check != nil {
		if _, err := newReadiness(t.Check); err != nil {
			return fmt.Errorf("wait for %q: %w", t.Name, err)
		}
	}
	p := &pending{Target: t, result: make(chan error, 1)}
	if !w.do(func(s *scheduler) { s.add(p) }) {
		return ErrClosed
	}
	select {
	case err := <-p.result:
		return w.explain(ctx, err)
	case <-ctx.Done():
		w.do(func(s *scheduler) { s.forget(p) })
		return context.Cause(ctx)
	case <-w.gone:
		return ErrClosed
	}
}

// do has the owner run f, and says whether it will.
func (w *Waiter) do(f func(*scheduler)) bool {
	select {
	case w.ask <- f:
		return true
	case <-w.gone:
		return false
	}
}

// call runs f beside the owner and hands it what to do with the answer.
func (w *Waiter) call(f func() func(*scheduler)) {
	w.calls.Go(func() { w.do(f()) })
}

// tailTime bounds the fetching of a failed container's last lines.
const tailTime = 15 * time.Second

// explain adds the container's last lines to a failure. It works in the
// waiting caller, so that a slow engine delays nobody else.
func (w *Waiter) explain(ctx context.Context, err error) error {
	var f *Failure
	if !errors.As(err, &f) || f.Reason == reasonGone {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tailTime)
	defer cancel()
	// Without the lines the failure is still worth telling.
	f.Unread = w.engine.Lines(ctx, f.Name, Excerpt{Last: w.o.LogLines}, func(line string) error {
		f.Log = append(f.Log, line)
		return nil
	})
	if f.Advice == "" && f.Ended && slices.ContainsFunc(f.Log, func(line string) bool { return strings.HasSuffix(line, ": exec format error") }) {
		f.Advice = adviceFormat
	}
	return f
}

// adviceFormat is what to do about a program that the kernel does not take for one.
const adviceFormat = "its program is for another processor (set the service's platform and pull again, or install emulation), or a script " +
	"without a first line such as #!/bin/sh"
