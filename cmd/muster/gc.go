package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/instance"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

type gcOptions struct {
	idle time.Duration
	yes  bool
}

func (p *program) gcCommand() *cobra.Command {
	var o gcOptions
	cmd := &cobra.Command{
		Use: "gc [INSTANCE...]", GroupID: groupMore,
		Short: "Remove instances that nobody needs any more",
		Long: `Remove instances that nobody needs any more, with their data, and give their host ports back.

These are instances whose time is over (up --expires), those that a program held which has
ended, those whose folder is gone, such as a git worktree that was removed and, with --idle,
those of which nothing runs and that nobody has brought up for so long.
The first copy of a stack is never touched, nor what a program holds. Of what others have brought
up, only that goes whose time is over, which stands on the engine: so it is also found where the
machine of a CI job is gone.
Without names the images of muster's own agents go too, which are made anew when needed.`,
		Example: `  muster gc --dry-run           # only say which; without it, ask and remove
  muster gc --idle 72h --yes    # also what was not used for three days
  muster gc --yes shop-pr-7     # this one only, if nobody needs it`,
		RunE: func(cmd *cobra.Command, names []string) error { return p.gc(cmd.Context(), o, names) },
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.DurationVar(&o.idle, "idle", 0, "Also those of which nothing runs and that were not used for so `LONG`, such as 72h")
		f.BoolVarP(&o.yes, "yes", "y", false, "Do not ask")
	})
	return cmd
}

// copyOf is an instance as the engine and the registry know it.
type copyOf struct {
	docker.Listed
	record instance.Record // zero where the registry does not have it
	// elsewhere: it was brought up on another engine, and what this one says is nothing about it.
	elsewhere bool
}

// copies are all instances, by their projects' names.
func (p *program) copies(ctx context.Context) ([]copyOf, error) {
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return nil, err
	}
	defer on.Close()
	there, err := on.Instances(ctx)
	if err != nil {
		return nil, err
	}
	id, err := on.ID(ctx)
	if err != nil {
		return nil, err
	}
	records, err := p.instances().List()
	if err != nil {
		return nil, err
	}
	var out []copyOf
	for _, r := range records {
		c := copyOf{record: r, elsewhere: r.Elsewhere(id)}
		c.Name, c.First, c.Instance, c.WorkingDir = r.Project, r.First, r.Name, r.Dir
		out = append(out, c)
	}
	for _, l := range there {
		i := slices.IndexFunc(out, func(c copyOf) bool { return c.Name == l.Name })
		if i < 0 {
			out = append(out, copyOf{Listed: l})
			continue
		}
		if out[i].elsewhere { // what is here has its name and nothing else
			out[i] = copyOf{Listed: l}
			continue
		}
		l.WorkingDir = cmp.Or(l.WorkingDir, out[i].WorkingDir)
		out[i].Listed = l
	}
	slices.SortFunc(out, func(a, b copyOf) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// unneeded says why an instance can go; empty where it cannot. Those that were made by somebody else, or from within another container, are
// left alone until their time is over: their folders cannot be seen from here, nor who holds them.
func (p *program) unneeded(c copyOf, idle time.Duration) string {
	if c.elsewhere {
		return ""
	}
	if c.record.Project == "" {
		return instance.Expired(c.Expires, p.now())
	}
	if p.instances().Held(c.Name) {
		return ""
	}
	if why := p.instances().Over(c.record, p.now()); why != "" {
		return why
	}
	if _, err := os.Stat(c.record.Dir); errors.Is(err, os.ErrNotExist) {
		return "its folder " + c.record.Dir + " is gone"
	}
	runs := statusText(c.Containers, false) != ""
	if idle > 0 && !runs && p.now().Sub(c.record.Used) > idle {
		return "nothing of it runs, last used " + c.record.Used.Local().Format("2006-01-02 15:04")
	}
	return ""
}

// gc is the command; without names it goes for all instances.
func (p *program) gc(ctx context.Context, o gcOptions, names []string) error {
	all, err := p.copies(ctx)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		if all, err = only(all, names); err != nil {
			return err
		}
	}
	var going []copyOf
	for _, c := range all {
		if why := p.unneeded(c, o.idle); why != "" {
			fmt.Fprintf(p.out, "%s: %s\n", c.Name, why)
			going = append(going, c)
		}
	}
	if len(names) == 0 && !p.globals.dryRun {
		if err := p.removeAgents(ctx); err != nil {
			return err
		}
	}
	if len(going) == 0 {
		_, err := fmt.Fprintf(p.err, "nothing to remove; there %s\n", are(len(all), "instance"))
		return err
	}
	if p.globals.dryRun {
		return nil
	}
	if !o.yes {
		if err := p.ask("this removes " + count(len(going), "instance") + " with all data"); err != nil {
			return err
		}
	}
	var failed error
	for _, c := range going {
		failed = errors.Join(failed, p.removeCopy(ctx, c))
	}
	return failed
}

// removeAgents removes the images of agents that nothing uses.
func (p *program) removeAgents(ctx context.Context) error {
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	n, err := on.RemoveAgents(ctx, "")
	if n > 0 {
		fmt.Fprintf(p.err, "removed %s of muster's agents\n", count(n, "image"))
	}
	return err
}

// only are the instances that have these names.
func only(all []copyOf, names []string) ([]copyOf, error) {
	var out []copyOf
	for _, name := range names {
		i := slices.IndexFunc(all, func(c copyOf) bool { return c.Name == name })
		if i < 0 {
			return nil, &usageError{problem: "no such instance: " + name, hint: "`muster ls --instances` lists them"}
		}
		out = append(out, all[i])
	}
	return out, nil
}

// are is "is 1 instance", "are 3 instances".
func are(n int, noun string) string {
	if n == 1 {
		return "is 1 " + noun
	}
	return "are " + count(n, noun)
}

// removeCopy removes an instance that nobody needs, and nobody begins to use meanwhile.
func (p *program) removeCopy(ctx context.Context, c copyOf) error {
	me := p.holder()
	release, err := p.instances().Seize(c.Name, me)
	if err != nil {
		return err
	}
	defer release()
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	l, err := p.look(nil)
	if err != nil {
		return err
	}
	return p.removeInstance(ctx, on, c.Name, l)
}

// removeInstance takes an instance down, data and all, by what its labels say, and gives its ports back. What is known by its name on another
// engine stays known.
func (p *program) removeInstance(ctx context.Context, on engine, name string, look look) error {
	failed := func(err error) error { return fmt.Errorf("remove instance %s: %w", name, err) }
	release, err := p.hold(ctx, on, on.Host(), name)
	if err != nil {
		return failed(err)
	}
	defer release()
	have, err := on.Observe(ctx, planner.Scope{Project: name})
	if err != nil {
		return failed(err)
	}
	plan, err := planner.Removal(name, have, p.now())
	if err != nil {
		return failed(err)
	}
	if len(plan.Steps) > 0 {
		if board, err := p.carryOut(ctx, on, job{plan: plan, have: have, goal: "removed", look: look}); err != nil {
			return failed(&runFailure{cause: err, board: board, again: "muster gc"})
		}
	}
	id, err := on.ID(ctx)
	if err != nil {
		return failed(err)
	}
	if record, there := p.instances().Find(name); there && record.Elsewhere(id) {
		return nil
	}
	return p.instances().Forget(name)
}
