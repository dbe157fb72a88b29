package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/runner/memory"
)

// watchedBuffer is output that somebody waits for a word in.
type watchedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	word string
	seen chan struct{}
	once sync.Once
}

func (b *watchedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.text.Write(p)
	if strings.Contains(b.text.String(), b.word) {
		b.once.Do(func() { close(b.seen) })
	}
	return n, err
}

func (b *watchedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// inMemory is the stack of a file on an engine in memory, and makes programs that work on it by that engine, or by one that stands before it.
func inMemory(t *testing.T, file, state string) (memoryEngine, func(on engine, out io.Writer) *program) {
	t.Helper()
	dir := t.TempDir()
	compose, stateFile := filepath.Join(dir, "compose.yaml"), filepath.Join(dir, "engine.json")
	for path, text := range map[string]string{compose: file, stateFile: state} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := memory.Load(stateFile)
	if err != nil {
		t.Fatal(err)
	}
	return memoryEngine{e, stateFile}, func(on engine, out io.Writer) *program {
		return &program{
			in: strings.NewReader(""), out: out, err: out, now: time.Now, signals: make(chan os.Signal),
			environ: []string{"COMPOSE_FILE=" + compose, "COMPOSE_PROJECT_NAME=shop", "XDG_STATE_HOME=" + dir},
			open:    func(context.Context, address) (engine, error) { return on, nil },
		}
	}
}

// interruptAt runs the program on an engine in memory and sends signals once a word is on the screen.
func interruptAt(t *testing.T, state, file, word string, signals int, args ...string) (code int, screen string) {
	t.Helper()
	e, programOn := inMemory(t, file, state)
	out := &watchedBuffer{word: word, seen: make(chan struct{})}
	sent := make(chan os.Signal, 4)
	p := programOn(e, out)
	p.signals = sent
	done := make(chan int, 1)
	go func() { done <- run(t.Context(), p, args) }()
	select {
	case <-out.seen:
	case code := <-done:
		t.Fatalf("it ended with %d before %q:\n%s", code, word, out)
	}
	for range signals {
		sent <- syscall.SIGINT
	}
	select {
	case code = <-done:
	case <-time.After(time.Minute):
		t.Fatalf("it did not end:\n%s", out)
	}
	e.Release()
	return code, out.String()
}

const waitingShop = `
services:
  web:
    image: web:1
    depends_on: {db: {condition: service_healthy}}
  db:
    image: db:1
    healthcheck: {test: [CMD, check], interval: 1h}
    stop_grace_period: 1h
`

// shopImages are those of waitingShop.
const shopImages = `"Images": {"sha256:web": {"ID": "sha256:web", "Tags": ["web:1"]}, "sha256:db": {"ID": "sha256:db", "Tags": ["db:1"]}}`

func TestInterruptStopsInPeace(t *testing.T) {
	code, screen := interruptAt(t, `{`+shopImages+`, "Behaviours": {"db": {"NeverReady": true}}}`, waitingShop,
		"Container shop-db-1  Waiting", 1, "up", "-d")
	if code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	for _, want := range []string{"interrupted: ", " steps done, the rest was not begun.", "`muster up` carries on from here."} {
		if !strings.Contains(screen, want) {
			t.Errorf("no %q in:\n%s", want, screen)
		}
	}
	if strings.Contains(screen, "Container shop-web-1  Starting") {
		t.Errorf("it went on:\n%s", screen)
	}
}

// Something that hears no cancellation does not keep the program from ending.
func TestInterruptTwiceEndsAtOnce(t *testing.T) {
	signals, opening, never := make(chan os.Signal, 4), make(chan struct{}), make(chan struct{})
	defer close(never)
	p := &program{
		in: strings.NewReader(""), out: io.Discard, err: io.Discard, now: time.Now, signals: signals,
		open: func(context.Context, address) (engine, error) {
			close(opening)
			<-never
			return nil, errors.New("too late")
		},
	}
	done := make(chan int, 1)
	go func() { done <- run(t.Context(), p, []string{"ls"}) }()
	<-opening
	signals <- syscall.SIGINT
	signals <- syscall.SIGTERM
	select {
	case code := <-done:
		if code != exitInterrupted {
			t.Errorf("exit code %d, want %d", code, exitInterrupted)
		}
	case <-time.After(time.Minute):
		t.Fatal("it did not end")
	}
}

// Attached, the first Ctrl-C stops what has been started, the second kills what does not stop.
func TestInterruptAttached(t *testing.T) {
	for _, c := range []struct {
		name, state, word string
		signals           int
		want, not         string
	}{
		{"once", `{` + shopImages + `}`, "shop is up", 1, "db-1 exited with code 0\n", "Killing"},
		{"while waiting", `{` + shopImages + `, "Behaviours": {"db": {"NeverReady": true}}}`, "Container shop-db-1  Waiting", 1,
			"Container shop-db-1  Stopped\n", "Killing"},
		{"twice", `{` + shopImages + `, "Behaviours": {"db": {"StopTakes": "1h"}}}`, "shop is up", 2,
			"Container shop-db-1  Killed\n", "Container shop-db-1  Stopped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, screen := interruptAt(t, c.state, waitingShop, c.word, c.signals, "up")
			if code != exitInterrupted {
				t.Errorf("exit code %d, want %d", code, exitInterrupted)
			}
			if !strings.Contains(screen, "Gracefully stopping...") || !strings.Contains(screen, c.want) || strings.Contains(screen, c.not) {
				t.Errorf("want %q and not %q in:\n%s", c.want, c.not, screen)
			}
		})
	}
}
