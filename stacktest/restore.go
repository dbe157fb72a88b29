package stacktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/musterhq/muster/lock"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
	"github.com/musterhq/muster/snapshot"
)

// Restore gives the volumes what a snapshot has, or only those that are named by their keys in the file, and waits until the services that have them are ready
// again. What the volumes had is lost. [Stack.Snapshot] and `muster volume snapshot` take snapshots of a stack; all its copies may be given them.
func (s *Stack) Restore(name string, volumes ...string) {
	s.t.Helper()
	ctx, cancel := timeOf(s.t)
	defer cancel()
	from, err := s.s.restores(name, volumes)
	if err == nil {
		err = s.s.restore(ctx, from)
	}
	if err != nil {
		s.t.Fatalf("restore %s: %s", name, told(err))
	}
}

// Snapshot keeps what the volumes have, or only those that are named by their keys in the file, for [Stack.Restore] and [FromSnapshot], here and in other
// tests; one of that name is replaced. Services that have them are stopped meanwhile, and ready again when it returns.
func (s *Stack) Snapshot(name string, volumes ...string) {
	s.t.Helper()
	ctx, cancel := timeOf(s.t)
	defer cancel()
	if err := s.s.keep(ctx, name, volumes); err != nil {
		s.t.Fatalf("take snapshot %s: %s", name, told(err))
	}
}

// restore does it in one step where the engine can; where that fails, before any data is touched, by volumes that are made anew.
func (s *session) restore(ctx context.Context, from map[string]planner.Restore) error {
	how := planner.Policy{Restore: from, Services: s.users(from), NoDeps: true, Wait: true, WaitTimeout: s.o.wait}
	done, err := s.on.PrepareRestore(ctx, s.want, from, true)
	defer done()
	if err == nil {
		err = s.bring(ctx, how)
	}
	if !errors.Is(err, docker.ErrNoAgent) {
		return err
	}
	for key, r := range from {
		r.Exchange = false
		from[key] = r
	}
	return s.bring(ctx, how)
}

// keep takes a snapshot.
func (s *session) keep(ctx context.Context, name string, keys []string) error {
	folder, err := s.snapshots()
	if err != nil {
		return err
	}
	for _, key := range keys {
		if v, there := s.want.Volumes[key]; !there || bool(v.External) {
			return fmt.Errorf("%s has no volume %q of its own; %s", s.want.First, key, listed(slices.Sorted(maps.Keys(s.want.Volumes))))
		}
	}
	of := map[string]planner.Restore{}
	for key, v := range s.want.Volumes {
		if !bool(v.External) && (len(keys) == 0 || slices.Contains(keys, key)) {
			of[key] = planner.Restore{}
		}
	}
	all, err := s.containers(ctx, "")
	if err != nil {
		return err
	}
	users := slices.DeleteFunc(s.users(of), func(name string) bool {
		return !slices.ContainsFunc(all, func(c planner.Container) bool { return c.Service == name && c.Status == planner.Running })
	})
	w, err := folder.Create(snapshot.Snapshot{Name: name, Stack: s.want.First, Project: s.want.Name, Taken: time.Now().UTC(), By: lock.User(), Halted: "stopped"})
	if err != nil {
		return err
	}
	defer w.Abort()
	if len(users) > 0 {
		err = s.change(ctx, planner.Policy{Services: users}, planner.Stop)
	}
	for _, key := range slices.Sorted(maps.Keys(of)) {
		if err == nil {
			err = w.Volume(key, func(to io.Writer) error { return s.on.ReadVolume(ctx, s.want.Volumes[key].Name, s.imageFor(key), to) })
		}
	}
	if len(users) > 0 {
		err = errors.Join(err, s.change(ctx, planner.Policy{Services: users, NoDeps: true, Wait: true, WaitTimeout: s.o.wait}, planner.Start))
	}
	if err == nil {
		_, err = w.Commit(true)
	}
	return err
}

// imageFor is an image of a service that has a volume.
func (s *session) imageFor(volume string) string {
	for _, name := range s.users(map[string]planner.Restore{volume: {}}) {
		return s.want.ImageName(s.want.Services[name])
	}
	return ""
}

// snapshots is where those of the stack are kept, which all its copies share.
func (s *session) snapshots() (snapshot.Folder, error) {
	if s.state == "" {
		return "", errors.New("there is no home folder that has muster's snapshots")
	}
	return snapshot.Folder(filepath.Join(s.state, "snapshots", s.want.First)), nil
}

// restores is what the volumes get from a snapshot, or some of them.
func (s *session) restores(name string, keys []string) (map[string]planner.Restore, error) {
	folder, err := s.snapshots()
	if err != nil {
		return nil, err
	}
	has, err := folder.Find(name)
	if err != nil {
		return nil, err
	}
	out := map[string]planner.Restore{}
	for _, v := range has.Volumes {
		volume, there := s.want.Volumes[v.Key]
		if !there || bool(volume.External) || len(keys) > 0 && !slices.Contains(keys, v.Key) {
			continue
		}
		file := folder.File(name, v.Key)
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("read snapshot %s: %w", name, err)
		}
		out[v.Key] = planner.Restore{Snapshot: name, File: file, Sum: v.Sum, Size: v.Size}
	}
	for _, key := range keys {
		if _, there := out[key]; !there {
			return nil, fmt.Errorf("snapshot %s has nothing of a volume %q of %s", name, key, s.want.First)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("snapshot %s has none of the volumes of %s; %s", name, s.want.First, listed(slices.Sorted(maps.Keys(s.want.Volumes))))
	}
	return out, nil
}

// users are the services that have volumes, by the volumes' keys.
func (s *session) users(of map[string]planner.Restore) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.want.Services)) {
		if slices.ContainsFunc(s.want.Services[name].Volumes, func(v project.ServiceVolume) bool {
			_, restored := of[v.Source]
			return v.Type == "volume" && restored
		}) {
			out = append(out, name)
		}
	}
	return out
}
