package swarm

import (
	"encoding/json"
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
	"github.com/musterhq/muster/project"
)

var update = flag.Bool("update", false, "write the goldens anew")

// Each case of testdata/keys.txtar is what one key of a service, NAME.yaml, adds to its specification, or why a swarm cannot do
// it, in NAME.txt.
func TestKeys(t *testing.T) {
	const path = "testdata/keys.txtar"
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]string{}
	for _, f := range archive.Files {
		wanted[f.Name] = string(f.Data)
	}
	base := tree(specOf(applied(loaded(t, "")), nil))
	out := txtar.Archive{Comment: archive.Comment}
	for _, f := range archive.Files {
		name, isCase := strings.CutSuffix(f.Name, ".yaml")
		if !isCase {
			continue
		}
		p := loaded(t, string(f.Data))
		got := ""
		for _, r := range Check(p, "1.51") {
			kind := "refused"
			if r.Minor {
				kind = "warning"
			}
			got += fmt.Sprintf("%s: %s: %s\n", kind, r.Path(), r.Why)
			if !r.Minor {
				got += "  " + r.Hint + "\n"
			}
		}
		if !strings.Contains(got, "refused") {
			refs := map[objectName]string{{planner.KindConfig, "p_app"}: "id-app", {planner.KindSecret, "p_key"}: "id-key"}
			text, err := json.MarshalIndent(without(tree(specOf(applied(p), refs)), base), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got += placeless(string(text)) + "\n"
		}
		got = placeless(got)
		out.Files = append(out.Files, f, txtar.File{Name: name + ".txt", Data: []byte(got)})
		if diff := cmp.Diff(wanted[name+".txt"], got); diff != "" && !*update {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(&out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// loaded is a project with a service of that fragment.
func loaded(t *testing.T, fragment string) *project.Project {
	t.Helper()
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	text := "name: p\nnetworks: {front: , back: }\nvolumes: {data: , nfs: {driver: local, driver_opts: {type: nfs}, labels: {kept: long}}, outside: {external: true}}\n" +
		"configs: {app: {content: x}}\nsecrets: {key: {environment: FROM_OUTSIDE}}\nservices:\n  other: {image: i}\n  web:\n    image: i\n" +
		"    " + strings.ReplaceAll(strings.TrimSpace(fragment), "\n", "\n    ") + "\n"
	m, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: dir, Environment: types.Mapping{"FROM_OUTSIDE": "yes"},
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "compose.yaml"), Content: []byte(text)}},
	}, func(o *loader.Options) {
		o.SetProjectName("p", true)
		o.SkipValidation = true // as in runner/docker
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return &project.Project{Name: "p", WorkingDir: dir, Services: map[string]project.Service{"web": m.Services["web"]}, Volumes: m.Volumes}
}

// applied is the action that makes the service.
func applied(p *project.Project) planner.ApplyService {
	web := p.Services["web"]
	mode, replicas := planner.Replicated, 1
	labels := map[string]string{planner.LabelWorkingDir: p.WorkingDir}
	if d := web.Deploy; d != nil {
		if d.Mode != "" {
			mode = planner.Mode(d.Mode)
		}
		if d.Replicas != nil {
			replicas = *d.Replicas
		}
		for k, v := range d.Labels {
			labels[k] = v
		}
	}
	return planner.ApplyService{
		Project: "p", Name: "p_web", Service: "web", Mode: mode, Replicas: replicas, Spec: web, Image: web.Image, Labels: labels,
		Networks:    map[string]string{"default": "p_default", "front": "p_front", "back": "p_back"},
		Volumes:     map[string]string{"data": "p_data", "nfs": "p_nfs"},
		Objects:     map[string]string{"configs.app": "p_app", "secrets.key": "p_key"},
		Definitions: p.Volumes,
	}
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

// What a service without any keys is: what `docker stack deploy` makes of it.
func TestSpecOfPlainService(t *testing.T) {
	got := tree(specOf(applied(loaded(t, "")), nil))
	labels := got["Labels"].(map[string]any)
	delete(labels, planner.LabelWorkingDir)
	want := map[string]any{
		"Name":   "p_web",
		"Labels": map[string]any{labelStack: "p", labelImage: "i"},
		"Mode":   map[string]any{"Replicated": map[string]any{"Replicas": 1.0}},
		"TaskTemplate": map[string]any{
			"ContainerSpec": map[string]any{"Image": "i", "Labels": map[string]any{labelStack: "p"}},
			"Networks":      []any{map[string]any{"Target": "p_default", "Aliases": []any{"web"}}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Every field of compose-go's service is either written down, by a line of the goldens, or the support table tells of it, or it is
// known to be somebody else's business. A new one fails here until somebody has decided.
func TestEveryFieldIsDecided(t *testing.T) {
	elsewhere := map[string]string{
		"Name": "who it is", "Profiles": "loader", "Develop": "watch", "Scale": "planner", "Attach": "up", "Provider": "planner",
		"Extends": "loader", "Net": "of old, not in the model", "PreStart": "planner", "PostStart": "planner", "PreStop": "planner",
		"Extensions": "x-", "EnvFiles": "loader", "Image": "ApplyService.Image", "LabelFiles": "loader", "Models": "project",
		"PullPolicy": "planner", "PullRefreshAfter": "planner", "Build": "planner", "DependsOn": "planner", "Dockerfile": "of old, not in the model",
		"LogDriver": "of old, not in the schema", "LogOpt": "of old, not in the schema", "VolumeDriver": "of old, not in the schema", "Expose": "says nothing here: all ports are open within networks",
	}
	text, err := os.ReadFile("testdata/keys.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields.OfService() {
		if elsewhere[f.Name] != "" {
			continue
		}
		if row, known := project.SupportOf(project.TargetSwarm, "services.web."+f.Key); known && row.Support != project.Honoured {
			continue
		}
		if !strings.Contains("\n"+string(text), "\n"+f.Key+":") {
			t.Errorf("no case for %s (%s)", f.Key, f.Name)
		}
	}
}

// A refusal knows where in the files it is about.
func TestRefusalsHaveAPlace(t *testing.T) {
	for key, want := range map[string]string{
		"tmpfs":                              "services a.b tmpfs",
		"healthcheck.start_interval":         "services a.b healthcheck start_interval",
		"volumes[/data/v1.2].bind.recursive": "services a.b volumes /data/v1.2 bind recursive",
		"volumes[/data]":                     "services a.b volumes /data",
	} {
		if got := strings.Join((Refusal{Service: "a.b", Key: key}).Place(), " "); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}
