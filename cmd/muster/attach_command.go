package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/runner/docker"
)

type attachOptions struct {
	detachKeys       string
	index            int
	noStdin, signals bool
}

func (p *program) attachCommand() *cobra.Command {
	var o attachOptions
	cmd := &cobra.Command{
		Use: "attach SERVICE", GroupID: groupExist,
		Short: "Connect to a container's own input and output",
		Example: `  muster attach web             # leave with ctrl-p ctrl-q
  muster attach --no-stdin web  # only look
  muster attach --index 2 web`,
		Args:              exactly(1, "one service"),
		ValidArgsFunction: p.oneServiceArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.attach(cmd.Context(), o, args[0])
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&o.detachKeys, "detach-keys", "", "`KEYS` that leave the container, such as ctrl-p,ctrl-q")
		f.IntVar(&o.index, "index", 0, "To container number `N` of the service")
		f.BoolVar(&o.noStdin, "no-stdin", false, "Do not connect stdin")
		f.BoolVar(&o.signals, "sig-proxy", true, "Pass signals on to the container")
	})
	return cmd
}

// attach is the command.
func (p *program) attach(ctx context.Context, o attachOptions, service string) error {
	on, c, err := p.oneContainer(ctx, service, o.index, true)
	if err != nil {
		return err
	}
	defer on.Close()
	if c.Status == "paused" {
		return &usageError{problem: c.Name + " is paused", hint: "`muster unpause " + service + "` lets it go on"}
	}
	keysText, keys, err := detaching(on, o.detachKeys)
	if err != nil {
		return err
	}
	if p.globals.dryRun {
		return p.told(look{status: p.err}, c.Name, "attach", "", "", nil)
	}
	ending, err := on.Ending(ctx, c.Name, false)
	if err != nil {
		return err
	}
	with, err := on.Join(ctx, c.Name, docker.JoinOptions{Input: !o.noStdin, DetachKeys: keysText})
	if err != nil {
		return err
	}
	defer with.Close()
	// One that has ended since it was listed neither prints nor ends again: the engine would keep both waiting for ever.
	if c.Container, err = on.Inspect(ctx, c.Name); err != nil {
		return err
	}
	if !isUp(c.Container) {
		return notRunning(c.Name, service)
	}
	p.repaint(ctx, with)
	signals := o.signals && !with.Terminal() // a terminal's signals are keys
	return p.stay(ctx, on, c.Name, with, conversation{input: !o.noStdin, keys: keys, keepSignals: !signals}, ending)
}

// repaint has a program that draws on its terminal draw anew, by giving that another size for a moment.
func (p *program) repaint(ctx context.Context, with talk) {
	if !with.Terminal() || p.console == nil {
		return
	}
	if columns, rows := p.console.Size(); columns > 0 && rows > 0 {
		_ = with.Resize(ctx, columns+1, rows+1)
	}
}
