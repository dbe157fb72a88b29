package project

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func loadAbsolute(t *testing.T) *Project {
	file := filepath.Join("testdata", "peer", "absolute.yaml")
	abs, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Load(t.Context(), Options{Files: []string{abs}, Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestHashesStay guards the hashes where no docker compose is there to ask: these are what
// 2.40.3 printed.
func TestHashesStay(t *testing.T) {
	got, err := loadAbsolute(t).Hashes()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"web": "0b1c6ae4c6d5f42188ed9f6cc3a83e535767fb48b8b42a2e296924a024714096",
		"db":  "528fbc777f85b3fcd8ce61109707ea433e5b38aae5c33d3b4b25d7462104ac19",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hashes (- docker compose 2.40.3, + muster):\n%s", diff)
	}
}

// TestHashLeavesOut changes what docker compose leaves out of the hash, and one thing that it
// does not.
func TestHashLeavesOut(t *testing.T) {
	s := loadAbsolute(t).Services["web"]
	before, err := ServiceHashes(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(before) != 3 {
		t.Errorf("%d hashes of a service with a bind mount, want one for each layout: 3", len(before))
	}
	five := 5
	s.Scale, s.DependsOn, s.Profiles, s.PullPolicy = &five, nil, []string{"x"}, "always"
	same, err := ServiceHashes(s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, same); diff != "" {
		t.Errorf("hash changed with scale, depends_on, profiles or pull_policy:\n%s", diff)
	}
	s.Image = "nginx:1.28"
	other, err := ServiceHashes(s)
	if err != nil {
		t.Fatal(err)
	}
	if other[0] == before[0] {
		t.Error("hash stayed although the image changed")
	}
}

func TestSpecIsAboutContainers(t *testing.T) {
	p := loadAbsolute(t)
	got, err := Spec(p.Services["web"])
	if err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{"depends_on", "replicas", "null,"} {
		if strings.Contains(string(got), absent) {
			t.Errorf("spec has %s: %s", absent, got)
		}
	}
	want := `{"command":["serve","<&>"],"deploy":{"resources":{"limits":{"memory":"67108864"}}},"environment":{"A":"1","B":"2","EMPTY":null},` +
		`"healthcheck":{"interval":"5s","test":["CMD-SHELL","x"]},"image":"nginx:1.27","networks":{"default":null},` +
		`"ports":[{"mode":"ingress","protocol":"tcp","published":"8080-8081","target":80}],` +
		`"volumes":[{"bind":{},"source":"/srv/data","target":"/data","type":"bind"},{"bind":{},"read_only":true,"source":"/srv/ro","target":"/ro","type":"bind"},` +
		`{"source":"named","target":"/named","type":"volume","volume":{}}]}`
	if string(got) != want {
		t.Errorf("spec:\n%s\nwant:\n%s", got, want)
	}
}

func TestMarshalCanBeLoadedAgain(t *testing.T) {
	dir := t.TempDir()
	first := "services: {web: {image: nginx, command: 'echo $$HOME', environment: {A: a$$b}}}"
	load := func(text string) *Project {
		p, err := Load(t.Context(), Options{Files: []string{"-"}, Stdin: strings.NewReader(text), Cwd: dir, Environ: []string{}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := load(first)
	for _, format := range []string{"yaml", "json"} {
		text, err := p.Marshal(format)
		if err != nil {
			t.Fatal(err)
		}
		again := load(string(text))
		if diff := cmp.Diff(p.Services["web"], again.Services["web"]); diff != "" {
			t.Errorf("%s loaded again:\n%s", format, diff)
		}
	}
	if _, err := p.Marshal("toml"); err == nil {
		t.Error("toml was written")
	}
}

func TestVariables(t *testing.T) {
	p, err := Load(t.Context(), Options{Files: []string{"-"}, Stdin: strings.NewReader(
		"services: {web: {image: 'nginx:${TAG:-1}', ports: ['${PORT:?which}:80'], labels: {a: '${A:+x}'}}}"),
		Cwd: t.TempDir(), Environ: []string{}, NoInterpolate: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []Variable{{Name: "A", Alternate: "x"}, {Name: "PORT", Required: true}, {Name: "TAG", Default: "1"}}
	if diff := cmp.Diff(want, p.Variables()); diff != "" {
		t.Errorf("variables:\n%s", diff)
	}
	text, err := p.Marshal("yaml")
	if err != nil || !strings.Contains(string(text), "${PORT:?which}:80") {
		t.Errorf("model without interpolation: %v\n%s", err, text)
	}
}

// TestSwitches loads one large file with each of config's switches.
func TestSwitches(t *testing.T) {
	file, err := filepath.Abs(filepath.Join("testdata", "peer", "everything.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"no-interpolate":     {NoInterpolate: true},
		"no-normalize":       {NoNormalize: true},
		"no-path-resolution": {NoPathResolution: true},
		"no-env-resolution":  {NoEnvResolution: true},
		"no-consistency":     {NoConsistency: true},
		"all":                {NoInterpolate: true, NoNormalize: true, NoPathResolution: true, NoEnvResolution: true, NoConsistency: true},
	} {
		o.Files, o.Environ, o.TolerateMissing = []string{file}, []string{"HOME=/"}, true
		p, err := Load(t.Context(), o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, format := range []string{"yaml", "json"} {
			text, err := p.Marshal(format)
			if err != nil || !strings.Contains(string(text), "nginx:1.27") {
				t.Errorf("%s: %v\n%s", name, err, text)
			}
		}
		if got := strings.Contains(marshalled(t, p), "source: ./data"); got != o.NoPathResolution {
			t.Errorf("%s: relative path is there: %v", name, got)
		}
	}
}

// What is written can be read, also where a service can do without one that is not active. Rollback lives on it.
func TestMarshalledWithoutInactive(t *testing.T) {
	read := func(text string) *Project {
		p, err := Load(t.Context(), Options{Files: []string{"-"}, Stdin: strings.NewReader(text), Name: "shop", Cwd: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := read("services: {web: {image: x, depends_on: {db: {condition: service_started}, off: {condition: service_healthy, required: false}}}, " +
		"db: {image: x}, off: {image: x, profiles: [off]}}")
	again := read(marshalled(t, p)).Services["web"].DependsOn
	if _, ok := again["db"]; !ok || len(again) != 1 {
		t.Errorf("it depends on %v", again)
	}
	if len(p.Services["web"].DependsOn) != 2 {
		t.Errorf("writing has changed the model: %v", p.Services["web"].DependsOn)
	}
}

func marshalled(t *testing.T, p *Project) string {
	text, err := p.Marshal("yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What is below x-muster concerns no container, so that a change of it replaces none.
func TestExtensionIsInNoHash(t *testing.T) {
	s := loadAbsolute(t).Services["web"]
	before, err := ServiceHashes(s)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := Spec(s)
	if err != nil {
		t.Fatal(err)
	}
	s.Extensions = map[string]any{"x-muster": map[string]any{"ready": map[string]any{"tcp": 80}}}
	if m, err := Extension(s); err != nil || m.Ready == nil || m.Ready.TCP != 80 {
		t.Fatalf("Extension: %+v, %v", m, err)
	}
	after, err := ServiceHashes(s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("hash changed with x-muster:\n%s", diff)
	}
	specAfter, err := Spec(s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(spec), string(specAfter)); diff != "" {
		t.Errorf("spec changed with x-muster:\n%s", diff)
	}
}
