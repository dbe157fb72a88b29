package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

func (p *program) topCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "top [SERVICE...]", GroupID: groupLook,
		Short: "List the processes in containers",
		Example: `  muster top               # of all containers that run
  muster top web           # of one service
  muster top --format json # an object a line`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return p.top(cmd.Context(), format, services)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&format, "format", "table", "`FORMAT`: table or json")
	})
	return cmd
}

// topOf is a container with its processes.
type topOf struct {
	planner.Container
	docker.Processes
}

// number is the container's, as top and its like print it.
func (t topOf) number() string {
	if t.OneOff {
		return "run"
	}
	return strconv.Itoa(t.Number)
}

// top is the command.
func (p *program) top(ctx context.Context, format string, services []string) error {
	if err := checkFormat(format, "table", "json"); err != nil {
		return err
	}
	on, there, err := p.containersOf(ctx, services, askAhead)
	if err != nil {
		return err
	}
	defer on.Close()
	var all []topOf
	for _, c := range there {
		if !isUp(c) {
			continue
		}
		processes, err := on.Processes(ctx, c.Name)
		if err != nil {
			return err
		}
		all = append(all, topOf{c, processes})
	}
	if format == "json" {
		return p.printTopJSON(all)
	}
	return p.printTop(all)
}

// printTop prints one table; columns that not every container has stay empty.
func (p *program) printTop(all []topOf) error {
	var titles []string
	for _, t := range all {
		for _, title := range t.Titles {
			if !slices.Contains(titles, title) && title != "CMD" {
				titles = append(titles, title)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	titles = append(titles, "CMD") // last, since it has blanks
	table := tabwriter.NewWriter(p.out, 4, 1, 2, ' ', 0)
	fmt.Fprintln(table, "SERVICE\t#\t"+strings.Join(titles, "\t"))
	for _, t := range all {
		for _, row := range t.Rows {
			cells := []string{t.Service, t.number()}
			for _, title := range titles {
				cell := "-"
				if i := slices.Index(t.Titles, title); i >= 0 && i < len(row) {
					cell = row[i]
				}
				cells = append(cells, cell)
			}
			fmt.Fprintln(table, strings.Join(cells, "\t"))
		}
	}
	return table.Flush()
}

// printTopJSON prints an object for each process, with the engine's titles as keys.
func (p *program) printTopJSON(all []topOf) error {
	for _, t := range all {
		for _, row := range t.Rows {
			line := map[string]any{"Service": t.Service, "Container": t.Name}
			if !t.OneOff {
				line["Number"] = t.Number
			}
			for i, title := range t.Titles {
				if i < len(row) {
					line[title] = row[i]
				}
			}
			if err := encodeLine(p.out, line); err != nil {
				return err
			}
		}
	}
	return nil
}
