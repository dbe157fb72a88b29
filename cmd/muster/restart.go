package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
)

func (p *program) restartCommand() *cobra.Command {
	var timeout seconds
	var noDeps bool
	var wait waitFlags
	cmd := &cobra.Command{
		Use: "restart [SERVICE...]", GroupID: groupExist,
		Short: "Restart containers as they are",
		Long:  "Restart containers as they are. What changed in the files is not applied; `muster up` does that.",
		Example: `  muster restart          # all
  muster restart web      # one service, and those that asked to restart with it
  muster restart --wait   # come back when they are ready`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			_, _, err := p.change(cmd.Context(), change{
				services: services, ends: true, goal: "restarted", again: "muster restart",
				how:  wait.policy(planner.Policy{Timeout: timeout.duration(), NoDeps: noDeps, Now: p.now()}),
				plan: planner.Restarts,
			})
			return err
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.VarP(&timeout, "timeout", "t", "Give containers so many `SECONDS` to stop")
		wait.define(f)
		p.defineTimeline(f)
		f.BoolVar(&noDeps, "no-deps", false, "Leave dependents alone that asked to restart with it")
	})
	return cmd
}
