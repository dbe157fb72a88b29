package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

type logsOptions struct {
	follow, timestamps, noColor, noPrefix bool
	since, until, tail, format            string
	index                                 int
	end                                   time.Time // what until means; zero is no bound
}

func (p *program) logsCommand() *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use: "logs [SERVICE...]", GroupID: groupLook,
		Short: "Show what containers print",
		Example: `  muster logs -f                # all, and what comes
  muster logs -n 100 web        # the last hundred lines of a service
  muster logs --since 10m -t db # the last ten minutes, with the time of each line`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return p.showLogs(cmd.Context(), o, services)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.follow, "follow", "f", false, "Go on with what comes")
		f.StringVarP(&o.tail, "tail", "n", "all", "The last `N` lines of each container")
		f.StringVar(&o.since, "since", "", "Since a `TIME`, or a period before now such as 10m")
		f.StringVar(&o.until, "until", "", "Until a `TIME`, or a period before now")
		f.BoolVarP(&o.timestamps, "timestamps", "t", false, "Print the time of each line")
		f.IntVar(&o.index, "index", 0, "Only container number `N` of the service")
		f.BoolVar(&o.noColor, "no-color", false, "Print lines without colour")
		f.BoolVar(&o.noPrefix, "no-log-prefix", false, "Print lines without the container's name")
		f.StringVar(&o.format, "format", "text", "`FORMAT`: text, or json for an object a line")
	})
	return cmd
}

// options are what the engine is asked for.
func (o logsOptions) options() (logOptions, error) {
	out := logOptions{since: o.since, until: o.until}
	if o.format != "text" && o.format != "json" {
		return out, &usageError{problem: fmt.Sprintf("unknown format %q", o.format), hint: "there are text and json"}
	}
	if o.tail == "all" || o.tail == "" {
		return out, nil
	}
	n, err := strconv.Atoi(o.tail)
	if err != nil {
		return out, &usageError{problem: fmt.Sprintf("invalid --tail %q", o.tail), hint: "give a number of lines, or all"}
	}
	out.tail = n
	if n <= 0 {
		out.tail = -1
		if n < 0 { // docker's way to say all
			out.tail = 0
		}
	}
	return out, nil
}

// timesOf refuses values of --since and --until that are neither a time nor a period before now, and says when the latter is.
func timesOf(since, until string, now time.Time) (end time.Time, err error) {
	for _, c := range []struct{ flag, value string }{{"since", since}, {"until", until}} { // the last is the answer
		if end, err = docker.Time(c.value, now); err != nil {
			return end, &usageError{
				problem: fmt.Sprintf("invalid --%s %q", c.flag, c.value), hint: "give a period before now such as 10m, or a time such as 2026-11-30T16:05:00",
			}
		}
	}
	return end, nil
}

// showLogs is the command.
func (p *program) showLogs(ctx context.Context, o logsOptions, services []string) error {
	options, err := o.options()
	if err != nil {
		return err
	}
	now := p.now()
	if o.end, err = timesOf(o.since, o.until, now); err != nil {
		return err
	}
	o.follow = o.follow && (o.end.IsZero() || o.end.After(now)) // else all that is wanted has been printed
	ahead := askAhead
	if o.follow {
		ahead = notAhead // what starts in between would be missed
	}
	on, seen, err := p.seen(ctx, observeApart, services, ahead)
	if err != nil {
		return err
	}
	defer on.Close()
	l, err := p.look(seen.files)
	if err != nil {
		return err
	}
	style := logStyle{noPrefix: o.noPrefix, timestamps: o.timestamps, json: o.format == "json", paint: l.logs && paint(!o.noColor)}
	printer := newLogPrinter(p.out, style, nil)
	err = p.printLogs(ctx, on, printer, seen, o, options, services)
	if closing := printer.close(); err == nil {
		err = closing
	}
	return err
}

// notShown says of containers that their output is not kept, which fails where that is all there was to show.
func (p *program) notShown(unkept []*followed, of int, follow bool) error {
	for _, f := range unkept {
		problem := fmt.Sprintf("the output of container %s is not shown: %v", f.name, docker.ErrNotKept)
		hint := "`muster logs -f` shows what comes"
		switch {
		case follow:
			p.warn(fmt.Sprintf("what container %s has printed so far is not shown: %v", f.name, docker.ErrNotKept))
		case of == 1:
			return &usageError{problem: problem, hint: hint}
		default:
			p.warn(problem + "; " + hint)
		}
	}
	if !follow && len(unkept) > 0 && len(unkept) == of {
		return &usageError{problem: "no container's output can be shown"}
	}
	return nil
}

// errUntil ends the following of logs at the time that was asked for.
var errUntil = errors.New("the time has come")

// printLogs prints what there is, in the order of time, and then what comes, until the end that is asked for.
func (p *program) printLogs(ctx context.Context, on engine, printer *logPrinter, seen observed, o logsOptions, options logOptions, services []string) error {
	a := newAttachment(on, seen.name, printer, func(service string) bool {
		return len(services) == 0 || slices.Contains(services, service)
	})
	events := closedEvents()
	if o.follow {
		var err error
		if events, err = on.Health(seen.name).Watch(ctx); err != nil {
			return err
		}
	}
	var all []*followed
	for _, c := range seen.have.Containers {
		if !a.wanted(c.Service) || c.OneOff || o.index > 0 && c.Number != o.index {
			continue
		}
		f := a.entryOf(c)
		f.since = options.since
		f.running = c.Status == planner.Running || c.Status == planner.Restarting || c.Status == planner.Paused
		all = append(all, f)
	}
	if o.index > 0 && len(all) == 0 {
		return &usageError{problem: fmt.Sprintf("no container has the number %d", o.index)}
	}
	printer.widen(a.labels())
	switch {
	case options.tail >= 0:
		unkept, err := a.history(ctx, all, options)
		if err != nil {
			return err
		}
		if err := p.notShown(unkept, len(all), o.follow); err != nil {
			return err
		}
	case o.follow:
		if err := a.skipOld(ctx, all); err != nil {
			return err
		}
	}
	if !o.follow {
		return nil
	}
	if o.index > 0 {
		a.find = nil // nobody else joins
	}
	close(a.planned)
	go func() {
		for range a.exits {
		}
	}()
	if !o.end.IsZero() {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadlineCause(ctx, o.end, errUntil)
		defer stop()
	}
	if err := a.run(ctx, events); !errors.Is(err, errUntil) {
		return err
	}
	return nil
}
