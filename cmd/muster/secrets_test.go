package main

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
)

// TestEngineSecretsStayHidden: what a secret says is in its file in the container, and in nothing that muster prints or leaves
// on the engine, and in the arguments of no process.
func TestEngineSecretsStayHidden(t *testing.T) {
	enginetest.SameOnAny(t, "script read_only, and TestFiles of runner/docker")
	host := testEngine(t)
	t.Parallel()
	const value, filed, changed = "xyzzy-by-variable", "xyzzy-by-file", "xyzzy-changed"
	dir, project := t.TempDir(), projectName(t)
	for name, text := range map[string]string{
		"filed": filed,
		"compose.yaml": `
services:
  web: &web
    image: ${BUSYBOX_IMAGE}
    network_mode: none
    command: [/bin/sh, -c, "cat /run/secrets/*; echo; exec sleep 1h"]
    stop_grace_period: 0s
    secrets: [by_variable, {source: by_file, mode: 0400}]
    post_start: [{command: ["true"]}]
  locked:
    <<: *web
    read_only: true
secrets:
  by_variable: {environment: BY_VARIABLE}
  by_file: {file: ./filed}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { removeProject(host, project) })
	var out bytes.Buffer
	muster := func(secret string, args ...string) {
		t.Helper()
		p := inProcess(host, project, dir)
		p.out, p.err = &out, &out
		p.environ = append(p.environ, "BY_VARIABLE="+secret)
		before := out.Len()
		if code := run(t.Context(), p, args); code != 0 && code != 2 {
			t.Fatalf("%v: exit code %d: %s", args, code, out.Bytes()[before:])
		}
	}
	hidden := func(where, text string) {
		t.Helper()
		if i := strings.Index(text, "xyzzy"); i >= 0 {
			t.Errorf("%s: …%s…", where, text[max(0, i-60):min(len(text), i+40)])
		}
	}
	for _, secret := range []string{value, changed} {
		for _, args := range [][]string{
			{"config"}, {"config", "--format", "json"}, {"config", "--hash", "*"}, {"plan"}, {"plan", "--steps"}, {"plan", "--show-values"}, {"plan", "--json"},
			{"--progress", "json", "up", "-d", "--wait"}, {"plan", "--json", "--show-values"}, {"ps", "--format", "json"},
			{"restart", "web"}, {"--dry-run", "down"},
		} {
			muster(secret, args...)
		}
		hidden("output", out.String())
		onEngine(t, host, project, hidden)
	}
	hidden("arguments", arguments(t))
	out.Reset()
	muster(changed, "logs", "web", "locked")
	for _, want := range []string{changed, filed} {
		if strings.Count(out.String(), want) < 2 {
			t.Errorf("the containers do not have %s: %s", want, &out)
		}
	}
}

// onEngine hands over all that an engine tells of a project, labels unpacked.
func onEngine(t *testing.T, host, project string, see func(where, text string)) {
	t.Helper()
	api, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = api.Close() }()
	ctx := context.Background()
	found, err := api.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", planner.LabelProject+"="+project))})
	if err != nil || len(found) == 0 {
		t.Fatalf("%d containers, %v", len(found), err)
	}
	for _, c := range found {
		got, err := api.ContainerInspect(ctx, c.ID)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		see("inspect "+c.Names[0], string(text))
		packed, err := base64.StdEncoding.DecodeString(got.Config.Labels[planner.LabelSpec])
		if err != nil {
			t.Fatal(err)
		}
		spec, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
		if err != nil || !json.Valid(spec) {
			t.Fatalf("the record of %s is not readable: %v", c.Names[0], err)
		}
		see("record of "+c.Names[0], string(spec))
	}
}

// arguments are those of all processes on this machine.
func arguments(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Skipf("there is no /proc: %v", err)
	}
	var all strings.Builder
	for _, f := range files {
		text, _ := os.ReadFile(f) // one that has ended tells nothing
		all.Write(text)
		all.WriteByte('\n')
	}
	return all.String()
}
