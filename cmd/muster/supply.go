package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// supply is what build, pull and push have in common: a plan about images only.
type supply struct {
	want *project.Project
	plan func(have planner.State) (planner.Plan, error)
	goal string // what a service is when all went well
	// again is the command, to name when it did not go well.
	again string
	quiet bool
	// forgive says that what cannot be had is told and is no failure.
	forgive bool
}

// supply plans and carries out.
func (p *program) supply(ctx context.Context, s supply) error {
	l, err := p.look(s.want)
	if err != nil {
		return err
	}
	if s.quiet {
		l.mode = "quiet"
	}
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	have, err := on.Observe(ctx, planner.ScopeOf(s.want))
	if err != nil {
		return err
	}
	plan, err := s.plan(have)
	if err != nil {
		return err
	}
	if p.globals.dryRun {
		return p.printPlan(plan, planOptions{}, p.typed())
	}
	for _, item := range plan.Items {
		if item.Verdict == planner.Unchanged && item.Summary != "" && l.mode != "quiet" {
			p.skipped(l, item)
		}
	}
	if len(plan.Steps) == 0 {
		return nil
	}
	board, err := p.carryOut(ctx, on, job{plan: plan, have: planner.State{}, goal: s.goal, look: l})
	var failures runner.Errors
	if s.forgive && ctx.Err() == nil && errors.As(err, &failures) {
		for _, f := range failures {
			p.warn(withHint(f))
		}
		return nil
	}
	if err != nil {
		return &runFailure{cause: err, board: board, again: s.again}
	}
	p.printOutcome(l, plan, board)
	return nil
}

// skipped says why nothing is done about a service.
func (p *program) skipped(l look, item planner.Item) {
	if l.mode == "json" {
		(&jsonDisplay{w: l.status}).print(progressLine{ID: item.Ref.Name, Status: "Done", Text: "Skipped", Details: item.Summary})
		return
	}
	fmt.Fprintf(l.status, " %s Skipped - %s\n", item.Ref.Name, item.Summary)
}

// keyValues reads KEY=VALUE; a KEY alone has the value that it has here, or none.
func (p *program) keyValues(of *project.Project, args []string) map[string]*string {
	out := map[string]*string{}
	for _, arg := range args {
		key, value, given := strings.Cut(arg, "=")
		if !given {
			if value, given = of.Environment[key]; !given {
				out[key] = nil
				continue
			}
		}
		out[key] = &value
	}
	return out
}
