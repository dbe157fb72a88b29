package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	"golang.org/x/tools/txtar"
	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// keyFile is one txtar of testdata/keys: a project, and what the engine then says of it.
//
//	covers: KEY…      in the comment: rows of the support table; a bare one is a service's
//	needs: API        in the comment: an engine below it refuses, and says that it does
//	start             in the comment: the containers are started; created is enough otherwise
//	compose.yaml      is brought up as a project of its own; other files lie beside it
//	container NAME    a part of what inspect says of NAME-1, as JSON. In all of these PROJECT is the
//	network KEY       project's name, DIR its folder, ID-x the ID of x's container
//	volume KEY
//	containers        the names of all containers, a line each
//	says NAME         what NAME-1 prints until it ends
//	made volume KEY   is there before, made by hand
//	or refused        what an engine says that cannot do it, since that depends on its machine
type keyFile struct {
	name    string
	archive *txtar.Archive
	covers  []string
	needs   string
	start   bool
}

func readKeyFiles(t *testing.T) []keyFile {
	t.Helper()
	paths, err := filepath.Glob("testdata/keys/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no tests of keys: %v", err)
	}
	var out []keyFile
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := keyFile{name: strings.TrimSuffix(filepath.Base(path), ".txtar"), archive: archive}
		for _, line := range strings.Split(string(archive.Comment), "\n") {
			what, rest, _ := strings.Cut(line, ":")
			switch what {
			case "covers":
				f.covers = append(f.covers, strings.Fields(rest)...)
			case "needs":
				f.needs = strings.TrimSpace(rest)
			case "start":
				f.start = true
			}
		}
		out = append(out, f)
	}
	return out
}

func (f keyFile) section(name string) string {
	for _, file := range f.archive.Files {
		if file.Name == name {
			return string(file.Data)
		}
	}
	return ""
}

// Every key of the specification that is honoured does what it says on a real engine, all the way from the file.
func TestKeysOnEngine(t *testing.T) {
	t.Parallel()
	for _, f := range readKeyFiles(t) {
		t.Run(f.name, func(t *testing.T) {
			r := newRig(t)
			if r.isPodman() {
				t.Skip("Podman tells what a container is like in forms of its own")
			}
			dir := t.TempDir()
			for _, file := range f.archive.Files {
				if strings.Contains(file.Name, " ") || file.Name == "containers" {
					continue
				}
				path := filepath.Join(dir, file.Name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, file.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for _, file := range f.archive.Files {
				if key, made := strings.CutPrefix(file.Name, "made volume "); made {
					r.do(r.volume(key))
				}
			}
			err := r.bringUp(dir, planner.Policy{NoStart: !f.start})
			if f.needs != "" && versions.LessThan(r.apiVersion(), f.needs) {
				var unsupported *UnsupportedError
				if !errors.As(err, &unsupported) || unsupported.Need != f.needs || unsupported.Hint() == "" {
					t.Errorf("on API %s: %v", r.apiVersion(), err)
				}
				t.Skipf("needs API %s; the refusal of %s is good", f.needs, r.apiVersion())
			}
			if says := f.section("or refused"); err != nil && says != "" && strings.Contains(err.Error(), strings.TrimSpace(says)) {
				t.Skipf("this engine cannot: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			// What was started may have ended meanwhile, and be started again.
			if !f.start {
				if err := r.bringUp(dir, planner.Policy{NoStart: true}); !errors.Is(err, errNothingToDo) {
					t.Errorf("a second time: %v", err)
				}
			}
			for _, file := range f.archive.Files {
				r.holds(dir, file)
			}
		})
	}
}

var errNothingToDo = errors.New("nothing to do")

// load reads the project of a folder, or all profiles of files in it, under the test's own name.
func (r *rig) load(dir string, files ...string) *project.Project {
	r.t.Helper()
	o := project.Options{Name: r.project, Cwd: dir, Environ: r.environ()}
	for _, file := range files {
		o.Files, o.Profiles = append(o.Files, filepath.Join(dir, file)), []string{"*"}
	}
	p, err := project.Load(r.ctx, o)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// environ is what the files of tests and examples may ask for.
func (r *rig) environ() []string {
	out := []string{"IMAGE=" + busybox(), "FROM_OUTSIDE=yes", "PROJECT=" + r.project, "OCTET=" + r.octet()}
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasSuffix(name, "_IMAGE") {
			out = append(out, variable) // the images of the examples
		}
	}
	return out
}

// octet is a part of addresses that no other test is likely to use at the same time.
func (r *rig) octet() string {
	sum := 0
	for _, c := range r.project {
		sum = (sum*31 + int(c)) % 250
	}
	return strconv.Itoa(sum + 1)
}

// bringUp goes the whole way from the files to the containers.
func (r *rig) bringUp(dir string, how planner.Policy) error {
	r.t.Helper()
	return r.bring(r.load(dir), how)
}

// bring makes the containers of a project.
func (r *rig) bring(p *project.Project, how planner.Policy) error {
	r.t.Helper()
	have, err := r.Observe(r.ctx, planner.ScopeOf(p))
	if err != nil {
		r.t.Fatal(err)
	}
	plan, err := planner.Build(p, have, how)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(plan.Steps) == 0 {
		return errNothingToDo
	}
	return runner.Run(r.ctx, r, plan, runner.Options{Health: r.Stack})
}

// holds checks what a section says.
func (r *rig) holds(dir string, file txtar.File) {
	r.t.Helper()
	what, name, _ := strings.Cut(file.Name, " ")
	switch what {
	case "container":
		got, err := r.client.ContainerInspect(r.ctx, r.name(name))
		r.agrees(dir, file, got, err)
	case "network":
		got, err := r.client.NetworkInspect(r.ctx, r.project+"_"+name, network.InspectOptions{})
		r.agrees(dir, file, got, err)
	case "volume":
		got, err := r.client.VolumeInspect(r.ctx, r.project+"_"+name)
		r.agrees(dir, file, got, err)
	case "containers":
		var names []string
		for _, c := range r.containersOf() {
			names = append(names, strings.ReplaceAll(c.Name, r.project, "PROJECT")+"\n")
		}
		if got := strings.Join(names, ""); got != string(file.Data) {
			r.t.Errorf("containers: %s", got)
		}
	case "says":
		var text string
		for _, line := range r.output(r.name(name)) {
			text += strings.TrimPrefix(line, "out ") + "\n"
		}
		if text = strings.ReplaceAll(text, r.project, "PROJECT"); text != string(file.Data) {
			r.t.Errorf("%s says %q, want %q", name, text, file.Data)
		}
	}
}

func (r *rig) containersOf() []planner.Container {
	r.t.Helper()
	have, err := r.Observe(r.ctx, planner.Scope{Project: r.project})
	if err != nil {
		r.t.Fatal(err)
	}
	return have.Containers
}

// agrees says in what an answer of the engine lacks what the section has.
func (r *rig) agrees(dir string, file txtar.File, got any, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Errorf("%s: %v", file.Name, err)
		return
	}
	text, err := json.Marshal(got)
	if err != nil {
		r.t.Fatal(err)
	}
	plain := strings.ReplaceAll(string(text), dir, "DIR")
	for _, c := range r.containersOf() {
		plain = strings.ReplaceAll(plain, c.ID, "ID-"+c.Service)
	}
	plain = strings.ReplaceAll(plain, r.project, "PROJECT")
	plain = strings.ReplaceAll(plain, "10.213."+r.octet()+".", "10.213.OCTET.")
	plain = strings.ReplaceAll(plain, "fd13:"+r.octet()+":", "fd13:OCTET:")
	var want, have any
	if err := json.Unmarshal(file.Data, &want); err != nil {
		r.t.Fatalf("%s: %v", file.Name, err)
	}
	if err := json.Unmarshal([]byte(plain), &have); err != nil {
		r.t.Fatal(err)
	}
	for _, lack := range lacks("", want, have) {
		r.t.Errorf("%s%s", file.Name, lack)
	}
}

// lacks lists what of want is not in have: objects may have more keys, and lists more elements in between.
func lacks(path string, want, have any) []string {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: is %s", path, short(have))}
		}
		var out []string
		for key, value := range w {
			out = append(out, lacks(path+"."+key, value, h[key])...)
		}
		slices.Sort(out)
		return out
	case []any:
		h, _ := have.([]any)
		next := 0
		for i, value := range w {
			for next < len(h) && len(lacks("", value, h[next])) > 0 {
				next++
			}
			if next == len(h) {
				return []string{fmt.Sprintf("%s[%d]: %s is not there, or not in that order, in %s", path, i, short(value), short(have))}
			}
			next++
		}
		if len(w) == 0 && len(h) > 0 {
			return []string{fmt.Sprintf("%s: is %s and shall be empty", path, short(have))}
		}
		return nil
	}
	if fmt.Sprint(want) != fmt.Sprint(have) {
		return []string{fmt.Sprintf("%s: is %s and shall be %s", path, short(have), short(want))}
	}
	return nil
}

func short(v any) string {
	text, _ := json.Marshal(v)
	return string(text[:min(len(text), 600)])
}

func TestLacks(t *testing.T) {
	for _, c := range []struct {
		want, have string
		n          int
	}{
		{`{"a":1}`, `{"a":1,"b":2}`, 0}, {`{"a":1,"c":3}`, `{"a":2}`, 2}, {`["b"]`, `["a","b"]`, 0}, {`["b","a"]`, `["a","b"]`, 1},
		{`[]`, `["a"]`, 1}, {`[{"x":1}]`, `[{"y":1},{"x":1,"y":2}]`, 0}, {`{"a":{}}`, `{}`, 1}, {`null`, `null`, 0}, {`{"a":null}`, `{}`, 0},
	} {
		var want, have any
		_ = json.Unmarshal([]byte(c.want), &want)
		_ = json.Unmarshal([]byte(c.have), &have)
		if got := lacks("", want, have); len(got) != c.n {
			t.Errorf("%s in %s: %v", c.want, c.have, got)
		}
	}
}

// Every honoured row of the support table has a test on an engine, or a reason why not and where it is tested. Pieces of
// a key count as tested where a file writes them.
func TestEveryHonouredKeyHasATest(t *testing.T) {
	covered, elsewhere := map[string]string{}, testedElsewhere()
	var written []any
	for _, f := range readKeyFiles(t) {
		if len(f.covers) == 0 {
			t.Errorf("%s covers nothing", f.name)
		}
		for _, key := range f.covers {
			if !strings.Contains(key, ".") && !slices.Contains(topLevel(), key) {
				key = "services.*." + key
			}
			covered[strings.TrimSuffix(key, "-top")] = f.name
		}
		var doc any
		if err := yaml.Unmarshal([]byte(f.section("compose.yaml")), &doc); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		written = append(written, doc)
	}
	rows := map[string]bool{}
	for _, row := range project.SupportTable() {
		rows[row.Key] = true
		if strings.Contains(row.Key, "x-muster") {
			continue // project tests it: it makes nothing of a container
		}
		if row.Target != "docker" || row.Support != project.Honoured || covered[row.Key] != "" || reason(elsewhere, row.Key) != "" {
			continue
		}
		path := strings.Split(row.Key, ".")
		own := len(path) == 1 || len(path) == 3 && path[1] == "*"
		if own || !slices.ContainsFunc(written, func(doc any) bool { return writes(doc, path) }) {
			t.Errorf("%s has no test", row.Key)
		}
	}
	for key, where := range covered {
		if !rows[key] {
			t.Errorf("%s: the support table has no %s", where, key)
		}
	}
	for key := range elsewhere {
		if !rows[key] {
			t.Errorf("the support table has no %s", key)
		}
	}
}

// topLevel are the keys of covers that are not a service's.
func topLevel() []string {
	return []string{"name", "include", "services", "networks-top", "volumes-top", "configs-top", "secrets-top", "models-top"}
}

// reason is why a key, or one above it, has its test elsewhere.
func reason(elsewhere map[string]string, key string) string {
	for key != "" && elsewhere[key] == "" {
		key = key[:max(strings.LastIndexByte(key, '.'), 0)]
	}
	return elsewhere[key]
}

// writes says whether a file has the path of a row; * stands for any name, [] for any element.
func writes(node any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	switch n := node.(type) {
	case map[string]any:
		for key, value := range n {
			if (path[0] == key || path[0] == "*") && writes(value, path[1:]) {
				return true
			}
		}
	case []any:
		return path[0] == "[]" && slices.ContainsFunc(n, func(e any) bool { return writes(e, path[1:]) })
	}
	return false
}

// testedElsewhere are the honoured keys that no inspect of an engine of Linux containers can show.
func testedElsewhere() map[string]string {
	const request = "testdata/keys.txtar has the request: "
	return map[string]string{
		"services.*.credential_spec":        request + "engines of Windows containers only",
		"services.*.isolation":              request + "engines of Windows containers only",
		"services.*.cpu_percent":            request + "engines of Windows containers only",
		"services.*.cpu_rt_period":          request + "few kernels have real-time groups",
		"services.*.cpu_rt_runtime":         request + "few kernels have real-time groups",
		"services.*.attach":                 "cmd/muster: which services up follows",
		"services.*.build":                  "build_test.go",
		"services.*.develop":                "read by watch only",
		"services.*.pull_policy":            "planner/testdata/pull_policies.txtar and pull_test.go: when images are pulled, not what a container is",
		"services.*.pull_refresh_after":     "planner/testdata/pull_refresh.txtar and pull_test.go: the same",
		"services.*.provider":               "runner/plugin and planner/testdata/provider.txtar: a program, no container",
		"services.*.models":                 "runner/plugin and planner/testdata/provider.txtar: variables from a program",
		"jobs":                              "cmd/muster/testdata/script/jobs.txtar: run by a command, no part of what up makes",
		"models":                            "runner/plugin: a program makes them ready",
		"services.*.pre_stop":               "ready_test.go and planner/testdata/replace_hooks.txtar",
		"services.*.deploy.update_config":   "planner/testdata/replace_in_batches.txtar: how replacements go, not what a container is",
		"services.*.deploy.rollback_config": "planner/testdata/rollout_rollback.txtar: how replacements go back, not what a container is",
	}
}

var (
	_ = context.Background
	_ = container.StateCreated
)
