package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/plugin"
	"github.com/musterhq/muster/timeline"
)

// job is one run of a plan with what its display needs to know.
type job struct {
	plan planner.Plan
	have planner.State
	goal string // see [board.goal]
	look look
	// onEvent also gets every event; may be nil.
	onEvent func(runner.Event)
	// display to use; nil makes the one that look asks for.
	display display
	// witness is told what happens to the containers meanwhile; may be nil.
	witness *witness
}

// carryOut runs a plan and shows how it goes on. The board that it returns
// has the times.
func (p *program) carryOut(ctx context.Context, on engine, j job) (*board, error) {
	b := newBoard(j.plan, j.have, j.goal, p.now())
	parallel, err := p.parallelism()
	if err != nil {
		return b, err
	}
	engineOnly, err := p.probeEngineOnly()
	if err != nil {
		return b, err
	}
	d := j.display
	if d == nil {
		d = p.display(j.look)
	}
	guard := func(change func()) { change() }
	live, isLive := d.(*liveDisplay)
	if isLive {
		guard = live.guard
	}
	health := on.Health(j.plan.Project)
	lines := &lastLines{logs: on, health: health, note: func(container, line string) {
		guard(func() { d.note(b, container, line) })
	}}
	if j.witness != nil {
		j.witness.Engine, health = health, j.witness
	}
	before := sync.OnceValue(func() timeline.Record {
		last, _, _ := p.lastStart(on, b.project) // without it the waits only take a little longer
		return last
	})
	defer p.unread.hold()()
	d.begin(b)
	err = runner.Run(ctx, plugin.Wrap(on, plugin.Options{Environ: p.pluginEnviron()}), j.plan, runner.Options{
		Parallel: parallel,
		Health:   health, ProbeEngineOnly: engineOnly,
		Asked:  func(service string) time.Duration { return before().Asked[service] },
		Passed: b.passed,
		Events: func(e runner.Event) {
			j.witness.did(e)
			if j.look.hushes(e) {
				return
			}
			guard(func() { b.take(e); d.event(b, e) })
			if isLive {
				lines.follow(ctx, e)
			}
			if j.onEvent != nil {
				j.onEvent(e)
			}
		},
	})
	lines.end()
	d.end(b)
	p.keepTimeline(ctx, on, b, j.look, err != nil, before)
	return b, err
}

// pluginEnviron is what programs that a plan runs get: ours, with the engine that flags choose.
func (p *program) pluginEnviron() []string {
	out := slices.Clone(p.environ)
	if p.globals.at.host != "" {
		out = append(out, "DOCKER_HOST="+p.globals.at.host)
	}
	if p.globals.at.context != "" {
		out = append(out, "DOCKER_CONTEXT="+p.globals.at.context)
	}
	return out
}

// lastLines follows the output of containers while they are waited for, so that
// the display can say what they printed last.
type lastLines struct {
	logs   logReader
	health healthcheck.Engine
	note   func(container, line string)
	stops  map[planner.StepID]context.CancelFunc
	all    sync.WaitGroup
}

// follow starts with a wait and ends with it. It is called for one event at a time.
func (l *lastLines) follow(ctx context.Context, e runner.Event) {
	wait, ok := e.Step.Action.(planner.Await)
	if !ok || e.Undo {
		return
	}
	if stop := l.stops[e.Step.ID]; stop != nil {
		if e.State != runner.Working {
			stop()
			delete(l.stops, e.Step.ID)
		}
		return
	}
	if e.State != runner.Begun {
		return
	}
	if l.stops == nil {
		l.stops = map[planner.StepID]context.CancelFunc{}
	}
	ctx, cancel := context.WithCancel(ctx)
	l.stops[e.Step.ID] = cancel
	l.all.Go(func() {
		defer cancel()
		// What cannot be read is only not shown.
		status, err := l.health.Look(ctx, wait.Name)
		if err != nil {
			return
		}
		o := logOptions{follow: true, tail: 1, since: position{at: status.Since()}.since()} // not of an earlier life
		_ = l.logs.Logs(ctx, wait.Name, o, func(c logChunk) error {
			if line := firstLine(string(c.text)); line != "" {
				l.note(wait.Name, line)
			}
			return ctx.Err()
		})
	})
}

// end ends what is left and waits for it.
func (l *lastLines) end() {
	for _, stop := range l.stops {
		stop()
	}
	l.all.Wait()
}
