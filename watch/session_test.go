package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/project"
)

// scripted is a stack that notes what it is asked for, and takes as long as the test wants.
type scripted struct {
	dir string
	mu  sync.Mutex
	did []string
	// hold is what a call waits for, by its word; fail what it answers.
	hold map[string]chan struct{}
	fail map[string]error
}

func (s *scripted) call(word, text string) error {
	s.mu.Lock()
	s.did = append(s.did, word+" "+strings.ReplaceAll(text, s.dir+"/", ""))
	hold, err := s.hold[word], s.fail[word]
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return err
}

func (s *scripted) Sync(_ context.Context, service string, files Files) error {
	var parts []string
	for _, f := range files.Copy {
		parts = append(parts, "+"+f.To)
	}
	for _, to := range files.Remove {
		parts = append(parts, "-"+to)
	}
	return s.call("sync", service+" "+strings.Join(parts, " "))
}

func (s *scripted) Exec(_ context.Context, service string, command project.ServiceHook) error {
	return s.call("exec", service+" "+strings.Join(command.Command, " "))
}

func (s *scripted) Restart(_ context.Context, service string) error {
	return s.call("restart", service)
}

func (s *scripted) Rebuild(_ context.Context, services []string) error {
	return s.call("rebuild", strings.Join(services, ","))
}

// take gives what has been done and forgets it.
func (s *scripted) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	did := s.did
	s.did = nil
	slices.Sort(did)
	return did
}

// stage is a session at work, of the rules of a Compose file.
type stage struct {
	*scripted
	t       *testing.T
	batches chan Batch
	session *Session
}

func newStage(t *testing.T, compose string, files ...string) *stage {
	t.Helper()
	of, dir := load(t, compose, files...)
	rules, _, err := Rules(of, nil)
	must(t, err)
	st := &stage{scripted: &scripted{dir: dir, hold: map[string]chan struct{}{}, fail: map[string]error{}}, t: t, batches: make(chan Batch)}
	st.session = NewSession(rules, st.scripted, func() []string { return of.Files }, func(context.Context) ([]Rule, error) {
		if err := st.call("reload", ""); err != nil {
			return nil, err
		}
		of, err := project.Load(t.Context(), project.Options{Files: of.Files, Name: "shop", Environ: []string{}})
		must(t, err)
		rules, _, err := Rules(of, nil)
		return rules, err
	})
	return st
}

// run has it work until the batches end.
func (st *stage) run() { go st.session.Run(st.t.Context(), st.batches) }

func (st *stage) change(names ...string) {
	b := Batch{}
	for _, n := range names {
		b[filepath.Join(st.dir, n)] = true
	}
	st.batches <- b
}

// did waits until nothing goes on any more, and compares.
func (st *stage) did(want ...string) {
	st.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, st.take()); diff != "" {
		st.t.Error(diff)
	}
}

const allActions = `
services:
  web:
    build: .
    develop:
      watch:
        - {path: src, action: sync, target: /app, ignore: [gen]}
        - {path: lib, action: sync+restart, target: /lib}
        - {path: run, action: sync+exec, target: /run, exec: {command: [reload, now]}}
        - {path: res, action: restart}
        - {path: go.mod, action: rebuild}
  api:
    build: .
    develop: {watch: [{path: go.mod, action: rebuild}, {path: src, action: sync, target: /api, initial_sync: true}]}
`

func TestActions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, allActions, "src/a=1", "src/d/b=1", "src/gen/c=1", "lib/a=1", "run/a=1", "res/a=1", "go.mod=1")
		must(t, st.session.Begin(t.Context()))
		st.did("sync api +/api/a +/api/d +/api/d/b +/api/gen +/api/gen/c")
		st.run()
		defer close(st.batches)
		st.change("src/a", "src/gen/c", "src/gone")
		st.did("sync api +/api/a +/api/gen/c -/api/gone", "sync web +/app/a -/app/gone")
		st.change("src/d") // a folder has come
		st.did("sync api +/api/d +/api/d/b", "sync web +/app/d +/app/d/b")
		st.change("lib/a")
		st.did("restart web", "sync web +/lib/a")
		st.change("run/a", "run/b")
		st.did("exec web reload now", "sync web +/run/a -/run/b")
		st.change("res/a")
		st.did("restart web")
		st.change("elsewhere")
		st.did()
		// The new containers get what the old ones had, and what is deleted they need not have.
		st.change("go.mod", "lib/gone")
		st.did("rebuild api,web", "restart web", "sync api +/api/a +/api/d +/api/d/b +/api/gen +/api/gen/c",
			"sync web +/app/a +/app/d +/app/d/b +/lib/a +/run/a -/lib/gone")
	})
}

// What changes while something is done for a service is done next; others do not wait.
func TestWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, `
services:
  web: {build: ., develop: {watch: [{path: src, action: sync, target: /app}, {path: go.mod, action: rebuild}]}}
  api: {build: ., develop: {watch: [{path: api, action: sync, target: /api}, {path: api.mod, action: rebuild}]}}
`, "src/a=1", "src/b=1", "api/a=1", "go.mod=1", "api.mod=1")
		st.run()
		defer close(st.batches)
		built := make(chan struct{})
		st.hold["rebuild"] = built
		st.change("go.mod")
		st.did("rebuild web")
		st.change("src/a")
		st.change("api/a")
		st.did("sync api +/api/a")
		st.change("src/b", "go.mod")
		st.change("api.mod")
		st.did()
		built <- struct{}{}
		// Both builds that have waited are one.
		st.did("rebuild api,web")
		close(built)
		st.did("sync api +/api/a", "sync web +/app/a +/app/b")
	})
}

// A build that fails ends nothing, and what could not be synced is synced with the next change.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, allActions, "src/a=1", "src/b=1", "lib/a=1", "run/a=1", "go.mod=1")
		st.run()
		defer close(st.batches)
		st.fail["sync"] = errors.New("no engine")
		st.change("lib/a", "run/a")
		st.did("sync web +/lib/a +/run/a") // no restart, no command
		st.fail["sync"] = nil
		must(t, os.Remove(filepath.Join(st.dir, "run/a")))
		st.change("run/a")
		st.did("exec web reload now", "sync web +/lib/a -/run/a")
		st.fail["rebuild"] = errors.New("does not compile")
		st.change("go.mod", "lib/a")
		st.did("rebuild api,web")
		st.fail["rebuild"] = nil
		st.change("go.mod")
		st.did("rebuild api,web", "sync api +/api/a +/api/b", "sync web +/lib/a")
	})
}

// Of a folder that is gone, what a rule had brought over goes, where the folder itself is not the rule's business.
func TestFolderGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, `
services: {web: {image: web, develop: {watch: [{path: src, action: sync, target: /app, include: ["**/*.py"]}]}}}
`, "src/d/a.py=1", "src/d/b.txt=1", "src/d/c.py=1")
		st.run()
		defer close(st.batches)
		st.change("src")
		st.did("sync web +/app/d/a.py +/app/d/c.py")
		must(t, os.Rename(filepath.Join(st.dir, "src/d"), filepath.Join(st.dir, "away")))
		st.change("src/d")
		st.did("sync web -/app/d/a.py -/app/d/c.py")
	})
}

// The rules change with the Compose file, once nothing is under way; a file with mistakes changes nothing.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const file = "services: {web: {image: web, develop: {watch: [{path: src, action: sync, target: %s}]}}}\n"
		st := newStage(t, fmt.Sprintf(file, "/old"), "src/a=1", "src/b=1")
		st.run()
		defer close(st.batches)
		synced := make(chan struct{})
		st.hold["sync"] = synced
		st.change("src/a")
		st.did("sync web +/old/a")
		write(t, filepath.Join(st.dir, "compose.yaml"), fmt.Sprintf(file, "/new"))
		st.change("compose.yaml")
		st.did()
		close(synced)
		st.did("reload ", "sync web +/new/a") // it has changed since the beginning
		st.change("src/b")
		st.did("sync web +/new/b")
		st.fail["reload"] = errors.New("no YAML")
		st.change("compose.yaml", "src/a")
		st.did("reload ", "sync web +/new/a")
	})
}
