package main

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/instance"
	"github.com/musterhq/muster/planner"
)

type lsOptions struct {
	all, quiet bool
	instances  bool
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
  muster ls --instances         # copies of stacks, with their host ports`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.ls(cmd.Context(), o) },
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.all, "all", "a", false, "Also list stacks of which nothing runs")
		f.BoolVarP(&o.quiet, "quiet", "q", false, "Print names only")
		f.BoolVar(&o.instances, "instances", false, "List the copies of stacks, running or not, with their host ports")
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
	if o.instances {
		return p.lsInstances(ctx, o, names)
	}
	if err := p.aimByName(ctx); err != nil {
		return err
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
		status := statusText(project.Containers, o.all)
		if !fits(names, project.Name) || status == "" {
			continue
		}
		files := "N/A"
		if len(project.ConfigFiles) > 0 {
			files = strings.Join(project.ConfigFiles, ",")
		}
		rows = append(rows, lsRow{project.Name, status, files})
	}
	return printLs(p, rows, o, `table {{.Name}}\t{{.Status}}\t{{.ConfigFiles}}`,
		map[string]string{"Name": "NAME", "Status": "STATUS", "ConfigFiles": "CONFIG FILES"})
}

// fits says whether one of the patterns, if there are any, is in a name.
func fits(patterns []*regexp.Regexp, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(r *regexp.Regexp) bool { return r.MatchString(name) })
}

// instanceRow is a copy of a stack as ls --instances prints it.
type instanceRow struct {
	Name, Instance, Of string
	Status             string
	Ports              map[string]int `json:",omitempty"` // host ports by "SERVICE:PORT", with the port that the file has for it
	PortsText          string         `json:"-"`
	Folder             string
	Used               string `json:",omitempty"` // RFC 3339
	Needed             string `json:",omitempty"` // how long, in words
	Expires            string `json:",omitempty"` // RFC 3339
}

// lsInstances lists the copies of stacks: those on the engine, and those that have host ports and do not exist now.
func (p *program) lsInstances(ctx context.Context, o lsOptions, names []*regexp.Regexp) error {
	all, err := p.copies(ctx)
	if err != nil {
		return err
	}
	rows := []instanceRow{}
	for _, c := range all {
		if !fits(names, c.Name) {
			continue
		}
		row := instanceRow{Name: c.Name, Instance: c.Instance, Of: c.First, Status: statusText(c.Containers, true), Ports: map[string]int{}, Folder: c.WorkingDir}
		switch {
		case c.elsewhere:
			row.Status = "on another engine"
		case row.Status == "":
			row.Status = "down"
		}
		if !c.record.Used.IsZero() {
			row.Used = c.record.Used.UTC().Format(time.RFC3339)
		}
		row.Needed = p.neededText(c)
		if at := c.expires(); !at.IsZero() {
			row.Expires = at.UTC().Format(time.RFC3339)
		}
		var ports []string
		for h, port := range c.record.Ports {
			from := fmt.Sprintf("%s:%d", h.Service, h.Published)
			row.Ports[from] = port
			ports = append(ports, fmt.Sprintf("%s→%d", from, port))
		}
		slices.Sort(ports)
		row.PortsText = strings.Join(ports, ", ")
		rows = append(rows, row)
	}
	return printLs(p, rows, o, `table {{.Name}}\t{{.Status}}\t{{.PortsText}}\t{{.Needed}}\t{{.Folder}}`,
		map[string]string{"Name": "NAME", "Status": "STATUS", "PortsText": "HOST PORTS", "Needed": "NEEDED", "Folder": "FOLDER"})
}

// neededText says how long an instance is needed, and whether it still is.
func (p *program) neededText(c copyOf) string {
	at := c.expires()
	switch {
	case p.instances().Held(c.Name):
		return fmt.Sprintf("by process %d", c.record.Holder.PID)
	case c.record.Held:
		return fmt.Sprintf("no more: process %d has ended", c.record.Holder.PID)
	case instance.Expired(at, p.now()) != "":
		return "no more: expired " + at.Local().Format("2006-01-02 15:04")
	case !at.IsZero():
		return "until " + at.Local().Format("2006-01-02 15:04")
	}
	return ""
}

// expires is the time of an instance; what its user has said last counts, and the engine's word where that is not known.
func (c copyOf) expires() time.Time {
	if c.record.Project != "" {
		return c.record.Expires
	}
	return c.Expires
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

// listed is a row of a list of stacks.
type listed interface{ stack() string }

func (r lsRow) stack() string       { return r.Name }
func (r instanceRow) stack() string { return r.Name }

// printLs prints the rows in the form that is asked for; table is that of a table.
func printLs[T listed](p *program, rows []T, o lsOptions, table string, headings map[string]string) error {
	switch {
	case o.quiet:
		for _, r := range rows {
			fmt.Fprintln(p.out, r.stack())
		}
		return nil
	case o.format == "json":
		return encodeLine(p.out, rows)
	case o.format == "" || o.format == "table":
		return printColumns(p.out, broad, table, headings, asAny(rows))
	}
	return &usageError{problem: fmt.Sprintf("unknown format %q", o.format), hint: "there are table and json"}
}
