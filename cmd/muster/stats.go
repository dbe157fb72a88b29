package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

type statsOptions struct {
	all, noStream, noTrunc bool
	format                 string
}

func (p *program) statsCommand() *cobra.Command {
	var o statsOptions
	cmd := &cobra.Command{
		Use: "stats [SERVICE...]", GroupID: groupLook,
		Short: "Show what containers use of the machine",
		Example: `  muster stats                         # once a second, until Ctrl-C
  muster stats --no-stream             # once
  muster stats --no-stream --format json web`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return p.stats(cmd.Context(), o, services)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.all, "all", "a", false, "Also list containers that do not run")
		f.BoolVar(&o.noStream, "no-stream", false, "Print once and end")
		f.BoolVar(&o.noTrunc, "no-trunc", false, "Do not shorten anything")
		f.StringVar(&o.format, "format", "table", "`FORMAT`: table, json, or a Go template")
	})
	return cmd
}

// statsRow is what a container uses, with docker's keys.
type statsRow struct {
	BlockIO   string
	CPUPerc   string
	Container string
	ID        string
	MemPerc   string
	MemUsage  string
	Name      string
	NetIO     string
	PIDs      string
}

// newStatsRow words it as docker does; nil is a container that does not run.
func newStatsRow(c planner.Container, u *docker.Usage, short bool) statsRow {
	r := statsRow{
		Container: c.ID, ID: c.ID, Name: c.Name, CPUPerc: "0.00%", MemUsage: "0B / 0B", MemPerc: "0.00%", NetIO: "0B / 0B", BlockIO: "0B / 0B", PIDs: "0",
	}
	if short {
		r.ID = r.ID[:min(12, len(r.ID))]
	}
	if u == nil {
		return r
	}
	r.CPUPerc = fmt.Sprintf("%.2f%%", u.CPU)
	r.MemUsage = units.BytesSize(float64(u.Memory)) + " / " + units.BytesSize(float64(u.MemoryLimit))
	if u.MemoryLimit > 0 {
		r.MemPerc = fmt.Sprintf("%.2f%%", 100*float64(u.Memory)/float64(u.MemoryLimit))
	}
	pair := func(a, b uint64) string {
		return sizeText(a) + " / " + sizeText(b)
	}
	r.NetIO, r.BlockIO, r.PIDs = pair(u.Received, u.Sent), pair(u.BlockRead, u.BlockWritten), fmt.Sprint(u.Processes)
	return r
}

// measured is what is known so far of each container. Its readers report to it at the same time.
type measured struct {
	mu     sync.Mutex
	usages map[string]docker.Usage // by name
	failed error
}

// stats is the command.
func (p *program) stats(ctx context.Context, o statsOptions, services []string) error {
	on, there, err := p.containersOf(ctx, services, notAhead)
	if err != nil {
		return err
	}
	defer on.Close()
	var of []planner.Container
	for _, c := range there {
		if o.all || isUp(c) {
			of = append(of, c)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &measured{usages: map[string]docker.Usage{}}
	var readers sync.WaitGroup
	for _, c := range of {
		if isUp(c) {
			readers.Go(func() { m.read(ctx, on, c.Name, !o.noStream) })
		}
	}
	if o.noStream {
		readers.Wait()
		if m.failed != nil {
			return m.failed
		}
		return p.printStats(p.out, m, of, o)
	}
	ended := make(chan struct{})
	go func() { readers.Wait(); close(ended) }()
	return p.showStats(ctx, m, of, o, ended)
}

// read takes note of what a container uses until it ends. One that cannot be measured does not keep the others.
func (m *measured) read(ctx context.Context, on engine, name string, follow bool) {
	err := on.Usages(ctx, name, follow, func(u docker.Usage) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.usages[name] = u
		return nil
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	if follow { // it has ended
		delete(m.usages, name)
	}
	if err != nil && ctx.Err() == nil {
		m.failed = errors.Join(m.failed, err)
	}
}

// statsEvery is how often the table is drawn.
const statsEvery = time.Second

// showStats draws the table again and again, until the containers or the user have ended it.
func (p *program) showStats(ctx context.Context, m *measured, of []planner.Container, o statsOptions, ended <-chan struct{}) error {
	ticks := time.NewTicker(statsEvery)
	defer ticks.Stop()
	for {
		var text strings.Builder
		if err := p.printStats(&text, m, of, o); err != nil {
			return err
		}
		out := text.String()
		if p.outScreen != nil {
			// Home, each line cleared to its end, and what is below.
			out = "\x1b[H" + strings.ReplaceAll(out, "\n", "\x1b[K\n") + "\x1b[J"
		}
		if _, err := io.WriteString(p.out, out); err != nil {
			return err
		}
		select {
		case <-ticks.C:
		case <-ended:
			return m.failed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *program) printStats(w io.Writer, m *measured, of []planner.Container, o statsOptions) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rows []statsRow
	for _, c := range of {
		var usage *docker.Usage
		if u, ok := m.usages[c.Name]; ok {
			usage = &u
		}
		rows = append(rows, newStatsRow(c, usage, !o.noTrunc))
	}
	if o.format == "json" {
		return encodeLines(w, rows)
	}
	format := o.format
	if format == "" || format == "table" {
		format = `table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}`
	}
	return printTemplate(w, format, map[string]string{
		"ID": "CONTAINER ID", "Name": "NAME", "CPUPerc": "CPU %", "MemUsage": "MEM USAGE / LIMIT", "MemPerc": "MEM %", "NetIO": "NET I/O",
		"BlockIO": "BLOCK I/O", "PIDs": "PIDS",
	}, asAny(rows))
}
