package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (p *program) scaleCommand() *cobra.Command {
	var o policyFlags
	cmd := &cobra.Command{
		Use: "scale SERVICE=N...", GroupID: groupMore,
		Short: "Run another number of containers of a service",
		Example: `  muster scale web=3
  muster scale web=3 worker=5
  muster scale --no-deps web=1`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			scale, err := scales(args)
			if err != nil {
				return err
			}
			o.scale = args
			return p.bringUp(cmd.Context(), o, sortedKeys(scale), "muster scale")
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVar(&o.noDeps, "no-deps", false, "Leave what the services need alone")
		o.defineYes(f)
		o.defineLimit(f)
	})
	return cmd
}
