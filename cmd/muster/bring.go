package main

import (
	"context"
	"sync"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// bringing is what up, create, scale and apply have in common: a project, a policy,
// and how to show and name what is done.
type bringing struct {
	want    *project.Project
	how     planner.Policy
	look    look
	goal    string // what a service is when all went well
	again   string // the command, to name when it did not go well
	consent *consent
	// review is shown the plan, and again where it has changed while others were waited for; may be nil.
	review func(planner.Plan) error
	// past is the change that it goes back to; nil for one that goes by the files.
	past *past
	// promise is the plan that this one must not differ from; nil without one.
	promise *promise
	// looked is called once there was a first look; may be nil.
	looked func()
	// summed says that a summary comes after it.
	summed bool
	// display to use; nil makes one.
	display display
	// onPlan is called with the plan before it is run; may be nil.
	onPlan func(ctx context.Context, plan planner.Plan, have planner.State) error
	job    job
}

// brought is how it went.
type brought struct {
	plan  planner.Plan
	have  planner.State // before
	board *board
	// idle says that there was nothing to do, images included.
	idle bool
	// after is what became of the containers.
	after func() (planner.State, error)
}

// bring plans the way to what is wanted and goes it. Where there is nothing to change nobody is waited for; else what is done
// is planned once nobody else can change anything any more.
func (p *program) bring(ctx context.Context, on engine, b bringing) (brought, error) {
	first, err := p.survey(ctx, on, b)
	if err != nil {
		return brought{}, err
	}
	if b.looked != nil {
		b.looked()
	}
	release := func() {}
	if first.changes() {
		// Before it waits for anybody, and before anything is fetched or built, it says what it must not do.
		if len(first.images.Steps) == 0 {
			if err := p.sanction(first.plan, b); err != nil {
				return brought{}, err
			}
		}
		if release, err = p.hold(ctx, on, on.Host(), b.want.Name); err != nil {
			return brought{}, err
		}
		if first, err = p.survey(ctx, on, b); err != nil {
			release()
			return brought{}, err
		}
	}
	defer release()
	plan, have, err := p.settle(ctx, on, b, first)
	if err != nil {
		return brought{}, err
	}
	for _, w := range plan.Warnings {
		p.warn(w)
	}
	if err := p.sanction(plan, b); err != nil {
		return brought{}, err
	}
	if err := p.located(ctx, on, b.want); err != nil {
		return brought{}, err
	}
	record, plan := p.beginRecord(b, plan, have, on.Host())
	if b.onPlan != nil {
		if err := b.onPlan(ctx, plan, have); err != nil {
			return brought{}, err
		}
	}
	j := b.job
	j.plan, j.have, j.goal, j.look, j.display = plan, have, b.goal, b.look, b.display
	board, err := p.carryOutReady(ctx, on, j, b.want, b.how)
	after := sync.OnceValues(func() (planner.State, error) {
		return on.Observe(ctx, planner.Scope{Project: b.want.Name, ContainersOnly: true})
	})
	if b.summed && sums(b.look) && !b.how.Wait && !b.how.NoStart && err == nil && len(plan.Steps) > 0 {
		go func() { _, _ = after() }() // beside what has to be written down and given back
	}
	record.end(ctx, on, err)
	if err != nil {
		err = &runFailure{cause: err, board: board, again: b.again}
	}
	return brought{plan: plan, have: have, board: board, idle: len(first.images.Steps)+len(plan.Steps) == 0, after: after}, err
}

// sanction has a plan looked at, by whom it concerns.
func (p *program) sanction(plan planner.Plan, b bringing) error {
	if b.review != nil {
		if err := b.review(plan); err != nil {
			return err
		}
	}
	return p.agree(plan, b.consent)
}

// surveyed is what there is, and what it asks for: images that are wanted anew come first, and only then is known what
// they change, so that there is a plan only without them.
type surveyed struct {
	have         planner.State
	images, plan planner.Plan
}

// changes says whether any of it does more than wait.
func (s surveyed) changes() bool { return len(s.images.Steps) > 0 || changes(s.plan) }

// survey looks at the engine and plans.
func (p *program) survey(ctx context.Context, on engine, b bringing) (surveyed, error) {
	if b.past != nil {
		return b.past.survey(ctx, on, b)
	}
	have, err := survey(ctx, on, b.want, b.how)
	if err != nil {
		return surveyed{}, err
	}
	notes, err := fit(on, b.want, have)
	if err != nil {
		return surveyed{}, err
	}
	if err := b.promise.kept(p, b.want, have, b.how); err != nil {
		return surveyed{}, err
	}
	s := surveyed{have: have}
	if s.images, err = planner.Images(b.want, have, b.how); err != nil || len(s.images.Steps) > 0 {
		return s, err
	}
	s.plan, err = planner.Build(b.want, have, b.how)
	s.plan.Warnings = append(s.plan.Warnings, notes...)
	return s, err
}

// settle fetches and builds the images that are wanted anew, and plans with them.
func (p *program) settle(ctx context.Context, on engine, b bringing, s surveyed) (planner.Plan, planner.State, error) {
	if len(s.images.Steps) == 0 {
		return s.plan, s.have, nil
	}
	board, err := p.carryOut(ctx, on, job{plan: s.images, goal: "fetched", look: b.look})
	if err != nil {
		return planner.Plan{}, s.have, &runFailure{cause: err, board: board, again: b.again}
	}
	have, err := survey(ctx, on, b.want, b.how)
	if err != nil {
		return planner.Plan{}, have, err
	}
	how := b.how
	how.Build = false
	if how.Pull == "always" || how.Pull == "build" {
		how.Pull = ""
	}
	plan, err := planner.Build(b.want, have, how)
	if err != nil {
		return plan, have, err
	}
	return plan, have, b.promise.covers(b.want, have, how, plan)
}
