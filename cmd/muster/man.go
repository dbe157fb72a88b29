//go:build man

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// The commands are their own manual. It is for who packages muster (`make man`), and so in a build of its own: the library that writes manual pages is
// set up in all that have it, which takes a light command a twentieth of its time.
func init() { extras = append(extras, (*program).manCommand) }

func (p *program) manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man FOLDER", Hidden: true, GroupID: groupMore,
		Short: "Write a manual page for each command",
		Example: `  muster man dist/man
  muster man /usr/local/share/man/man1
  muster man "$HOME/.local/share/man/man1"`,
		Args: needs(1, "a folder"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make the folder of the manual pages: %w", err)
			}
			root := p.rootCommand(nil)
			root.DisableAutoGenTag = true // it would date pages that are the same every day
			header := &doc.GenManHeader{Section: "1", Source: "muster " + versionNumber(), Manual: "muster"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write the manual pages: %w", err)
			}
			return nil
		},
	}
}
