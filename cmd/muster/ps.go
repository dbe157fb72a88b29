package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/cmd/muster/listing"
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
	again := p.gathered()
	on, seen, err := p.seen(ctx, observe, services, func(on engine) (after func()) {
		after = askAhead(on)
		again.listen(on) // also to what was asked ahead
		return after
	})
	if err != nil {
		return err
	}
	defer on.Close()
	if o.format == "" {
		o.format = on.PSFormat()
	}
	view, now := o.view(seen, services, p.globals.at.target), p.now()
	rows := view.Rows(asListed(seen.have.Containers), now)
	text, ok := view.Text(rows)
	if !ok {
		return printTemplate(p.out, o.template(p.globals.at.target), psHeadings(), asAny(rows))
	}
	if _, err := p.out.Write(text); err != nil {
		return err
	}
	again.keepView(seen, view, now, text)
	return nil
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

// view is what is shown, and how.
func (o *psOptions) view(seen observed, services []string, target string) listing.View {
	v := listing.View{
		Project: seen.name, All: o.all, Status: o.status, Named: services, NoOrphans: !o.orphans && seen.files != nil, Whole: o.noTrunc,
	}
	switch {
	case o.quiet:
		v.As = listing.IDs
	case o.services:
		v.As = listing.Services
	case o.format == "json":
		v.As = listing.JSON
	case (o.format == "" || o.format == "table") && target != project.TargetSwarm:
		v.As = listing.Table
	}
	if seen.files == nil {
		return v
	}
	for _, name := range services {
		if _, active := seen.files.Services[name]; !active {
			v.Undeclared = append(v.Undeclared, name)
		}
	}
	if v.NoOrphans {
		v.Declared = slices.Concat(sortedKeys(seen.files.Services), sortedKeys(seen.files.Inactive))
	}
	return v
}

// template is the format as a template.
func (o *psOptions) template(target string) string {
	switch {
	case o.format == "raw":
		return rawFormat
	case o.format != "" && o.format != "table":
		return o.format
	case target == project.TargetSwarm:
		return strings.Replace(listing.TableFormat, `{{.Command}}`, `{{.Node}}`, 1)
	}
	return listing.TableFormat
}

// isUp says whether the engine counts a container among those that run.
func isUp(c planner.Container) bool { return listing.Up(string(c.Status)) }

// asListed are containers as ps shows them.
func asListed(of []planner.Container) []listing.Container {
	out := make([]listing.Container, len(of))
	for i, c := range of {
		l := listing.Container{
			ID: c.ID, Name: c.Name, Service: c.Service, Image: c.Image, Command: c.Command, Node: c.Node, Status: string(c.Status), Since: c.Since,
			Health: string(c.Health), OneOff: c.OneOff, ExitCode: c.ExitCode, Created: c.Created, Labels: c.Labels, Ports: listedPorts(c.Ports),
		}
		for _, e := range c.Endpoints {
			l.Networks = append(l.Networks, e.Network)
		}
		for _, m := range c.Mounts {
			l.Mounts = append(l.Mounts, listing.Mount{Type: m.Type, Name: m.Name, Source: m.Source})
		}
		out[i] = l
	}
	return out
}

func listedPorts(of []planner.Port) []listing.Port {
	out := make([]listing.Port, len(of))
	for i, p := range of {
		out[i] = listing.Port(p)
	}
	return out
}

// portsText lists ports as docker does.
func portsText(of []planner.Port) string { return listing.PortsText(listedPorts(of)) }

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
