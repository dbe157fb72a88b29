package main

import (
	"github.com/spf13/cobra"
)

// alphaCommand has what docker compose keeps under that name, for scripts that type it; people find the commands without it.
func (p *program) alphaCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "alpha", Hidden: true,
		Short: "What docker compose calls experimental",
		Args:  p.unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	dry := &cobra.Command{
		Use: "dry-run -- COMMAND", Short: "The same as --dry-run",
		Args: needs(1, "a command"),
		RunE: func(cmd *cobra.Command, args []string) error {
			again := *p // whose flags are read anew
			if code := again.execute(cmd.Context(), append([]string{"--dry-run"}, args...)); code != 0 {
				return &exitError{code: code}
			}
			return nil
		},
	}
	for _, sub := range []*cobra.Command{
		dry, p.watchCommand(), p.scaleCommand(), p.vizCommand(), p.generateCommand(), p.publishCommand(),
	} {
		sub.GroupID = ""
		cmd.AddCommand(sub)
	}
	return cmd
}
