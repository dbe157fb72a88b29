package main

import (
	"context"
	"sync"

	"github.com/musterhq/muster/project"
)

// want is what the files say now: while they are watched they may change.
func (at *attached) want() *project.Project {
	if w := at.watched.Load(); w != nil {
		return w.want()
	}
	if files := at.latest.Load(); files != nil {
		return files
	}
	return at.b.want
}

// prepareWatch reads what is to be watched.
func (at *attached) prepareWatch() error {
	w := &watching{
		program: at.program, on: at.on, how: at.b.how, look: at.b.look, consent: at.b.consent, prune: true,
		loading: loading{services: at.b.how.Services, noDeps: at.o.noDeps, attached: true},
		line:    at.say, shows: func() display { return at.b.display },
	}
	w.how.Build = false // what is rebuilt is what has changed
	w.setWant(at.want())
	if err := w.prepare(); err != nil {
		return err
	}
	release, err := w.alone()
	if err != nil {
		return err
	}
	at.release = release
	at.watched.Store(w)
	return nil
}

// unwatch is the other direction; it may be called where nothing is watched.
func (at *attached) unwatch() {
	if w := at.watched.Load(); w != nil {
		at.latest.Store(w.want()) // which may have changed
		at.watched.Store(nil)
		at.release()
	}
}

// toggleWatch begins to watch files, or ends it.
func (at *attached) toggleWatch(r *attachedRun) error {
	if at.watched.Load() != nil {
		r.watches.end()
		at.unwatch()
		r.a.keep(false)
		at.say("Files are no longer watched.")
		return nil
	}
	if err := at.prepareWatch(); err != nil {
		return err
	}
	r.a.keep(true)
	r.watches = at.startWatch(r.readers, r.a)
	r.watches.begin()
	return nil
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
	if w := at.watched.Load(); w != nil {
		w.bring = func(ctx context.Context, b bringing) (brought, error) { return at.bringHolding(ctx, b, a.expectMore) }
	}
	return &watchRun{at: at, ctx: ctx, cancel: cancel, failed: make(chan error, 1)}
}

// begin watches until end is called.
func (r *watchRun) begin() {
	w := r.at.watched.Load()
	if w == nil {
		return
	}
	r.all.Go(func() {
		if err := w.run(r.ctx); err != nil && r.ctx.Err() == nil {
			r.failed <- err
		}
	})
}

// end ends it and waits for what it has begun.
func (r *watchRun) end() {
	r.cancel()
	r.all.Wait()
}
