package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

type exportOptions struct {
	output string
	index  int
}

func (p *program) exportCommand() *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use: "export SERVICE", GroupID: groupExist,
		Short: "Write a container's file system as a tar archive",
		Example: `  muster export -o web.tar web
  muster export web | tar t
  muster export --index 2 -o web-2.tar web`,
		Args:              exactly(1, "one service"),
		ValidArgsFunction: p.oneServiceArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.export(cmd.Context(), o, args[0])
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVarP(&o.output, "output", "o", "", "Write to `FILE` and not to stdout")
		f.IntVar(&o.index, "index", 0, "Of container number `N` of the service")
	})
	return cmd
}

// exactly refuses command lines with another number of arguments.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return &usageError{problem: fmt.Sprintf("%s wants %s and no more", cmd.Name(), what), hint: "Usage: " + useLine(cmd)}
		}
		return needs(n, what)(cmd, args)
	}
}

// oneServiceArg completes the name of one service, and nothing behind it.
func (p *program) oneServiceArg(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.serviceArgs(cmd, args, typed)
}

// export is the command.
func (p *program) export(ctx context.Context, o exportOptions, service string) error {
	if o.output == "" && p.outScreen != nil {
		return &usageError{problem: "output option is required when exporting to terminal", hint: "say -o FILE, or pipe it on"}
	}
	on, c, err := p.oneContainer(ctx, service, o.index, false)
	if err != nil {
		return err
	}
	defer on.Close()
	l, err := p.look(c.project.files)
	if err != nil {
		return err
	}
	return p.told(l, c.Name, "export "+c.Name+" to "+o.output, "Exporting", "", func() error {
		if o.output == "" {
			return on.Export(ctx, c.Name, p.out)
		}
		return writeWhole(o.output, func(w io.Writer) error { return on.Export(ctx, c.Name, w) })
	})
}

// writeWhole writes a file that is there as a whole or not at all. What is no plain file, such as /dev/null, is written to.
func writeWhole(name string, write func(io.Writer) error) error {
	if there, err := os.Stat(name); err == nil && !there.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	temp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // gone already when all went well
	if err := errors.Join(write(temp), temp.Close()); err != nil {
		return err
	}
	const usual = 0o644 // minus what the umask takes, which only a new file knows
	if err := os.Chmod(temp.Name(), usual); err != nil {
		return err
	}
	return os.Rename(temp.Name(), name)
}
