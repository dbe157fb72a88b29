package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
)

// TestEngineTestEndsEarly: a run of tests that is interrupted removes all that it made; of one that is killed, gc does. The copy
// of another program, which still runs, is left alone.
func TestEngineTestEndsEarly(t *testing.T) {
	t.Parallel()
	enginetest.SameOnAny(t, "scripts test and expires")
	host := testEngine(t)
	const file = `
services:
  web: {image: "${TESTAPP_IMAGE}", command: [run], volumes: [data:/data]}
  slow:
    image: ${BUSYBOX_IMAGE}
    command: [sh, -c, "echo it began; exec sleep 600"]
    x-muster: {test: true}
volumes: {data: {}}
`
	for _, c := range []struct {
		name   string
		signal os.Signal
		code   int
		left   bool
	}{
		{"interrupted", os.Interrupt, exitInterrupted, false},
		{"killed", os.Kill, -1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, project := t.TempDir(), projectName(t)
			if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			copied := project + "-mine"
			t.Cleanup(func() { removeProject(host, copied) })
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			muster := func(args ...string) *exec.Cmd {
				cmd := exec.CommandContext(t.Context(), self, args...)
				cmd.Args[0] = "muster"
				cmd.Env = append(inProcess(host, project, dir).environ, "DOCKER_HOST="+host, "HOME="+dir)
				return cmd
			}
			cmd := muster("test", "--instance", "mine", "--html", filepath.Join(dir, "report.html"))
			var errs strings.Builder
			cmd.Stderr = &errs
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			began := false
			for lines.Scan() {
				if began || !strings.Contains(lines.Text(), "it began") {
					continue
				}
				began = true
				if said, err := muster("gc", "--yes").CombinedOutput(); err != nil || strings.Contains(string(said), copied) {
					t.Errorf("gc while it runs: %v\n%s", err, said)
				}
				if err := cmd.Process.Signal(c.signal); err != nil {
					t.Fatal(err)
				}
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != c.code || !began {
				t.Errorf("exit code %d, want %d; it began: %v\n%s", code, c.code, began, &errs)
			}
			if left := leftOf(t, host, copied); (left > 0) != c.left {
				t.Errorf("%d things are left of it", left)
			}
			if !c.left {
				if page, err := os.ReadFile(filepath.Join(dir, "report.html")); err != nil || !strings.Contains(string(page), "interrupted") {
					t.Errorf("the report does not say that it was interrupted: %v", err)
				}
				return
			}
			if said, err := muster("gc", "--yes").CombinedOutput(); err != nil || !strings.Contains(string(said), copied) {
				t.Errorf("gc: %v\n%s", err, said)
			}
			if left := leftOf(t, host, copied); left > 0 {
				t.Errorf("gc has left %d things of it", left)
			}
		})
	}
}

// leftOf is how many things there are of a project.
func leftOf(t *testing.T, host, project string) int {
	t.Helper()
	on, err := openEngine(t.Context(), address{host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer on.Close()
	have, err := on.Observe(t.Context(), planner.Scope{Project: project})
	if err != nil {
		t.Fatal(err)
	}
	return len(have.Containers) + len(have.Networks) + len(have.Volumes)
}
