package project

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Every file that was read is known, so that whoever watches a project can watch them all.
func TestBeside(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"compose.yaml": `
include: [more/compose.yaml]
services:
  web:
    extends: {file: base.yaml, service: web}
    env_file: [web.env, {path: later.env, required: false}]
    label_file: web.labels
    configs: [conf]
    secrets: [key]
    build: .
configs: {conf: {file: web.conf}}
secrets: {key: {file: web.key}}
`,
		"more/compose.yaml": "services: {db: {image: x, env_file: db.env}}\n", "more/db.env": "A=1\n", "more/.env": "B=1\n",
		"base.yaml": "services: {web: {environment: {A: b}}}\n", "web.env": "C=1\n", "web.labels": "a=b\n", "web.conf": "1", "web.key": "2", "Dockerfile": "FROM scratch\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Load(t.Context(), Options{Files: []string{filepath.Join(dir, "compose.yaml")}, Dir: dir, Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, name := range []string{"base.yaml", "later.env", "more/.env", "more/compose.yaml", "more/db.env", "web.conf", "web.env", "web.key", "web.labels"} {
		want = append(want, filepath.Join(dir, name))
	}
	if !slices.Equal(p.Beside, want) {
		t.Errorf("got  %v\nwant %v", p.Beside, want)
	}
}
