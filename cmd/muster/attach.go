package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

// attachment shows the output of a project's containers as they come and go, and
// knows when there is none left. One goroutine, [attachment.run], owns what is
// known of the containers; the readers of their output report to it.
//
// Output comes by a connection that was there before the start, where we have made that: the engine hands over what it gets, and need not
// read it back from its disk. All else is read from its logs, from exactly where it was: the lives that the engine or
// somebody else begins, and what a connection that broke did not bring.
type attachment struct {
	logs    logReader
	attach  attacher
	joined  connections
	health  healthcheck.Engine
	find    func(ctx context.Context, name string) (planner.Container, error)
	printer *logPrinter
	project string
	wanted  func(service string) bool // whose output is shown

	ended chan streamEnd
	// planned is closed when no more starts come of the plan.
	planned chan struct{}
	// keeps says whether others may start containers later on, such as a watch; see [attachment.keep].
	keeps chan bool
	// over is closed when nothing is shown any more.
	over chan struct{}
	// more brings further plans while it runs; see [attachment.expectMore].
	more chan expectation
	// keeper starts containers again as no engine does; nil: nobody does.
	keeper restartKeeper
	// left gets each container that keeper was to start again and has not.
	left chan leftover
	// noMore is closed when nothing is to be started again any more.
	noMore chan struct{}
	// exits gets each container that has ended and will not come back by itself. It is closed at the end.
	exits chan containerExit

	by      map[string]*followed // by name on the engine
	renames map[string]string    // what the plan will rename
	colour  int
	leaving []containerExit // that have not been taken from exits
}

// containerExit is a container that has ended for good.
type containerExit struct {
	service, container string
	code               int
}

// streamEnd is a container's stream that has ended, and why if it broke.
type streamEnd struct {
	of    *followed
	err   error
	fresh bool // it brought something new
	// doubt is a second thought about a stream that ended a while ago, and no event has said why.
	doubt bool
}

// followed is a container whose output is read.
type followed struct {
	source  logSource
	name    string   // on the engine, now
	at      position // belongs to the reader while there is one
	since   string   // where it has no position, its logs are read from then on; empty: all of them
	reading bool
	running bool
	life    time.Time // when its latest known life began, by the engine's clock
	// expected says that the plan will start it and that has not been seen.
	expected bool
	// queue is what has happened to it and was not acted on, since its output up to then is still being printed.
	queue []turn
	// tries is what the keeper knows of it.
	tries tries
	// barren counts the streams in a row that ended while it ran and brought nothing.
	barren int
	// joined says that this life's output comes, or came, by a connection, and torn that the connection may have been cut.
	joined, torn bool
	// until is where the next reading ends; empty: it follows. checked says that this life has been read so once more, after its end.
	until   string
	checked bool
	// beyond says that what was read of its logs may reach into the next life.
	beyond bool
}

// turn is the begin of a container's life, or its end.
type turn struct {
	start bool
	out   output    // of the begin: a connection that was there before; nil where none was
	code  int       // of the end
	at    time.Time // of the end, by the engine's clock; zero where unknown
	ran   time.Duration
}

// newAttachment prepares; [attachment.know] and [attachment.expect] say what there is, then
// [attachment.run] takes over.
func newAttachment(on engine, project string, printer *logPrinter, wanted func(string) bool) *attachment {
	return &attachment{
		more: make(chan expectation),
		logs: on, attach: on, health: on.Health(project), find: on.Inspect, printer: printer, project: project, wanted: wanted,
		ended: make(chan streamEnd), planned: make(chan struct{}), exits: make(chan containerExit),
		keeps: make(chan bool), over: make(chan struct{}),
		left: make(chan leftover), noMore: make(chan struct{}),
		by: map[string]*followed{}, renames: map[string]string{},
	}
}

// expect makes the containers known that the plan starts, and notes where the output
// of those that have run before stands.
func (a *attachment) expect(ctx context.Context, plan planner.Plan, have planner.State) error {
	for _, s := range plan.Steps {
		switch action := s.Action.(type) {
		case planner.StartContainer:
			a.entry(action.Name, action.Service).expected = true
		case planner.RenameContainer:
			a.renames[action.Name] = action.To
		}
	}
	for name, final := range a.renames {
		if f := a.by[name]; f != nil {
			f.source.label = labelOf(a.project, final)
		}
	}
	var old []*followed
	for _, c := range have.Containers {
		f := a.by[c.Name]
		switch {
		case f != nil && !f.reading: // where it is read, the position is the reader's
			old = append(old, f)
		case f == nil && c.Status == planner.Running && a.wanted(c.Service) && !touches(plan, c.Name):
			f = a.entryOf(c)
			f.running = true
			old = append(old, f)
		}
	}
	return a.skipOld(ctx, old)
}

// expectation is a further plan, and where to say that it is known.
type expectation struct {
	plan  planner.Plan
	have  planner.State
	known chan error
}

// expectMore is [attachment.expect] for a plan that comes while [attachment.run] is at work.
func (a *attachment) expectMore(ctx context.Context, plan planner.Plan, have planner.State) error {
	x := expectation{plan: plan, have: have, known: make(chan error, 1)}
	select {
	case a.more <- x:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-x.known:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// keep says whether to stay although all containers have ended and nothing is planned: somebody may start some.
func (a *attachment) keep(stay bool) {
	select {
	case a.keeps <- stay:
	case <-a.over:
	}
}

// touches says whether a plan does anything to a container.
func touches(plan planner.Plan, name string) bool {
	return slices.ContainsFunc(plan.Steps, func(s planner.Step) bool {
		ref := s.Action.Resource()
		return ref.Kind == planner.KindContainer && ref.Name == name
	})
}

// sameTime is how many lines an engine's clock may give the same time.
const sameTime = 100

// skipOld moves positions behind what containers have printed so far.
func (a *attachment) skipOld(ctx context.Context, of []*followed) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(historyAsked)
	for _, f := range of {
		group.Go(func() error {
			err := a.logs.Logs(ctx, f.name, logOptions{tail: sameTime}, func(c logChunk) error {
				if !c.at.Before(f.at.at) { // each stream may have a tail of its own
					f.at.note(c.at, !c.more)
				}
				return nil
			})
			if errors.Is(err, docker.ErrNotKept) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// entry is what is known of a container, made where it is new.
func (a *attachment) entry(name, service string) *followed {
	if f := a.by[name]; f != nil {
		return f
	}
	colours := rotation()
	f := &followed{name: name, source: logSource{
		container: name, service: service, label: labelOf(a.project, name), colour: colours[a.colour%len(colours)],
	}}
	a.colour++
	a.by[name] = f
	return f
}

// entryOf is the entry of a container, wherever it runs.
func (a *attachment) entryOf(c planner.Container) *followed {
	known := a.by[c.Name] != nil
	f := a.entry(c.Name, c.Service)
	if c.Node != "" && !known {
		f.source.label = fmt.Sprintf("%s.%d@%s", c.Service, c.Number, c.Node)
	}
	return f
}

// labels are the names that lines begin with, for the width of the prefix.
func (a *attachment) labels() []string {
	var labels []string
	for _, f := range a.by {
		if a.wanted(f.source.service) {
			labels = append(labels, f.source.label)
		}
	}
	return labels
}

// labelOf is a container's name without the project's.
func labelOf(project, container string) string {
	for _, separator := range []string{"-", "_"} {
		if rest, ok := strings.CutPrefix(container, project+separator); ok && rest != "" {
			return rest
		}
	}
	return container
}

// run shows output until the plan is done and all containers have ended, or
// ctx has.
func (a *attachment) run(ctx context.Context, events <-chan healthcheck.Event) error {
	defer close(a.exits)
	for _, name := range slices.Sorted(maps.Keys(a.by)) {
		switch f := a.by[name]; {
		case f.running:
			f.queue = append(f.queue, turn{start: true})
			a.pump(ctx, f)
		case !f.expected: // it may have started before its events were heard
			a.lookAgain(ctx, f)
		}
	}
	defer close(a.over)
	planned, kept := a.planned, false
	for {
		if planned == nil && !kept && a.finished() {
			return nil
		}
		var exits chan<- containerExit
		var next containerExit
		if len(a.leaving) > 0 {
			exits, next = a.exits, a.leaving[0]
		}
		select {
		case exits <- next:
			a.leaving = a.leaving[1:]
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-planned:
			planned = nil
		case kept = <-a.keeps:
		case x := <-a.more:
			x.known <- a.expect(ctx, x.plan, x.have)
		case end := <-a.ended:
			a.streamEnded(ctx, end)
		case l := <-a.left:
			a.leftBehind(ctx, l)
		case e, ok := <-events:
			if !ok {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				return errors.New("the engine no longer says what happens to the containers")
			}
			a.event(ctx, e)
		}
	}
}

func (a *attachment) finished() bool {
	for _, f := range a.by {
		if f.running || f.reading || f.expected || len(f.queue) > 0 {
			return false
		}
	}
	return len(a.leaving) == 0
}

// event notes what the engine says.
func (a *attachment) event(ctx context.Context, e healthcheck.Event) {
	f := a.by[e.Name]
	switch e.What {
	case "start":
		if f == nil {
			if f = a.discover(ctx, e.Name); f == nil {
				return
			}
		}
		f.expected = false
		f.tries.begun()
		f.queue = append(f.queue, turn{start: true, out: a.joined.take(e.Name, e.At)})
		a.pump(ctx, f)
	case "kill":
		if f != nil {
			f.tries.told = true
		}
	case "die":
		if f != nil {
			f.expected = false
			f.queue = append(f.queue, turn{code: e.ExitCode, at: e.At, ran: f.tries.ran()})
			a.pump(ctx, f)
		}
	case "rename":
		if f != nil && a.renames[e.Name] != "" {
			delete(a.by, e.Name)
			f.name = a.renames[e.Name]
			a.by[f.name] = f
		}
	case "destroy":
		if f != nil { // its end came with the container
			f.running, f.expected = false, false
		}
	case "resync":
		for _, name := range slices.Sorted(maps.Keys(a.by)) {
			a.by[name].torn = true
			a.lookAgain(ctx, a.by[name])
		}
	}
}

// discover makes a container known that somebody else has started.
func (a *attachment) discover(ctx context.Context, name string) *followed {
	c, err := a.find(ctx, name)
	if err != nil || c.OneOff || !a.wanted(c.Service) {
		return nil
	}
	return a.entryOf(c)
}

// lookAgain asks how a container is, after events may have been lost.
func (a *attachment) lookAgain(ctx context.Context, f *followed) {
	s, err := a.health.Look(ctx, f.name)
	begun := f.running || len(f.queue) > 0 && f.queue[len(f.queue)-1].start
	wasUp := begun || f.expected
	f.expected = f.expected && !s.Running && !s.Exited
	switch {
	case errors.Is(err, healthcheck.ErrNoContainer):
		f.running = false
	case err != nil: // the next event will tell
	case s.Running && !begun:
		// There may have been lives before this one: what came by a connection to it would leave them out.
		if out := a.joined.take(f.name, s.StartedAt); out != nil {
			_ = out.Close()
		}
		f.queue = append(f.queue, turn{start: true})
		a.pump(ctx, f)
	case !s.Running && !s.Restarting && wasUp && !f.expected:
		f.queue = append(f.queue, turn{code: s.ExitCode})
		a.pump(ctx, f)
	}
}

// streamEnded goes on after a container's stream has ended: a stream that was cut off is taken up
// again, and what comes then even if the container has ended meanwhile. Mostly the event that says why is on its way.
func (a *attachment) streamEnded(ctx context.Context, end streamEnd) {
	f := end.of
	if end.doubt {
		if !f.reading && f.running && len(f.queue) == 0 {
			a.reopen(ctx, f, errStreamEnded)
		}
		return
	}
	f.reading = false
	f.barren++
	if end.fresh {
		f.barren = 0
	}
	if end.err != nil && f.barren < reopenTries {
		a.open(ctx, f, nil)
		return
	}
	a.pump(ctx, f)
	switch {
	case f.reading || !f.running || len(f.queue) > 0:
	case end.err != nil:
		a.reopen(ctx, f, end.err)
	default:
		go func() {
			select {
			case <-time.After(doubtAfter):
			case <-ctx.Done():
				return
			}
			select {
			case a.ended <- streamEnd{of: f, doubt: true}:
			case <-ctx.Done():
			}
		}()
	}
}

// doubtAfter is how long the event of a container's end may be behind the end of its stream.
const doubtAfter = time.Second

var errStreamEnded = errors.New("the engine ends the stream")

// reopen reads on, if the container runs and there is sense in it.
func (a *attachment) reopen(ctx context.Context, f *followed, why error) {
	s, err := a.health.Look(ctx, f.name)
	switch {
	case err != nil || !s.Running:
	case f.barren < reopenTries:
		a.open(ctx, f, nil)
	default:
		_ = a.printer.remark(ctx, &f.source, fmt.Sprintf("%s: its output cannot be read: %v", f.source.label, why))
	}
}

// pump acts on what has happened to a container, as far as its output up to then has been printed.
func (a *attachment) pump(ctx context.Context, f *followed) {
	for !f.reading && len(f.queue) > 0 {
		next := f.queue[0]
		if !next.start && f.joined && f.torn { // the rest of it is in the logs
			a.open(ctx, f, nil)
			continue
		}
		if !next.start && !f.joined && !f.checked && !next.at.IsZero() && a.wanted(f.source.service) {
			// Docker 20.10 may stop following before the last lines of a container that has ended.
			f.checked, f.until = true, inEngineWords(next.at)
			a.open(ctx, f, nil)
			continue
		}
		f.queue = f.queue[1:]
		if next.start {
			f.running, f.barren, f.checked = true, 0, false
			if s, err := a.health.Look(ctx, f.name); err == nil {
				f.life = s.StartedAt
			}
			if next.out != nil && f.beyond { // it would bring lines a second time
				_ = next.out.Close()
				next.out = nil
			}
			a.open(ctx, f, next.out)
			continue
		}
		a.died(ctx, f, next)
	}
}

// died says that a container has ended, and whether it comes back by itself.
func (a *attachment) died(ctx context.Context, f *followed, end turn) {
	if f.beyond = !end.at.After(f.at.at); !f.beyond {
		f.at = position{at: end.at} // all of this life has been printed, and the next begins later
	}
	comesBack := len(f.queue) > 0
	if !comesBack {
		s, err := a.health.Look(ctx, f.name)
		// A later life may be over as well: its events are on their way. The end's own time tells best, since
		// the look at a begin may already have seen a later life.
		known := f.life
		if !end.at.IsZero() {
			known = end.at
		}
		comesBack = err == nil && (s.Restarting || s.Running || s.StartedAt.After(known))
	}
	text := fmt.Sprintf("%s exited with code %d", f.source.label, end.code)
	if comesBack {
		text += " (restarting)"
	} else if pause, again := a.startsAgain(f, end); again {
		comesBack = true
		text += fmt.Sprintf(" (restarting in %s)", pause)
		a.startLater(ctx, f, end.code, pause)
	}
	f.running = comesBack // it has not ended for good
	if a.wanted(f.source.service) {
		_ = a.printer.remark(ctx, &f.source, text)
	}
	if !comesBack {
		a.leaving = append(a.leaving, containerExit{service: f.source.service, container: f.name, code: end.code})
	}
}
