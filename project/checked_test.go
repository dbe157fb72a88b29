package project

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// loadBoth loads with a cache and without one. Both have to say the same; the answer is what they say.
func loadBoth(t *testing.T, o Options, cache string) string {
	t.Helper()
	said := func(environ ...string) string {
		o := o
		o.Environ = append(environ, o.Environ...)
		p, err := Load(t.Context(), o)
		if err != nil {
			return err.Error()
		}
		text, err := p.Marshal("yaml")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	without := said()
	with := said("XDG_CACHE_HOME=" + cache)
	if with != without {
		t.Errorf("with what was checked before:\n%s\nwithout:\n%s", with, without)
	}
	return without
}

// What has been checked is not checked again; whatever is changed so that it would not pass any more is.
func TestCheckedBefore(t *testing.T) {
	const good = "services: {web: {image: web, cpu_count: '${N:-1}'}}\n"
	for name, c := range map[string]struct {
		files   map[string]string // at first
		environ []string
		change  map[string]string
		then    []string // the environment afterwards; nil is the same
		options func(*Options)
		kept    bool   // the first load is remembered
		want    string // of the second load
	}{
		"nothing":               {files: map[string]string{"compose.yaml": good}, kept: true, want: "cpu_count: 1"},
		"the file":              {files: map[string]string{"compose.yaml": good}, change: map[string]string{"compose.yaml": "services: {web: {imgae: web}}\n"}, kept: true, want: "unknown key"},
		"a variable":            {files: map[string]string{"compose.yaml": good}, environ: []string{"N=2"}, then: []string{"N=many"}, kept: true, want: "cpu_count"},
		"a variable comes up":   {files: map[string]string{"compose.yaml": good}, then: []string{"N=many"}, kept: true, want: "cpu_count"},
		"a variable goes":       {files: map[string]string{"compose.yaml": "services: {web: {image: web, cpu_count: '${N}'}}\n"}, environ: []string{"N=2"}, then: []string{"M=2"}, kept: true, want: "cpu_count"},
		"a variable in another": {files: map[string]string{"compose.yaml": "services: {web: {image: web, cpu_count: '${A:-${B}}'}}\n"}, environ: []string{"B=1"}, then: []string{"B=x"}, kept: true, want: "cpu_count"},
		"a variable in disguise": {files: map[string]string{"compose.yaml": `services: {web: {image: web, cpu_count: "\x24{\x4E}"}}` + "\n"},
			environ: []string{"N=2"}, then: []string{"N=many"}, kept: true, want: "cpu_count"},
		"an env file":            {files: map[string]string{"compose.yaml": good, ".env": "N=2"}, change: map[string]string{".env": "N=many"}, kept: true, want: "cpu_count"},
		"an env file comes up":   {files: map[string]string{"compose.yaml": good}, change: map[string]string{".env": "N=many"}, kept: true, want: "cpu_count"},
		"an override comes up":   {files: map[string]string{"compose.yaml": good}, change: map[string]string{"compose.override.yaml": "services: {web: {imgae: web}}"}, kept: true, want: "unknown key"},
		"another file is chosen": {files: map[string]string{"compose.yaml": good, "b.yaml": "services: {web: {imgae: web}}"}, then: []string{"COMPOSE_FILE=b.yaml"}, kept: true, want: "unknown key"},
		"the order of files": {files: map[string]string{"a.yaml": good, "b.yaml": "services: {web: {image: b}}"}, environ: []string{"COMPOSE_FILE=a.yaml:b.yaml"},
			then: []string{"COMPOSE_FILE=b.yaml:a.yaml"}, kept: true, want: "image: web"},
		"an included file": {files: map[string]string{"compose.yaml": "include: [i.yaml]\n" + good, "i.yaml": "services: {i: {image: i}}"},
			change: map[string]string{"i.yaml": "services: {i: {imgae: i}}"}, want: "unknown key"},
		"a file that is extended": {files: map[string]string{"compose.yaml": "services: {web: {extends: {file: e.yaml, service: e}}}", "e.yaml": "services: {e: {image: e}}"},
			change: map[string]string{"e.yaml": "services: {e: {imgae: i}}"}, want: "unknown key"},
		"a file that is extended by a merge": {files: map[string]string{"compose.yaml": "x-a: &a {extends: {file: e.yaml, service: e}}\nservices: {web: {<<: *a}}", "e.yaml": "services: {e: {image: e}}"},
			change: map[string]string{"e.yaml": "services: {e: {imgae: i}}"}, want: "unknown key"},
		"the key version":      {files: map[string]string{"compose.yaml": "version: '3'\n" + good}, want: "cpu_count: 1"},
		"a service's env_file": {files: map[string]string{"compose.yaml": "services: {web: {image: web, env_file: e}}", "e": "A=1"}, change: map[string]string{"e": "A=2"}, kept: true, want: "A: \"2\""},
		"a label_file":         {files: map[string]string{"compose.yaml": "services: {web: {image: web, label_file: e}}", "e": "A=1"}, change: map[string]string{"e": "A=2"}, kept: true, want: "A: \"2\""},
		"the project's name": {files: map[string]string{"compose.yaml": "services: {web: {image: web, cpu_count: '${COMPOSE_PROJECT_NAME}'}}"}, environ: []string{"COMPOSE_PROJECT_NAME=2"},
			then: []string{"COMPOSE_PROJECT_NAME=two"}, kept: true, want: "cpu_count"},
		"nothing is to be kept": {files: map[string]string{"compose.yaml": good}, options: func(o *Options) { o.NoInterpolate = true }, want: "${N:-1}"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, cache := t.TempDir(), t.TempDir()
			put := func(files map[string]string) {
				for name, text := range files {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			put(c.files)
			o := Options{Cwd: dir, Environ: c.environ}
			if c.options != nil {
				c.options(&o)
			}
			loadBoth(t, o, cache)
			if got := len(keptIn(t, cache)); got != map[bool]int{true: 1}[c.kept] {
				t.Errorf("%d answers are kept", got)
			}
			put(c.change)
			if c.then != nil {
				o.Environ = c.then
			}
			if got := loadBoth(t, o, cache); !strings.Contains(got, c.want) {
				t.Errorf("no %q in:\n%s", c.want, got)
			}
			loadBoth(t, o, cache)
		})
	}
}

// keptIn are the answers in a cache.
func keptIn(t *testing.T, cache string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(cache, "muster", "checked", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Only the very digest counts, and a file with mistakes leaves none.
func TestCheckedIsKept(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	o := Options{Cwd: dir, Environ: []string{"XDG_CACHE_HOME=" + cache, "A=1", "SHLVL=1"}}
	file := filepath.Join(dir, "compose.yaml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	known := func() bool {
		t.Helper()
		l, err := begin(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return newChecked(l).known()
	}
	write(file, "services: {web: {imgae: web}}")
	if _, err := Load(t.Context(), o); err == nil || len(keptIn(t, cache)) != 0 {
		t.Errorf("%v, %v", err, keptIn(t, cache))
	}
	write(file, "services: {web: {image: \"$A\"}}")
	if known() {
		t.Error("known before it was checked")
	}
	if _, err := Load(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if !known() {
		t.Error("not known after it was checked")
	}
	o.Environ = append(o.Environ, "SHLVL=2")
	if !known() {
		t.Error("a variable that no file names counts")
	}
	kept := keptIn(t, cache)
	text, err := os.ReadFile(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, broken := range []string{"", string(text[:len(text)-1]), string(text) + "\n", strings.Repeat("0", len(text))} {
		write(kept[0], broken)
		if known() {
			t.Errorf("%q counts", broken)
		}
	}
	write(kept[0], string(text))
	for _, environ := range [][]string{{"A=1"}, {"A=1", "XDG_CACHE_HOME=relative"}, {"A=1", "XDG_CACHE_HOME=" + filepath.Join(file, "no-folder")}} {
		o.Environ = environ
		if _, err := Load(t.Context(), o); err != nil || known() {
			t.Errorf("%v: %v", environ, err)
		}
	}
}

// BenchmarkLoadChecked is BenchmarkLoad of files that have been checked before. In one process that
// spares the check; what a program saves besides is the compiling of the schema.
func BenchmarkLoadChecked(b *testing.B) {
	for _, n := range []int{1, 20, 100, 300} {
		b.Run(fmt.Sprintf("services=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(manyServices(n)), 0o644); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := Load(b.Context(), Options{Cwd: dir, Environ: []string{"B=2", "XDG_CACHE_HOME=" + dir}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
