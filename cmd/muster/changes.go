package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/history"
	"github.com/musterhq/muster/planner"
)

type historyOptions struct {
	format string
	last   int
	model  bool
}

func (p *program) historyCommand() *cobra.Command {
	var o historyOptions
	cmd := &cobra.Command{
		Use: "history [N]", GroupID: groupLook,
		Short: "List what was changed, when and by whom, or tell all of change N",
		Example: `  muster history             # the last changes
  muster history 7           # what change 7 did
  muster history 7 --model   # the Compose file as it was then`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.changeArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.history(cmd.Context(), o, strings.Join(args, ""))
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&o.format, "format", "table", "`FORMAT`: table or json")
		f.IntVarP(&o.last, "last", "n", 20, "Only the last `N` changes; 0 is all")
		f.BoolVar(&o.model, "model", false, "Print the model of a change; values of variables are in it")
	})
	return cmd
}

// changeRow is a change as it is listed.
type changeRow struct {
	Number  int            `json:"number"`
	Began   time.Time      `json:"began,omitzero"`
	Ended   time.Time      `json:"ended,omitzero"`
	Result  history.Result `json:"result"` // empty for one that only the containers tell of
	By      string         `json:"by"`
	Command string         `json:"command,omitempty"`
	Problem string         `json:"problem,omitempty"`
	Changes []string       `json:"changes"`
	Files   []string       `json:"files"`
	BackTo  int            `json:"back_to,omitempty"`
	// Containers are how many of those that exist it has made.
	Containers int `json:"containers"`
}

// history is the command.
func (p *program) history(ctx context.Context, o historyOptions, number string) error {
	if o.format != "table" && o.format != "json" {
		return &usageError{problem: fmt.Sprintf("unknown format %q", o.format), hint: "there are table and json"}
	}
	on, t, err := p.openFor(ctx)
	if err != nil {
		return err
	}
	defer on.Close()
	entries, err := p.readHistory(on.Host(), t.name)
	if err != nil {
		return err
	}
	if o.model {
		return p.printModel(entries, number)
	}
	have, err := on.Observe(ctx, planner.Scope{Project: t.name})
	if err != nil {
		p.warn(fmt.Sprintf("what the containers tell is left out: %v", err))
	}
	rows := changeRows(entries, have)
	if number != "" {
		i := slices.IndexFunc(rows, func(r changeRow) bool { return strconv.Itoa(r.Number) == number })
		if i < 0 {
			return &usageError{problem: fmt.Sprintf("there is no change %s of %s", number, t.name), hint: "`muster history` lists them"}
		}
		rows = rows[i : i+1]
	}
	if o.last > 0 && len(rows) > o.last {
		rows = rows[len(rows)-o.last:]
	}
	switch {
	case o.format == "json":
		return encodeIndented(p.out, rows)
	case number != "":
		p.printChange(rows[0])
		return nil
	case len(rows) == 0:
		fmt.Fprintf(p.err, "%s has no history on this machine.\n", t.name)
		return nil
	}
	return p.printChanges(rows)
}

// marked is what says which change has made it: a container, or a service of an engine that keeps services.
type marked struct {
	labels     map[string]string
	containers int
}

func made(have planner.State) []marked {
	var out []marked
	for _, d := range have.Deployed {
		out = append(out, marked{d.Labels, d.Replicas})
	}
	if !have.Converges {
		for _, c := range have.Containers {
			out = append(out, marked{c.Labels, 1})
		}
	}
	return out
}

// changeRows are the changes that are kept, and those that only the containers tell of: other machines have made them.
func changeRows(entries []history.Entry, have planner.State) []changeRow {
	rows := make([]changeRow, 0, len(entries))
	for _, e := range entries {
		rows = append(rows, changeRow{Number: e.Number, Began: e.Began, Ended: e.Ended, Result: e.Result, By: e.By, Command: e.Command,
			Problem: e.Problem, Changes: e.Changes, Files: e.Files, BackTo: e.BackTo})
	}
	for _, made := range made(have) {
		n, err := strconv.Atoi(made.labels[planner.LabelRevision])
		if err != nil {
			continue
		}
		by := made.labels[planner.LabelBy]
		at, _ := time.Parse(time.RFC3339, made.labels[planner.LabelAt])
		same := func(r changeRow) bool {
			return r.Number == n && r.By == by && r.Began.Truncate(time.Second).Equal(at)
		}
		i := slices.IndexFunc(rows, same)
		if i < 0 {
			i = len(rows)
			rows = append(rows, changeRow{Number: n, Began: at, By: by, Changes: []string{}, Files: strings.Split(made.labels[planner.LabelConfigFiles], ",")})
		}
		rows[i].Containers += made.containers
	}
	slices.SortStableFunc(rows, func(a, b changeRow) int {
		if a.Number != b.Number {
			return a.Number - b.Number
		}
		return a.Began.Compare(b.Began)
	})
	return rows
}

// printChanges prints a line each.
func (p *program) printChanges(rows []changeRow) error {
	tabs := tabwriter.NewWriter(p.out, 0, 1, 3, ' ', 0)
	fmt.Fprintln(tabs, "N\tWHEN\tRESULT\tBY\tCONTAINERS\tWHAT")
	for _, r := range rows {
		fmt.Fprintf(tabs, "%d\t%s\t%s\t%s\t%d\t%s\n", r.Number, when(r.Began), resultText(r), r.By, r.Containers, r.what())
	}
	return tabs.Flush()
}

func when(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func resultText(r changeRow) string {
	if r.Result == "" {
		return "elsewhere"
	}
	return string(r.Result)
}

// what is a change in short.
func (r changeRow) what() string {
	const shown = 72 // characters
	text := strings.Join(r.Changes, "; ")
	if r.BackTo > 0 {
		text = fmt.Sprintf("back to %d; %s", r.BackTo, text)
	}
	if r.Result == "" {
		text = "changed from another machine"
	}
	if runes := []rune(text); len(runes) > shown {
		return string(runes[:shown-1]) + "…"
	}
	return text
}

// printChange tells all of one.
func (p *program) printChange(r changeRow) {
	fmt.Fprintf(p.out, "change %d: %s\n\n", r.Number, resultText(r))
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(p.out, "%-10s  %s\n", name, value)
		}
	}
	line("when", when(r.Began))
	if !r.Ended.IsZero() {
		line("took", seconds1(r.Ended.Sub(r.Began)))
	}
	line("by", r.By)
	line("command", r.Command)
	line("files", strings.Join(r.Files, ", "))
	if r.BackTo > 0 {
		line("back to", strconv.Itoa(r.BackTo))
	}
	line("containers", strconv.Itoa(r.Containers))
	line("problem", r.Problem)
	for i, c := range r.Changes {
		name := ""
		if i == 0 {
			name = "what"
		}
		line(name, c)
	}
}

// printModel prints the Compose file of a change.
func (p *program) printModel(entries []history.Entry, number string) error {
	i := slices.IndexFunc(entries, func(e history.Entry) bool { return strconv.Itoa(e.Number) == number })
	switch {
	case number == "":
		return &usageError{problem: "--model wants the number of a change", hint: "`muster history` lists them"}
	case i < 0 || entries[i].Model == "":
		return &usageError{problem: fmt.Sprintf("there is no model of a change %s", number), hint: "`muster history` lists them; only those that went well have one"}
	}
	fmt.Fprint(p.out, entries[i].Model)
	return nil
}
