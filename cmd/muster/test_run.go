package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/testorder"
	"github.com/musterhq/muster/testreport"
)

// trial is a run of tests in a copy of the stack.
type trial struct {
	*program
	o     testOptions
	want  *project.Project
	how   planner.Policy
	look  look
	on    engine
	began time.Time
	// specs are the tests, by their services' names; tests are those of the shard, and stack are the other services.
	specs map[string]project.Test
	tests []testorder.Test
	stack []string
	// found says that the copy was there before: it is left as it was.
	found bool
	// begun says that something is made on the engine from now on.
	begun   bool
	printer *logPrinter
	planned sync.Mutex // one plan at a time is carried out

	mu     sync.Mutex // of the report
	report testreport.Report
}

// run does it all. Whatever happens, the reports are written, and then what was made is removed.
func (t *trial) run(ctx context.Context) error {
	var err error
	if t.how, err = t.policy(t.want, t.o.policyFlags, nil); err != nil {
		return err
	}
	t.how.Wait, t.how.IgnoreOrphans = true, true
	if t.look, err = t.program.look(t.want); err != nil {
		return err
	}
	t.look.quietPull, t.look.quietBuild = t.o.quietPull, t.o.quietBuild
	if t.on, err = t.open(ctx, t.globals.at); err != nil {
		return err
	}
	defer t.on.Close()
	if t.globals.dryRun {
		return t.dryRun(ctx)
	}
	if t.found, err = t.there(ctx); err != nil {
		return err
	}
	t.begun = true
	t.unread.hold() // a reader who goes away leaves the tests, and what is removed then, as they are
	if !t.found {
		// Whatever becomes of this program, it is then known that nobody needs the copy any more.
		hold, err := t.instances().Hold(t.want.Copy(), t.holder())
		if err != nil {
			return err
		}
		defer func() { _ = hold.Release() }() // it is gone, or meant to stay
	}
	t.report = testreport.Report{Project: t.want.Name, Started: t.began, Shard: t.o.shard.String()}
	within, cancel := context.WithCancel(ctx)
	if t.o.limit > 0 {
		within, cancel = context.WithTimeoutCause(ctx, t.o.limit, errTooLong)
	}
	defer cancel()
	failed := t.bringAndRun(within)
	if cause := context.Cause(within); failed == nil && cause != nil {
		failed = cause
	}
	life := context.WithoutCancel(ctx) // what is begun is also ended
	return t.finish(life, failed)
}

// there says whether anything of the copy exists already. The first copy is never removed.
func (t *trial) there(ctx context.Context) (bool, error) {
	if t.want.Instance == "" {
		return true, nil
	}
	have, err := t.on.Observe(ctx, planner.Scope{Project: t.want.Name})
	return len(have.Containers)+len(have.Volumes) > 0, err
}

// bringAndRun brings up what is around the tests, and runs them. The error is why not all were run.
func (t *trial) bringAndRun(ctx context.Context) error {
	if len(t.tests) == 0 {
		return nil
	}
	end := t.group("Bring up " + t.want.Name)
	err := t.phase("images", func() error { return t.provide(ctx) })
	if err == nil && len(t.stack) > 0 {
		err = t.phase("bring up", func() error { return t.bringStack(ctx) })
	}
	end()
	if err != nil {
		return err
	}
	end = t.group("Tests")
	defer end()
	style := logStyle{noPrefix: t.o.noPrefix, timestamps: t.o.stamp, paint: t.look.logs && paint(!t.o.noColor)}
	var labels []string
	for _, one := range t.tests {
		labels = append(labels, one.Name)
	}
	t.printer = newLogPrinter(t.out, style, labels)
	for round := 1; round <= t.o.repeat && ctx.Err() == nil; round++ {
		t.round(ctx, round)
		if t.o.failFast && t.bad() > 0 {
			break
		}
	}
	if err := t.printer.close(); !errors.Is(err, syscall.EPIPE) {
		return err
	}
	return nil
}

// round runs all tests once.
func (t *trial) round(ctx context.Context, round int) {
	colours, colour := rotation(), map[string]colour{}
	for i, one := range t.tests {
		colour[one.Name] = colours[i%len(colours)]
	}
	testorder.Run(ctx, t.tests, testorder.Options{Parallel: t.o.parallel, FailFast: t.o.failFast},
		func(ctx context.Context, one testorder.Test) bool {
			r := &testRun{trial: t, name: one.Name, title: one.Name, round: round, spec: t.specs[one.Name]}
			if t.o.repeat > 1 {
				r.title = fmt.Sprintf("%s #%d", one.Name, round)
			}
			r.source = logSource{container: one.Name, service: one.Name, label: r.title, colour: colour[one.Name]}
			s := r.run(ctx)
			t.add(s)
			return s.Outcome == testreport.Passed
		},
		func(one testorder.Test, why error) {
			s := testreport.Suite{Name: one.Name, Outcome: testreport.Skipped, Message: why.Error(), Started: t.now()}
			if errors.Is(why, errInterrupted) || errors.Is(why, errTooLong) {
				s.Outcome = testreport.Broken
			}
			s.Conclude()
			t.add(s)
		})
}

// add puts a suite into the report.
func (t *trial) add(s testreport.Suite) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Suites = append(t.report.Suites, s)
}

// bad is how many suites let the whole fail, so far.
func (t *trial) bad() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, s := range t.report.Suites {
		if s.Outcome.Bad() {
			n++
		}
	}
	return n
}

// phase notes how long something takes.
func (t *trial) phase(name string, do func() error) error {
	span := testreport.Span{Name: name, Started: t.now()}
	err := do()
	span.Ended = t.now()
	if span.Ended.Sub(span.Started) > 50*time.Millisecond {
		t.report.Phases = append(t.report.Phases, span)
	}
	return err
}

// bringStack brings up all that is no test, and waits until it is ready.
func (t *trial) bringStack(ctx context.Context) error {
	consent, err := t.consent(t.want, t.o.yes, t.o.policyFlags.limit)
	if err != nil {
		return err
	}
	how := t.how
	how.Services = t.stack
	_, err = t.bring(ctx, t.on, bringing{want: t.want, how: how, look: t.look, goal: "ready", again: t.typed(), consent: consent})
	return err
}

// provide pulls and builds the images of the tests, all at a time.
func (t *trial) provide(ctx context.Context) error {
	how := t.how
	how.NoStart, how.Wait = true, false
	for _, one := range t.tests {
		how.Services = append(how.Services, one.Name)
	}
	for _, plans := range []func(*project.Project, planner.State, planner.Policy) (planner.Plan, error){planner.Images, planner.Build} {
		have, err := survey(ctx, t.on, t.want, how)
		if err != nil {
			return err
		}
		plan, err := plans(t.want, have, how)
		if err != nil {
			return err
		}
		if plan = onlyImages(plan); len(plan.Steps) > 0 {
			board, err := t.carryOut(ctx, t.on, job{plan: plan, have: have, goal: "fetched", look: t.look})
			if err != nil {
				return &runFailure{cause: err, board: board, again: t.typed()}
			}
		}
		how.Build, how.Pull = false, withoutAlways(how.Pull)
	}
	return nil
}

// withoutAlways is a pull policy once everything was pulled that it wants anew.
func withoutAlways(pull string) string {
	if pull == "always" || pull == "build" {
		return ""
	}
	return pull
}

// onlyImages leaves of a plan what fetches images.
func onlyImages(plan planner.Plan) planner.Plan {
	keep := map[planner.StepID]bool{}
	var steps []planner.Step
	for _, s := range plan.Steps {
		switch s.Action.(type) {
		case planner.PullImage, planner.BuildImage:
			keep[s.ID] = true
			s.Needs = slices.DeleteFunc(slices.Clone(s.Needs), func(id planner.StepID) bool { return !keep[id] })
			steps = append(steps, s)
		}
	}
	plan.Steps = steps
	return plan
}

// dryRun prints what would be done, and what then.
func (t *trial) dryRun(ctx context.Context) error {
	how := t.how
	if how.Services = t.stack; len(t.stack) > 0 {
		if err := t.printPlanOf(ctx, t.on, t.want, how, t.o.policyFlags, t.typed()); err != nil {
			return err
		}
	}
	var names []string
	for _, one := range t.tests {
		names = append(names, one.Name)
	}
	_, err := fmt.Fprintf(t.out, "Then %s run: %s.\n", isOrAre(len(names), "test"), strings.Join(names, ", "))
	return err
}

// isOrAre is "1 test is", "3 tests are".
func isOrAre(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return count(n, noun) + " are"
}
