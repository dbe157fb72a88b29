package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

type planOptions struct {
	policyFlags
	steps, json, exitCode, showValues bool
	// output is the file to save the plan in; empty is none.
	output string
	// showSteps is what to type to see the steps; empty where there is nothing.
	showSteps string
}

// lookingFlags are those of plan that up does not have: they say how to show a plan, and not what is in it.
func lookingFlags() []string {
	return []string{"steps", "json", "detailed-exitcode", "show-values"}
}

func (p *program) planCommand() *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use: "plan [SERVICE...]", GroupID: groupMain,
		Short: "Show what up would do, and why",
		Example: `  muster plan                      # what differs, service by service
  muster plan -o shop.plan         # keep it for muster apply
  muster plan --detailed-exitcode  # for scripts: 0 nothing to do, 2 changes, 1 error`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			if err := refusePairs(cmd, policyPairs()); err != nil {
				return err
			}
			return p.plan(cmd.Context(), o, services)
		},
	}
	addFlags(cmd, "Common", func(f *pflag.FlagSet) {
		f.StringVarP(&o.output, "output", "o", "", "Save the plan in `FILE`, for muster apply")
		f.BoolVar(&o.steps, "steps", false, "List the steps, with what each needs and why")
		f.BoolVar(&o.json, "json", false, "Print the plan as JSON")
		f.BoolVar(&o.exitCode, "detailed-exitcode", false, "Exit with 0 for no changes, 2 for changes, 1 for an error")
		f.BoolVar(&o.showValues, "show-values", false, "Print values that look secret, too")
	})
	addFlags(cmd, "As for up", func(f *pflag.FlagSet) {
		f.BoolVar(&o.noDeps, "no-deps", false, "Leave what the named services need alone")
		o.defineScope(f)
		o.defineLimit(f)
		o.defineWait(f)
		o.defineImages(f)
		o.defineRecreate(f)
		f.BoolVar(&o.alwaysRecreate, "always-recreate-deps", false, "Replace what the named services need, too")
		f.BoolVarP(&o.renewVolumes, "renew-anon-volumes", "V", false, "Give replaced containers fresh anonymous volumes")
		f.VarP(&o.timeout, "timeout", "t", "Give containers so many `SECONDS` to stop")
	})
	return cmd
}

// plan is the command.
func (p *program) plan(ctx context.Context, o planOptions, services []string) error {
	want, err := p.load(ctx, loading{services: services, noDeps: o.noDeps, mayMiss: true})
	if err != nil {
		return err
	}
	how, err := p.policy(want, o.policyFlags, services)
	if err != nil {
		return err
	}
	how.Thorough = !o.noDrift
	if err := checkNames(want, sortedKeys(how.Scale)); err != nil {
		return err
	}
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	have, plan, err := preview(ctx, on, want, how)
	if err != nil {
		return err
	}
	command := p.typedInstead("plan", "up", lookingFlags())
	if how.Thorough && !o.drift && mendsLimits(plan) {
		command += " --drift" // without it up would not look
	}
	if o.output != "" {
		if err := p.savePlan(o.output, want, have, how, plan, on.Host()); err != nil {
			return err
		}
		command = commandLine([]string{"apply", o.output})
	} else {
		o.showSteps = p.typed() + " --steps"
	}
	return p.printWithin(plan, o, command)
}

// printPlanOf plans the way to what is wanted and prints it: that is what --dry-run does.
func (p *program) printPlanOf(ctx context.Context, on closeObserver, want *project.Project, how planner.Policy, o policyFlags, command string) error {
	_, plan, err := preview(ctx, on, want, how)
	if err != nil {
		return err
	}
	return p.printWithin(plan, planOptions{policyFlags: o}, command)
}

// preview looks at the engine and plans for those who only look.
func preview(ctx context.Context, on closeObserver, want *project.Project, how planner.Policy) (planner.State, planner.Plan, error) {
	have, err := survey(ctx, on, want, how)
	if err != nil {
		return have, planner.Plan{}, err
	}
	notes, err := fit(on, want, have)
	if err != nil {
		return have, planner.Plan{}, err
	}
	plan, err := planner.Preview(want, have, how)
	plan.Warnings = append(plan.Warnings, notes...)
	return have, plan, err
}

// printWithin prints a plan, and then refuses it where it does more than the limit lets it.
func (p *program) printWithin(plan planner.Plan, o planOptions, command string) error {
	printed := p.printPlan(plan, o, command)
	if over := o.limit.check(plan); over != nil {
		return over
	}
	return printed
}

// mendsLimits says whether a plan sets something back that only Policy.Thorough finds.
func mendsLimits(plan planner.Plan) bool {
	for _, s := range plan.Steps {
		if _, ok := s.Action.(planner.UpdateContainer); ok && len(s.Because) > 0 && s.Because[0].Drift {
			return true
		}
	}
	return false
}

// printPlan prints a plan; command is what carries it out.
func (p *program) printPlan(plan planner.Plan, o planOptions, command string) error {
	look, err := p.look(nil)
	if err != nil {
		return err
	}
	text := planner.TextOptions{ShowValues: o.showValues, Color: bool(look.logs), Command: command, Steps: o.showSteps}
	switch {
	case o.json:
		written, err := plan.JSON(text)
		if err != nil {
			return err
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, written, "", "  "); err != nil {
			return err
		}
		fmt.Fprintln(p.out, indented.String())
	case o.steps:
		fmt.Fprint(p.out, plan.StepsText(text))
	default:
		fmt.Fprint(p.out, plan.Text(text))
	}
	if o.exitCode && len(plan.Steps) > 0 {
		return &exitError{code: exitChanges}
	}
	return nil
}
