package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/history"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

type rollbackOptions struct {
	yes, wait   bool
	waitTimeout seconds
	timeout     seconds
	limit       impactLimit
}

func (p *program) rollbackCommand() *cobra.Command {
	var o rollbackOptions
	cmd := &cobra.Command{
		Use: "rollback [N]", GroupID: groupMain,
		Short: "Bring the stack back to what it was after an earlier change",
		Long: "Bring the stack back to what it was after change N, by default the last one that went well before the current one:\n" +
			"the model and the very images of that time. It is a plan like every other, which is shown and asked about.",
		Example: `  muster rollback            # before the last change
  muster history             # which changes were there?
  muster rollback 7 --wait   # after change 7; come back when all is ready`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.changeArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.rollback(cmd.Context(), o, strings.Join(args, ""))
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.yes, "yes", "y", false, "Do not ask")
		f.BoolVar(&o.wait, "wait", false, "Come back when all is ready")
		f.Var(&o.waitTimeout, "wait-timeout", "At most so many `SECONDS` for --wait")
		f.VarP(&o.timeout, "timeout", "t", "Give containers so many `SECONDS` to stop")
		f.Var(&o.limit, "max-impact", "Refuse where a step does more than `IMPACT`: none, in-place, restart or replace")
	})
	return cmd
}

// rollback is the command.
func (p *program) rollback(ctx context.Context, o rollbackOptions, number string) error {
	on, t, err := p.openFor(ctx)
	if err != nil {
		return err
	}
	defer on.Close()
	before, err := p.pastOf(on.Host(), t.name, number)
	if err != nil {
		return err
	}
	want, err := p.loadPast(ctx, before)
	if err != nil {
		return err
	}
	l, err := p.look(want)
	if err != nil {
		return err
	}
	c, err := p.consent(want, o.yes, o.limit)
	if err != nil {
		return err
	}
	c.ask = planner.Replace // the whole plan is asked about already
	how := planner.Policy{
		Services: before.entry.Services, Scale: before.entry.Scale, Now: p.now(), Timeout: o.timeout.duration(),
		Pull: project.PullMissing, NoBuild: true, Wait: o.wait, WaitTimeout: o.waitTimeout.value,
	}
	how.RemoveOrphans = before.addedSince != nil
	b := bringing{want: want, how: how, look: l, goal: "up", again: "muster rollback " + strconv.Itoa(before.entry.Number), consent: c, past: before, summed: true}
	if p.globals.dryRun {
		s, err := before.survey(ctx, on, b)
		if err != nil {
			return err
		}
		return p.printWithin(s.plan, planOptions{policyFlags: policyFlags{limit: o.limit}}, p.typed())
	}
	if !o.yes {
		b.review = p.reviewer(p.typed())
	}
	went, err := p.bring(ctx, on, b)
	if err != nil {
		return err
	}
	return p.printUpSummary(on, want, how, l, went)
}

// reviewer shows a plan and asks whether to do it. It shows the same one only once.
func (p *program) reviewer(command string) func(planner.Plan) error {
	agreed := ""
	return func(plan planner.Plan) error {
		text := plan.StepsText(planner.TextOptions{})
		if len(plan.Steps) == 0 || text == agreed {
			return nil
		}
		if err := p.printPlan(plan, planOptions{}, command+" --yes"); err != nil {
			return err
		}
		if p.screen == nil {
			return &usageError{problem: "nothing was changed: nobody can be asked", hint: "say --yes to do it"}
		}
		if err := p.confirm("\nGo on?"); err != nil {
			return err
		}
		agreed = text
		return nil
	}
}

// past is a change to go back to.
type past struct {
	entry history.Entry
	// addedSince are the services that only later changes have brought; nil where not all that is there is known to be
	// either in the model or one of them, and then nothing is removed.
	addedSince []string
}

// pastOf finds the change that a number names, or the one before the last.
func (p *program) pastOf(host, name, number string) (*past, error) {
	entries, err := p.readHistory(host, name)
	if err != nil {
		return nil, err
	}
	entry, ok := history.Before(entries)
	if number != "" {
		n, err := strconv.Atoi(number)
		if err != nil {
			return nil, &usageError{problem: fmt.Sprintf("%q is not the number of a change", number), hint: "`muster history` lists them"}
		}
		i := slices.IndexFunc(entries, func(e history.Entry) bool { return e.Number == n })
		if i < 0 {
			return nil, &usageError{problem: fmt.Sprintf("there is no change %d of %s in the history", n, name), hint: "`muster history` lists them"}
		}
		entry, ok = entries[i], true
	}
	switch {
	case !ok && len(entries) == 0:
		return nil, &usageError{problem: name + " has no history on this machine", hint: "`muster up` begins one"}
	case !ok:
		return nil, &usageError{problem: "there is no change of " + name + " to go back to before the last one", hint: "`muster history` lists them"}
	case entry.Model == "":
		return nil, &usageError{problem: fmt.Sprintf("change %d was %s: it is no state to go back to", entry.Number, entry.Result), hint: "`muster history` lists those that went well"}
	}
	return &past{entry: entry, addedSince: servicesSince(entries, entry)}, nil
}

// servicesSince are the services that changes after one have brought and it had not; empty, not nil, where there are none.
func servicesSince(entries []history.Entry, since history.Entry) []string {
	if len(since.Services) > 0 {
		return nil // it was not the whole stack
	}
	out := []string{}
	for _, e := range entries {
		if e.Number <= since.Number {
			continue
		}
		for name := range e.Images {
			if _, had := since.Images[name]; !had {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// loadPast makes the project of a change again.
func (p *program) loadPast(ctx context.Context, from *past) (*project.Project, error) {
	e := from.entry
	o := p.loadOptions(loading{services: e.Services, mayMiss: true})
	o.Files, o.Stdin, o.Dir, o.Name = []string{"-"}, strings.NewReader(e.Model), e.Directory, e.Project
	o.EnvFiles, o.Profiles, o.AllProfiles, o.Confirm = nil, nil, true, nil
	want, err := project.Load(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("read the model of change %d: %w", e.Number, err)
	}
	want.Files = e.Files
	for _, key := range sortedKeys(want.Configs) {
		if text, ok := e.Configs[key]; ok {
			want.SetConfig(key, text)
		}
	}
	for _, key := range sortedKeys(want.Secrets) {
		if was := e.Secrets[key]; was != "" && want.Content["secrets."+key] != was {
			p.warn(fmt.Sprintf("secret %s is not what it was then; it is taken as it is now, since the history has no secrets in it", key))
		}
	}
	return want, nil
}

// pins are what the references of the images stood for.
func (from *past) pins() map[string]planner.Pin {
	out := map[string]planner.Pin{}
	for _, i := range from.entry.Images {
		out[i.Reference] = planner.Pin{ID: i.ID, Digest: i.Digest}
	}
	return out
}

// survey looks at the engine and plans the way back.
func (from *past) survey(ctx context.Context, on closeObserver, b bringing) (surveyed, error) {
	pins := from.pins()
	scope := planner.ScopeOf(b.want)
	for _, ref := range sortedKeys(pins) {
		scope.Images = append(scope.Images, pins[ref].ID)
	}
	have, err := surveyScope(ctx, on, scope, b.want, b.how)
	if err != nil {
		return surveyed{}, err
	}
	then, lost := planner.PinImages(have, pins)
	if len(lost) > 0 {
		return surveyed{}, &usageError{
			problem: fmt.Sprintf("the engine no longer has what %s was at change %d; nothing was changed", and(lost), from.entry.Number),
			hint:    "it was built, so build it again from the sources of then, and `muster up`; `docker image prune` removes images that have lost their tag",
		}
	}
	how := b.how
	if how.RemoveOrphans && !from.knows(b.want, have) {
		how.RemoveOrphans = false
	}
	plan, err := planner.Build(b.want, then, how)
	return surveyed{have: have, plan: plan.Pinned(pins, have)}, err
}

// knows says whether each container is of a service that the model has or that a later change has brought: what somebody
// else has put into the project is not for a way back to remove.
func (from *past) knows(want *project.Project, have planner.State) bool {
	for _, c := range have.Containers {
		if _, declared := want.Services[c.Service]; !declared && !slices.Contains(from.addedSince, c.Service) {
			return false
		}
	}
	return true
}

// readHistory reads the changes of a project. One that goes on no more and never ended was interrupted.
func (p *program) readHistory(host, name string) ([]history.Entry, error) {
	folder := p.historyOf(host, name)
	if folder == "" {
		return nil, &usageError{problem: "there is no folder for the history", hint: "set HOME, or XDG_STATE_HOME"}
	}
	entries, err := folder.All()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for i := range entries {
		if entries[i].Result == history.Running && !p.isHeld(host, name) {
			entries[i].Result = history.Interrupted
		}
	}
	return entries, nil
}

// changeArgs completes the numbers of changes that can be gone back to.
func (p *program) changeArgs(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	none := cobra.ShellCompDirectiveNoFileComp
	if len(args) > 0 {
		return nil, none
	}
	on, t, err := p.openFor(cmd.Context())
	if err != nil {
		return nil, none
	}
	defer on.Close()
	entries, err := p.readHistory(on.Host(), t.name)
	if err != nil {
		return nil, none
	}
	var out []string
	for _, e := range slices.Backward(entries) {
		number := strconv.Itoa(e.Number)
		if e.Model != "" && strings.HasPrefix(number, typed) {
			out = append(out, number+"\t"+when(e.Began)+"  "+strings.Join(e.Changes, "; "))
		}
	}
	return out, none | cobra.ShellCompDirectiveKeepOrder
}
