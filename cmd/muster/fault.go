package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/fault"
)

func (p *program) faultCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "fault COMMAND", GroupID: groupMore,
		Short: "Let go wrong what goes wrong some day, and take it back",
		Long: `Let go wrong what goes wrong some day: see whether the stack survives it. Everything is taken back when
its time is over, with Ctrl-C, where anything fails, and also where muster itself is killed.`,
		Example: `  muster fault kill db --for 10s                        # start it again after 10 s
  muster fault pause web worker --random --every 30s --for 5s
  muster fault latency 'api->db:5432' --latency 300ms   # only for what api asks of db`,
		Args: p.unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddGroup(&cobra.Group{ID: groupMore, Title: "Commands"})
	subs := append(p.faultKinds(func(ctx context.Context, j fault.Job) error { return p.doFaults(ctx, []fault.Job{j}) }), p.faultRunCommand())
	for i, sub := range subs {
		sub.GroupID = groupMore
		sub.Annotations = map[string]string{orderOfHelp: fmt.Sprintf("%02d", i)}
		cmd.AddCommand(sub)
	}
	return cmd
}

// faultKinds are the commands that are one fault each; do gets what they say.
func (p *program) faultKinds(do func(context.Context, fault.Job) error) []*cobra.Command {
	var signal signalFlag
	kill := p.containerFault(do, "kill", "Kill containers, and start them again", func() fault.Fault { return fault.Kill{Signal: string(signal)} })
	addFlags(kill, "Flags", func(f *pflag.FlagSet) {
		f.VarP(&signal, "signal", "s", "The `SIGNAL`, SIGKILL at first; SIGABRT is a crash that a restart policy mends")
	})
	return []*cobra.Command{
		kill,
		p.containerFault(do, "stop", "Stop containers, and start them again", func() fault.Fault { return fault.Stop{} }),
		p.containerFault(do, "pause", "Halt containers where they are, and let them go on", func() fault.Fault { return fault.Pause{} }),
		p.containerFault(do, "restart", "Restart containers", func() fault.Fault { return fault.Restart{} }),
		p.containerFault(do, "disconnect", "Take containers off their networks, and connect them again", func() fault.Fault { return fault.Disconnect{} }),
		p.latencyFault(do), p.bandwidthFault(do), p.timeoutFault(do), p.resetFault(do),
	}
}

// faultTimes are the flags that each fault has.
type faultTimes struct {
	every, lasting, delay time.Duration
	random                bool
	seed                  uint64
}

func (t *faultTimes) define(cmd *cobra.Command, lasts bool) {
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		if lasts {
			f.DurationVar(&t.lasting, "for", 0, "Take it back after so `LONG`, such as 10s; without it, with Ctrl-C")
		}
		f.DurationVar(&t.every, "every", 0, "Do it again and again, with so `LONG` from one beginning to the next")
		f.BoolVar(&t.random, "random", false, "Choose one of the containers each time")
		f.Uint64Var(&t.seed, "seed", 0, "Choose as the `NUMBER` says, which is printed where it is left out")
		f.DurationVar(&t.delay, "delay", 0, "Begin after so `LONG`")
	})
}

func (t *faultTimes) job(of fault.Fault, services []string) fault.Job {
	j := fault.Job{Fault: of, Services: services, Random: t.random, Seed: t.seed, Every: t.every, For: t.lasting, Delay: t.delay}
	if j.Random && j.Seed == 0 {
		j.Seed = 1 + rand.Uint64N(1e6)
	}
	return j
}

// containerFault is a fault of containers.
func (p *program) containerFault(do func(context.Context, fault.Job) error, verb, short string, of func() fault.Fault) *cobra.Command {
	var times faultTimes
	cmd := &cobra.Command{
		Use: verb + " SERVICE...", Short: short,
		Example: "  muster fault " + verb + " db                      # all containers of db\n" +
			"  muster fault " + verb + " web db --random         # one of those of web and db\n",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return do(cmd.Context(), times.job(of(), services))
		},
	}
	lasts := of().Lasts()
	if lasts {
		cmd.Example += "  muster fault " + verb + " db --every 1m --for 5s # again and again"
	} else {
		cmd.Example += "  muster fault " + verb + " db --every 1m          # again and again"
	}
	times.define(cmd, lasts)
	return cmd
}

// networkFault is a fault of the way from one service to another.
func (p *program) networkFault(
	do func(context.Context, fault.Job) error, verb, short, example string, define func(*pflag.FlagSet), of func() (fault.Toxic, error),
) *cobra.Command {
	var times faultTimes
	var way fault.On
	cmd := &cobra.Command{
		Use: verb + " 'A->B:PORT'", Short: short,
		Long: short + `: of new TCP connections from containers of A to PORT of B, and of
nothing else. Connections that stand already are left alone, those made meanwhile end with the fault.`,
		Example:           example,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			from, to, port, err := parseWay(args)
			if err != nil {
				return err
			}
			if way.Toxicity <= 0 || way.Toxicity > 1 {
				return &usageError{problem: fmt.Sprintf("--toxicity %g is no share", way.Toxicity), hint: "write a number above 0 and up to 1: 0.5 is every other connection"}
			}
			if way.Toxic, err = of(); err != nil {
				return err
			}
			way.To, way.Port = to, port
			return do(cmd.Context(), times.job(way, []string{from}))
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		define(f)
		f.BoolVar(&way.Upstream, "upstream", false, "Do it to what A sends, and not to what B answers")
		f.Float64Var(&way.Toxicity, "toxicity", 1, "The `SHARE` of the connections that suffer")
	})
	times.define(cmd, true)
	return cmd
}

// parseWay reads A->B:PORT, or A and B:PORT: a shell takes > for itself.
func parseWay(args []string) (from, to string, port int, err error) {
	wrong := func(problem string) (string, string, int, error) {
		return "", "", 0, &usageError{problem: problem, hint: "write it as 'api->db:5432', in quotes, or as: api db:5432"}
	}
	text := strings.Join(args, "->")
	from, rest, found := strings.Cut(text, "->")
	if !found {
		return wrong(fmt.Sprintf("%q does not say from where to where", text))
	}
	to, number, _ := strings.Cut(rest, ":")
	port, bad := strconv.Atoi(number)
	switch {
	case from == "" || to == "":
		return wrong(fmt.Sprintf("%q does not say from where to where", text))
	case bad != nil || port < 1 || port > 65535:
		return wrong(fmt.Sprintf("%q has no port", text))
	}
	return from, to, port, nil
}

func (p *program) latencyFault(do func(context.Context, fault.Job) error) *cobra.Command {
	var l fault.Latency
	return p.networkFault(do, "latency", "Delay what one service hears from another",
		`  muster fault latency 'api->db:5432' --latency 300ms
  muster fault latency api db:5432 --latency 1s --jitter 500ms --for 1m
  muster fault latency 'web->api:80' --latency 5s --toxicity 0.1  # every tenth connection`,
		func(f *pflag.FlagSet) {
			f.DurationVar(&l.Delay, "latency", 0, "The `DELAY`")
			f.DurationVar(&l.Jitter, "jitter", 0, "Up to so `MUCH` more or less")
		}, func() (fault.Toxic, error) {
			if l.Delay < time.Millisecond {
				return nil, &usageError{problem: "no latency is given", hint: "add --latency, such as --latency 300ms"}
			}
			return l, nil
		})
}

func (p *program) bandwidthFault(do func(context.Context, fault.Job) error) *cobra.Command {
	var b fault.Bandwidth
	return p.networkFault(do, "bandwidth", "Let little through from one service to another",
		`  muster fault bandwidth 'api->db:5432' --rate 100
  muster fault bandwidth api db:5432 --rate 10 --for 1m
  muster fault bandwidth 'web->store:9000' --rate 50 --upstream  # of what is uploaded`,
		func(f *pflag.FlagSet) { f.IntVar(&b.Rate, "rate", 0, "How many `KB` a second") },
		func() (fault.Toxic, error) {
			if b.Rate < 1 {
				return nil, &usageError{problem: "no rate is given", hint: "add --rate, such as --rate 100 for 100 KB a second"}
			}
			return b, nil
		})
}

func (p *program) timeoutFault(do func(context.Context, fault.Job) error) *cobra.Command {
	var t fault.Timeout
	return p.networkFault(do, "timeout", "Let nothing through from one service to another",
		`  muster fault timeout 'api->db:5432'               # until Ctrl-C
  muster fault timeout api db:5432 --timeout 5s      # and close it after 5 s
  muster fault timeout 'api->db:5432' --for 30s`,
		func(f *pflag.FlagSet) {
			f.DurationVar(&t.After, "timeout", 0, "Close the connection after so `LONG`; without it, never")
		},
		func() (fault.Toxic, error) { return t, nil })
}

func (p *program) resetFault(do func(context.Context, fault.Job) error) *cobra.Command {
	var r fault.Reset
	return p.networkFault(do, "reset", "Break connections from one service to another",
		`  muster fault reset 'api->db:5432'                 # at once
  muster fault reset api db:5432 --after 500ms
  muster fault reset 'api->db:5432' --toxicity 0.2   # every fifth one`,
		func(f *pflag.FlagSet) {
			f.DurationVar(&r.After, "after", 0, "Break them so `LONG` after the first byte; without it, at once")
		},
		func() (fault.Toxic, error) { return r, nil })
}
