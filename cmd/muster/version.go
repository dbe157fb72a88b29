package main

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/cmd/muster/release"
)

type versionOptions struct {
	short  bool
	format string
}

func (p *program) versionCommand() *cobra.Command {
	var o versionOptions
	cmd := &cobra.Command{
		Use: "version", GroupID: groupMore,
		Short: "Print the version",
		Example: `  muster version
  muster version --short
  muster version --format json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return p.printVersion(o) },
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVar(&o.short, "short", false, "Print nothing but the number")
		f.StringVarP(&o.format, "format", "f", "", "`FORMAT`: pretty or json")
	})
	return cmd
}

// printVersion asks nothing of any engine: scripts call it often. In a released binary package release has mostly answered before.
func (p *program) printVersion(o versionOptions) error {
	number := versionNumber()
	switch {
	case o.short:
		fmt.Fprintln(p.out, strings.TrimPrefix(number, "v"))
	case o.format == "json":
		return encodeLine(p.out, map[string]string{"version": number})
	case o.format == "" || o.format == "pretty":
		fmt.Fprint(p.out, release.Sentence(number))
	default:
		return &usageError{problem: fmt.Sprintf("unknown format %q", o.format), hint: "there are pretty and json"}
	}
	return nil
}

// versionNumber is the release, else what the Go tool knows of the source.
func versionNumber() string {
	if release.Number != "" {
		return release.Number
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
