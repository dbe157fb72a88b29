package main

import (
	"context"
	"sync"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// want is what the files say now: while they are watched they may change.
func (at *attached) want() *project.Project {
	if at.watched != nil {
		return at.watched.want()
	}
	return at.b.want
}

// prepareWatch reads what is to be watched, before anything is brought up.
func (at *attached) prepareWatch() (release func(), err error) {
	w := &watching{
		program: at.program, on: at.on, how: at.b.how, look: at.b.look, consent: at.b.consent, prune: true,
		loading: loading{services: at.b.how.Services, noDeps: at.o.noDeps, attached: true},
		line:    at.say, shows: func() display { return at.b.display },
	}
	w.how.Build = false // what is rebuilt is what has changed
	w.setWant(at.b.want)
	if err := w.prepare(); err != nil {
		return nil, err
	}
	at.watched = w
	return w.alone()
}

// watchRun is a watch beside an attached up.
type watchRun struct {
	at     *attached
	ctx    context.Context
	cancel context.CancelFunc
	all    sync.WaitGroup
	// failed gets why it could not begin.
	failed chan error
}

// startWatch prepares the watch of an attached up; it begins once all is up.
func (at *attached) startWatch(ctx context.Context, a *attachment) *watchRun {
	ctx, cancel := context.WithCancel(ctx)
	if at.watched != nil {
		at.watched.bring = func(ctx context.Context, b bringing) (brought, error) {
			b.onPlan = func(ctx context.Context, plan planner.Plan, have planner.State) error {
				if at.held != nil {
					at.held.expect(plan, have)
				}
				return a.expectMore(ctx, plan, have)
			}
			went, err := at.bring(ctx, at.on, b)
			if err == nil && at.held != nil {
				err = at.held.holdAll(ctx)
			}
			return went, err
		}
	}
	return &watchRun{at: at, ctx: ctx, cancel: cancel, failed: make(chan error, 1)}
}

// begin watches until end is called.
func (r *watchRun) begin() {
	if r.at.watched == nil {
		return
	}
	r.all.Go(func() {
		if err := r.at.watched.run(r.ctx); err != nil && r.ctx.Err() == nil {
			r.failed <- err
		}
	})
}

// end ends it and waits for what it has begun.
func (r *watchRun) end() {
	r.cancel()
	r.all.Wait()
}
