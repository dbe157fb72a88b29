package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/timeline"
	"github.com/musterhq/muster/timeline/otlp"
)

// timing is what is known of the run of this command, and what to do with it.
type timing struct {
	show   bool
	file   string
	record timeline.Record
}

// defineTimeline adds the flags of a command that starts containers.
func (p *program) defineTimeline(f *pflag.FlagSet) {
	f.BoolVar(&p.timing.show, "timeline", false, "Print where the time went; --timeline-file FILE writes it in Chrome's trace format")
	f.StringVar(&p.timing.file, "timeline-file", "", "")
	_ = f.MarkHidden("timeline-file") // it is named above: up's help has to fit on a screen
}

func (p *program) timelineCommand() *cobra.Command {
	var format, file string
	cmd := &cobra.Command{
		Use: "timeline", GroupID: groupLook,
		Short: "Show where the time of the last start went",
		Long:  "Show where the time of the last start from this machine went, and what to look at to be faster.",
		Example: `  muster timeline                   # a bar for each step
  muster timeline --file start.json # for chrome://tracing or ui.perfetto.dev
  muster timeline --format json     # all that is known`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "" && format != "text" && format != "json" {
				return &usageError{problem: fmt.Sprintf("unsupported --format value %q", format), hint: "there are text and json"}
			}
			return p.showTimeline(cmd.Context(), format, file)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&format, "format", "", "`FORMAT`: text or json")
		f.StringVar(&file, "file", "", "Write it to `FILE` in Chrome's trace format")
	})
	return cmd
}

// showTimeline is the command.
func (p *program) showTimeline(ctx context.Context, format, file string) error {
	t, err := p.target(ctx, loading{})
	if err != nil {
		return err
	}
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	r, ok, err := p.lastStart(on, t.name)
	if err != nil {
		return err
	}
	if !ok {
		if r, err = remembered(ctx, on, t.name); err != nil {
			return err
		}
		p.warn("no start from this machine is on record; this is what the engine remembers, which does not tell when something was ready")
	}
	switch {
	case file != "":
		return writeTrace(r, file)
	case format == "json":
		return encodeIndented(p.out, r)
	}
	fmt.Fprint(p.out, r.Text(timeline.Options{Columns: columnsOf(p.outScreen)}))
	return nil
}

// lastStart is the record of a project's last start from this machine.
func (p *program) lastStart(on engine, project string) (timeline.Record, bool, error) {
	dir, err := p.stateDir()
	if err != nil {
		return timeline.Record{}, false, nil
	}
	return timelines(dir).Last(engineKey(on.Host()), project)
}

func timelines(state string) timeline.Folder {
	return timeline.Folder(filepath.Join(state, "timelines"))
}

// remembered puts together what the engine knows of the last starts.
func remembered(ctx context.Context, on engine, name string) (timeline.Record, error) {
	r := timeline.Record{Project: name, Command: "start"}
	have, err := on.Observe(ctx, planner.Scope{Project: name})
	if err != nil {
		return r, err
	}
	for _, c := range have.Containers {
		status, err := on.Health(name).Look(ctx, c.Name)
		if err != nil || c.OneOff || status.StartedAt.IsZero() {
			continue
		}
		r.Spans = append(r.Spans,
			timeline.Span{ID: "create " + c.Name, Kind: timeline.Created, Service: c.Service, Name: c.Name, Began: c.Created, Ended: c.Created},
			timeline.Span{ID: "start " + c.Name, Kind: timeline.Started, Service: c.Service, Name: c.Name, Began: status.StartedAt, Ended: status.StartedAt})
	}
	if len(r.Spans) == 0 {
		return r, &usageError{problem: fmt.Sprintf("nothing of project %q was started", name), hint: "`muster up -d` starts it"}
	}
	byTime := func(a, b timeline.Span) int { return a.Began.Compare(b.Began) }
	r.Began, r.Ended = slices.MinFunc(r.Spans, byTime).Began, slices.MaxFunc(r.Spans, byTime).Ended
	return r, nil
}

// keepTimeline adds a run to the command's record and, once containers have been started, keeps it and passes it on
// to whoever asked for it. What cannot be kept is only a pity.
func (p *program) keepTimeline(ctx context.Context, on engine, b *board, l look, failed bool, before func() timeline.Record) {
	r := &p.timing.record
	if r.Spans == nil {
		r.Project, r.Command, r.Began = b.project, p.command, b.began
	}
	r.Ended, r.Failed = p.now(), failed
	r.Spans = append(r.Spans, b.spans()...)
	if !r.Started() {
		return
	}
	if r.Asked == nil {
		r.Asked = map[string]time.Duration{}
		maps.Copy(r.Asked, before().Asked)
	}
	maps.Copy(r.Asked, b.asked)
	if dir, err := p.stateDir(); err == nil {
		_ = timelines(dir).Keep(engineKey(on.Host()), *r)
	}
	if p.timing.file != "" {
		if err := writeTrace(*r, p.timing.file); err != nil {
			p.warn(err.Error())
		}
	}
	if p.getenv("OTEL_EXPORTER_OTLP_ENDPOINT")+p.getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "" && p.getenv("OTEL_SDK_DISABLED") != "true" {
		if err := otlp.Send(context.WithoutCancel(ctx), *r, versionNumber(), p.getenv("TRACEPARENT")); err != nil {
			p.warn(err.Error())
		}
	}
	if p.timing.show && l.mode != "json" {
		fmt.Fprint(l.status, r.Text(timeline.Options{Columns: columnsOf(p.screen)}))
	}
}

func writeTrace(r timeline.Record, file string) error {
	text, err := r.Trace()
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("write the timeline: %w", err)
	}
	return nil
}

// columnsOf is the width of a screen; 0 where there is none.
func columnsOf(s screen) int {
	if s == nil {
		return 0
	}
	columns, _ := s.Size()
	return columns
}

// spans are the steps that have ended, in the order of the plan.
func (b *board) spans() []timeline.Span {
	var out []timeline.Span
	for _, r := range b.rows {
		for _, s := range r.steps {
			if s.began.IsZero() || s.ended.IsZero() || s.state != runner.Done && s.state != runner.Failed {
				continue
			}
			ref := b.finalRef(s.step.Action)
			span := timeline.Span{
				ID: string(s.step.ID), Kind: spanKind(s.step.Action), Service: ref.Service, Name: ref.Name,
				Began: s.began.Round(0), Ended: s.ended.Round(0), Failed: s.state == runner.Failed,
			}
			for _, need := range s.step.Needs {
				span.Needs = append(span.Needs, string(need))
			}
			if _, waits := s.step.Action.(planner.Await); waits {
				span.Tries, span.LastSaid = int(s.progress.Current), firstLine(s.progress.Text)
			}
			out = append(out, span)
		}
	}
	slices.SortStableFunc(out, func(a, b timeline.Span) int { return a.Began.Compare(b.Began) })
	return out
}

// spanKind is the timeline's word for an action.
func spanKind(a planner.Action) timeline.Kind {
	switch a := a.(type) {
	case planner.PullImage:
		return timeline.Pulled
	case planner.BuildImage:
		return timeline.Built
	case planner.CreateContainer, planner.CreateNetwork, planner.CreateVolume, planner.ApplyService, planner.CreateObject:
		return timeline.Created
	case planner.StopContainer:
		return timeline.Stopped
	case planner.StartContainer:
		return timeline.Started
	case planner.RestartContainer:
		return timeline.Restarted
	case planner.RunHook:
		return timeline.Hook
	case planner.RemoveContainer, planner.RemoveNetwork, planner.RemoveVolume, planner.RemoveService, planner.RemoveObject:
		return timeline.Removed
	case planner.Await:
		return timeline.Kind(a.Condition)
	case planner.AwaitService:
		return timeline.Kind(a.Condition)
	}
	return timeline.Other
}
