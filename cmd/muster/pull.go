package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
)

type pullOptions struct {
	ignoreBuildable, ignoreFailures, includeDeps, quiet bool
	policy                                              string
}

func (p *program) pullCommand() *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use: "pull [SERVICE...]", GroupID: groupMore,
		Short: "Pull images",
		Example: `  muster pull                     # all, also those that are there
  muster pull --policy missing    # only those that are not
  muster pull --include-deps web  # with what web needs`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return p.pull(cmd.Context(), o, services)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&o.policy, "policy", "", "`WHEN` to pull: missing, or always")
		f.BoolVar(&o.includeDeps, "include-deps", false, "Also pull what the named services need")
		f.BoolVar(&o.ignoreBuildable, "ignore-buildable", false, "Leave out images that can be built")
		f.BoolVar(&o.ignoreFailures, "ignore-pull-failures", false, "Pull what can be pulled, and count it as a success")
		f.BoolVarP(&o.quiet, "quiet", "q", false, "Print no progress")
		defineOld(f, "parallel", "no-parallel")
	})
	return cmd
}

// defineOld adds switches that mean nothing any more, for those who still type them.
func defineOld(f *pflag.FlagSet, names ...string) {
	for _, name := range names {
		f.Bool(name, true, "")
		_ = f.MarkHidden(name)
	}
}

// pull is the command.
func (p *program) pull(ctx context.Context, o pullOptions, services []string) error {
	switch o.policy {
	case "", "missing", "always":
	default:
		return &usageError{problem: fmt.Sprintf("invalid --policy %q", o.policy), hint: "there are missing and always"}
	}
	want, err := p.load(ctx, loading{services: services, noDeps: !o.includeDeps, mayMiss: true})
	if err != nil {
		return err
	}
	how := planner.Policy{Services: services, NoDeps: !o.includeDeps, Pull: o.policy, Now: p.now()}
	return p.supply(ctx, supply{
		want: want, goal: "pulled", again: "muster pull", quiet: o.quiet, forgive: o.ignoreFailures,
		plan: func(have planner.State) (planner.Plan, error) {
			return planner.Pulls(want, have, how, o.ignoreBuildable)
		},
	})
}
