package main

import (
	"context"

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
	// promise is the plan that this one must not differ from; nil without one.
	promise *promise
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
}

// bring plans the way to what is wanted and goes it.
func (p *program) bring(ctx context.Context, on engine, b bringing) (brought, error) {
	plan, have, err := p.planFresh(ctx, on, b)
	if err != nil {
		return brought{}, err
	}
	for _, w := range plan.Warnings {
		p.warn(w)
	}
	if err := p.agree(plan, b.consent); err != nil {
		return brought{}, err
	}
	if b.onPlan != nil {
		if err := b.onPlan(ctx, plan, have); err != nil {
			return brought{}, err
		}
	}
	j := b.job
	j.plan, j.have, j.goal, j.look, j.display = plan, have, b.goal, b.look, b.display
	board, err := p.carryOut(ctx, on, j)
	if err != nil {
		err = &runFailure{cause: err, board: board, again: b.again}
	}
	return brought{plan: plan, have: have, board: board}, err
}

// planFresh plans with what the engine has now. Images that are asked for anew
// come first: only then is known what they change.
func (p *program) planFresh(ctx context.Context, on engine, b bringing) (planner.Plan, planner.State, error) {
	have, err := survey(ctx, on, b.want, b.how)
	if err != nil {
		return planner.Plan{}, have, err
	}
	if err := b.promise.kept(p, b.want, have, b.how); err != nil {
		return planner.Plan{}, have, err
	}
	how := b.how
	images, err := planner.Images(b.want, have, how)
	if err != nil {
		return planner.Plan{}, have, err
	}
	if len(images.Steps) == 0 {
		plan, err := planner.Build(b.want, have, how)
		return plan, have, err
	}
	board, err := p.carryOut(ctx, on, job{plan: images, goal: "fetched", look: b.look})
	if err != nil {
		return planner.Plan{}, have, &runFailure{cause: err, board: board, again: b.again}
	}
	if have, err = survey(ctx, on, b.want, how); err != nil {
		return planner.Plan{}, have, err
	}
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
