package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/lock"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/saved"
)

type applyOptions struct {
	yes, quietPull bool
	limit          impactLimit
}

func (p *program) applyCommand() *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use: "apply FILE", GroupID: groupMain,
		Short: "Carry out a plan that `muster plan -o` has saved",
		Long: "Carry out a plan that `muster plan -o` has saved: just that, or nothing. Where the engine or the files have moved on\n" +
			"since, it says how and changes nothing.",
		Example: `  muster plan -o shop.plan       # look, and keep it
  muster apply shop.plan         # do just that
  muster apply --dry-run shop.plan # does it still hold?`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{problem: "name the file of one plan", hint: "`muster plan -o FILE` writes one"}
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error { return p.apply(cmd.Context(), o, args[0]) },
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.yes, "yes", "y", false, "Answer yes to every question")
		f.Var(&o.limit, "max-impact", "Refuse where a step does more than `IMPACT`: none, in-place, restart or replace")
		f.BoolVar(&o.quietPull, "quiet-pull", false, "Pull without progress lines")
	})
	return cmd
}

// apply is the command.
func (p *program) apply(ctx context.Context, o applyOptions, file string) error {
	plan, err := saved.Read(file)
	if err != nil {
		return err
	}
	if err := p.takeInputs(plan, file); err != nil {
		return err
	}
	how := plan.How()
	want, err := p.load(ctx, loading{services: how.Services, noDeps: how.NoDeps, mayMiss: p.globals.dryRun})
	if err != nil {
		return err
	}
	if how, err = withInputs(want, how); err != nil {
		return err
	}
	l, err := p.look(want)
	if err != nil {
		return err
	}
	l.quietPull = o.quietPull
	c, err := p.consent(want, o.yes, o.limit)
	if err != nil {
		return err
	}
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	b := bringing{want: want, how: how, look: l, goal: "up", again: "muster up -d", consent: c, promise: &promise{plan, on.Host()}, summed: true}
	if p.globals.dryRun {
		return p.printPromise(ctx, on, b, o, file)
	}
	went, err := p.bring(ctx, on, b)
	if err != nil {
		return err
	}
	return p.printUpSummary(on, want, how, l, went)
}

// printPromise says whether a saved plan still holds, and prints it.
func (p *program) printPromise(ctx context.Context, on engine, b bringing, o applyOptions, file string) error {
	have, plan, err := preview(ctx, on, b.want, b.how)
	if err != nil {
		return err
	}
	if err := b.promise.keeps(p, b.want, have, b.how, plan); err != nil {
		return err
	}
	return p.printWithin(plan, planOptions{policyFlags: policyFlags{limit: o.limit}}, commandLine([]string{"apply", file}))
}

// takeInputs loads what the plan was made from. Which engine may be said anew: the same one may have another address here.
func (p *program) takeInputs(plan *saved.Plan, file string) error {
	g, in := &p.globals, plan.Inputs
	if len(g.files) > 0 || g.name != "" || len(g.profiles) > 0 || len(g.envFiles) > 0 || g.dir != "" {
		return &usageError{problem: "-f, -p, --profile, --env-file and --project-directory are in the plan already",
			hint: fmt.Sprintf("leave them out: `muster apply %s`", file)}
	}
	g.files, g.name, g.dir, g.envFiles, g.profiles = in.Files, plan.Project, in.Directory, in.EnvFiles, in.Profiles
	g.compatibility, g.allResources, g.strict = in.Compatibility, in.AllResources, in.Strict
	g.target = cmp.Or(in.Target, project.TargetDocker)
	if g.at.host == "" && g.at.context == "" && len(g.at.dial) == 0 {
		g.at = address{host: in.Host, context: in.Context}
	}
	return nil
}

// savePlan writes a plan for [program.apply].
func (p *program) savePlan(file string, want *project.Project, have planner.State, how planner.Policy, plan planner.Plan, engine string) error {
	s, err := saved.New(saved.Source{Want: want, Have: have, How: how, Plan: plan}, rand.Text())
	if err != nil {
		return err
	}
	g := p.globals
	s.Muster, s.Made, s.By = versionNumber(), how.Now, lock.User()
	s.Inputs = saved.Inputs{
		Files: want.Files, Directory: want.WorkingDir, EnvFiles: want.EnvFiles, Profiles: g.profiles,
		Target: want.Target, Compatibility: g.compatibility, AllResources: g.allResources, Strict: g.strict,
		Host: g.at.host, Context: g.at.context, Engine: engine,
	}
	return s.Write(file)
}
