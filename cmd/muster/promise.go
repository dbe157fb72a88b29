package main

import (
	"errors"
	"fmt"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/saved"
)

// promise is a saved plan that a run must not differ from. A nil one promises nothing.
type promise struct {
	plan   *saved.Plan
	engine string // the address of the one that it is held against
}

// kept makes the saved plan anew from what there is now, and refuses where it has become another one.
func (pr *promise) kept(p *program, want *project.Project, have planner.State, how planner.Policy) error {
	if pr == nil {
		return nil
	}
	now, err := planner.Preview(want, have, how)
	if err != nil {
		return err
	}
	return pr.keeps(p, want, have, how, now)
}

// keeps refuses a preview that is another one than the saved plan.
func (pr *promise) keeps(p *program, want *project.Project, have planner.State, how planner.Policy, now planner.Plan) error {
	notes, err := pr.plan.Check(saved.Source{Want: want, Have: have, How: how, Plan: now})
	var moved *saved.Moved
	if errors.As(err, &moved) && pr.engine != pr.plan.Inputs.Engine {
		moved.Differences = append([]string{fmt.Sprintf("engine: %s → %s", pr.plan.Inputs.Engine, pr.engine)}, moved.Differences...)
	}
	if err != nil {
		return err
	}
	for _, n := range notes {
		p.warn(n + " since the plan was made, in nothing that it depends on")
	}
	return nil
}

// covers refuses what new images ask for beyond the saved plan.
func (pr *promise) covers(want *project.Project, have planner.State, how planner.Policy, plan planner.Plan) error {
	if pr == nil {
		return nil
	}
	return pr.plan.Exceeds(saved.Source{Want: want, Have: have, How: how, Plan: plan})
}
