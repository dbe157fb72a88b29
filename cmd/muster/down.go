package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

func (p *program) downCommand() *cobra.Command {
	var timeout seconds
	var volumes, orphans bool
	var images string
	cmd := &cobra.Command{
		Use: "down [SERVICE...]", GroupID: groupMain,
		Short: "Stop and remove containers and networks",
		Example: `  muster down             # data in volumes stays
  muster down -v          # remove the volumes and their data, too
  muster down --rmi local # remove the images that were built, too`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			if images != "" && images != "all" && images != "local" {
				return &usageError{problem: fmt.Sprintf("invalid value for --rmi: %q", images), hint: "there are local and all"}
			}
			how := planner.Policy{Timeout: timeout.duration(), Volumes: volumes, Images: images, Now: p.now()}
			teardown := func(files *project.Project, have planner.State, how planner.Policy) (plan planner.Plan, err error) {
				if how.RemoveOrphans, how.IgnoreOrphans, err = p.orphans(files, orphans); err != nil {
					return plan, err
				}
				return planner.Teardown(files, have, how)
			}
			seen, plan, err := p.change(cmd.Context(), change{
				services: services, ends: true, goal: "removed", again: "muster down", how: how, plan: teardown,
			})
			if err == nil && len(plan.Steps) == 0 && !p.globals.dryRun {
				p.warn(fmt.Sprintf("No resource found to remove for project %q.", seen.name))
			}
			return err
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVarP(&volumes, "volumes", "v", false, "Remove the files' volumes and anonymous ones, with their data")
		f.StringVar(&images, "rmi", "", "Remove `WHICH` images: local (without a name of their own) or all")
		f.VarP(&timeout, "timeout", "t", "Give containers so many `SECONDS` to stop")
		f.BoolVar(&orphans, "remove-orphans", false, "Remove containers of services that the files no longer have")
	})
	return cmd
}
