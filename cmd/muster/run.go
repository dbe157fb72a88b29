package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
)

type runOptions struct {
	policyFlags
	remove, detach, servicePorts, useAliases, quiet bool
	noTerminal, terminal, interactive               bool
	entrypointGiven                                 bool
	name, entrypoint, user, workdir, detachKeys     string
	environment, envFiles, labels, publish, volumes []string
	capAdd, capDrop                                 []string
}

func (p *program) runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use: "run SERVICE [COMMAND] [ARG...]", GroupID: groupMain,
		Short: "Run a job, or one command as a service, in a container of its own",
		Example: `  muster run --rm web rake db:migrate        # with what web needs up and ready
  muster run --rm --no-deps -it web sh       # look into the image
  muster run --rm -v ./out:/out -T db pg_dump > dump.sql`,
		Args:              needs(1, "a service"),
		ValidArgsFunction: p.firstServiceArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := refusePairs(cmd, []pair{{"service-ports", "publish"}, {"tty", "no-tty"}}); err != nil {
				return err
			}
			o.entrypointGiven = cmd.Flags().Changed("entrypoint")
			return p.runService(cmd.Context(), o, args[0], args[1:])
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the service is the command's
	cmd.Flags().SetNormalizeFunc(legacySpelling)
	o.define(cmd)
	return cmd
}

// define adds the flags, common ones first.
func (o *runOptions) define(cmd *cobra.Command) {
	addFlags(cmd, "Common", func(f *pflag.FlagSet) {
		f.BoolVar(&o.remove, "rm", false, "Remove the container when it has ended")
		f.BoolVarP(&o.detach, "detach", "d", false, "Leave it running in the background and print its ID")
		f.BoolVar(&o.noDeps, "no-deps", false, "Leave what the service needs alone")
		f.BoolVarP(&o.noTerminal, "no-tty", "T", false, "No terminal, also where stdin and stdout are one")
		f.StringArrayVarP(&o.environment, "env", "e", nil, "Set a variable: `KEY=VALUE`, or KEY to pass it on")
		f.StringArrayVarP(&o.volumes, "volume", "v", nil, "Mount more: `SOURCE:TARGET`")
		f.StringArrayVarP(&o.publish, "publish", "p", nil, "Publish a port: `HOST:CONTAINER`")
		f.BoolVarP(&o.servicePorts, "service-ports", "P", false, "Publish the service's ports")
		defineOldTerminal(f, &o.interactive, &o.terminal)
	})
	addFlags(cmd, "The container", func(f *pflag.FlagSet) {
		f.StringVar(&o.name, "name", "", "`NAME` of the container")
		f.StringVar(&o.entrypoint, "entrypoint", "", "Another `COMMAND` instead of the entrypoint")
		f.StringArrayVar(&o.envFiles, "env-from-file", nil, "Set the variables of `FILE`")
		f.StringVarP(&o.user, "user", "u", "", "Run as this `USER`")
		f.StringVarP(&o.workdir, "workdir", "w", "", "Run in this `FOLDER` of the container")
		f.StringArrayVarP(&o.labels, "label", "l", nil, "Add a label: `KEY=VALUE`")
		f.StringArrayVar(&o.capAdd, "cap-add", nil, "Add a `CAPABILITY` of the kernel")
		f.StringArrayVar(&o.capDrop, "cap-drop", nil, "Take a `CAPABILITY` away")
		f.BoolVar(&o.useAliases, "use-aliases", false, "Answer to the service's names and addresses in its networks")
		f.StringVar(&o.detachKeys, "detach-keys", "", "`KEYS` that leave it running, such as ctrl-p,ctrl-q")
	})
	addFlags(cmd, "What it needs", func(f *pflag.FlagSet) {
		o.build.define(f)
		f.StringVar(&o.pull, "pull", "policy", "`WHEN` to pull: always, missing, never, build, or policy for what the files say")
		f.BoolVar(&o.removeOrphans, "remove-orphans", false, "Remove containers of services that the files no longer have")
		f.BoolVarP(&o.quiet, "quiet", "q", false, "Print nothing but what the command prints")
		f.BoolVar(&o.quietBuild, "quiet-build", false, "Build without output")
		f.BoolVar(&o.quietPull, "quiet-pull", false, "Pull without progress lines")
	})
}

// once is one run, prepared.
type once struct {
	options runOptions
	want    *project.Project
	how     planner.Policy
	planner.Once
	look  look
	again string // the command that carries on where it did not go well
}

// runService is the command.
func (p *program) runService(ctx context.Context, o runOptions, service string, command []string) error {
	r, err := p.prepareRun(ctx, o, service, command)
	if err != nil {
		return err
	}
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	keysText, keys, err := detaching(on, o.detachKeys)
	if err != nil {
		return err
	}
	if p.globals.dryRun {
		have, err := survey(ctx, on, r.want, r.how)
		if err != nil {
			return err
		}
		plan, err := planner.PreviewOnce(r.want, have, r.how, r.Once)
		if err != nil {
			return err
		}
		return p.printPlan(plan, planOptions{}, p.typed())
	}
	started, err := p.makeReady(ctx, on, r)
	if err != nil {
		return err
	}
	r.look.mode = "quiet" // what is next is the container's own output
	if o.detach {
		if err := p.startRun(ctx, on, r, started); err != nil {
			return err
		}
		c, err := on.Inspect(ctx, r.Name)
		if err == nil {
			fmt.Fprintln(p.out, c.ID)
		}
		return err
	}
	return p.foreground(ctx, on, r, started, docker.JoinOptions{Input: o.interactive, DetachKeys: keysText}, keys)
}

// prepareRun reads the files and what the flags make of the service.
func (p *program) prepareRun(ctx context.Context, o runOptions, service string, command []string) (once, error) {
	r := once{options: o}
	var err error
	if r.want, err = p.load(ctx, loading{services: []string{service}, jobs: true, noDeps: o.noDeps}); err != nil {
		return r, err
	}
	if err := checkNames(r.want, []string{service}); err != nil {
		return r, err
	}
	if r.how, err = p.policy(r.want, o.policyFlags, []string{service}); err != nil {
		return r, err
	}
	if r.look, err = p.look(r.want); err != nil {
		return r, err
	}
	r.look.quietPull, r.look.quietBuild = o.quietPull, o.quietBuild
	if o.quiet {
		r.look.mode = "quiet"
	}
	slug := make([]byte, 32)
	if _, err := rand.Read(slug); err != nil {
		return r, err
	}
	r.Once = planner.Once{
		Slug: hex.EncodeToString(slug), Name: o.name, Aliases: o.useAliases, Remove: o.remove, Interactive: o.interactive && !o.detach,
	}
	if r.Name == "" {
		r.Name = fmt.Sprintf("%s-%s-run-%s", r.want.Name, service, r.Slug[:12])
	}
	r.Service, err = p.asRun(r.want, o, service, command)
	if r.Service.Tty && !o.detach && p.console != nil {
		r.Columns, r.Rows = p.console.Size()
	}
	return r, err
}

// makeReady brings up what the container needs and makes it. The answer is a plan of its start. Nobody else may change
// the project meanwhile, unless there is nothing to change: the container itself is nobody else's.
func (p *program) makeReady(ctx context.Context, on engine, r once) (started planner.Plan, err error) {
	if err := p.renewImages(ctx, on, r); err != nil {
		return started, err
	}
	plan, err := p.planRun(ctx, on, r)
	if err != nil {
		return started, err
	}
	before, made, started := splitRun(plan, r.Name)
	if len(before.Steps) > 0 {
		release, err := p.hold(ctx, on, on.Host(), r.want.Name)
		if err != nil {
			return started, err
		}
		defer release()
		if plan, err = p.planRun(ctx, on, r); err != nil {
			return started, err
		}
		before, made, started = splitRun(plan, r.Name)
	}
	for _, w := range plan.Warnings {
		p.warn(w)
	}
	if err := p.stepsOf(ctx, on, r, before, "ready"); err != nil {
		return started, err
	}
	r.look.mode = "quiet" // scripts read the lines of what was brought up, and not of what they run
	// An engine that is left alone with it makes the container all the same, later than anybody could remove it.
	return started, p.stepsOf(context.WithoutCancel(ctx), on, r, made, "created")
}

// planRun plans with what the engine has now.
func (p *program) planRun(ctx context.Context, on engine, r once) (planner.Plan, error) {
	have, err := survey(ctx, on, r.want, r.how)
	if err != nil {
		return planner.Plan{}, err
	}
	return planner.RunOnce(r.want, have, r.how, r.Once)
}

// renewImages pulls and builds what is wanted anew: only then is known what that changes.
func (p *program) renewImages(ctx context.Context, on engine, r once) error {
	have, err := survey(ctx, on, r.want, r.how)
	if err != nil {
		return err
	}
	images, err := planner.ImagesOnce(r.want, have, r.how, r.Once)
	if err != nil {
		return err
	}
	return p.stepsOf(ctx, on, r, images, "fetched")
}

// stepsOf carries out a part of a run.
func (p *program) stepsOf(ctx context.Context, on engine, r once, plan planner.Plan, goal string) error {
	if len(plan.Steps) == 0 {
		return nil
	}
	board, err := p.carryOut(ctx, on, job{plan: plan, goal: goal, look: r.look})
	if err != nil {
		err = &runFailure{cause: err, board: board, again: cmp.Or(r.again, "muster run "+r.Service.Name)}
	}
	return err
}

// startRun starts a container that has been made, with its hooks. One whose hooks fail does not go on.
func (p *program) startRun(ctx context.Context, on engine, r once, start planner.Plan) error {
	err := p.stepsOf(ctx, on, r, start, "started")
	if err != nil {
		p.endRun(ctx, on, r)
	}
	return err
}

// endRun stops a container that must not go on. The engine removes it at its end, where that is wanted, but one that never ran has no end; and a start
// that was interrupted may come after the stop.
func (p *program) endRun(ctx context.Context, on engine, r once) {
	ctx = context.WithoutCancel(ctx)
	_ = on.Apply(ctx, planner.StopContainer{Name: r.Name, Service: r.Service.Name}, nil)
	if r.Remove {
		_ = on.Apply(ctx, planner.RemoveContainer{Name: r.Name, Service: r.Service.Name, Volumes: true}, nil)
	}
}

// splitRun parts a plan into what the container needs, its creation, and its start with the hooks after it.
func splitRun(plan planner.Plan, name string) (before, made, started planner.Plan) {
	made, started = planner.Plan{Project: plan.Project}, planner.Plan{Project: plan.Project}
	before = plan
	before.Steps = nil
	for _, s := range plan.Steps {
		into := &before
		switch a := s.Action.(type) {
		case planner.CreateContainer:
			if a.Name == name {
				into, s.Needs = &made, nil
			}
		case planner.StartContainer:
			if a.Name == name {
				into, s.Needs = &started, nil
			}
		case planner.RunHook:
			if a.Name == name { // it needs the start, or the hook before it
				into = &started
			}
		}
		into.Steps = append(into.Steps, s)
	}
	return before, made, started
}

// foreground starts a container that has been made, and stays with it until it has ended or the user detaches.
// It is joined and waited for before its start, so that nothing of it is missed.
func (p *program) foreground(ctx context.Context, on engine, r once, start planner.Plan, join docker.JoinOptions, keys []byte) error {
	started := false
	defer func() {
		if !started || ctx.Err() != nil { // the latter by a signal that came before they were the container's
			p.endRun(ctx, on, r)
		}
	}()
	ending, err := on.Ending(ctx, r.Name, r.Remove)
	if err != nil {
		return err
	}
	with, err := on.Join(ctx, r.Name, join)
	if err != nil {
		return err
	}
	defer with.Close()
	if err := p.stepsOf(ctx, on, r, start, "started"); err != nil {
		return err
	}
	started = true
	return p.stay(ctx, on, r.Name, with, conversation{input: join.Input, keys: keys}, ending)
}

// stay converses with a container until it has ended, and ends as it did. Signals are the container's.
func (p *program) stay(ctx context.Context, on engine, name string, with talk, c conversation, ending func() (int, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if !c.keepSignals {
		defer p.passSignals(ctx, cancel, on, name)()
	}
	switch err := p.converse(ctx, with, c); {
	case errors.Is(err, errDetached):
		return nil
	case err != nil:
		return err
	}
	code, err := ending()
	if err == nil && code != 0 {
		err = &exitError{code: code}
	}
	return err
}

// forcedAfter is how many times Ctrl-C is passed on before it ends muster, as with docker.
const forcedAfter = 3

// passSignals gives a container the signals that come for us, until stop is called. The third that would end
// muster does so: a process that is the first in its container may ignore them all.
func (p *program) passSignals(ctx context.Context, cancel context.CancelCauseFunc, on engine, name string) (stop func()) {
	ends, release := p.interrupt.take()
	var others <-chan os.Signal
	ignore := func() {}
	if p.forward != nil {
		others, ignore = p.forward()
	}
	done := make(chan struct{})
	go func() {
		for asked := 0; ; {
			var got os.Signal
			select {
			case got = <-ends:
				if asked++; asked >= forcedAfter {
					cancel(errInterrupted)
					return
				}
			case got = <-others:
			case <-done:
				return
			}
			if s := signalName(got); s != "" {
				// One that has ended meanwhile needs no signal.
				_ = on.Apply(ctx, planner.KillContainer{Name: name, Signal: s}, nil)
			}
		}
	}()
	return func() {
		close(done)
		ignore()
		release()
	}
}
