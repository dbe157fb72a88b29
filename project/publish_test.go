package project

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// publish writes files into a folder and makes the project there ready for a registry.
func publish(t *testing.T, files map[string]string, how Publishing) (*Publication, error) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, p, err := Publish(t.Context(), Options{Cwd: dir, Environ: []string{"HOME=" + dir}}, how)
	return p, err
}

func publishable() map[string]string {
	return map[string]string{
		"compose.yaml": `# The shop.
include:
  - db/compose.yaml   # with its own variables
  - path: ["cache/compose.yaml"]
    project_directory: cache
services:
  web: &web
    image: web:${TAG:-1}   # a tag
    extends: {service: base, file: 'base.yaml'}
    env_file: [web.env, {path: "${WHICH:-more}.env", required: false}]
    environment:
      LOG_LEVEL: info
      TOKEN: ${TOKEN}
      URL: postgres://u:pw@db/x
    volumes: ["./src:/src", "data:/data", {type: bind, source: /etc/x, target: /x}]
    configs: [proxy]
  other:
    <<: *web
    environment: [A, B=, C=3, D=$E]
configs:
  proxy: {file: ./proxy.conf}
volumes: {data: {}}
`,
		"compose.override.yaml": "services: {web: {restart: always}}\n",
		"base.yaml":             "services:\n  base:\n    label_file: l.labels\n",
		"l.labels":              "a=b\n",
		"web.env":               "W=1\n",
		"proxy.conf":            "x\n",
		".env":                  "TAG=2\n",
		"db/compose.yaml":       "services:\n  db:\n    image: db\n",
		"cache/compose.yaml":    "services:\n  cache:\n    image: cache\n",
	}
}

func TestPublishWritesNamesAnew(t *testing.T) {
	got, err := publish(t, publishable(), Publishing{EnvFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	flat := func(name string) string { return flatName(filepath.Join(dir, name)) }
	texts := map[string]string{}
	for _, f := range got.Files {
		texts[f.Name] = string(f.Text)
		wantsExtends := f.Name == flat("base.yaml") || f.Name == flat("db/compose.yaml") || f.Name == flat("cache/compose.yaml")
		if f.Extends != wantsExtends || f.Env != (strings.HasSuffix(f.Name, ".env") || strings.HasSuffix(f.Name, ".labels")) {
			t.Errorf("%s: extends %t, env %t", f.Name, f.Extends, f.Env)
		}
	}
	main := publishable()["compose.yaml"]
	for from, to := range map[string]string{
		"- db/compose.yaml ": `- "` + flat("db/compose.yaml") + `" `, `["cache/compose.yaml"]`: `["` + flat("cache/compose.yaml") + `"]`,
		"project_directory: cache": `project_directory: "."`, "'base.yaml'": `"` + flat("base.yaml") + `"`, "[web.env,": `["` + flat("web.env") + `",`,
		`"${WHICH:-more}.env"`: `"` + flat("more.env") + `"`,
	} {
		if !strings.Contains(main, from) {
			t.Fatalf("the file has no %s", from)
		}
		main = strings.Replace(main, from, to, 1)
	}
	want := map[string]string{
		"compose.yaml": main, "compose.override.yaml": publishable()["compose.override.yaml"],
		flat("base.yaml"): "services:\n  base:\n    label_file: \"" + flat("l.labels") + "\"\n", flat("l.labels"): "a=b\n", flat("web.env"): "W=1\n",
		flat("db/compose.yaml"): publishable()["db/compose.yaml"], flat("cache/compose.yaml"): publishable()["cache/compose.yaml"],
	}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("files (- want, + got):\n%s", diff)
	}
	if got.Files[0].Name != "compose.yaml" || got.Files[1].Name != "compose.override.yaml" {
		t.Errorf("the files that are merged come in the order %s, %s", got.Files[0].Name, got.Files[1].Name)
	}
}

func TestPublishSaysWhatOthersWillRead(t *testing.T) {
	got, err := publish(t, publishable(), Publishing{})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for what, fs := range map[string][]Finding{"value": got.Values, "env file": got.EnvFiles, "credential": got.Credentials, "mount": got.Mounts, "behind": got.Behind} {
		for _, f := range fs {
			e := Error(f)
			e.Hint = ""
			found = append(found, what+" "+e.Error())
		}
	}
	want := []string{
		"value compose.yaml:12:18  services.web.environment.LOG_LEVEL: LOG_LEVEL",
		"value compose.yaml:14:12  services.web.environment.URL: URL",
		"value compose.yaml:19:26  services.other.environment[2]: C",
		"env file compose.yaml:10:16  services.web.env_file[0]: web.env",
		"env file compose.yaml:10:32  services.web.env_file[1].path: more.env",
		"env file base.yaml:3:17  services.base.label_file: l.labels",
		"credential compose.yaml:14:12  services.web.environment.URL: URL with password",
		"mount compose.yaml:15:15  services.web.volumes: ./src",
		"mount compose.yaml:15:43  services.web.volumes: /etc/x",
		"behind compose.yaml:21:17  configs.proxy.file: ./proxy.conf",
		"behind .env",
	}
	for _, w := range want {
		if !contains(found, w) {
			t.Errorf("%q is not among what was found:\n%s", w, strings.Join(found, "\n"))
		}
	}
	for _, f := range found {
		for _, not := range []string{"TOKEN", ": A", ": B", ": D", "data"} {
			if strings.HasSuffix(f, not) {
				t.Errorf("%q tells nobody anything", f)
			}
		}
	}
}

func contains(list []string, one string) bool {
	for _, l := range list {
		if strings.HasPrefix(l, one) {
			return true
		}
	}
	return false
}

func TestPublishRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"only built": {
			map[string]string{"compose.yaml": "services:\n  web:\n    build: .\n", "Dockerfile": "FROM scratch\n"},
			"compose.yaml:3:5  services.web: can only be built, and its sources are not published",
		},
		"a name on two lines": {
			map[string]string{"compose.yaml": "services:\n  web:\n    image: w\n    env_file: >-\n      web.env\n", "web.env": ""},
			"compose.yaml:4:15  services.web.env_file: this name has to be changed to be published, and is not written on one line",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := publish(t, c.files, Publishing{EnvFiles: true})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}
