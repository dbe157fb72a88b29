package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/snapshot"
)

// volumeReader reads what volumes have.
type volumeReader interface {
	// ReadVolume writes a volume's archive, through a container of an image that is never started.
	ReadVolume(ctx context.Context, volume, image string, to io.Writer) error
	// PrepareRestore notes of each volume that is to be restored, by its key, whether the engine can be expected to give it the data in one step. With start,
	// what does that is started already; done ends what was not needed.
	PrepareRestore(ctx context.Context, want *project.Project, from map[string]planner.Restore, start bool) (done func(), err error)
}

type snapshotOptions struct{ pause, replace bool }

func (p *program) volumeSnapshotCommand() *cobra.Command {
	var o snapshotOptions
	cmd := &cobra.Command{
		Use:   "snapshot NAME [VOLUME...]",
		Short: "Keep what the stack's volumes have, or some of them",
		Long: `Keep what the stack's volumes have, or some of them, as a snapshot of that name.

Services that write them are stopped meanwhile, dependents first, and started again. With --pause they are
only halted, which is shorter, and leaves data as a power cut would: databases mend that when they start.`,
		Example: `  muster volume snapshot seeded
  muster volume snapshot --pause before-upgrade orders
  muster --instance pr-7 volume snapshot --replace seeded`,
		Args: needs(1, "a name for the snapshot"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.volumeSnapshot(cmd.Context(), o, args[0], args[1:])
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVar(&o.pause, "pause", false, "Pause what writes, and do not stop it")
		f.BoolVar(&o.replace, "replace", false, "In the place of a snapshot that has the name")
	})
	return cmd
}

// kept is a volume whose data is kept.
type kept struct{ key, name, image string }

// volumeSnapshot is the command.
func (p *program) volumeSnapshot(ctx context.Context, o snapshotOptions, name string, keys []string) error {
	want, err := p.load(ctx, loading{onlyLook: true, quiet: true})
	if err != nil {
		return err
	}
	folder, err := p.snapshotsOf(want.First)
	if err != nil {
		return err
	}
	switch err := folder.Has(name); { // told before anything is halted
	case err == nil && !o.replace:
		return snapshot.ExistsError(name)
	case err != nil && !errors.As(err, new(*snapshot.NotFoundError)):
		return err
	}
	l, err := p.look(want)
	if err != nil {
		return err
	}
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	release, err := p.hold(ctx, on, on.Host(), want.Name)
	if err != nil {
		return err
	}
	defer release()
	have, err := on.Observe(ctx, planner.ScopeOf(want))
	if err != nil {
		return err
	}
	volumes, err := toKeep(want, have, keys)
	if err != nil {
		return err
	}
	writers, err := writersOf(have, volumes)
	if err != nil {
		return err
	}
	if p.globals.dryRun {
		fmt.Fprintf(p.out, "would keep %s, with %s halted\n", keptText(volumes), orNothing(strings.Join(writers, ", ")))
		return nil
	}
	s := p.taken(name, want.First, want.Name, p.now())
	goOn := func(context.Context) error { return nil }
	if len(writers) > 0 {
		defer p.unread.hold()() // a reader who goes away must not leave them halted
		if s.Halted, goOn, err = p.halt(ctx, o, writers); err != nil {
			return errors.Join(err, goOn(context.WithoutCancel(ctx)))
		}
	}
	w, err := folder.Create(s)
	if err == nil {
		defer w.Abort()
		err = p.pack(ctx, on, l, w, volumes)
	}
	if err := errors.Join(err, goOn(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	if s, err = w.Commit(o.replace); err != nil {
		return err
	}
	fmt.Fprintf(p.err, "%s: %s\n", name, sizesText(s))
	return nil
}

// halt keeps services from writing; goOn lets them go on, also where halting them has failed on the way.
func (p *program) halt(ctx context.Context, o snapshotOptions, services []string) (how string, goOn func(context.Context) error, err error) {
	c := change{services: services, goal: "stopped", again: "muster volume snapshot", unheld: true, how: planner.Policy{Now: p.now()}, plan: planner.Stop}
	back := change{services: services, goal: "running", again: "muster start " + strings.Join(services, " "), unheld: true,
		how: planner.Policy{NoDeps: true, Now: p.now()}, plan: planner.Start}
	how = "stopped"
	if o.pause {
		how, c.goal, c.plan = "paused", "paused", planner.Pause
		back.again, back.plan = "muster unpause "+strings.Join(services, " "), planner.Unpause
	}
	_, _, err = p.change(ctx, c)
	return how, func(ctx context.Context) error {
		_, _, err := p.change(ctx, back)
		return err
	}, err
}

// pack reads the volumes, one after the other: the engine packs as fast as it can for each.
func (p *program) pack(ctx context.Context, on volumeReader, l look, w *snapshot.Writer, volumes []kept) error {
	for _, v := range volumes {
		err := p.told(l, "Volume "+v.name, "", "Packing", "Packed", func() error {
			return w.Volume(v.key, func(to io.Writer) error { return on.ReadVolume(ctx, v.name, v.image, to) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// toKeep are the volumes of the project that exist, or those of them that are named.
func toKeep(want *project.Project, have planner.State, keys []string) ([]kept, error) {
	for _, key := range keys {
		if err := checkVolume(want, key); err != nil {
			return nil, err
		}
	}
	var out []kept
	for _, key := range sortedKeys(want.Volumes) {
		if len(keys) > 0 && !slices.Contains(keys, key) || bool(want.Volumes[key].External) {
			continue
		}
		name := want.Volumes[key].Name
		there := slices.ContainsFunc(have.Volumes, func(v planner.Volume) bool { return v.Name == name })
		switch {
		case there:
			out = append(out, kept{key, name, imageFor(want, have, key, name)})
		case len(keys) > 0:
			return nil, &usageError{problem: fmt.Sprintf("volume %s does not exist yet", name), hint: "`muster up` makes it"}
		}
	}
	if len(out) == 0 {
		return nil, &usageError{problem: want.Name + " has no named volume that exists", hint: "`muster volumes` lists them; external and anonymous volumes are not kept"}
	}
	return out, nil
}

// checkVolume refuses what is no volume of the project's own.
func checkVolume(want *project.Project, key string) error {
	v, there := want.Volumes[key]
	switch {
	case !there:
		return &usageError{problem: "no such volume: " + key, hint: "there are " + orNothing(strings.Join(sortedKeys(want.Volumes), ", "))}
	case bool(v.External):
		return &usageError{problem: "volume " + key + " is external", hint: "snapshots are of volumes that the stack itself has made"}
	}
	return nil
}

// imageFor is an image that is there, to make the container of that a volume is read through; any will do.
func imageFor(want *project.Project, have planner.State, key, name string) string {
	for _, c := range have.Containers {
		if c.Image != "" && slices.ContainsFunc(c.Mounts, func(m planner.Mount) bool { return m.Name == name }) {
			return c.Image
		}
	}
	for _, service := range volumeUsers(want, key) {
		return want.ImageName(want.Services[service])
	}
	return ""
}

// volumeUsers are the services that have a volume, sorted.
func volumeUsers(want *project.Project, key string) []string {
	var out []string
	for _, name := range serviceNames(want) {
		if slices.ContainsFunc(want.Services[name].Volumes, func(v project.ServiceVolume) bool { return v.Type == "volume" && v.Source == key }) {
			out = append(out, name)
		}
	}
	return out
}

// writersOf are the services that may write the volumes now, sorted.
func writersOf(have planner.State, volumes []kept) ([]string, error) {
	var out []string
	for _, c := range have.Containers {
		writes := slices.ContainsFunc(c.Mounts, func(m planner.Mount) bool {
			return !m.ReadOnly && slices.ContainsFunc(volumes, func(v kept) bool { return v.name == m.Name })
		})
		switch {
		case !writes || !isUp(c):
		case c.OneOff || c.Service == "":
			return nil, &usageError{problem: c.Name + " has one of the volumes and runs", hint: "wait for it, or stop it: `docker stop " + c.Name + "`"}
		case !slices.Contains(out, c.Service):
			out = append(out, c.Service)
		}
	}
	slices.Sort(out)
	return out, nil
}

func keptText(volumes []kept) string {
	var names []string
	for _, v := range volumes {
		names = append(names, v.name)
	}
	return strings.Join(names, ", ")
}
