package main

import (
	"context"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// change is a command that works on what exists: down, start, stop and the like.
type change struct {
	services []string
	goal     string
	again    string
	how      planner.Policy
	// plan makes the plan; files is nil where only labels are known.
	plan func(files *project.Project, have planner.State, how planner.Policy) (planner.Plan, error)
	// apart says that what is done to a service is not up to the containers of others.
	apart bool
	// unheld goes ahead while somebody else changes the project.
	unheld bool
	// ends says that the command ends with it, so that a terminal keeps what was done.
	ends bool
	// ask is called with the plan before it is run; may be nil.
	ask func(planner.Plan) error
	// onEvent gets every event of the run; may be nil.
	onEvent func(runner.Event)
}

// change finds the project, plans and carries out; the answer is what there was, and the plan.
func (p *program) change(ctx context.Context, c change) (observed, planner.Plan, error) {
	t, err := p.target(ctx, loading{})
	if err != nil {
		return observed{}, planner.Plan{}, err
	}
	l, err := p.look(t.files)
	if err != nil {
		return observed{}, planner.Plan{}, err
	}
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return observed{}, planner.Plan{}, err
	}
	defer on.Close()
	ahead := notAhead
	if !c.unheld {
		ahead = askAhead
	}
	after := ahead(on)
	seen, plan, err := planChange(ctx, on, t, c)
	if err != nil {
		return seen, plan, err
	}
	after()
	if p.globals.dryRun {
		return seen, plan, p.printPlan(plan, planOptions{}, p.typed())
	}
	if changes(plan) && !c.unheld {
		release, err := p.hold(ctx, on, on.Host(), plan.Project)
		if err != nil {
			return seen, plan, err
		}
		defer release()
		if seen, plan, err = planChange(ctx, on, t, c); err != nil {
			return seen, plan, err
		}
	}
	for _, w := range plan.Warnings {
		p.warn(w)
	}
	if c.ask != nil {
		if err := c.ask(plan); err != nil {
			return seen, plan, err
		}
	}
	if len(plan.Steps) == 0 {
		return seen, plan, nil
	}
	c.how.Services = c.services
	board, err := p.carryOutReady(ctx, on, job{plan: plan, goal: c.goal, look: l, onEvent: c.onEvent}, t.files, c.how)
	if err != nil {
		return seen, plan, &runFailure{cause: err, board: board, again: c.again}
	}
	if c.ends {
		p.printOutcome(l, plan, board)
	}
	return seen, plan, nil
}

// planChange looks at what there is and plans.
func planChange(ctx context.Context, on observer, t target, c change) (observed, planner.Plan, error) {
	look := looking(observe)
	if c.apart {
		look = observeApart
	}
	seen, err := look(ctx, on, t, c.services)
	if err != nil {
		return observed{}, planner.Plan{}, err
	}
	c.how.Services = c.services
	plan, err := c.plan(t.files, seen.have, c.how)
	if plan.Project == "" {
		plan.Project = t.name
	}
	return seen, plan, err
}
