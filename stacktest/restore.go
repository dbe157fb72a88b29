package stacktest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/snapshot"
)

// Restore gives the volumes what a snapshot has, or only those that are named by their keys in the file, and waits until the services that have them are ready
// again. What the volumes had is lost. `muster volume snapshot` takes snapshots of a stack; all its copies may be given them.
func (s *Stack) Restore(name string, volumes ...string) {
	s.t.Helper()
	ctx, cancel := timeOf(s.t)
	defer cancel()
	from, err := s.s.restores(name, volumes)
	if err == nil {
		users := s.s.users(from)
		err = s.s.bring(ctx, planner.Policy{
			Restore: from, Services: users, NoDeps: true, Wait: true, WaitTimeout: s.s.o.wait,
		})
	}
	if err != nil {
		s.t.Fatalf("restore %s: %s", name, told(err))
	}
}

// restores is what the volumes get from a snapshot, or some of them.
func (s *session) restores(name string, keys []string) (map[string]planner.Restore, error) {
	if s.state == "" {
		return nil, errors.New("there is no home folder that has muster's snapshots")
	}
	folder := snapshot.Folder(filepath.Join(s.state, "snapshots", s.want.First))
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
		out[v.Key] = planner.Restore{Snapshot: name, File: file, Sum: v.Sum}
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
