package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
)

type lsOptions struct {
	all, quiet bool
	format     string
	filters    []string
}

func (p *program) lsCommand() *cobra.Command {
	var o lsOptions
	cmd := &cobra.Command{
		Use: "ls", GroupID: groupLook,
		Short: "List the stacks on the engine",
		Example: `  muster ls                     # those that run
  muster ls -a                  # stopped ones, too
  muster ls --filter name=shop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.ls(cmd.Context(), o) },
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.all, "all", "a", false, "Also list stacks of which nothing runs")
		f.BoolVarP(&o.quiet, "quiet", "q", false, "Print names only")
		f.StringVar(&o.format, "format", "table", "`FORMAT`: table or json")
		f.StringArrayVar(&o.filters, "filter", nil, "Only those that fit a `FILTER`: name=REGEX")
	})
	return cmd
}

// lsRow is a stack as ls prints it, with docker compose's keys.
type lsRow struct {
	Name        string
	Status      string
	ConfigFiles string
}

// ls is the command.
func (p *program) ls(ctx context.Context, o lsOptions) error {
	var names []*regexp.Regexp
	for _, f := range o.filters {
		key, value, _ := strings.Cut(f, "=")
		pattern, err := regexp.Compile(value)
		if key != "name" || err != nil {
			return &usageError{problem: fmt.Sprintf("invalid filter %q", f), hint: "there is name=REGEX"}
		}
		names = append(names, pattern)
	}
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	projects, err := on.Projects(ctx)
	if err != nil {
		return err
	}
	rows := []lsRow{}
	for _, project := range projects {
		fits := slices.ContainsFunc(names, func(r *regexp.Regexp) bool { return r.MatchString(project.Name) })
		status := statusText(project.Containers, o.all)
		if len(names) > 0 && !fits || status == "" {
			continue
		}
		files := "N/A"
		if len(project.ConfigFiles) > 0 {
			files = strings.Join(project.ConfigFiles, ",")
		}
		rows = append(rows, lsRow{project.Name, status, files})
	}
	return p.printLs(rows, o)
}

// statusText counts containers by state: "exited(1), running(2)".
func statusText(counts map[planner.Status]int, all bool) string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(counts)) {
		if all || isUp(planner.Container{Status: status}) {
			parts = append(parts, fmt.Sprintf("%s(%d)", status, counts[status]))
		}
	}
	return strings.Join(parts, ", ")
}

func (p *program) printLs(rows []lsRow, o lsOptions) error {
	switch {
	case o.quiet:
		for _, r := range rows {
			fmt.Fprintln(p.out, r.Name)
		}
		return nil
	case o.format == "json":
		return encodeLine(p.out, rows)
	case o.format == "" || o.format == "table":
		return printColumns(p.out, broad, `table {{.Name}}\t{{.Status}}\t{{.ConfigFiles}}`,
			map[string]string{"Name": "NAME", "Status": "STATUS", "ConfigFiles": "CONFIG FILES"}, asAny(rows))
	}
	return &usageError{problem: fmt.Sprintf("unknown format %q", o.format), hint: "there are table and json"}
}
