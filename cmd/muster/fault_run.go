package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-shellwords"
	"github.com/spf13/cobra"

	"github.com/musterhq/muster/fault"
	"github.com/musterhq/muster/fault/agent"
	"github.com/musterhq/muster/planner"
)

func (p *program) faultRunCommand() *cobra.Command {
	return &cobra.Command{
		Use: "run SCENARIO", Short: "Run a scenario of the file: all faults of x-muster.faults.SCENARIO",
		Example: `  muster fault run slow-db   # as x-muster.faults.slow-db has it
  muster fault run           # say which there are
  muster fault run night & muster test; kill $!`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			jobs, err := p.scenario(cmd.Context(), strings.Join(args, ""))
			if err != nil {
				return err
			}
			return p.doFaults(cmd.Context(), jobs)
		},
	}
}

// scenario reads a scenario of the file, whose lines are those that one would type.
func (p *program) scenario(ctx context.Context, name string) ([]fault.Job, error) {
	t, err := p.target(ctx, loading{quiet: true})
	if err != nil {
		return nil, err
	}
	var known map[string][]string
	if t.files != nil {
		known = t.files.Scenarios()
	}
	lines, found := known[name]
	if !found {
		hint := "write one below x-muster.faults: " + `{slow-db: ["latency api->db:5432 --latency 300ms --for 1m"]}`
		if len(known) > 0 {
			hint = "there are " + strings.Join(sortedKeys(known), ", ")
		}
		if name == "" {
			return nil, &usageError{problem: "no scenario is named", hint: hint}
		}
		return nil, &usageError{problem: "no such scenario: " + name, hint: hint}
	}
	var jobs []fault.Job
	for i, line := range lines {
		j, err := p.parseFault(ctx, line)
		if err == nil {
			err = j.Check()
		}
		if err != nil {
			return nil, &usageError{problem: fmt.Sprintf("x-muster.faults.%s[%d], %q: %v", name, i, line, err), hint: hintOf(err)}
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// parseFault reads a fault as one types it behind "muster fault".
func (p *program) parseFault(ctx context.Context, line string) (j fault.Job, err error) {
	words, err := shellwords.Parse(strings.ReplaceAll(line, "->", " ")) // to a shell > would be the end
	if err != nil {
		return j, err
	}
	root := &cobra.Command{Use: "fault", SilenceErrors: true, SilenceUsage: true, Args: p.unknownCommand, RunE: func(*cobra.Command, []string) error {
		return &usageError{problem: "it says no fault", hint: "such as: kill db --for 10s"}
	}}
	root.SetFlagErrorFunc(flagError)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	root.AddCommand(p.faultKinds(func(_ context.Context, read fault.Job) error { j = read; return nil })...)
	root.SetArgs(words)
	if err := root.ExecuteContext(ctx); err != nil {
		return j, err
	}
	if j.Fault == nil {
		return j, &usageError{problem: "it says no fault", hint: "such as: kill db --for 10s"}
	}
	return j, nil
}

// doFaults does faults to the stack until they are over or the user has enough.
func (p *program) doFaults(ctx context.Context, jobs []fault.Job) error {
	var named []string
	for _, j := range jobs {
		if err := j.Check(); err != nil {
			return err
		}
		named = append(named, j.Services...)
		if way, ok := j.Fault.(fault.On); ok {
			named = append(named, way.To)
		}
	}
	on, seen, err := p.observed(ctx, named)
	if err != nil {
		return err
	}
	defer on.Close()
	p.warnOfPorts(seen, jobs)
	if p.globals.dryRun {
		return p.printFaults(seen.have, jobs)
	}
	guard := &faultGuard{program: p}
	defer guard.end()
	waits := false
	for _, j := range jobs {
		if j.Random {
			fmt.Fprintf(p.err, "chosen by --seed %d\n", j.Seed)
		}
		waits = waits || j.Every > 0 || j.Fault.Lasts() && j.For == 0
	}
	if waits {
		fmt.Fprintln(p.err, "Ctrl-C ends it and takes everything back")
	}
	return fault.Run(ctx, on, seen.name, jobs, fault.Options{Events: p.printFault, Standing: guard.keep})
}

// warnOfPorts points to ports that the service does not name: it may listen there all the same.
func (p *program) warnOfPorts(seen observed, jobs []fault.Job) {
	for _, j := range jobs {
		way, ok := j.Fault.(fault.On)
		if !ok || seen.files == nil {
			continue
		}
		s, known := seen.files.Services[way.To]
		if !known {
			continue
		}
		named := len(s.Ports)+len(s.Expose) == 0 // nothing is known of its ports
		for _, port := range s.Ports {
			named = named || int(port.Target) == way.Port
		}
		if !named && !slices.Contains(s.Expose, fmt.Sprint(way.Port)) {
			p.warn(fmt.Sprintf("%s names no port %d in ports or expose", way.To, way.Port))
		}
	}
}

// printFaults says what would be done.
func (p *program) printFaults(have planner.State, jobs []fault.Job) error {
	for _, j := range jobs {
		one := ""
		if j.Random {
			one = ", if it is chosen"
		}
		for _, c := range have.Containers {
			if c.Status == planner.Running && !c.OneOff && slices.Contains(j.Services, c.Service) {
				fmt.Fprintf(p.out, "%s would be %s%s\n", c.Name, j.Fault.Did(), one)
			}
		}
	}
	return nil
}

// printFault tells of one thing that was done or taken back.
func (p *program) printFault(e fault.Event) {
	if p.globals.progress == "quiet" {
		return
	}
	if p.globals.progress == "json" {
		fmt.Fprintln(p.out, mustJSON(map[string]any{"at": e.At, "container": e.Container, "did": e.Did, "taken_back": e.TakenBack}))
		return
	}
	sign, until := "✗", ""
	if e.TakenBack || !e.Job.Fault.Lasts() || e.Container == "" {
		sign = "✔"
	} else if e.Job.For > 0 {
		until = " for " + e.Job.For.String()
	}
	if e.Container == "" {
		sign = "-"
	}
	fmt.Fprintf(p.out, "%s %s %s\n", e.At.Format("15:04:05"), sign, strings.TrimSpace(e.Container+" "+e.Did+until))
}

// faultAgentCommand is what runs in the network of a container.
func (p *program) faultAgentCommand() *cobra.Command {
	return &cobra.Command{
		Use: agent.Command, Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return agent.Run(cmd.Context(), args[0], p.in, p.out)
		},
	}
}
