package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/lock"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/memory"
)

// syncBuffer is written by a program and read by the test.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	on   func(string) // gets all that was written so far
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.text.Write(p)
	if b.on != nil {
		b.on(b.text.String())
	}
	return n, err
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// onMemory is a program with a project of two services, on an engine in memory.
func onMemory(t *testing.T, e *memory.Engine, dir string) (*program, *syncBuffer) {
	t.Helper()
	said := &syncBuffer{}
	p := inProcess("", "shop", dir)
	p.environ = append(p.environ, "XDG_STATE_HOME="+filepath.Join(dir, "state"))
	p.err, p.out = said, said
	p.open = func(context.Context, address) (engine, error) {
		return memoryEngine{e, filepath.Join(dir, "engine.json")}, nil
	}
	return p, said
}

func memoryShop(t *testing.T) (*memory.Engine, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte("services: {web: {image: web:1}, db: {image: db:1}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := memory.New()
	e.Put(planner.State{Images: []planner.Image{{Tags: []string{"web:1"}}, {Tags: []string{"db:1"}}}})
	return e, dir
}

// Somebody else is changing the project: one waits and says for whom, or fails, and who has nothing to do does neither.
func TestOneAtATime(t *testing.T) {
	e, dir := memoryShop(t)
	ctx := context.Background()
	take := func() *lock.Held {
		t.Helper()
		name := engineKey(memoryEngine{}.Host()) + "-shop"
		held, _, err := lock.Folder(filepath.Join(dir, "state", "muster", "locks")).Take(name,
			lock.Holder{By: "ann@box", PID: 4711, Command: "muster up", Since: time.Date(2026, 11, 1, 12, 3, 7, 0, time.Local)})
		if err != nil || held == nil {
			t.Fatalf("the lock is not free: %v", err)
		}
		return held
	}
	const holder = "shop is being changed by ann@box, process 4711, `muster up`, since 12:03:07"

	held := take()
	p, said := onMemory(t, e, dir)
	if code := run(ctx, p, []string{"--no-wait", "up", "-d"}); code != 1 || said.String() != holder+"; nothing was changed\n  without --no-wait, muster waits for it\n" {
		t.Errorf("--no-wait: code %d, said %s", code, said)
	}
	if n := len(e.Calls()); n > 0 {
		t.Errorf("it made %d calls all the same", n)
	}

	p, said = onMemory(t, e, dir)
	var once sync.Once
	said.on = func(text string) {
		if strings.Contains(text, holder+"; waiting for it to end (--no-wait would not)\n") {
			once.Do(held.Release)
		}
	}
	if code := run(ctx, p, []string{"up", "-d"}); code != 0 || strings.Count(said.String(), "is being changed") != 1 {
		t.Fatalf("up: code %d, said %s", code, said)
	}

	held = take()
	for _, free := range [][]string{{"up", "-d"}, {"plan"}, {"ps"}, {"--dry-run", "down"}, {"kill", "-s", "SIGHUP"}} {
		p, said = onMemory(t, e, dir)
		if code := run(ctx, p, append([]string{"--no-wait"}, free...)); code != 0 {
			t.Errorf("%s: code %d, said %s", free, code, said)
		}
	}
	for _, bound := range [][]string{{"down"}, {"stop"}, {"restart"}, {"rm", "-sf"}, {"scale", "web=2"}, {"up", "-d", "--force-recreate"}, {"create", "--force-recreate"}} {
		p, said = onMemory(t, e, dir)
		if code := run(ctx, p, append([]string{"--no-wait"}, bound...)); code != 1 || !strings.Contains(said.String(), holder) {
			t.Errorf("%s: code %d, said %s", bound, code, said)
		}
	}
	held.Release()
	p, said = onMemory(t, e, dir)
	if code := run(ctx, p, []string{"--no-wait", "down"}); code != 0 {
		t.Errorf("down: code %d, said %s", code, said)
	}
}

// A wait for others ends with Ctrl-C.
func TestWaitInterrupted(t *testing.T) {
	p := &program{err: &syncBuffer{}}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errInterrupted)
	w := &holdWait{program: p, project: "shop"}
	if err := w.wait(ctx, lock.Holder{}, time.Hour); !errors.Is(err, errInterrupted) {
		t.Errorf("got %v", err)
	}
}

// What only waits changes nothing: it neither waits for who is changing the project, nor keeps others from it.
func TestWaitsHoldNobodyUp(t *testing.T) {
	for _, args := range [][]string{{"wait", "--for", "ready"}, {"up", "-d", "--wait"}} {
		t.Run(args[0], func(t *testing.T) {
			e, dir := memoryShop(t)
			// What x-muster.ready asks the engine knows nothing of, so that there is always something to wait for.
			file := "services: {web: {image: web:1, x-muster: {ready: {tcp: 80}}}}\n"
			if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			p, said := onMemory(t, e, dir)
			if code := run(t.Context(), p, []string{"up", "-d", "--wait"}); code != 0 {
				t.Fatalf("up: code %d, said %s", code, said)
			}
			name := engineKey(memoryEngine{}.Host()) + "-shop"
			held, _, err := lock.Folder(filepath.Join(dir, "state", "muster", "locks")).Take(name, lock.Holder{By: "ann@box"})
			if err != nil || held == nil {
				t.Fatalf("the lock is not free: %v", err)
			}
			defer held.Release()
			p, said = onMemory(t, e, dir)
			if code := run(t.Context(), p, append([]string{"--no-wait"}, args...)); code != 0 {
				t.Errorf("code %d, said %s", code, said)
			}
		})
	}
}
