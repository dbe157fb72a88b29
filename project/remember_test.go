package project

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recalled says whether a load would be answered out of the cache.
func recalled(t *testing.T, o Options) bool {
	t.Helper()
	l, err := begin(t.Context(), o)
	return err == nil && newMemory(l).recall(l) != nil
}

// loadBoth loads with a cache and without. Both have to come to the same; the answer is it, as text.
func loadBoth(t *testing.T, o Options, cache string) string {
	t.Helper()
	load := func(environ ...string) (*Project, string) {
		o := o
		o.Environ = append(environ, o.Environ...)
		p, err := Load(t.Context(), o)
		if err != nil {
			return nil, err.Error()
		}
		text, err := p.Marshal("yaml")
		if err != nil {
			t.Fatal(err)
		}
		return p, string(text)
	}
	fresh, without := load(noCacheVariable + "=1")
	p, with := load("XDG_CACHE_HOME=" + cache)
	if with != without {
		t.Errorf("with the cache:\n%s\nwithout:\n%s", with, without)
	}
	if p != nil && fresh != nil {
		for _, each := range []*Project{p, fresh} {
			for _, own := range []string{"XDG_CACHE_HOME", noCacheVariable} {
				delete(each.Environment, own)
				if each.Model != nil {
					delete(each.Model.Environment, own)
				}
			}
		}
		fresh.raw, p.raw = nil, nil // for printing what is not interpolated, which is not kept
		if diff := cmp.Diff(fresh, p, cmp.Exporter(func(reflect.Type) bool { return true }),
			cmp.FilterPath(func(at cmp.Path) bool { return at.String() == "places" }, cmp.Ignore())); diff != "" {
			t.Errorf("the cache changes the project (- without, + with):\n%s", diff)
		}
	}
	return without
}

// learn loads until the answer is known, and says whether it has become so.
func learn(t *testing.T, o Options, cache string) bool {
	t.Helper()
	loadBoth(t, o, cache)
	loadBoth(t, o, cache)
	o.Environ = append([]string{"XDG_CACHE_HOME=" + cache}, o.Environ...)
	known := recalled(t, o)
	loadBoth(t, o, "") // the variable is another one, and the answer the same
	return known
}

// change is a project, and what is changed about it.
type change struct {
	files   map[string]string // at first
	environ []string
	change  map[string]string // files afterwards; empty text removes one
	then    []string          // the environment afterwards; nil is the same
	options func(*Options)    // afterwards
	do      func(t *testing.T, dir string)
	without bool   // the first load is not remembered
	want    string // of the load afterwards
}

// good is a file that takes a variable.
const good = "services: {web: {image: web, cpu_count: '${N:-1}'}}\n"

func with1(name, text string) map[string]string { return map[string]string{name: text} }

func with2(name, text, other, otherText string) map[string]string {
	return map[string]string{name: text, other: otherText}
}

// changes are one for each thing that a project depends on.
func changes() map[string]change {
	compose := func(text string) map[string]string { return with1("compose.yaml", text) }
	included := "include: [sub/i.yaml]\n" + good
	return map[string]change{
		"the file":                       {files: compose(good), change: compose("services: {web: {imgae: web}}\n"), want: "unknown key"},
		"a comment in the file":          {files: compose(good), change: compose(good + "# so\n"), want: "cpu_count: 1"},
		"the file goes":                  {files: with2("compose.yaml", good, "docker-compose.yaml", "services: {b: {image: b}}"), change: compose(""), want: "image: b"},
		"a file that is preferred":       {files: with1("docker-compose.yaml", good), change: compose("services: {b: {image: b}}"), want: "image: b"},
		"a variable":                     {files: compose(good), environ: []string{"N=2"}, then: []string{"N=3"}, want: "cpu_count: 3"},
		"a variable comes up":            {files: compose(good), then: []string{"N=many"}, want: "cpu_count"},
		"a variable comes up empty":      {files: compose("services: {web: {image: 'web:${N-1}0'}}"), then: []string{"N="}, want: "web:0"},
		"a variable goes":                {files: compose("services: {web: {image: web, cpu_count: '${N}'}}\n"), environ: []string{"N=2"}, then: []string{"M=2"}, want: "cpu_count"},
		"a variable in another":          {files: compose("services: {web: {image: web, cpu_count: '${A:-${B}}'}}\n"), environ: []string{"B=1"}, then: []string{"B=x"}, want: "cpu_count"},
		"a variable in disguise":         {files: compose(`services: {web: {image: web, cpu_count: "\x24{\x4E}"}}` + "\n"), environ: []string{"N=2"}, then: []string{"N=many"}, want: "cpu_count"},
		"a variable that is passed":      {files: compose("services: {web: {image: web, environment: [V]}}"), environ: []string{"V=2"}, then: []string{"V=3"}, want: `V: "3"`},
		"a passed one comes up":          {files: compose("services: {web: {image: web, environment: [V]}}"), then: []string{"V=3"}, want: `V: "3"`},
		"the home folder":                {files: compose("services: {web: {image: web, volumes: ['$HOME/a:/a']}}"), environ: []string{"HOME=/one"}, then: []string{"HOME=/two"}, want: "/two/a"},
		"the home folder of the process": {files: compose("services: {web: {image: web, volumes: ['~/a:/a']}}"), do: func(t *testing.T, _ string) { t.Setenv("HOME", "/elsewhere") }, want: "/elsewhere/a"},
		"an env file":                    {files: with2("compose.yaml", good, ".env", "N=2"), change: with1(".env", "N=3"), want: "cpu_count: 3"},
		"an env file comes up":           {files: compose(good), change: with1(".env", "N=3"), want: "cpu_count: 3"},
		"an env file goes":               {files: with2("compose.yaml", good, ".env", "N=2"), change: with1(".env", ""), want: "cpu_count: 1"},
		"an env file that is named":      {files: with2("compose.yaml", good, "e", "N=2"), environ: []string{"COMPOSE_ENV_FILES=e"}, change: with1("e", "N=3"), want: "cpu_count: 3"},
		"an override comes up":           {files: compose(good), change: with1("compose.override.yaml", "services: {web: {image: other}}"), want: "image: other"},
		"another file is chosen":         {files: with2("compose.yaml", good, "b.yaml", "services: {b: {image: b}}"), then: []string{"COMPOSE_FILE=b.yaml"}, want: "image: b"},
		"the order of files":             {files: with2("a.yaml", good, "b.yaml", "services: {web: {image: b}}"), environ: []string{"COMPOSE_FILE=a.yaml:b.yaml"}, then: []string{"COMPOSE_FILE=b.yaml:a.yaml"}, want: "image: web"},
		"an included file":               {files: with2("compose.yaml", included, "sub/i.yaml", "services: {i: {image: i}}"), change: with1("sub/i.yaml", "services: {i: {image: j}}"), want: "image: j"},
		"an included file goes":          {files: with2("compose.yaml", included, "sub/i.yaml", "services: {i: {image: i}}"), change: with1("sub/i.yaml", ""), want: "no such file"},
		"a variable of an included":      {files: with2("compose.yaml", included, "sub/i.yaml", "services: {i: {image: 'i:${V:-1}'}}"), then: []string{"V=2"}, want: "image: i:2"},
		"a disguised one of an included": {files: with2("compose.yaml", included, "sub/i.yaml", `services: {i: {image: "i:\x24{\x56:-1}"}}`), then: []string{"V=2"}, want: "image: i:2"},
		"its env file comes up":          {files: with2("compose.yaml", included, "sub/i.yaml", "services: {i: {image: 'i:${V:-1}'}}"), change: with1("sub/.env", "V=3"), want: "image: i:3"},
		"its env file": {files: map[string]string{"compose.yaml": included, "sub/i.yaml": "services: {i: {image: 'i:${V:-1}'}}", "sub/.env": "V=${W:-2}"},
			change: with1("sub/.env", "V=3"), want: "image: i:3"},
		"a variable of its env file": {files: map[string]string{"compose.yaml": included, "sub/i.yaml": "services: {i: {image: 'i:${V:-1}'}}", "sub/.env": "V=${W:-2}"},
			then: []string{"W=4"}, want: "image: i:4"},
		"its own env file": {files: map[string]string{"compose.yaml": "include: [{path: i.yaml, env_file: [v.env]}]\n" + good, "i.yaml": "services: {i: {image: 'i:${V:-1}'}}", "v.env": "V=2"},
			change: with1("v.env", "V=3"), want: "image: i:3"},
		"a file that an included one includes": {files: map[string]string{"compose.yaml": included, "sub/i.yaml": "include: [j/k.yaml]\nservices: {i: {image: i}}", "sub/j/k.yaml": "services: {k: {image: k}}"},
			change: with1("sub/j/k.yaml", "services: {k: {image: l}}"), want: "image: l"},
		"a file that an included one extends": {files: map[string]string{"compose.yaml": included, "sub/i.yaml": "services: {i: {extends: {file: e.yaml, service: e}}}", "sub/e.yaml": "services: {e: {image: e}}"},
			change: with1("sub/e.yaml", "services: {e: {image: f}}"), want: "image: f"},
		"a file that is extended": {files: with2("compose.yaml", "services: {web: {extends: {file: e.yaml, service: e}}}", "e.yaml", "services: {e: {image: e}}"),
			change: with1("e.yaml", "services: {e: {image: f}}"), want: "image: f"},
		"a file that is extended by an extended": {files: map[string]string{"compose.yaml": "services: {web: {extends: {file: sub/e.yaml, service: e}}}",
			"sub/e.yaml": "services: {e: {extends: {file: f.yaml, service: f}}}", "sub/f.yaml": "services: {f: {image: f}}"},
			change: with1("sub/f.yaml", "services: {f: {image: g}}"), want: "image: g"},
		"a file that is extended by a merge": {files: with2("compose.yaml", "x-a: &a {extends: {file: e.yaml, service: e}}\nservices: {web: {<<: *a}}", "e.yaml", "services: {e: {image: e}}"),
			change: with1("e.yaml", "services: {e: {image: f}}"), want: "image: f"},
		"which file is extended": {files: map[string]string{"compose.yaml": "services: {web: {extends: {file: '${F:-e}.yaml', service: e}}}", "e.yaml": "services: {e: {image: e}}", "f.yaml": "services: {e: {image: f}}"},
			then: []string{"F=f"}, want: "image: f"},
		"the key version":                     {files: compose("version: '3'\n" + good), then: []string{"N=3"}, want: "cpu_count: 3"},
		"a service's env_file":                {files: with2("compose.yaml", "services: {web: {image: web, env_file: e}}", "e", "A=1"), change: with1("e", "A=2"), want: "A: \"2\""},
		"one that may be missing comes up":    {files: compose("services: {web: {image: web, env_file: [{path: e, required: false}]}}"), change: with1("e", "A=2"), want: "A: \"2\""},
		"one that may be missing goes":        {files: with2("compose.yaml", "services: {web: {image: web, env_file: [{path: e, required: false}]}}", "e", "A=2"), change: with1("e", ""), want: "image: web"},
		"a variable of an env_file":           {files: with2("compose.yaml", "services: {web: {image: web, env_file: e}}", "e", "A=${B:-1}"), then: []string{"B=2"}, want: "A: \"2\""},
		"one that an env_file passes":         {files: with2("compose.yaml", "services: {web: {image: web, env_file: [{path: e, format: raw}]}}", "e", "ABC\n"), then: []string{"ABC=2"}, want: "ABC: \"2\""},
		"the env_file of an inactive service": {files: with2("compose.yaml", "services: {a: {image: a}, web: {image: web, env_file: e, profiles: [p]}}", "e", "A=1"), change: with1("e", "A=2"), then: []string{"COMPOSE_PROFILES=p"}, want: "A: \"2\""},
		"a label_file":                        {files: with2("compose.yaml", "services: {web: {image: web, label_file: e}}", "e", "A=1"), change: with1("e", "A=2"), want: "A: \"2\""},
		"the env_file of a hook":              {files: with2("compose.yaml", "services: {web: {image: web, pre_start: [{image: i, command: [x], env_file: e}]}}", "e", "A=1"), change: with1("e", "A=2"), want: "A: \"2\""},
		"a config's file":                     {files: with2("compose.yaml", "services: {web: {image: web, configs: [c]}}\nconfigs: {c: {file: c}}", "c", "1"), change: with1("c", "2"), want: "image: web"},
		"a config's file goes":                {files: with2("compose.yaml", "services: {web: {image: web, configs: [c]}}\nconfigs: {c: {file: c}}", "c", "1"), change: with1("c", ""), want: "no such file"},
		"a file of a config's folder":         {files: with2("compose.yaml", "services: {web: {image: web, configs: [c]}}\nconfigs: {c: {file: ./c}}", "c/a", "1"), change: with1("c/b", "1"), want: "image: web"},
		"a config's variable":                 {files: compose("services: {web: {image: web, configs: [c]}}\nconfigs: {c: {environment: V}}"), environ: []string{"V=1"}, then: []string{"V=2"}, want: "image: web"},
		"a secret's file":                     {files: with2("compose.yaml", "services: {web: {image: web, secrets: [c]}}\nsecrets: {c: {file: c}}", "c", "1"), change: with1("c", "2"), want: "image: web"},
		"a secret's variable":                 {files: compose("services: {web: {image: web, secrets: [c]}}\nsecrets: {c: {environment: V}}"), environ: []string{"V=1"}, then: []string{"V=2"}, want: "image: web"},
		"a build's folder goes": {files: with2("compose.yaml", "services: {web: {build: ./b}}", "b/Dockerfile", "FROM scratch"),
			do: func(t *testing.T, dir string) {
				if err := os.RemoveAll(filepath.Join(dir, "b")); err != nil {
					t.Fatal(err)
				}
			}, want: "no such folder"},
		"a build's file goes": {files: with2("compose.yaml", "services: {web: {build: ./b}}", "b/Dockerfile", "FROM scratch"), change: with1("b/Dockerfile", ""), want: "no such file"},
		"a build's file becomes a folder": {files: with2("compose.yaml", "services: {web: {build: ./b}}", "b/Dockerfile", "FROM scratch"),
			do: func(t *testing.T, dir string) {
				writeAll(t, dir, with1("b/Dockerfile", ""))
				writeAll(t, dir, with1("b/Dockerfile/x", "y"))
			}, want: "is a folder"},
		"the project's name":    {files: compose("services: {web: {image: web, cpu_count: '${COMPOSE_PROJECT_NAME}'}}"), environ: []string{"COMPOSE_PROJECT_NAME=2"}, then: []string{"COMPOSE_PROJECT_NAME=3"}, want: "cpu_count: 3"},
		"profiles":              {files: compose("services: {a: {image: a}, b: {image: b, profiles: [p]}}"), then: []string{"COMPOSE_PROFILES=p"}, want: "image: b"},
		"what joins names":      {files: compose(good), then: []string{"COMPOSE_COMPATIBILITY=1"}, want: "cpu_count: 1"},
		"services are named":    {files: compose("services: {a: {image: a}, b: {image: b}}"), options: func(o *Options) { o.Services = []string{"b"} }, want: "image: b"},
		"warnings are errors":   {files: compose("services: {a: {image: a, cpu_rt_period: 1, isolation: x}}"), options: func(o *Options) { o.Strict = true }, want: "isolation"},
		"nothing is to be kept": {files: compose(good), options: func(o *Options) { o.NoInterpolate = true }, want: "${N:-1}"},
		"a link in a watched path": {files: with2("compose.yaml", "services: {web: {build: ., develop: {watch: [{path: ./l, action: rebuild}]}}}", "Dockerfile", "FROM scratch"),
			do: func(t *testing.T, dir string) {
				if err := os.Symlink("elsewhere", filepath.Join(dir, "l")); err != nil {
					t.Skip(err)
				}
				if err := os.Mkdir(filepath.Join(dir, "elsewhere"), 0o700); err != nil {
					t.Fatal(err)
				}
			}, without: true, want: "elsewhere"},
	}
}

// Whatever is changed, the answer is that of a load without a cache. That nothing but the change made it so is seen by the answer
// having been known right before.
func TestRememberedUntilChanged(t *testing.T) {
	for name, c := range changes() {
		t.Run(name, func(t *testing.T) {
			dir, cache := t.TempDir(), t.TempDir()
			writeAll(t, dir, c.files)
			o := Options{Cwd: dir, Environ: c.environ}
			if known := learn(t, o, cache); known == c.without {
				t.Errorf("known: %v", known)
			}
			writeAll(t, dir, c.change)
			if c.then != nil {
				o.Environ = c.then
			}
			if c.options != nil {
				c.options(&o)
			}
			if c.do != nil {
				c.do(t, dir)
			}
			withCache := o
			withCache.Environ = append([]string{"XDG_CACHE_HOME=" + cache}, o.Environ...)
			if recalled(t, withCache) {
				t.Error("the answer counts as known after the change")
			}
			if got := loadBoth(t, o, cache); !strings.Contains(got, c.want) {
				t.Errorf("no %q in:\n%s", c.want, got)
			}
			learn(t, o, cache)
			if c.do == nil && c.options == nil {
				writeAll(t, dir, c.change)
				for file := range c.change { // and back
					if _, was := c.files[file]; !was {
						writeAll(t, dir, with1(file, ""))
					}
				}
				writeAll(t, dir, c.files)
				loadBoth(t, Options{Cwd: dir, Environ: c.environ}, cache)
			}
		})
	}
}

// writeAll writes files, and removes those without a text.
func writeAll(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for _, name := range sortedKeys(files) {
		path := filepath.Join(dir, name)
		if files[name] == "" {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Every story of ours is the same out of the cache, and stays so when any file of it changes or goes.
func TestRememberedStories(t *testing.T) {
	known := 0
	for _, glob := range []string{"stories", "wrong"} {
		files, err := filepath.Glob(filepath.Join("testdata", glob, "*.txtar"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) {
				archive, dir := unpackStory(t, file)
				o := storyOptions(t, dir, string(archive.Comment))
				if o.Stdin != nil || o.NoInterpolate {
					t.Skip("read once, or not kept")
				}
				cache := t.TempDir()
				if !learn(t, o, cache) {
					return
				}
				known++
				for _, f := range archive.Files {
					if strings.HasPrefix(f.Name, "want-") {
						continue
					}
					for _, text := range []string{string(f.Data) + "\n", ""} {
						writeAll(t, dir, with1(f.Name, text))
						loadBoth(t, o, cache)
						writeAll(t, dir, with1(f.Name, string(f.Data)))
						loadBoth(t, o, cache)
					}
				}
			})
		}
	}
	if known < 20 {
		t.Errorf("%d stories are remembered", known)
	}
}

// Every option counts, also those that are added later.
func TestEveryOptionCounts(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	writeAll(t, dir, with1("compose.yaml", good))
	plain := Options{Cwd: dir, Environ: []string{"XDG_CACHE_HOME=" + cache}}
	if _, err := Load(t.Context(), plain); err != nil {
		t.Fatal(err)
	}
	if !recalled(t, plain) {
		t.Fatal("not known")
	}
	for i := range reflect.TypeFor[Options]().NumField() {
		name := reflect.TypeFor[Options]().Field(i).Name
		if slices.Contains([]string{"Stdin", "Confirm", "Environ", "Cwd", "HostPorts"}, name) {
			continue // what they lead to is in the files and variables, or asked each time; of a remote file nothing is kept
		}
		o := plain
		switch f := reflect.ValueOf(&o).Elem().Field(i); f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.String:
			f.SetString("other")
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"web"}))
		default:
			t.Errorf("%s has a kind that the test does not know", name)
		}
		if recalled(t, o) {
			t.Errorf("%s does not count", name)
		}
	}
}

// entriesIn are the entries of a cache.
func entriesIn(t *testing.T, cache string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(cache, "muster", "projects", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// What is broken counts as nothing, nobody else may read it, and no value can be found in it.
func TestEntries(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	o := Options{Cwd: dir, Environ: []string{"XDG_CACHE_HOME=" + cache, "A=hunter2", "SHLVL=1"}}
	load := func() {
		t.Helper()
		if _, err := Load(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	writeAll(t, dir, with1("compose.yaml", "services: {web: {imgae: web}}"))
	if _, err := Load(t.Context(), o); err == nil || len(entriesIn(t, cache)) != 0 {
		t.Errorf("%v, %v", err, entriesIn(t, cache))
	}
	writeAll(t, dir, with2("compose.yaml", "services: {web: {image: web, environment: {PASSWORD: \"$A\"}, env_file: e}}", "e", "OTHER=hunter3"))
	load()
	load()
	if !recalled(t, o) {
		t.Error("not known after it was loaded")
	}
	o.Environ = append(o.Environ, "SHLVL=2")
	if !recalled(t, o) {
		t.Error("a variable that no file names counts")
	}
	entry := entriesIn(t, cache)[0]
	text, err := os.ReadFile(entry)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"hunter", "PASSWORD"} {
		if bytes.Contains(text, []byte(value)) {
			t.Errorf("%s is in the entry", value)
		}
	}
	for _, path := range []string{entry, filepath.Dir(entry)} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	for i := range text {
		broken := slices.Clone(text)
		broken[i] ^= 0x20
		for _, each := range [][]byte{broken, text[:i]} {
			if err := os.WriteFile(entry, each, 0o600); err != nil {
				t.Fatal(err)
			}
			if recalled(t, o) {
				t.Fatalf("counts with another byte %d, or without it", i)
			}
		}
	}
	load()
	load()
	if !recalled(t, o) {
		t.Error("a broken entry stays")
	}
	nowhere := filepath.Join(dir, "compose.yaml", "no-folder")
	for _, environ := range [][]string{{"A=1"}, {"A=1", "XDG_CACHE_HOME=relative"}, {"A=1", "XDG_CACHE_HOME=" + nowhere}, {"A=hunter2", "XDG_CACHE_HOME=" + cache, noCacheVariable + "=1"}} {
		o.Environ = environ
		load()
		load()
		if recalled(t, o) {
			t.Errorf("%v: known", environ)
		}
	}
}

// The cache does not grow without an end, and is good for several at a time.
func TestManyEntries(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	writeAll(t, dir, with1("compose.yaml", good))
	var all sync.WaitGroup
	for i := range maxEntries + 20 {
		all.Go(func() {
			o := Options{Cwd: dir, Name: fmt.Sprintf("p%d", i), Environ: []string{"XDG_CACHE_HOME=" + cache}}
			for range 2 {
				if p, err := Load(t.Context(), o); err != nil || p.Name != o.Name {
					t.Errorf("%v, %v", p, err)
				}
			}
		})
	}
	all.Wait()
	if n := len(entriesIn(t, cache)); n > maxEntries+1 || n < maxEntries/2 {
		t.Errorf("%d entries", n)
	}
	o := Options{Cwd: dir, Environ: []string{"XDG_CACHE_HOME=" + cache}}
	for range 8 {
		all.Go(func() {
			for range 5 {
				if p, err := Load(t.Context(), o); err != nil || p.Services["web"].CPUCount != 1 {
					t.Errorf("%v, %v", p, err)
				}
			}
		})
	}
	all.Wait()
	if !recalled(t, o) {
		t.Error("not known")
	}
}

// A file that changes while it is read leaves no answer, whatever it has before and after.
func TestChangedWhileItIsRead(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	writeAll(t, dir, with2("compose.yaml", "services: {web: {image: web, env_file: e}}", "e", "A=1"))
	o := Options{Cwd: dir, Environ: []string{"XDG_CACHE_HOME=" + cache}}
	if _, err := Load(t.Context(), o); err != nil { // which files there are is known now
		t.Fatal(err)
	}
	l, err := begin(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory(l)
	model, err := l.compose(t.Context(), l.src)
	if err != nil {
		t.Fatal(err)
	}
	p, errs := l.finish(model)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	writeAll(t, dir, with1("e", "A=2"))
	m.keep(l, p)
	if recalled(t, o) {
		t.Error("what was read before the change counts after it")
	}
	writeAll(t, dir, with1("e", "A=1"))
	if recalled(t, o) {
		t.Error("it was kept")
	}
}

// A pipe can be read once, and not by us.
func TestPipesAreNotRead(t *testing.T) {
	for _, path := range []string{"/dev/null", "/dev/zero"} {
		if _, err := os.Stat(path); err != nil {
			t.Skip(err)
		}
		m := memory{base: sha256.New()}
		if m.digest([]input{{inputText, path}}) != nil || m.digest([]input{{inputContent, path}}) != nil {
			t.Errorf("%s has a digest", path)
		}
	}
}
