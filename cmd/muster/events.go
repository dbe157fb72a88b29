package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

type eventsOptions struct {
	json         bool
	since, until string
}

func (p *program) eventsCommand() *cobra.Command {
	var o eventsOptions
	cmd := &cobra.Command{
		Use: "events [SERVICE...]", GroupID: groupLook,
		Short: "Show what happens to containers",
		Example: `  muster events                        # from now on
  muster events --json web             # an object a line
  muster events --since 1h --until 0s  # the last hour, then end`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return p.events(cmd.Context(), o, services)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVar(&o.json, "json", false, "Print an object a line")
		f.StringVar(&o.since, "since", "", "Since a `TIME`, or a period before now such as 10m")
		f.StringVar(&o.until, "until", "", "Until a `TIME`, or a period before now")
	})
	return cmd
}

// eventLine is one event, with docker compose's keys.
type eventLine struct {
	Action     string            `json:"action"`
	Attributes map[string]string `json:"attributes"`
	ID         string            `json:"id"`
	Service    string            `json:"service"`
	Time       time.Time         `json:"time"`
	Type       string            `json:"type"`
}

// events is the command.
func (p *program) events(ctx context.Context, o eventsOptions, services []string) error {
	if _, err := timesOf(o.since, o.until, p.now()); err != nil {
		return err
	}
	on, seen, err := p.observed(ctx, services)
	if err != nil {
		return err
	}
	defer on.Close()
	return on.Happenings(ctx, seen.name, docker.HappeningsOptions{Since: o.since, Until: o.until}, func(e docker.Event) error {
		if e.OneOff || e.Service == "" || len(services) > 0 && !slices.Contains(services, e.Service) {
			return nil
		}
		line := newEventLine(e)
		if o.json {
			return encodeLine(p.out, line)
		}
		_, err := fmt.Fprintln(p.out, line.text())
		return err
	})
}

// newEventLine leaves out the labels that say what the other keys say.
func newEventLine(e docker.Event) eventLine {
	attributes := map[string]string{}
	for key, value := range e.Labels {
		if !planner.OwnLabel(key) {
			attributes[key] = value
		}
	}
	return eventLine{Action: e.Action, Attributes: attributes, ID: e.ID, Service: e.Service, Time: e.At.UTC(), Type: "container"}
}

// text is the event in docker compose's form.
func (l eventLine) text() string {
	var attributes []string
	for _, key := range slices.Sorted(maps.Keys(l.Attributes)) {
		attributes = append(attributes, key+"="+l.Attributes[key])
	}
	return fmt.Sprintf("%s container %s %s (%s)", l.Time.Local().Format("2006-01-02 15:04:05.000000"), l.Action, l.ID, strings.Join(attributes, ", "))
}
