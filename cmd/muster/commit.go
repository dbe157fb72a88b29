package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/runner/docker"
)

type commitOptions struct {
	docker.CommitOptions
	index int
}

func (p *program) commitCommand() *cobra.Command {
	var o commitOptions
	cmd := &cobra.Command{
		Use: "commit SERVICE [REPOSITORY[:TAG]]", GroupID: groupExist,
		Short: "Make an image of a container as it is",
		Example: `  muster commit web shop-web:as-it-is
  muster commit --index 2 --pause=false web shop-web:second
  muster commit -m "before the upgrade" -c 'ENV DEBUG=1' web shop-web:old`,
		Args:              needs(1, "a service"),
		ValidArgsFunction: p.oneServiceArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 {
				return &usageError{problem: "commit wants a service and one name", hint: "Usage: " + useLine(cmd)}
			}
			if len(args) == 2 {
				o.Reference = args[1]
			}
			return p.commit(cmd.Context(), o, args[0])
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVarP(&o.Comment, "message", "m", "", "A `TEXT` that says why")
		f.StringVarP(&o.Author, "author", "a", "", "`WHO` made it")
		f.StringArrayVarP(&o.Changes, "change", "c", nil, "Apply an `INSTRUCTION` of a Dockerfile")
		f.BoolVarP(&o.Pause, "pause", "p", true, "Halt the container meanwhile")
		f.IntVar(&o.index, "index", 0, "Of container number `N` of the service")
	})
	return cmd
}

// commit is the command.
func (p *program) commit(ctx context.Context, o commitOptions, service string) error {
	on, c, err := p.oneContainer(ctx, service, o.index, false)
	if err != nil {
		return err
	}
	defer on.Close()
	l, err := p.look(c.project.files)
	if err != nil {
		return err
	}
	what := "Commit " + c.Name
	var id string
	err = p.told(l, c.Name, what, "Committing", "", func() (err error) {
		id, err = on.Commit(ctx, c.Name, o.CommitOptions)
		return err
	})
	if err != nil || p.globals.dryRun {
		return err
	}
	return p.told(l, c.Name, what, "Committed as "+id, "", func() error { return nil })
}
