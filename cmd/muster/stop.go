package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
)

func (p *program) stopCommand() *cobra.Command {
	var timeout seconds
	cmd := &cobra.Command{
		Use: "stop [SERVICE...]", GroupID: groupExist,
		Short: "Stop containers and keep them",
		Example: `  muster stop             # all, dependents first
  muster stop web         # one service
  muster stop -t 30 db    # give it half a minute`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			_, _, err := p.change(cmd.Context(), change{
				services: services, apart: true, ends: true, goal: "stopped", again: "muster stop",
				how: planner.Policy{Timeout: timeout.duration(), Now: p.now()}, plan: planner.Stop,
			})
			return err
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.VarP(&timeout, "timeout", "t", "Give containers so many `SECONDS` before they are killed")
	})
	return cmd
}
