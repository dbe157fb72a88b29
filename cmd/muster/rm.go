package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

type rmOptions struct{ force, stop, volumes bool }

func (p *program) rmCommand() *cobra.Command {
	var o rmOptions
	cmd := &cobra.Command{
		Use: "rm [SERVICE...]", GroupID: groupExist,
		Short: "Remove stopped containers",
		Example: `  muster rm            # asks first
  muster rm -f web     # does not
  muster rm -fsv web   # stops it, and removes its anonymous volumes`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return p.rm(cmd.Context(), o, services)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.force, "force", "f", false, "Do not ask")
		f.BoolVarP(&o.stop, "stop", "s", false, "Stop them first")
		f.BoolVarP(&o.volumes, "volumes", "v", false, "Remove their anonymous volumes, too")
		f.BoolP("all", "a", false, "")
		_ = f.MarkHidden("all")
	})
	return cmd
}

// rm is the command.
func (p *program) rm(ctx context.Context, o rmOptions, services []string) error {
	if o.stop {
		_, _, err := p.change(ctx, change{services: services, goal: "stopped", again: "muster rm", plan: planner.Stop})
		if err != nil {
			return err
		}
		if p.globals.dryRun {
			return nil
		}
	}
	_, plan, err := p.change(ctx, change{
		services: services, ends: true, goal: "removed", again: "muster rm",
		plan: func(_ *project.Project, have planner.State, how planner.Policy) (planner.Plan, error) {
			return removalPlan(have, how.Services, o.volumes), nil
		},
		ask: func(plan planner.Plan) error {
			if len(plan.Steps) == 0 {
				return nil
			}
			var names []string
			for _, s := range plan.Steps {
				if s.Action.Resource().Kind != planner.KindContainer {
					continue
				}
				names = append(names, s.Action.Resource().Name)
			}
			if o.force {
				fmt.Fprintln(p.out, "Going to remove "+strings.Join(names, ", ")) // where docker compose says it, too
				return nil
			}
			return p.confirm("Going to remove " + strings.Join(names, ", ") + ". Go on?")
		},
	})
	if err == nil && len(plan.Steps) == 0 && !p.globals.dryRun {
		fmt.Fprintln(p.err, "No stopped containers")
	}
	return err
}

// removalPlan removes stopped containers but those that run made, all at once, and the volumes that have their configs and secrets; no
// services are all.
func removalPlan(have planner.State, services []string, volumes bool) planner.Plan {
	var plan planner.Plan
	var names []string
	for _, c := range have.Containers {
		stopped := slices.Contains([]planner.Status{planner.Created, planner.Exited, planner.Dead}, c.Status)
		if !stopped || c.OneOff || len(services) > 0 && !slices.Contains(services, c.Service) {
			continue
		}
		plan.Steps = append(plan.Steps, planner.Step{ID: planner.StepID("remove " + c.Name), Action: planner.NewRemoveContainer(c, volumes)})
		names = append(names, c.Name)
	}
	var needs []planner.StepID
	for _, s := range plan.Steps {
		needs = append(needs, s.ID)
	}
	for _, name := range planner.HeldFiles(have, names) {
		plan.Steps = append(plan.Steps, planner.Step{
			ID: planner.StepID("remove volume " + name), Action: planner.RemoveVolume{Name: name}, Needs: needs,
		})
	}
	return plan
}
