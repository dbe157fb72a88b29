package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An attached up prints each line of each life once and in order: of a container that the engine starts again, of one that ran before, of
// one with a terminal, and of one whose log driver keeps nothing.
func TestEngineAttachedLosesNothing(t *testing.T) {
	t.Parallel()
	host := testEngine(t)
	const (
		lines = 3000
		file  = `
x-base: &base
  image: ${TESTAPP_IMAGE}
  network_mode: none
  command: [print, -lines, "3000"]
services:
  again:
    <<: *base
    command: [print, -lines, "3000", -exit, "1"]
    restart: on-failure:2
  once: *base
  terminal: {<<: *base, tty: true}
  unkept: {<<: *base, logging: {driver: none}}
`
	)
	dir, project := t.TempDir(), projectName(t)
	podman, err := speaks(t, host, "podman")
	if err != nil {
		t.Fatal(err)
	}
	if podman {
		t.Skip("Podman is not connected to before a start, and its logs break lines of terminals")
	}
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeProject(host, project) })
	for _, round := range []string{"first", "started again"} {
		p := inProcess(host, project, dir)
		var out, errs bytes.Buffer
		p.out, p.err = &out, &errs
		if code := run(t.Context(), p, []string{"--progress", "quiet", "up"}); code != 0 {
			t.Fatalf("%s: exit code %d: %s", round, code, &errs)
		}
		got := map[string]int{}
		for line := range strings.Lines(out.String()) {
			service, text, ok := strings.Cut(line, "-1")
			if text = strings.TrimSpace(text); !ok || !strings.HasPrefix(text, "| line") {
				continue
			}
			if want := fmt.Sprintf("| line %d", got[service]%lines+1); text != want {
				t.Fatalf("%s: %s printed %q, want %q", round, service, text, want)
			}
			got[service]++
		}
		if diff := cmp.Diff(map[string]int{"again": 3 * lines, "once": lines, "terminal": lines, "unkept": lines}, got); diff != "" {
			t.Errorf("%s: lines (-want +got):\n%s", round, diff)
		}
	}
}
