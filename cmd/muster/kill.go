package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

func (p *program) killCommand() *cobra.Command {
	signal := signalFlag("SIGKILL")
	var orphans bool
	cmd := &cobra.Command{
		Use: "kill [SERVICE...]", GroupID: groupExist,
		Short: "Send containers a signal, SIGKILL unless told otherwise",
		Example: `  muster kill               # end all at once
  muster kill -s SIGHUP web # let web read its configuration again
  muster kill db            # see what happens`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			seen, plan, err := p.change(cmd.Context(), change{
				services: services, apart: true, ends: true, goal: "killed", again: "muster kill",
				unheld: true, // it is the way out where a change hangs
				plan: func(files *project.Project, have planner.State, how planner.Policy) (planner.Plan, error) {
					wanted := how.Services
					if len(wanted) == 0 && files != nil && !orphans {
						wanted = append(serviceNames(files), sortedKeys(files.Inactive)...)
					}
					return killPlan("", have, wanted, string(signal)), nil
				},
			})
			if err == nil && len(plan.Steps) == 0 && !p.globals.dryRun {
				p.warn(fmt.Sprintf("no container to kill in project %q", seen.name))
			}
			return err
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.VarP(&signal, "signal", "s", "The `SIGNAL` to send")
		f.BoolVar(&orphans, "remove-orphans", false, "Also kill containers of services that the files no longer have")
	})
	return cmd
}

// signalFlag is a flag that takes the name or number of a signal; an engine would refuse others once for each container.
type signalFlag string

// String is the flag's value as text.
func (s *signalFlag) String() string { return string(*s) }

// Set takes what engines know.
func (s *signalFlag) Set(text string) error {
	if problem, hint := project.CheckSignal(text); problem != "" {
		return fmt.Errorf("%s; %s", problem, hint)
	}
	*s = signalFlag(strings.ToUpper(text))
	return nil
}

// Type names it in the help.
func (s *signalFlag) Type() string { return "string" }

// killPlan sends a signal to what runs, all at once, those that run made too; no services are all.
func killPlan(name string, have planner.State, services []string, signal string) planner.Plan {
	plan := planner.Plan{Project: name}
	for _, c := range have.Containers {
		runs := c.Status == planner.Running || c.Status == planner.Paused || c.Status == planner.Restarting
		if !runs || len(services) > 0 && !slices.Contains(services, c.Service) {
			continue
		}
		plan.Steps = append(plan.Steps, planner.Step{
			ID:     planner.StepID("kill " + c.Name),
			Action: planner.KillContainer{Name: c.Name, Service: c.Service, Signal: signal},
			Impact: planner.Restart,
		})
	}
	return plan
}
