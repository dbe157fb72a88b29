package main

import (
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

type upOptions struct {
	policyFlags
	detach                    bool
	abortOnExit, abortOnFail  bool
	exitCodeFrom              string
	attach, noAttach          []string
	attachDeps                bool
	noPrefix, noColor, stamps bool
	watch, menu, menuGiven    bool
	expires                   expiry
	fromSnapshot              string
	again                     string // the command to name when it did not go well
}

func (p *program) upCommand() *cobra.Command {
	o := upOptions{again: "muster up"}
	cmd := &cobra.Command{
		Use: "up [SERVICE...]", GroupID: groupMain,
		Short: "Bring the stack, or some of its services, to what the files say",
		Example: `  muster up -d               # bring all up in the background
  muster up --build web      # build web's image, bring it and what it needs up, show its output
  muster up --watch          # and bring changes of files to the containers, as you make them`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return p.up(cmd.Context(), o, services)
		},
	}
	o.define(cmd)
	addFlags(cmd, "Common", p.defineTimeline)
	return cmd
}

// define adds the flags, common ones first.
func (o *upOptions) define(cmd *cobra.Command) {
	addFlags(cmd, "Common", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.detach, "detach", "d", false, "Leave the containers running in the background")
		o.defineWait(f)
		o.defineScope(f)
		f.BoolVar(&o.noDeps, "no-deps", false, "Leave what the named services need alone")
		f.StringVar(&o.fromSnapshot, "from-snapshot", "", "Let volumes that do not exist yet begin with what snapshot `NAME` has")
		f.Var(&o.expires, "expires", "Let gc remove this instance in `2h`, 7d, …, whoever runs it; or never")
		o.defineYes(f)
		o.defineLimit(f)
	})
	addFlags(cmd, "Images", func(f *pflag.FlagSet) {
		o.defineImages(f)
		f.Lookup("quiet-pull").Usage = "Pull without progress lines; --quiet-build: build without output"
		f.BoolVar(&o.quietBuild, "quiet-build", false, "Build without output")
		_ = f.MarkHidden("quiet-build") // told by the one before, so that the help fits a screen
	})
	addFlags(cmd, "What is replaced", func(f *pflag.FlagSet) {
		o.defineRecreate(f)
		f.BoolVar(&o.alwaysRecreate, "always-recreate-deps", false, "Replace what the named services need, too")
		f.BoolVarP(&o.renewVolumes, "renew-anon-volumes", "V", false, "Give replaced containers fresh anonymous volumes")
		f.VarP(&o.timeout, "timeout", "t", "Give containers so many `SECONDS` to stop")
	})
	addFlags(cmd, "Attached", func(f *pflag.FlagSet) {
		f.BoolVar(&o.abortOnExit, "abort-on-container-exit", false, "Stop all when one exits")
		f.BoolVar(&o.abortOnFail, "abort-on-container-failure", false, "Stop all when one exits with an error")
		f.StringVar(&o.exitCodeFrom, "exit-code-from", "", "Stop all when one exits, and exit as `SERVICE` did")
		f.StringArrayVar(&o.attach, "attach", nil, "Show the output of `SERVICE` only; --no-attach SERVICE: of all but that")
		f.StringArrayVar(&o.noAttach, "no-attach", nil, "Do not show the output of `SERVICE`")
		_ = f.MarkHidden("no-attach") // told by the one before
		f.BoolVar(&o.attachDeps, "attach-dependencies", false, "Show the output of what the named services need, too")
		f.BoolVar(&o.noPrefix, "no-log-prefix", false, "Print lines without the container's name")
		f.BoolVar(&o.noColor, "no-color", false, "Print lines without colour")
		f.BoolVarP(&o.watch, "watch", "w", false, "Bring changes of files to the containers, as the watch command does")
		f.BoolVar(&o.stamps, "timestamps", false, "Print the time of each line")
		f.BoolVar(&o.menu, "menu", true, "Take single keys on a terminal: d detaches, w watches files")
		_ = f.MarkHidden("menu") // who wants none sets COMPOSE_MENU=false once
	})
}

// check refuses what does not go together, and draws the flags' conclusions.
func (o *upOptions) check(cmd *cobra.Command) error {
	if err := refusePairs(cmd, append(policyPairs(), upPairs()...)); err != nil {
		return err
	}
	o.menuGiven = cmd.Flags().Changed("menu")
	if o.exitCodeFrom != "" && !o.abortOnFail {
		o.abortOnExit = true
	}
	if o.abortOnExit && o.detach {
		return &usageError{problem: "--exit-code-from and --detach are incompatible"}
	}
	if o.wait && o.abortOnExit {
		return &usageError{problem: "--exit-code-from and --wait are incompatible"}
	}
	if o.wait || o.noStart {
		o.detach = true
	}
	return nil
}

// fit refuses what an engine that keeps services by itself has no part in, and draws the conclusion.
func (o *upOptions) fit(target string) error {
	if target != project.TargetSwarm {
		return nil
	}
	for _, f := range []struct {
		given bool
		name  string
	}{
		{o.abortOnExit && o.exitCodeFrom == "", "abort-on-container-exit"}, {o.abortOnFail, "abort-on-container-failure"}, {o.exitCodeFrom != "", "exit-code-from"},
		{o.watch, "watch"}, {o.noStart, "no-start"}, {o.fromSnapshot != "", "from-snapshot"}, {o.migrate, "migrate-volumes"}, {o.renewVolumes, "renew-anon-volumes"},
	} {
		if f.given {
			return &usageError{problem: "--" + f.name + " is for the containers of one engine, and this stack is for a swarm"}
		}
	}
	o.detach = true // its services go on by themselves
	return nil
}

// upPairs are the flags that only up has.
func upPairs() []pair {
	return []pair{
		{"wait", "abort-on-container-exit"}, {"wait", "abort-on-container-failure"},
		{"wait", "attach"}, {"wait", "attach-dependencies"}, {"wait", "no-start"},
		{"detach", "abort-on-container-exit"}, {"detach", "abort-on-container-failure"},
		{"detach", "attach"}, {"detach", "attach-dependencies"},
		{"abort-on-container-exit", "abort-on-container-failure"},
		{"attach", "attach-dependencies"},
		{"detach", "watch"}, {"no-build", "watch"}, {"wait", "watch"}, {"no-start", "watch"},
	}
}

// up is the command.
func (p *program) up(ctx context.Context, o upOptions, services []string) error {
	repeat := p.repeatable(o)
	want, err := p.load(ctx, loading{services: services, noDeps: o.noDeps, attached: !o.detach})
	if err != nil {
		return err
	}
	if err := p.expire(want, o.expires); err != nil {
		return err
	}
	how, err := p.policy(want, o.policyFlags, services)
	if err != nil {
		return err
	}
	if err := o.fit(want.Target); err != nil {
		return err
	}
	for _, names := range [][]string{sortedKeys(how.Scale), o.attach, o.noAttach, nonEmpty(o.exitCodeFrom)} {
		if err := checkNames(want, names); err != nil {
			return err
		}
	}
	l, err := p.look(want)
	if err != nil {
		return err
	}
	l.quietPull, l.quietBuild = o.quietPull, o.quietBuild
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	ahead := notAhead
	if o.detach {
		ahead = askAhead
	}
	after := ahead(on)
	repeat.listen(on) // also to what was asked ahead
	if err := p.fromSnapshot(ctx, on, want, o.fromSnapshot, &how); err != nil {
		return err
	}
	if p.globals.dryRun {
		return p.printPlanOf(ctx, on, want, how, o.policyFlags, p.typed())
	}
	c, err := p.consent(want, o.yes, o.limit)
	if err != nil {
		return err
	}
	b := bringing{want: want, how: how, look: l, goal: "up", again: o.again, consent: c, looked: after, summed: o.detach}
	switch {
	case o.noStart:
		b.goal = "created"
	case o.wait:
		b.goal = "ready"
	}
	if !o.detach {
		return p.upAttached(ctx, on, o, b)
	}
	went, err := p.bring(ctx, on, b)
	if err != nil {
		return err
	}
	if err := p.printUpSummary(on, want, how, l, went); err != nil {
		return err
	}
	repeat.keep(want, how, went)
	return nil
}

// checkNames refuses services that are not there.
func checkNames(want *project.Project, names []string) error {
	for _, name := range names {
		if _, ok := want.Services[name]; !ok {
			return noSuchService(name, serviceNames(want))
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// replicas is how many containers of a service are wanted.
func replicas(s project.Service, how planner.Policy) int {
	if n, ok := how.Scale[s.Name]; ok {
		return n
	}
	return s.GetScale()
}
