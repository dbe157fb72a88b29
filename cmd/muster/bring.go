package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// bringing is what up, create and scale have in common: a project, a policy,
// and how to show and name what is done.
type bringing struct {
	want  *project.Project
	how   planner.Policy
	look  look
	goal  string // what a service is when all went well
	again string // the command, to name when it did not go well
	yes   bool   // do not ask
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
	if err := p.askLoss(plan, b.yes); err != nil {
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
	how := b.how
	images, err := planner.Images(b.want, have, how)
	if err != nil {
		return planner.Plan{}, have, err
	}
	if len(images.Steps) > 0 {
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
	}
	plan, err := planner.Build(b.want, have, how)
	return plan, have, err
}

// askLoss asks before data is lost. Where nobody can be asked the answer is no.
func (p *program) askLoss(plan planner.Plan, yes bool) error {
	var losses []string
	for _, s := range plan.Steps {
		if s.Impact == planner.DataLoss {
			losses = append(losses, refText(s.Action.Resource()))
		}
	}
	if len(losses) == 0 || yes {
		return nil
	}
	question := fmt.Sprintf("this removes data for good: %s", strings.Join(losses, ", "))
	if p.screen == nil {
		return &usageError{problem: question, hint: "say --yes to do it"}
	}
	return p.confirm(question + ". Go on?")
}

// errDeclined is the answer no.
var errDeclined = &exitError{code: exitFailed, cause: fmt.Errorf("nothing was changed")}

// confirm asks a question whose answer is no unless it is yes.
func (p *program) confirm(question string) error {
	fmt.Fprint(p.err, question+" [y/N] ")
	answer, err := bufio.NewReader(p.in).ReadString('\n')
	if err != nil && answer == "" {
		fmt.Fprintln(p.err)
		return errDeclined
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errDeclined
}
