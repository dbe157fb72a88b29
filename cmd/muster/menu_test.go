//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
)

const menuStack = `
services:
  web:
    image: ${BUSYBOX_IMAGE}
    command: [sh, -c, "echo be''gun; exec sleep 1000"]
    init: true
    stop_grace_period: 0s
    develop:
      watch: [{action: sync, path: ./src, target: /src}]
`

// menuStage brings a stack up in a terminal, attached.
func menuStage(t *testing.T, args ...string) (u *typist, host, project, dir string) {
	t.Helper()
	host = testEngine(t)
	t.Parallel()
	project, dir = projectName(t), t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(menuStack), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("MUSTER_ASK=in-place\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeProject(host, project) })
	u = atTerminal(t, host, project, dir, append([]string{"up"}, args...)...)
	return u, host, project, dir
}

// states are the states of the project's containers.
func states(t *testing.T, host, project string) []string {
	t.Helper()
	on, err := openEngine(t.Context(), address{host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = on.Close() }()
	have, err := on.Observe(t.Context(), planner.Scope{Project: project})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range have.Containers {
		out = append(out, string(c.Status))
	}
	return out
}

// TestEngineMenuDetach: d leaves, and the containers run on.
func TestEngineMenuDetach(t *testing.T) {
	enginetest.SameOnAny(t, "TestEngineInterrupt and TestEngineWatchSync")
	u, host, project, _ := menuStage(t)
	u.sees("d detach   w watch files   Ctrl-C stop")
	if !u.isRaw() {
		t.Error("keys are not handed over one by one")
	}
	u.typed("x") // means nothing
	u.typed("d")
	u.sees("Detached.")
	if code := u.code(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if u.isRaw() {
		t.Error("the terminal is left as it was for the keys")
	}
	if got := states(t, host, project); len(got) != 1 || got[0] != "running" {
		t.Errorf("the containers are %v, want one that runs", got)
	}
}

// TestEngineMenuWatch: w begins to watch files, and w again ends it. Ctrl-C stops, as without the menu.
func TestEngineMenuWatch(t *testing.T) {
	enginetest.SameOnAny(t, "TestEngineInterrupt and TestEngineWatchSync")
	u, host, project, dir := menuStage(t)
	u.sees("w watch files")
	u.typed("w")
	u.sees("w stop watching files")
	u.sees("Watch enabled")
	if err := os.WriteFile(filepath.Join(dir, "src", "a"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.sees("Syncing service")
	u.typed("w")
	u.sees("Files are no longer watched.")
	u.typed("\x03")
	u.sees("Gracefully stopping")
	if code := u.code(); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if u.isRaw() {
		t.Error("the terminal is left as it was for the keys")
	}
	if got := states(t, host, project); len(got) != 1 || got[0] != "exited" {
		t.Errorf("the containers are %v, want one that has exited", got)
	}
}

// TestEngineMenuNotWanted: without the menu the terminal is left alone.
func TestEngineMenuNotWanted(t *testing.T) {
	enginetest.SameOnAny(t, "TestEngineInterrupt and TestEngineWatchSync")
	u, _, _, _ := menuStage(t, "--menu=false")
	u.sees("is up")
	if u.isRaw() {
		t.Error("keys are handed over one by one")
	}
	u.typed("\x03")
	if code := u.code(); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}

// TestEngineMenuQuestion: while files are watched, a change may be asked about. What is typed then is the answer, and an interruption is a no.
func TestEngineMenuQuestion(t *testing.T) {
	enginetest.SameOnAny(t, "TestEngineInterrupt and TestEngineWatchSync")
	u, _, _, dir := menuStage(t)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	u.sees("w watch files")
	u.typed("w")
	u.sees("Watch enabled")
	write("compose.yaml", menuStack+"    environment: {CHANGE: one}\n")
	u.sees("Go on? [y/N]")
	u.typed("y\n")
	u.sees("begun")
	u.sees("w stop watching files")
	write("compose.yaml", menuStack+"    environment: {CHANGE: two}\n")
	u.sees("Go on? [y/N]")
	u.typed("\x03")
	u.sees("Gracefully stopping")
	if code := u.code(); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}
