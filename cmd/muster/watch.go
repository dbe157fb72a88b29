package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/lock"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/watch"
)

type watchOptions struct{ noUp, prune, quiet bool }

func (p *program) watchCommand() *cobra.Command {
	var o watchOptions
	cmd := &cobra.Command{
		Use: "watch [SERVICE...]", GroupID: groupMain,
		Short: "Bring changes of files to the containers while you work",
		Long: "Bring changes of files to the containers while you work, as develop.watch of the services\n" +
			"says: copy them in, rebuild, restart, run a command. Changes of the Compose file are applied.",
		Example: `  muster watch            # bring the stack up, then watch all services that say how
  muster watch --no-up web # only watch, and only web
  muster up --watch        # with the output of the containers`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return p.watch(cmd.Context(), o, services)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVar(&o.noUp, "no-up", false, "Do not bring the stack up first")
		f.BoolVar(&o.prune, "prune", true, "Remove the images that a rebuild leaves without a name")
		f.BoolVar(&o.quiet, "quiet", false, "Build without output")
	})
	return cmd
}

// errNothingToWatch is what docker compose says, too.
func errNothingToWatch() error {
	return &usageError{
		problem: "none of the selected services is configured for watch",
		hint:    "say what to do when files change in develop.watch of a service, such as {path: ./src, action: sync, target: /app}",
	}
}

// watch is the command.
func (p *program) watch(ctx context.Context, o watchOptions, services []string) error {
	l := loading{services: services}
	want, err := p.load(ctx, l)
	if err != nil {
		return err
	}
	how, err := p.policy(want, policyFlags{}, services)
	if err != nil {
		return err
	}
	shown, err := p.look(want)
	if err != nil {
		return err
	}
	shown.quietPull, shown.quietBuild = o.quiet, o.quiet
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	w := &watching{program: p, on: on, loading: l, how: how, look: shown, prune: o.prune, line: func(line string) { fmt.Fprintln(p.out, line) }}
	w.bring = func(ctx context.Context, b bringing) (brought, error) { return p.bring(ctx, on, b) }
	w.setWant(want)
	if err := w.prepare(); err != nil {
		return err
	}
	if p.globals.dryRun {
		return w.printDryRun(ctx, o.noUp)
	}
	if w.consent, err = p.consent(want, false, impactLimit{}); err != nil {
		return err
	}
	release, err := w.alone()
	if err != nil {
		return err
	}
	defer release()
	if !o.noUp {
		went, err := p.bring(ctx, on, bringing{want: building(want, watched(w.rules)), how: how, look: shown, goal: "up", again: "muster watch", consent: w.consent})
		if err != nil {
			return err
		}
		if err := p.printUpSummary(on, want, how, shown, went); err != nil {
			return err
		}
	}
	if err := w.run(ctx); err != nil {
		return err
	}
	return &exitError{code: exitInterrupted} // nothing else ends it
}

// watched are the services that rules are about, sorted.
func watched(rules []watch.Rule) []string {
	var out []string
	for _, r := range rules {
		out = append(out, r.Service)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// building is a project some of whose services have their images built anew. Where that changes nothing, nothing is replaced.
func building(want *project.Project, services []string) *project.Project {
	out := *want
	out.Services = maps.Clone(want.Services)
	for _, name := range services {
		if s := out.Services[name]; s.Build != nil {
			s.PullPolicy = project.PullBuild
			out.Services[name] = s
		}
	}
	return &out
}

// printDryRun prints what would be brought up and what would be watched.
func (w *watching) printDryRun(ctx context.Context, noUp bool) error {
	want := w.want()
	if !noUp {
		if err := w.printPlanOf(ctx, w.on, building(want, watched(w.rules)), w.how, policyFlags{}, w.typed()); err != nil {
			return err
		}
	}
	for _, r := range w.rules {
		text := fmt.Sprintf("%s: would watch %s: %s", r.Service, w.near(r.Path), r.Action)
		if r.Target != "" {
			text += " to " + r.Target
		}
		fmt.Fprintln(w.out, text)
	}
	return nil
}

// near is a path as one from the project's folder, where it is in it.
func (w *watching) near(name string) string {
	if rest, err := filepath.Rel(w.want().WorkingDir, name); err == nil && !strings.HasPrefix(rest, "..") {
		return rest
	}
	return name
}

// alone refuses to watch a project twice from this machine: each file would be copied twice.
func (w *watching) alone() (release func(), err error) {
	nothing := func() {}
	state, err := w.stateDir()
	if err != nil {
		return nothing, nil
	}
	name := w.want().Name
	me := lock.Holder{By: lock.User(), PID: os.Getpid(), Command: commandLine(w.args), Since: w.now()}
	held, holder, err := lock.Folder(filepath.Join(state, "locks")).Take(engineKey(w.on.Host())+"-"+name+".watch", me)
	switch {
	case err != nil: // a home that cannot be written to
		return nothing, nil
	case held == nil:
		return nil, &usageError{problem: fmt.Sprintf("%s is being watched already by %s", name, holder), hint: "end that one first"}
	}
	return held.Release, nil
}

// pollSetting is how often to look at the files instead of asking the system: MUSTER_WATCH_POLL.
func (w *watching) pollSetting() (time.Duration, error) {
	text := w.setting(w.want(), "MUSTER_WATCH_POLL")
	if text == "" {
		return 0, nil
	}
	var s seconds
	if err := s.Set(text); err != nil || s.value <= 0 {
		return 0, &usageError{problem: fmt.Sprintf("MUSTER_WATCH_POLL must be a time (found: %q)", text), hint: "write how often to look, such as 500ms"}
	}
	return s.value, nil
}

// apart are the files whose change is one of the stack itself: where they change, it is loaded and brought up anew.
func apart(of *project.Project) []string {
	files := append(slices.Clone(of.EnvFiles), watch.IgnoreFiles(of)...)
	if len(of.EnvFiles) == 0 {
		files = append(files, filepath.Join(of.WorkingDir, ".env"))
	}
	for _, f := range of.Files {
		if f != "-" {
			files = append(files, f)
		}
	}
	files = append(files, of.Beside...)
	slices.Sort(files)
	return slices.Compact(files)
}

// rootsOf are all files to be watched.
func (w *watching) rootsOf() []watch.Root { return watch.Roots(w.rules, apart(w.want())) }

// prepare reads the rules.
func (w *watching) prepare() error {
	rules, notes, err := watch.Rules(w.want(), nil)
	if err != nil {
		return err
	}
	for _, n := range notes {
		w.warn(n)
	}
	if len(rules) == 0 {
		return errNothingToWatch()
	}
	w.rules = rules
	return nil
}

// run watches until ctx ends.
func (w *watching) run(ctx context.Context) error {
	every, err := w.pollSetting()
	if err != nil {
		return err
	}
	if w.keep, err = w.on.Leftovers(ctx, w.want().Name); err != nil {
		return err
	}
	if err := w.keepRunning(ctx); err != nil {
		return err
	}
	w.watcher, err = watch.NewWatcher(w.rootsOf(), watch.Options{Poll: every, Note: w.say})
	if err != nil {
		return err
	}
	defer w.watcher.Close()
	session := watch.NewSession(w.rules, w, func() []string { return apart(w.want()) }, w.reload)
	if err := session.Begin(ctx); err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w.say("Watch enabled")
	session.Run(ctx, watch.Gather(ctx, w.watcher.Changes(), watch.Pace{}))
	w.say("Watch disabled")
	return nil
}

// keepRunning notes the images that run when it begins: that is what to go back to.
func (w *watching) keepRunning(ctx context.Context) error {
	have, err := w.on.Observe(ctx, planner.Scope{Project: w.want().Name})
	for _, c := range have.Containers {
		w.keep = append(w.keep, c.ImageID)
	}
	return err
}

// reload reads the files anew and brings the stack to what they say.
func (w *watching) reload(ctx context.Context) ([]watch.Rule, error) {
	w.changing.Lock()
	defer w.changing.Unlock()
	w.say("Applying what changed in the Compose files...")
	before, rules := w.want(), w.rules
	err := w.apply(ctx)
	if err != nil {
		w.setWant(before)
		w.rules = rules
		if ctx.Err() == nil {
			w.say(w.failureText(err))
			w.say("the stack goes on as it was; watching on")
		}
	}
	// What makes sense by now may be in a file that was not there before.
	if err := w.watcher.Watch(w.rootsOf()); err != nil {
		w.say(err.Error())
	}
	return w.rules, err
}

// apply loads, and carries out.
func (w *watching) apply(ctx context.Context) error {
	want, err := w.load(ctx, w.loading)
	if err != nil {
		return err
	}
	if want.Name != w.want().Name {
		return errors.New("the project has another name now; end this watch and begin another one")
	}
	w.setWant(want)
	if err := w.prepare(); err != nil {
		return err
	}
	how, err := withInputs(want, w.how)
	if err != nil {
		return err
	}
	how.Now = w.now()
	_, err = w.bring(ctx, bringing{want: want, how: how, look: w.look, goal: "up", again: "muster up", consent: w.consent.anew(), display: w.display()})
	return err
}
