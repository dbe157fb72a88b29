package project

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what is got as what is wanted")

// TestStories runs each story of testdata: files in, and errors, warnings or
// pieces of the model out. The comment of an archive says what it is about; lines
// of it that begin with a word and a colon are options.
func TestStories(t *testing.T) {
	runStories(t, filepath.Join("testdata", "stories", "*.txtar"))
}

// TestWrong has one mistake a file. Each has to be told clearly, with its place.
func TestWrong(t *testing.T) {
	runStories(t, filepath.Join("testdata", "wrong", "*.txtar"))
}

// TestWrongIsTold asks of every wrong file what no golden text can: there is an error, it is of
// our type, and it has a place.
func TestWrongIsTold(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "wrong", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 100 {
		t.Errorf("%d wrong files, want 100 at least", len(files))
	}
	placeless := []string{"empty-file", "only-comment", "syntax-binary"}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), archive.Files[0].Data, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err = Load(t.Context(), Options{Cwd: dir, Environ: []string{"HOME=" + dir}})
		var errs Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Errorf("%s: %v, want Errors", name, err)
			continue
		}
		for _, e := range errs {
			if e.File != "compose.yaml" || e.Line == 0 != slices.Contains(placeless, name) || e.Line > 0 && e.Column == 0 {
				t.Errorf("%s: no place in %+v", name, e)
			}
			if e.Line > 0 && e.Path == "" && !strings.HasPrefix(name, "syntax") && !strings.HasPrefix(name, "top-") && name != "alias-cycle" {
				t.Errorf("%s: no path in %+v", name, e)
			}
		}
	}
}

func runStories(t *testing.T, glob string) {
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories at %s: %v", glob, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			runStory(t, file)
		})
	}
}

// unpackStory writes the files of a story into a folder.
func unpackStory(t *testing.T, file string) (archive *txtar.Archive, dir string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "shop")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, "want-") {
			continue
		}
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return archive, dir
}

func runStory(t *testing.T, file string) {
	archive, dir := unpackStory(t, file)
	p, err := Load(t.Context(), storyOptions(t, dir, string(archive.Comment)))
	clean := func(s string) string { return strings.ReplaceAll(s, dir, "$DIR") }
	got := map[string]string{}
	if err != nil {
		got["want-errors"] = clean(err.Error()) + "\n"
	} else if len(p.Warnings) > 0 {
		for _, w := range p.Warnings {
			e := Error(w)
			got["want-warnings"] += clean(e.Error()) + "\n"
		}
	}
	if want := section(archive, "want-model"); want != "" && p != nil {
		got["want-model"] = clean(excerpt(t, p, want))
	}
	compareSections(t, file, archive, got)
}

func compareSections(t *testing.T, file string, archive *txtar.Archive, got map[string]string) {
	changed := false
	for _, name := range []string{"want-errors", "want-warnings", "want-model"} {
		want := section(archive, name)
		if want == got[name] {
			continue
		}
		if *update {
			setSection(archive, name, got[name])
			changed = true
			continue
		}
		t.Errorf("%s\ngot:\n%swant:\n%s", name, got[name], want)
	}
	if changed {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func setSection(a *txtar.Archive, name, text string) {
	a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == name })
	if text != "" {
		a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(text)})
	}
}

// storyOptions reads the option lines of a story's comment.
func storyOptions(t *testing.T, dir, comment string) Options {
	o := Options{Cwd: dir, Environ: []string{"HOME=" + dir}}
	for line := range strings.Lines(comment) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		switch key {
		case "files":
			o.Files = strings.Fields(value)
		case "name":
			o.Name = value
		case "dir":
			o.Dir = value
		case "cwd":
			o.Cwd = filepath.Join(dir, value)
		case "env":
			o.Environ = append(o.Environ, strings.ReplaceAll(value, "$DIR", dir))
		case "env-file":
			o.EnvFiles = append(o.EnvFiles, value)
		case "profiles":
			o.Profiles = strings.Fields(value)
		case "services":
			o.Services = strings.Fields(value)
		case "stdin":
			o.Stdin = strings.NewReader(strings.ReplaceAll(value, `\n`, "\n"))
		case "with":
			for _, w := range strings.Fields(value) {
				storySwitch(t, &o, w)
			}
		default:
			t.Fatalf("no option %q", key)
		}
	}
	return o
}

func storySwitch(t *testing.T, o *Options, name string) {
	switches := map[string]*bool{"strict": &o.Strict, "no-deps": &o.NoDeps, "all-profiles": &o.AllProfiles, "tests": &o.AllTests,
		"tolerate-missing": &o.TolerateMissing, "compatibility": &o.Compatibility, "no-interpolate": &o.NoInterpolate,
		"no-consistency": &o.NoConsistency, "no-path-resolution": &o.NoPathResolution, "no-env-resolution": &o.NoEnvResolution}
	s, ok := switches[name]
	if !ok {
		t.Fatalf("no switch %q", name)
	}
	*s = true
}

// excerpt gives the values of the paths that want names, a line each: path = JSON.
func excerpt(t *testing.T, p *Project, want string) string {
	ready := map[string]any{}
	for name, s := range p.Services {
		m, err := Extension(s)
		if err != nil {
			t.Fatal(err)
		}
		ready[name] = m.Ready
	}
	data, err := json.Marshal(map[string]any{
		"name": p.Name, "ready": ready, "services": p.Services, "networks": p.Networks, "volumes": p.Volumes, "configs": p.Configs,
		"secrets": p.Secrets, "inactive": sortedKeys(p.Inactive), "files": p.Files, "dir": p.WorkingDir,
		"env_files": p.EnvFiles, "names": sortedKeys(p.Services), "content": p.Content, "order": p.StartOrder(),
	})
	if err != nil {
		t.Fatal(err)
	}
	var model any
	if err := json.Unmarshal(data, &model); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(want) {
		path, _, _ := strings.Cut(strings.TrimSpace(line), " =")
		value, err := json.Marshal(pick(model, pathParts(path)))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s = %s\n", path, value)
	}
	return b.String()
}

func pick(v any, path []string) any {
	for _, part := range path {
		switch at := v.(type) {
		case map[string]any:
			v = at[part]
		case []any:
			i, err := strconv.Atoi(strings.Trim(part, "[]"))
			if err != nil || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(t.Context(), Options{Cwd: dir, Environ: []string{}})
	if !errors.Is(err, ErrNoFile) {
		t.Errorf("Load without a file: %v, want ErrNoFile", err)
	}
	if _, err := Name(t.Context(), Options{Cwd: dir, Environ: []string{}}); !errors.Is(err, ErrNoFile) {
		t.Errorf("Name without a file: %v, want ErrNoFile", err)
	}
	name, err := Name(t.Context(), Options{Cwd: dir, Environ: []string{}, Name: "blog"})
	if name != "blog" || err != nil {
		t.Errorf("Name with -p and without a file: %q, %v", name, err)
	}
}

func TestName(t *testing.T) {
	for _, c := range []struct{ file, env, want string }{
		{"services: {}", "", "my-shop"},
		{"name: front\nservices: {}", "", "front"},
		{"name: front-${X}\nservices: {}", "X=a", "front-a"},
		{"{services: {}, name: flow}", "", "flow"},
		{"name: front\nservices: {}", "COMPOSE_PROJECT_NAME=env", "env"},
		{"name: Front End\nservices: {}", "", "frontend"},
		{"services: {db: {container_name: x, name: y}}", "", "my-shop"},
		{"services: [", "", "my-shop"},
	} {
		dir := filepath.Join(t.TempDir(), "My-Shop.")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(c.file), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := Name(t.Context(), Options{Cwd: dir, Environ: []string{c.env}})
		if got != c.want || err != nil {
			t.Errorf("Name of %q with %q: %q, %v, want %q", c.file, c.env, got, err, c.want)
		}
	}
}

// The folder to start from may be a relative one; what the files name is found all the same.
func TestLoadFromRelativeFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("shop", 0o755); err != nil {
		t.Fatal(err)
	}
	file := "services: {web: {image: web, configs: [site]}}\nconfigs: {site: {file: ./site.conf}}\n"
	for name, text := range map[string]string{"compose.yaml": file, "site.conf": "listen 80;"} {
		if err := os.WriteFile(filepath.Join("shop", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Load(t.Context(), Options{Cwd: "shop", Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(got.WorkingDir) || got.Name != "shop" {
		t.Errorf("folder %q, name %q", got.WorkingDir, got.Name)
	}
}
