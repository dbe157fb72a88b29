package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

type psOptions struct {
	all, quiet, services, noTrunc, orphans bool
	format                                 string
	status, filters                        []string
}

func (p *program) psCommand() *cobra.Command {
	var o psOptions
	cmd := &cobra.Command{
		Use: "ps [SERVICE...]", GroupID: groupLook,
		Short: "List the stack's containers",
		Example: `  muster ps                # those that run
  muster ps -a             # stopped ones, too
  muster ps --format json  # an object a line`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return p.ps(cmd.Context(), o, services)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.all, "all", "a", false, "Also list stopped containers, and those of run")
		f.BoolVarP(&o.quiet, "quiet", "q", false, "Print IDs only")
		f.BoolVar(&o.services, "services", false, "Print services only")
		f.StringArrayVar(&o.status, "status", nil, "Only those in a `STATUS`: running, exited, created, paused, restarting, dead or removing")
		f.StringArrayVar(&o.filters, "filter", nil, "The same as a `FILTER`: status=STATUS")
		f.StringVar(&o.format, "format", "", "`FORMAT`: table, json, raw, or a Go template")
		f.BoolVar(&o.noTrunc, "no-trunc", false, "Do not shorten anything")
		f.BoolVar(&o.orphans, "orphans", true, "Also list services that the files do not have")
	})
	return cmd
}

// ps is the command.
func (p *program) ps(ctx context.Context, o psOptions, services []string) error {
	if err := o.check(); err != nil {
		return err
	}
	on, seen, err := p.glanced(ctx, services)
	if err != nil {
		return err
	}
	defer on.Close()
	var rows []psRow
	for _, c := range seen.have.Containers {
		if o.lists(seen, c, services) {
			rows = append(rows, newPsRow(c, seen.name, p.now(), !o.noTrunc))
		}
	}
	if o.format == "" {
		o.format = on.PSFormat()
	}
	return p.printPs(rows, o)
}

// check refuses states that do not exist.
func (o *psOptions) check() error {
	for _, f := range o.filters {
		key, value, _ := strings.Cut(f, "=")
		if key != "status" {
			return &usageError{problem: fmt.Sprintf("unknown filter %q", f), hint: "there is status=STATUS"}
		}
		o.status = append(o.status, value)
	}
	known := []string{"paused", "restarting", "removing", "running", "dead", "created", "exited"}
	for _, s := range o.status {
		if !slices.Contains(known, s) {
			return &usageError{problem: fmt.Sprintf("unknown status %q", s), hint: "there are " + strings.Join(known, ", ")}
		}
	}
	return nil
}

// lists says whether a container is asked for.
func (o *psOptions) lists(seen observed, c planner.Container, services []string) bool {
	switch {
	case len(services) > 0 && !slices.Contains(services, c.Service):
		return false
	case !o.orphans && !seen.declares(c.Service):
		return false
	case c.OneOff && !o.all:
		return false
	case len(o.status) > 0:
		return slices.Contains(o.status, string(c.Status))
	case o.all:
		return true
	}
	return isUp(c)
}

// isUp says whether the engine counts a container among those that run.
func isUp(c planner.Container) bool {
	return c.Status == planner.Running || c.Status == planner.Paused || c.Status == planner.Restarting
}

// printPs prints the rows in the form that was asked for.
func (p *program) printPs(rows []psRow, o psOptions) error {
	switch {
	case o.quiet:
		for _, r := range rows {
			fmt.Fprintln(p.out, r.fullID)
		}
		return nil
	case o.services:
		var names []string
		for _, r := range rows {
			if !slices.Contains(names, r.Service) {
				names = append(names, r.Service)
			}
		}
		for _, name := range names {
			fmt.Fprintln(p.out, name)
		}
		return nil
	case o.format == "json":
		return encodeLines(p.out, rows)
	}
	format := o.format
	if format == "raw" {
		format = rawFormat
	}
	if format == "" || format == "table" {
		format = `table {{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}`
		if p.globals.at.target == project.TargetSwarm {
			format = strings.Replace(format, `{{.Command}}`, `{{.Node}}`, 1)
		}
	}
	return printTemplate(p.out, format, psHeadings(), asAny(rows))
}

// rawFormat is what docker calls raw: a field a line, and an empty line after each container.
const rawFormat = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{.State}}\n" +
	"status: {{.Status}}\nnames: {{.Names}}\nlabels: {{.Labels}}\nports: {{.Ports}}{{println}}"

// psHeadings are the heads of the columns by field.
func psHeadings() map[string]string {
	return map[string]string{"RunningFor": "CREATED", "CreatedAt": "CREATED AT", "ExitCode": "EXIT CODE", "ID": "CONTAINER ID",
		"LocalVolumes": "LOCAL VOLUMES"}
}

func asAny[T any](rows []T) []any {
	out := make([]any, len(rows))
	for i := range rows {
		out[i] = rows[i]
	}
	return out
}
