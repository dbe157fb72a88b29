package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (p *program) createCommand() *cobra.Command {
	var o policyFlags
	cmd := &cobra.Command{
		Use: "create [SERVICE...]", GroupID: groupMore,
		Short: "Create containers and do not start them",
		Example: `  muster create             # all that is missing or differs
  muster create --build web # build web's image first
  muster start              # then start them`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			if err := refusePairs(cmd, policyPairs()); err != nil {
				return err
			}
			o.noStart = true
			return p.bringUp(cmd.Context(), o, services, "muster create")
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		o.defineImages(f)
		o.defineRecreate(f)
		o.defineScope(f)
		o.defineYes(f)
		o.defineLimit(f)
	})
	return cmd
}

// bringUp is up in the background, with the flags of create and scale.
func (p *program) bringUp(ctx context.Context, o policyFlags, services []string, again string) error {
	up := upOptions{policyFlags: o, detach: true, again: again}
	return p.up(ctx, up, services)
}
