package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

func (p *program) startCommand() *cobra.Command {
	var wait waitFlags
	cmd := &cobra.Command{
		Use: "start [SERVICE...]", GroupID: groupExist,
		Short: "Start containers that exist and are stopped",
		Example: `  muster start            # all, dependencies first
  muster start web        # one service
  muster start --wait     # come back when they are ready`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			_, _, err := p.change(cmd.Context(), change{
				services: services, ends: true, goal: "started", again: "muster start",
				how:  wait.policy(planner.Policy{Now: p.now()}),
				plan: startExisting(services),
			})
			return err
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		wait.define(f)
		p.defineTimeline(f)
	})
	return cmd
}

// startExisting plans the start, and refuses where there is nothing to start.
func startExisting(services []string) func(*project.Project, planner.State, planner.Policy) (planner.Plan, error) {
	return func(files *project.Project, have planner.State, how planner.Policy) (planner.Plan, error) {
		for _, name := range services {
			if !hasContainer(have, name) {
				return planner.Plan{}, &usageError{
					problem: fmt.Sprintf("service %q has no container to start", name),
					hint:    fmt.Sprintf("`muster up -d %s` makes one", name),
				}
			}
		}
		if len(have.Containers) == 0 {
			return planner.Plan{}, &usageError{problem: "there is no container to start", hint: "`muster up -d` makes them"}
		}
		return planner.Start(files, have, how)
	}
}

func hasContainer(have planner.State, service string) bool {
	for _, c := range have.Containers {
		if c.Service == service && !c.OneOff {
			return true
		}
	}
	return false
}
