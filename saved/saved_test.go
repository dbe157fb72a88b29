package saved_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/saved"
)

const files = `
name: shop
services:
  web:
    image: web:1
    environment: {API_KEY: "hunter2", LOG_LEVEL: debug}
    build: {context: ".", args: {NPM_TOKEN: "hunter3"}}
    secrets: [password]
    networks: {default: {aliases: [www]}}
volumes:
  data: {driver_opts: {password: "hunter4"}}
secrets:
  password: {file: password.txt}
`

// source plans the files in a folder for a state.
func source(t *testing.T, dir, text string, have planner.State) saved.Source {
	t.Helper()
	for name, content := range map[string]string{"compose.yaml": text, "Dockerfile": "FROM scratch", "password.txt": "hunter5", ".env": "X=hunter6\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := project.Load(context.Background(), project.Options{Cwd: dir, Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	how := planner.Policy{Now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), Scale: map[string]int{"web": 2}}
	plan, err := planner.Preview(want, have, how)
	if err != nil {
		t.Fatal(err)
	}
	return saved.Source{Want: want, Have: have, How: how, Plan: plan}
}

// state has a container that may look secretive.
func state() planner.State {
	settings := planner.Settings{Memory: 64 << 20, Restart: "no"}
	return planner.State{
		Engine: planner.EngineInfo{Name: "docker 28", OS: "linux"},
		Containers: []planner.Container{{
			ID: strings.Repeat("a", 64), Name: "shop-old-1", Service: "old", Image: "old:1", ImageID: "sha256:" + strings.Repeat("b", 64),
			Status: planner.Running, Since: "Up 3 minutes", Settings: &settings,
			Labels:    map[string]string{planner.LabelProject: "shop", "token": "hunter7"},
			Endpoints: []planner.Endpoint{{Network: "shop_default", IPv4: "10.0.0.2", Aliases: []string{"old"}}},
			Mounts:    []planner.Mount{{Type: "volume", Name: "shop_data", Target: "/data"}},
		}},
		Networks: []planner.Network{{ID: "n1", Name: "shop_default", Driver: "bridge"}},
		Volumes:  []planner.Volume{{Name: "shop_data", Driver: "local", Labels: map[string]string{planner.LabelProject: "shop"}}},
		Images:   []planner.Image{{ID: "sha256:1", Tags: []string{"web:1"}}},
	}
}

func newPlan(t *testing.T, from saved.Source) *saved.Plan {
	t.Helper()
	s, err := saved.New(from, "salt")
	if err != nil {
		t.Fatal(err)
	}
	s.Made, s.By, s.Muster = from.How.Now, "ann@box", "v1"
	s.Inputs = saved.Inputs{Files: from.Want.Files, Directory: from.Want.WorkingDir}
	return s
}

// What is on file can be read back, is only the owner's, has nothing secret in it, and is what the schema says.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	from := source(t, dir, files, state())
	file := filepath.Join(dir, "shop.plan")
	if err := newPlan(t, from).Write(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if i := bytes.Index(text, []byte("hunter")); i >= 0 {
		t.Errorf("a secret is in the file: %s", text[max(0, i-80):i+20])
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
	checkSchema(t, text)

	back, err := saved.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	again := source(t, dir, files, state())
	again.How = back.How()
	if again.Plan, err = planner.Preview(again.Want, again.Have, again.How); err != nil {
		t.Fatal(err)
	}
	if notes, err := back.Check(again); err != nil || len(notes) > 0 {
		t.Errorf("what has not moved: %v, %v", notes, err)
	}
}

func checkSchema(t *testing.T, text []byte) {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	for url, path := range map[string]string{
		"https://github.com/musterhq/muster/planner/plan.schema.json": "../planner/plan.schema.json",
		"https://github.com/musterhq/muster/saved/plan.schema.json":   "plan.schema.json",
	} {
		schema, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if err := compiler.AddResource(url, doc); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile("https://github.com/musterhq/muster/saved/plan.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("the file is not what plan.schema.json says: %v", err)
	}
}

// Whatever has moved on is named.
func TestMoved(t *testing.T) {
	for _, c := range []struct {
		name  string
		state func(*planner.State)
		files func(string) string
		want  []string
	}{
		{name: "the passing of time", state: func(s *planner.State) {
			s.Containers[0].Since, s.Containers[0].Endpoints[0].IPv4 = "Up 4 minutes", "10.0.0.3"
		}},
		{name: "a container stopped", state: func(s *planner.State) { s.Containers[0].Status = planner.Exited },
			want: []string{"container shop-old-1: status running → exited"}},
		{name: "a container with other limits", state: func(s *planner.State) {
			settings := *s.Containers[0].Settings
			settings.Memory = 128 << 20
			s.Containers[0].Settings = &settings
		}, want: []string{"container shop-old-1: memory 67108864 → 134217728"}},
		{name: "a container made anew", state: func(s *planner.State) { s.Containers[0].ID = "x" },
			want: []string{"container shop-old-1: was made anew"}},
		{name: "a container gone, one new", state: func(s *planner.State) { s.Containers[0].Name = "shop-old-2" },
			want: []string{"container shop-old-1: is gone", "container shop-old-2: is new"}},
		{name: "a container off its network", state: func(s *planner.State) { s.Containers[0].Endpoints = nil },
			want: []string{"container shop-old-1: networks.shop_default is gone"}},
		{name: "another network", state: func(s *planner.State) { s.Networks[0].ID = "n2" },
			want: []string{"network shop_default: was made anew"}},
		{name: "another volume", state: func(s *planner.State) { s.Volumes[0].Labels = map[string]string{planner.LabelProject: "blog"} },
			want: []string{"volume shop_data: label com.docker.compose.project has changed"}},
		{name: "an image with another content", state: func(s *planner.State) { s.Images[0].ID = "sha256:2" },
			want: []string{"image web:1: id sha256:1 → sha256:2"}},
		{name: "another engine", state: func(s *planner.State) { s.Engine.Name = "docker 20.10" },
			want: []string{"engine: name docker 28 → docker 20.10"}},
		{name: "a value in the files", files: replace("debug", "info"),
			want: []string{"file compose.yaml has changed", "services.web.environment.LOG_LEVEL has changed"}},
		{name: "what only a build sees", files: replace("hunter3", "hunter8"),
			want: []string{"file compose.yaml has changed", "services.web.build.args.NPM_TOKEN has changed"}},
		{name: "a service more", files: func(s string) string { return strings.Replace(s, "volumes:", "  mail: {image: mail}\nvolumes:", 1) },
			want: []string{"file compose.yaml has changed", "services.mail is new"}},
		{name: "a comment", files: func(s string) string { return s + "# hello\n" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := newPlan(t, source(t, dir, files, state()))
			have, text := state(), files
			if c.state != nil {
				c.state(&have)
			}
			if c.files != nil {
				text = c.files(files)
			}
			_, err := s.Check(source(t, dir, text, have))
			var moved *saved.Moved
			if !errors.As(err, &moved) {
				moved = &saved.Moved{}
			}
			if !slices.Equal(moved.Differences, c.want) {
				t.Errorf("got %q, want %q (%v)", moved.Differences, c.want, err)
			}
		})
	}
}

func replace(old, with string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, with, 1) }
}

// Two plans of the same files do not tell which values they share.
func TestSalt(t *testing.T) {
	from := source(t, t.TempDir(), files, state())
	one, err := saved.New(from, "one")
	if err != nil {
		t.Fatal(err)
	}
	two, err := saved.New(from, "two")
	if err != nil {
		t.Fatal(err)
	}
	for path := range maps.Keys(one.Model) {
		if one.Model[path] == two.Model[path] {
			t.Errorf("%s has the same digest in both", path)
		}
	}
}

// A file that is no plan is refused.
func TestRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	for _, text := range []string{"", "{}", "[]", `{"format": "muster plan"}`, `{"format": "muster plan", "version": 2}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := saved.Read(file); err == nil {
			t.Errorf("%q is taken for a plan", text)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"format": "muster plan", "version": 1, "plan": {"steps": [{"id": "x"}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := saved.Read(file)
		if err != nil {
			return
		}
		want := &project.Project{Name: "x"}
		_, _ = s.Check(saved.Source{Want: want})
		_ = s.Exceeds(saved.Source{Want: want})
		if _, err := json.Marshal(s.How()); err != nil {
			t.Error(err)
		}
	})
}
