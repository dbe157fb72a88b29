package docker

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/musterhq/muster/hack/fields"
	"github.com/musterhq/muster/planner"
)

var update = flag.Bool("update", false, "write the goldens anew")

// Each case of testdata/keys*.txtar is what one key of a service, NAME.yaml, adds to the
// request for its container, NAME.json. The archive's first line says the version of the API, and whether the
// engine runs Windows containers.
func TestKeys(t *testing.T) {
	paths, err := filepath.Glob("testdata/keys*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(archive.Comment), "\n")
		api := strings.TrimPrefix(first, "API ")
		wanted := map[string]string{}
		for _, f := range archive.Files {
			wanted[f.Name] = string(f.Data)
		}
		out := txtar.Archive{Comment: archive.Comment}
		for _, f := range archive.Files {
			name, isCase := strings.CutSuffix(f.Name, ".yaml")
			if !isCase {
				continue
			}
			got := addition(t, api, string(f.Data))
			out.Files = append(out.Files, f, txtar.File{Name: name + ".json", Data: []byte(got)})
			if diff := cmp.Diff(wanted[name+".json"], got); diff != "" && !*update {
				t.Errorf("%s: %s: %s", path, name, diff)
			}
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(&out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// addition is the part of the request that the fragment of a service makes, or the problems.
func addition(t *testing.T, api, fragment string) string {
	t.Helper()
	base, err := mapped(t, api, "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := mapped(t, api, fragment)
	if err != nil {
		return "error: " + placeless(err.Error()) + "\n"
	}
	text, err := json.MarshalIndent(without(tree(t, got), tree(t, base)), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// mapped loads a service of that fragment and writes it down as a request.
func mapped(t *testing.T, api, fragment string) (request, error) {
	t.Helper()
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	text := "name: p\nnetworks: {front: , back: }\nvolumes: {data: }\nservices:\n  other: {image: i}\n  web:\n    image: i\n" +
		"    " + strings.ReplaceAll(strings.TrimSpace(fragment), "\n", "\n    ") + "\n"
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: dir, Environment: types.Mapping{"FROM_OUTSIDE": "yes"},
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "compose.yaml"), Content: []byte(text)}},
	}, func(o *loader.Options) {
		o.SetProjectName("p", true)
		o.SkipValidation = true // compose-go's schema wants cpu_percent to be text and its loader makes it a number
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	version, windows, _ := strings.Cut(api, " ")
	w := writer{service: p.Services["web"], api: version, windows: windows != "", socket: "/run/muster.sock", local: true, action: planner.CreateContainer{
		Name: "p-web-1", Image: "i",
		Networks: map[string]string{"default": "p_default", "front": "p_front", "back": "p_back"},
		Volumes:  map[string]string{"data": "p_data"},
		Labels:   map[string]string{planner.LabelWorkingDir: dir},
	}}
	return w.request()
}

func tree(t *testing.T, v any) map[string]any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(placeless(string(text))), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// placeless hides where the test runs.
func placeless(text string) string {
	dir, _ := filepath.Abs("testdata")
	return strings.ReplaceAll(text, dir, "/project")
}

// without leaves what differs from base.
func without(got, base map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range got {
		if reflect.DeepEqual(v, base[k]) {
			continue
		}
		_, known := base[k]
		if !known && (v == nil || v == "" || v == 0.0) {
			continue // says nothing
		}
		if inner, ok := v.(map[string]any); ok {
			under, _ := base[k].(map[string]any)
			v = without(inner, under)
		}
		out[k] = v
	}
	for k := range base {
		if _, there := got[k]; !there {
			out[k] = fmt.Sprintf("(no %s)", k)
		}
	}
	return out
}

// Every field of compose-go's service is either written down, by a line of the goldens, or is known to be
// somebody else's business. A new one fails here until somebody has decided.
func TestEveryFieldIsDecided(t *testing.T) {
	elsewhere := map[string]string{
		"Name": "who it is", "Profiles": "loader", "Develop": "watch", "Scale": "planner", "Attach": "up", "Provider": "planner",
		"Extends": "loader", "Net": "of old, not in the model", "PreStart": "planner", "PostStart": "RunHook", "PreStop": "RunHook",
		"Extensions": "x-", "EnvFiles": "loader", "Image": "CreateContainer.Image", "LabelFiles": "loader", "Models": "project",
		"PullPolicy": "planner", "PullRefreshAfter": "planner", "Build": "BuildImage", "DependsOn": "planner", "Dockerfile": "of old, not in the model",
		"Configs": "CreateContainer.Files", "Secrets": "CreateContainer.Files", "LogDriver": "of old, not in the schema", "LogOpt": "of old, not in the schema",
	}
	text, err := os.ReadFile("testdata/keys.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields.OfService() {
		if elsewhere[f.Name] != "" {
			continue
		}
		if !strings.Contains("\n"+string(text), "\n"+f.Key+":") {
			t.Errorf("no case for %s (%s)", f.Key, f.Name)
		}
	}
}

func TestUnsupportedSaysAllAtOnce(t *testing.T) {
	_, err := mapped(t, "1.41", "annotations: {a: b}\nhealthcheck: {test: [CMD, t], start_interval: 1s, start_period: 5s}\n")
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 2 {
		t.Errorf("%v", err)
	}
	var one *UnsupportedError
	if !errors.As(err, &one) || one.Hint() == "" {
		t.Errorf("%v has no hint", err)
	}
}
