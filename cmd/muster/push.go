package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
)

type pushOptions struct {
	ignoreFailures, includeDeps, quiet bool
}

func (p *program) pushCommand() *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use: "push [SERVICE...]", GroupID: groupMore,
		Short: "Push images that were built",
		Example: `  muster push                    # all that the files say how to build
  muster push web                # one service's
  muster push --include-deps web # with what web needs`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return p.push(cmd.Context(), o, services)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVar(&o.includeDeps, "include-deps", false, "Also push what the named services need")
		f.BoolVar(&o.ignoreFailures, "ignore-push-failures", false, "Push what can be pushed, and count it as a success")
		f.BoolVarP(&o.quiet, "quiet", "q", false, "Print no progress")
	})
	return cmd
}

// push is the command.
func (p *program) push(ctx context.Context, o pushOptions, services []string) error {
	want, err := p.load(ctx, loading{services: services, noDeps: !o.includeDeps, mayMiss: true})
	if err != nil {
		return err
	}
	how := planner.Policy{Services: services, NoDeps: !o.includeDeps, Now: p.now()}
	return p.supply(ctx, supply{
		want: want, goal: "pushed", again: "muster push", quiet: o.quiet, forgive: o.ignoreFailures,
		plan: func(have planner.State) (planner.Plan, error) { return planner.Pushes(want, have, how) },
	})
}
