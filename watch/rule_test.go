package watch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/project"
)

// load reads a Compose file that lies in a folder with the given files.
func load(t *testing.T, compose string, files ...string) (*project.Project, string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "compose.yaml"), compose)
	for _, f := range append(files, "Dockerfile=FROM scratch") {
		name, text, _ := strings.Cut(f, "=")
		write(t, filepath.Join(dir, name), text)
	}
	of, err := project.Load(t.Context(), project.Options{Files: []string{filepath.Join(dir, "compose.yaml")}, Name: "shop", Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	return of, dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCovers(t *testing.T) {
	of, dir := load(t, `
services:
  web:
    build: .
    develop:
      watch:
        - {path: src, action: sync, target: /app, ignore: [gen/, "*.log", "**/tmp", "!tmp/keep", docs/*, "!docs/a.md"]}
        - {path: py, action: sync, target: /py, include: ["**/*.py", "conf"]}
`, ".dockerignore=node_modules\nsrc/secret\n", "src/x=", "py/x=")
	rules, notes, err := Rules(of, nil)
	if err != nil || len(notes) > 0 || len(rules) != 2 {
		t.Fatalf("rules %v, notes %q, error %v", rules, notes, err)
	}
	for name, want := range map[string]bool{
		"src/main.go":      true,
		"src/gen/x":        false,
		"src/gen":          false,
		"src/a/gen/x":      true, // the pattern is one from the rule's path
		"src/x.log":        false,
		"src/a/x.log":      true,
		"src/tmp/x":        false,
		"src/a/tmp/x":      false,
		"src/tmp/keep":     true,
		"src/docs/b.md":    false,
		"src/docs/a.md":    true,
		"src/secret":       false, // .dockerignore
		"src/.git/HEAD":    false,
		"src/a/.main.swp":  false,
		"src/main.go~":     false,
		"src2/main.go":     false, // another folder
		"py/a/b.py":        true,
		"py/a/b.txt":       false,
		"py/conf/x":        true,
		"src/node_modules": true, // .dockerignore has it at its root only
	} {
		covered := false
		for _, r := range rules {
			covered = covered || r.Covers(filepath.Join(dir, name))
		}
		if covered != want {
			t.Errorf("%s: covered is %v", name, covered)
		}
	}
	if got := rules[0].In(filepath.Join(dir, "src", "a", "b")); got != "/app/a/b" {
		t.Errorf("src/a/b goes to %s", got)
	}
	for folder, want := range map[string]bool{"src/tmp": false, "src/.git": true, "src/secret": true, "src": false} {
		if got := rules[0].filter.skips(filepath.Join(dir, folder)); got != want {
			t.Errorf("%s: skipped is %v", folder, got)
		}
	}
}

func TestRules(t *testing.T) {
	of, dir := load(t, `
services:
  web:
    image: web
    working_dir: /srv
    volumes: ["./mounted:/mounted"]
    develop:
      watch:
        - {path: mounted/in, action: sync, target: /app}
        - {path: missing, action: sync, target: relative}
  db:
    image: db
`, "mounted/in/x=")
	rules, notes, err := Rules(of, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"services.web.develop.watch[0]: " + dir + "/mounted/in is not synced, since the containers have it as a bind mount already (" + dir + "/mounted)",
		"services.web.develop.watch[1]: there is no " + dir + "/missing yet; it is watched for",
	}
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Error(diff)
	}
	if len(rules) != 1 || rules[0].In(dir+"/missing/x") != "/srv/relative/x" {
		t.Errorf("rules: %+v", rules)
	}
	if rules, _, _ = Rules(of, []string{"db"}); len(rules) > 0 {
		t.Errorf("db has rules: %+v", rules)
	}
}

func TestBadRules(t *testing.T) {
	for rule, want := range map[string]string{
		"{path: ., action: rebuild}":                                    "services.web.develop.watch[0]: there is nothing to rebuild: the service has no build section",
		"{path: ., action: sync+exec, target: /a, exec: {command: []}}": "services.web.develop.watch[0]: action sync+exec has no command",
		`{path: ., action: sync, target: /a, ignore: ["[a"]}`:           "services.web.develop.watch[0]: ignore: syntax error in pattern, in [a",
		`{path: ., action: sync, target: /a, include: ["!"]}`:           `services.web.develop.watch[0]: include: illegal exclusion pattern: "!", in !`,
	} {
		of, _ := load(t, "services: {web: {image: web, develop: {watch: ["+rule+"]}}}")
		_, _, err := Rules(of, nil)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", rule, err)
		}
	}
}
