package main

import (
	"bufio"
	"bytes"
	"strings"
	"syscall"
	"testing"
)

// TestEngineInterruptedDown: after Ctrl-C the engine goes on with a stop that has begun, and an up right after that must not take the container for one
// that runs on.
func TestEngineInterruptedDown(t *testing.T) {
	r := newFaultRig(t, `
services:
  web:
    image: ${BUSYBOX_IMAGE}
    command: [sh, -c, "trap 'echo stopping; sleep 1; exit 0' TERM; echo up; while :; do sleep 0.1; done"]
`)
	follow := r.command("logs", "-f", "--no-log-prefix", "web")
	lines, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	printed := bufio.NewScanner(lines)
	awaits := func(want string) {
		t.Helper()
		for printed.Scan() {
			if printed.Text() == want {
				return
			}
		}
		t.Fatalf("the container has not said %q", want)
	}
	awaits("up") // the trap is set

	down := r.command("down")
	var said bytes.Buffer
	down.Stderr = &said
	if err := down.Start(); err != nil {
		t.Fatal(err)
	}
	awaits("stopping")
	if err := down.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = down.Wait()
	if code := down.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if want := "warning: the engine goes on to stop " + r.project + "-web-1, which is waited for; Ctrl-C again does not wait\n"; !strings.Contains(said.String(), want) {
		t.Errorf("no %q in\n%s", want, &said)
	}
	if said := r.must("up", "-d"); !strings.Contains(said, "is up: 1 service") {
		t.Errorf("after an interrupted down, up says\n%s", said)
	}
	_ = follow.Process.Kill()
	_ = follow.Wait()
}
