package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// attached is an up that stays: it shows the output of the containers until
// they have ended or the user has had enough.
type attached struct {
	*program
	on     engine
	o      upOptions
	b      bringing
	output io.Writer
	held   *heldRestarts // nil where the engine keeps all restarts
	// watched is what brings changes of files to the containers; nil where nothing does.
	watched atomic.Pointer[watching]
	release func() // of the watch
	// latest is what the files said when a watch ended; nil where none has.
	latest  atomic.Pointer[project.Project]
	planned sync.Once // closes the attachment's channel of that name
}

// upAttached brings the stack up and stays with it.
func (p *program) upAttached(ctx context.Context, on engine, o upOptions, b bringing) error {
	b.display = p.display(b.look)
	at := &attached{program: p, on: on, o: o, b: b, output: p.out}
	if at.held = holdRestarts(on, b.want); at.held != nil {
		at.on = at.held
	}
	if live, ok := b.display.(*liveDisplay); ok && p.outScreen != nil {
		live.above = p.out
		at.output = live
	}
	defer at.unwatch()
	if o.watch {
		if err := at.prepareWatch(); err != nil {
			return err
		}
	}
	return at.run(ctx)
}

// run does it all: the first Ctrl-C stops the containers, the second kills
// them, the third ends the program.
func (at *attached) run(ctx context.Context) error {
	signals, release := at.interrupt.take()
	defer release()
	readers, stopReaders := context.WithCancel(context.WithoutCancel(ctx))
	defer stopReaders()
	style := logStyle{noPrefix: at.o.noPrefix, timestamps: at.o.stamps, paint: at.b.look.logs && paint(!at.o.noColor)}
	printer := newLogPrinter(at.output, style, nil)
	defer func() { _ = printer.close() }()

	events, err := at.on.Health(at.b.want.Name).Watch(readers)
	if err != nil {
		return err
	}
	a := newAttachment(at.on, at.b.want.Name, printer, at.shows)
	if at.held != nil {
		a.keeper, at.held.engine = at.held, attaching{at.held.engine, a}
		defer at.releaseHeld(ctx)
	} else {
		at.on = attaching{at.on, a}
	}
	watched := make(chan ended, 1)
	follow := func(ctx context.Context, plan planner.Plan, have planner.State) error {
		if err := a.expect(ctx, plan, have); err != nil {
			return err
		}
		printer.widen(a.labels())
		go func() { watched <- ended{a.run(readers, events)} }()
		return nil
	}
	upCtx, cancelUp := context.WithCancelCause(ctx)
	defer cancelUp(nil)
	up := make(chan ended, 1)
	go func() {
		went, err := at.bringHolding(upCtx, at.b, follow)
		if err == nil {
			err = at.printUpSummary(at.on, at.b.want, at.b.how, at.b.look, went)
		}
		up <- ended{err}
	}()
	return at.wait(ctx, attachedRun{
		signals: signals, a: a, watched: watched, up: up, cancelUp: cancelUp, readers: readers, watches: at.startWatch(readers, a),
	})
}

// bringHolding carries out a plan that follow is told of, and keeps the restarts that are ours.
func (at *attached) bringHolding(ctx context.Context, b bringing, follow func(context.Context, planner.Plan, planner.State) error) (brought, error) {
	b.onPlan = func(ctx context.Context, plan planner.Plan, have planner.State) error {
		if at.held != nil {
			at.held.expect(plan, have)
		}
		return follow(ctx, plan, have)
	}
	went, err := at.bring(ctx, at.on, b)
	if err == nil && at.held != nil {
		err = at.held.holdAll(ctx)
	}
	return went, err
}

// ended is how something that went on by itself has ended.
type ended struct{ err error }

// attachedRun are the ends of what goes on at the same time.
type attachedRun struct {
	signals  <-chan os.Signal
	a        *attachment
	watched  <-chan ended // the containers have all ended
	up       <-chan ended // the plan is done
	cancelUp context.CancelCauseFunc
	watches  *watchRun
	readers  context.Context // of what goes on beside
}

// wait stays until something ends it.
func (at *attached) wait(ctx context.Context, r attachedRun) error {
	up, exits := r.up, r.a.exits
	defer func() { r.watches.end() }()
	menuCtx, endMenu := context.WithCancel(ctx)
	var menu *keyMenu // once all is up: until then the keyboard is for questions
	leave := func() {
		endMenu() // a question that is open has its answer: no
		menu.leave()
	}
	defer leave()
	for {
		select {
		case went := <-up:
			up = nil
			if went.err != nil {
				return went.err
			}
			r.a.keep(at.watched.Load() != nil) // there is always more to come of a watch
			at.closePlanned(r.a)
			menu = at.menu(menuCtx)
			r.watches.begin()
			menu.show(at.watched.Load() != nil)
		case key := <-menu.keys():
			switch key {
			case keyDetach:
				at.say("Detached. The containers run on: `muster logs -f` shows their output, `muster stop` stops them.")
				return nil
			case keyWatch:
				if err := at.toggleWatch(&r); err != nil {
					at.say(withHint(err))
				}
				menu.show(at.watched.Load() != nil)
			case keyLine:
				at.say("")
			}
		case err := <-r.watches.failed:
			return err
		case exit, ok := <-exits:
			if !ok {
				exits = nil
				continue
			}
			if at.aborts(exit) {
				leave()
				return at.abort(ctx, r, up, exit)
			}
		case end := <-r.watched:
			return end.err
		case <-r.signals:
			leave()
			return at.interrupted(ctx, r, up)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// aborts says whether the end of a container ends the others.
func (at *attached) aborts(exit containerExit) bool {
	if w := at.watched.Load(); w != nil && w.replaces(exit.service) {
		return false
	}
	return at.o.abortOnExit || at.o.abortOnFail && exit.code != 0
}

// closePlanned says that no more starts come of a plan.
func (at *attached) closePlanned(a *attachment) { at.planned.Do(func() { close(a.planned) }) }

// abort stops all because one container has ended, and exits as it did.
func (at *attached) abort(ctx context.Context, r attachedRun, up <-chan ended, exit containerExit) error {
	at.say("Aborting on container exit...")
	code := exit.code
	stopped := at.stop(ctx, r, up)
	if from := at.o.exitCodeFrom; from != "" && exit.service != from {
		code = at.codeOf(ctx, from)
	}
	if stopped != nil {
		return stopped
	}
	if code == 0 {
		return nil
	}
	return &exitError{code: code}
}

// say prints a line of muster's own, without disturbing a display.
func (at *attached) say(line string) {
	switch d := at.b.display.(type) {
	case *liveDisplay:
		d.say(line)
	case *jsonDisplay:
		d.print(progressLine{ID: "Compose", Status: "Working", Text: line})
	case quietDisplay:
	default:
		fmt.Fprintln(at.b.look.status, line)
	}
}

// codeOf is the exit code of a service's container, now that it has ended.
func (at *attached) codeOf(ctx context.Context, service string) int {
	have, err := at.on.Observe(ctx, planner.Scope{Project: at.b.want.Name})
	if err != nil {
		return exitFailed
	}
	for _, c := range have.Containers {
		if c.Service == service && !c.OneOff {
			return c.ExitCode
		}
	}
	return exitFailed
}

// interrupted stops all because the user wants it.
func (at *attached) interrupted(ctx context.Context, r attachedRun, up <-chan ended) error {
	at.say("Gracefully stopping... (press Ctrl+C again to force)")
	if err := at.stop(ctx, r, up); err != nil {
		return err
	}
	return &exitError{code: exitInterrupted}
}

// stop ends the run of the plan, then the containers; what they print until
// then is shown. Another Ctrl-C kills them.
func (at *attached) stop(ctx context.Context, r attachedRun, up <-chan ended) error {
	r.cancelUp(errInterrupted)
	r.watches.end()
	close(r.a.noMore)
	if up != nil {
		<-up // how far it came, the engine will say
	}
	at.closePlanned(r.a)
	stopCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopped := make(chan ended, 1)
	go func() { stopped <- ended{at.stopAll(stopCtx)} }()
	select {
	case end := <-stopped:
		at.drain(r)
		return end.err
	case <-r.signals:
		cancel(errInterrupted)
		<-stopped
		if err := at.killAll(ctx); err != nil {
			return err
		}
		at.drain(r)
		return &exitError{code: exitInterrupted}
	}
}

// releaseHeld gives the engine the restarts back that were ours meanwhile.
func (at *attached) releaseHeld(ctx context.Context) {
	if err := at.held.release(ctx); err != nil {
		at.warn(fmt.Sprintf("the restart policies are not as the file says: %v; `muster up` mends that", err))
	}
}

// drainFor is how long the last lines may take to arrive after the stop. Podman tells late of an end when the machine is busy.
const drainFor = 5 * time.Second

// drain waits until the last lines of the containers are printed.
func (at *attached) drain(r attachedRun) {
	timeout := time.NewTimer(drainFor)
	defer timeout.Stop()
	exits := r.a.exits
	for {
		select {
		case _, ok := <-exits:
			if !ok {
				exits = nil
			}
		case <-r.watched:
			return
		case <-timeout.C:
			return
		}
	}
}

// stopAll stops the containers of the services that were brought up.
func (at *attached) stopAll(ctx context.Context) error {
	release, err := at.hold(ctx, at.on, at.on.Host(), at.b.want.Name)
	if err != nil {
		return err
	}
	defer release()
	want := at.want()
	have, err := at.on.Observe(ctx, planner.ScopeOf(want))
	if err != nil {
		return err
	}
	plan, err := planner.Stop(want, have, planner.Policy{Services: serviceNames(want), Timeout: at.o.timeout.duration()})
	if err != nil {
		return err
	}
	board, err := at.carryOut(ctx, at.on, job{plan: plan, goal: "stopped", look: at.b.look, display: at.b.display})
	if err != nil {
		return &runFailure{cause: err, board: board, again: "muster stop"}
	}
	return nil
}

// killAll ends the containers at once.
func (at *attached) killAll(ctx context.Context) error {
	have, err := at.on.Observe(ctx, planner.Scope{Project: at.b.want.Name})
	if err != nil {
		return err
	}
	plan := killPlan(at.b.want.Name, have, serviceNames(at.want()), "SIGKILL")
	_, err = at.carryOut(ctx, at.on, job{plan: plan, goal: "killed", look: at.b.look, display: at.b.display})
	var failed runner.Errors
	if errors.As(err, &failed) {
		return err
	}
	return nil
}

// shows says whether the output of a service is shown.
func (at *attached) shows(service string) bool {
	return showsOutput(at.want(), at.b.how.Services, at.o, service)
}

// showsOutput decides by the flags, then by what was named, then by the file.
func showsOutput(want *project.Project, named []string, o upOptions, service string) bool {
	s, known := want.Services[service]
	switch {
	case !known:
		return false
	case len(o.attach) > 0:
		return slices.Contains(o.attach, service)
	case slices.Contains(o.noAttach, service):
		return false
	case s.Attach != nil && !*s.Attach:
		return false
	case len(named) > 0 && !o.attachDeps:
		return slices.Contains(named, service)
	}
	return true
}
