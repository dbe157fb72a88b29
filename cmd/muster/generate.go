package main

import (
	"cmp"
	"context"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// describer writes containers down as services.
type describer interface {
	Describe(ctx context.Context, containers []string) (*types.Project, error)
}

type generateOptions struct{ format, name, dir string }

func (p *program) generateCommand() *cobra.Command {
	var o generateOptions
	cmd := &cobra.Command{
		Use: "generate CONTAINER...", GroupID: groupMore,
		Short: "Write a Compose file of containers that exist",
		Example: `  muster generate web db > compose.yaml # of containers that docker run has made
  muster generate --name shop web
  muster generate --format json web`,
		Args: needs(1, "containers"),
		RunE: func(cmd *cobra.Command, containers []string) error { return p.generate(cmd.Context(), o, containers) },
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&o.format, "format", "yaml", "`FORMAT`: yaml or json")
		f.StringVar(&o.name, "name", "", "`NAME` of the project")
		f.StringVar(&o.dir, "project-dir", "", "`FOLDER` that the project is named after otherwise")
	})
	return cmd
}

// generate is the command.
func (p *program) generate(ctx context.Context, o generateOptions, containers []string) error {
	if err := checkFormat(o.format, "yaml", "json"); err != nil {
		return err
	}
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	made, err := on.Describe(ctx, containers)
	if err != nil {
		return err
	}
	dir := o.dir
	if dir == "" {
		if dir, err = os.Getwd(); err != nil {
			return err
		}
	}
	made.Name = cmp.Or(o.name, made.Name, filepath.Base(dir))
	write := func() ([]byte, error) { return made.MarshalYAML() }
	if o.format == "json" {
		write = func() ([]byte, error) {
			text, err := made.MarshalJSON()
			return append(text, '\n'), err
		}
	}
	text, err := write()
	if err != nil {
		return err
	}
	_, err = p.out.Write(text)
	return err
}
