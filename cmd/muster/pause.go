package main

import (
	"github.com/spf13/cobra"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

func (p *program) pauseCommand() *cobra.Command {
	return p.pausing("pause", "paused", planner.Pause, &cobra.Command{
		Use: "pause [SERVICE...]", GroupID: groupExist,
		Short: "Halt containers where they are",
		Example: `  muster pause          # all
  muster pause worker   # one service, to look at what it left
  muster unpause worker # let it go on`,
	})
}

func (p *program) unpauseCommand() *cobra.Command {
	return p.pausing("unpause", "going on", planner.Unpause, &cobra.Command{
		Use: "unpause [SERVICE...]", GroupID: groupExist,
		Short: "Let paused containers go on",
		Example: `  muster unpause         # all
  muster unpause worker  # one service
  muster -p shop unpause # of another project`,
	})
}

// pausing completes one of the two.
func (p *program) pausing(
	verb, goal string, plan func(*project.Project, planner.State, planner.Policy) (planner.Plan, error), cmd *cobra.Command,
) *cobra.Command {
	cmd.ValidArgsFunction = p.serviceArgs
	cmd.RunE = func(cmd *cobra.Command, services []string) error {
		_, _, err := p.change(cmd.Context(), change{services: services, apart: true, ends: true, goal: goal, again: "muster " + verb, plan: plan})
		return err
	}
	return cmd
}
