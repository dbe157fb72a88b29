package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
	"github.com/musterhq/muster/snapshot"
	"github.com/musterhq/muster/snapshot/agent"
)

func (p *program) volumeRestoreCommand() *cobra.Command {
	var o policyFlags
	cmd := &cobra.Command{
		Use:   "restore NAME [VOLUME...]",
		Short: "Give the volumes what a snapshot has, or some of them",
		Long: `Give the volumes what a snapshot has, or some of them. What they have is lost, so that you are asked.

The data is unpacked beside the volumes, and the services that have them are stopped: meanwhile, or after that where
it is more than 1 GiB. The volumes get it in one step, and what was stopped is started again, and ready when this
returns. Interrupted anywhere, a volume has the one or the other, and the next up clears away what is left. Where the
engine cannot do that, or the definition of a volume has changed, the volumes and the containers that have them are
made anew.`,
		Example: `  muster volume restore seeded
  muster volume restore --yes seeded orders
  muster --dry-run volume restore seeded`,
		Args: needs(1, "the name of a snapshot"), ValidArgsFunction: p.snapshotArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.volumeRestore(cmd.Context(), o, args[0], args[1:])
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		o.defineYes(f)
		f.VarP(&o.timeout, "timeout", "t", "Give containers so many `SECONDS` to stop")
	})
	return cmd
}

// volumeRestore is the command.
func (p *program) volumeRestore(ctx context.Context, o policyFlags, name string, keys []string) error {
	want, err := p.load(ctx, loading{})
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := checkVolume(want, key); err != nil {
			return err
		}
	}
	from, s, err := p.restores(want, name)
	if err != nil {
		return err
	}
	for key := range from {
		if len(keys) > 0 && !slices.Contains(keys, key) {
			delete(from, key)
		}
	}
	if len(from) == 0 {
		return &usageError{problem: "snapshot " + name + " has none of these volumes", hint: "`muster volume list` says which it has"}
	}
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	prepared := make(chan error, 1)
	done := func() {}
	go func() {
		var err error
		done, err = on.PrepareRestore(ctx, want, from, o.yes && !p.globals.dryRun)
		prepared <- err
	}()
	have, err := on.Observe(ctx, planner.ScopeOf(want))
	err = errors.Join(err, <-prepared)
	defer done()
	if err != nil {
		return err
	}
	services, runs := usersOf(want, have, sortedKeys(from))
	o.noDeps, o.wait, o.noStart = true, runs, !runs
	how, err := p.policy(want, o, services)
	if err != nil {
		return err
	}
	how.Restore, how.IgnoreOrphans = from, true
	for _, name := range services { // what is down stays down
		if !slices.ContainsFunc(have.Containers, func(c planner.Container) bool { return c.Service == name && !c.OneOff }) {
			if how.Scale == nil {
				how.Scale = map[string]int{}
			}
			how.Scale[name] = 0
		}
	}
	l, err := p.look(want)
	if err != nil {
		return err
	}
	if p.globals.dryRun {
		return p.printPlanOf(ctx, on, want, how, o, p.typed())
	}
	c, err := p.consent(want, o.yes, o.limit)
	if err != nil {
		return err
	}
	b := bringing{want: want, how: how, look: l, goal: "ready", again: "muster volume restore " + name, consent: c}
	_, err = p.bring(ctx, on, b)
	if errors.Is(err, docker.ErrNoAgent) { // no data has changed yet, and what ran runs again
		p.warn(fmt.Sprintf("the volumes are made anew, since the engine could not exchange their data: %v", errors.Unwrap(err)))
		for key, r := range from {
			r.Exchange = false
			from[key] = r
		}
		_, err = p.bring(ctx, on, b)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(p.err, "%s of %s is back: %s\n", name, when(s.Taken), sizesText(s))
	return nil
}

// restores is what the project's volumes get from a snapshot. Files that cannot be read are told before anything is touched.
func (p *program) restores(want *project.Project, name string) (map[string]planner.Restore, snapshot.Snapshot, error) {
	folder, err := p.snapshotsOf(want.First)
	if err != nil {
		return nil, snapshot.Snapshot{}, err
	}
	s, err := folder.Find(name)
	if err != nil {
		return nil, s, err
	}
	out := map[string]planner.Restore{}
	for _, v := range s.Volumes {
		if err := checkVolume(want, v.Key); err != nil {
			p.warn(fmt.Sprintf("snapshot %s: %v; it is left out", name, err))
			continue
		}
		file := folder.File(name, v.Key)
		if _, err := os.Stat(file); err != nil {
			return nil, s, fmt.Errorf("read snapshot %s: %w", name, err)
		}
		out[v.Key] = planner.Restore{Snapshot: name, File: file, Sum: v.Sum, Size: v.Size}
	}
	if len(out) == 0 {
		return nil, s, errors.New("snapshot " + name + " has none of the volumes of " + want.Name)
	}
	return out, s, nil
}

// usersOf are the services that have volumes, by their keys, and whether any of them runs.
func usersOf(want *project.Project, have planner.State, keys []string) (services []string, runs bool) {
	for _, key := range keys {
		for _, name := range volumeUsers(want, key) {
			if !slices.Contains(services, name) {
				services = append(services, name)
			}
		}
	}
	slices.Sort(services)
	return services, slices.ContainsFunc(have.Containers, func(c planner.Container) bool { return isUp(c) && slices.Contains(services, c.Service) })
}

// fromSnapshot lets the volumes that do not exist yet begin with what a snapshot has.
func (p *program) fromSnapshot(ctx context.Context, on observer, want *project.Project, name string, how *planner.Policy) error {
	if name == "" {
		return nil
	}
	from, _, err := p.restores(want, name)
	if err != nil {
		return err
	}
	have, err := on.Observe(ctx, planner.ScopeOf(want))
	if err != nil {
		return err
	}
	for _, key := range sortedKeys(from) {
		volume := want.Volumes[key].Name
		if slices.ContainsFunc(have.Volumes, func(v planner.Volume) bool { return v.Name == volume }) {
			p.warn(fmt.Sprintf("volume %s exists and keeps what it has; `muster volume restore %s %s` would replace that", volume, name, key))
			delete(from, key)
		}
	}
	how.Restore = from
	return nil
}

// volumeAgentCommand is what runs beside the volumes of an engine.
func (p *program) volumeAgentCommand() *cobra.Command {
	return &cobra.Command{
		Use: agent.Command, Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return agent.Run(p.in, p.out) },
	}
}
