package project

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const copied = `
name: shop
services:
  web:
    image: shop/web:dev
    build: {context: ., tags: ["shop/web:latest", "registry.test/${COMPOSE_PROJECT_NAME}/web"]}
    container_name: the-web
    ports: ["8080:80", "127.0.0.1:5353:53/udp", "443", "9000-9010:9000"]
    volumes: [data:/data, cache:/cache, own:/own]
  same: {image: "shop/web:dev", networks: [front, corp]}
  debug: {image: "alpine:3", container_name: "${COMPOSE_PROJECT_NAME}-debug", profiles: [debug], ports: ["8081:80"]}
volumes:
  data: {}
  own: {name: my-data}
  cache: {name: team-cache, external: true}
networks:
  front: {name: my-front}
  corp: {external: true}
`

// loadCopy loads text as an instance.
func loadCopy(t *testing.T, text string, o Options) *Project {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if o.Dir == "" {
		o.Dir = dir
	}
	o.Files = []string{filepath.Join(dir, "compose.yaml")}
	if o.Environ == nil {
		o.Environ = []string{}
	}
	p, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestInstanceIsApart(t *testing.T) {
	var asked []HostPort
	p := loadCopy(t, copied, Options{Instance: "pr-7", AllResources: true, HostPorts: func(of Copy, fixed []HostPort) ([]int, error) {
		if of.Project != "shop-pr-7" || of.First != "shop" || of.Name != "pr-7" || of.Dir == "" {
			t.Errorf("asked for %+v", of)
		}
		asked = fixed
		return []int{20001, 20002, 20003}, nil
	}})
	if p.Name != "shop-pr-7" || p.First != "shop" || p.Instance != "pr-7" {
		t.Errorf("%s %s %s", p.Name, p.First, p.Instance)
	}
	web, debug := p.Services["web"], p.Inactive["debug"]
	var published []string
	for _, port := range web.Ports {
		published = append(published, port.Published)
	}
	for what, pair := range map[string][2]string{
		"image":                      {web.Image, "shop/web:dev-pr-7"},
		"the same image":             {p.Services["same"].Image, "shop/web:dev-pr-7"},
		"another image":              {debug.Image, "alpine:3"},
		"tags":                       {strings.Join(web.Build.Tags, " "), "shop/web:latest-pr-7 registry.test/shop-pr-7/web"},
		"container":                  {web.ContainerName, "the-web-pr-7"},
		"container by project":       {debug.ContainerName, "shop-pr-7-debug"},
		"volume":                     {p.Volumes["data"].Name, "shop-pr-7_data"},
		"volume with a name":         {p.Volumes["own"].Name, "my-data-pr-7"},
		"external volume":            {p.Volumes["cache"].Name, "team-cache"},
		"network with a name":        {p.Networks["front"].Name, "my-front-pr-7"},
		"external network":           {p.Networks["corp"].Name, "corp"},
		"model":                      {p.Model.Volumes["own"].Name, "my-data-pr-7"},
		"ports":                      {strings.Join(published, " "), "20001 20002  9000-9010"},
		"port of an inactive one":    {debug.Ports[0].Published, "20003"},
		"ports that were asked for":  {asked[0].String() + ", " + asked[1].String() + ", " + asked[2].String(), "web :8080:80/tcp, web 127.0.0.1:5353:53/udp, debug :8081:80/tcp"},
		"the variable for the files": {p.Environment["COMPOSE_PROJECT_NAME"], "shop-pr-7"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", what, pair[0], pair[1])
		}
	}
}

// What was remembered of the files is no answer about ports: those are asked for each time.
func TestInstanceIsAskedEachTime(t *testing.T) {
	cache := t.TempDir()
	dir := t.TempDir()
	file := filepath.Join(dir, "compose.yaml")
	if err := os.WriteFile(file, []byte(copied), 0o600); err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		p, err := Load(t.Context(), Options{Files: []string{file}, Instance: "pr-7", Environ: []string{"XDG_CACHE_HOME=" + cache, "HOME=" + dir},
			HostPorts: func(Copy, []HostPort) ([]int, error) { return []int{20000 + n, 1, 2}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := p.Services["web"].Ports[0].Published, "2000"+string(rune('0'+n)); got != want || p.Volumes["own"].Name != "my-data-pr-7" {
			t.Errorf("load %d: port %s, volume %s", n, got, p.Volumes["own"].Name)
		}
	}
}

func TestInstanceByName(t *testing.T) {
	const text = "name: shop\nx-muster: {instance: \"${COPY:-from-file}\"}\nservices: {web: {image: x}}\n"
	for name, test := range map[string]struct {
		o    Options
		want string
	}{
		"file":                     {Options{}, "shop-from-file"},
		"variable in the file":     {Options{Environ: []string{"COPY=Job 12"}}, "shop-job12"},
		"environment":              {Options{Environ: []string{"MUSTER_INSTANCE=env"}}, "shop-env"},
		"flag":                     {Options{Instance: "flag", Environ: []string{"MUSTER_INSTANCE=env"}}, "shop-flag"},
		"number":                   {Options{Instance: "2"}, "shop-2"},
		"the first one":            {Options{Instance: FirstInstance}, "shop"},
		"file says the first one":  {Options{Environ: []string{"COPY=default"}}, "shop"},
		"-p":                       {Options{Name: "other"}, "other"},
		"-p and flag":              {Options{Name: "other", Instance: "flag"}, "other-flag"},
		"auto outside of git":      {Options{Instance: AutoInstance}, "shop"},
		"file's auto, outside git": {Options{Environ: []string{"COPY=auto"}}, "shop"},
	} {
		t.Run(name, func(t *testing.T) {
			p := loadCopy(t, text, test.o)
			if p.Name != test.want {
				t.Errorf("got %s, want %s", p.Name, test.want)
			}
			o := test.o
			o.Files = p.Files
			if o.Environ == nil {
				o.Environ = []string{}
			}
			if got, err := Name(t.Context(), o); err != nil || got != test.want {
				t.Errorf("Name: %s, %v", got, err)
			}
		})
	}
	_, err := Load(t.Context(), Options{Instance: "No Name", Files: []string{"-"}, Stdin: strings.NewReader(text), Environ: []string{}})
	var mistakes Errors
	if !errors.As(err, &mistakes) || !strings.Contains(err.Error(), "is not the name of an instance") || !strings.Contains(err.Error(), "noname") {
		t.Errorf("got %v", err)
	}
}

// A worktree as git makes it, seen from a folder in it; the main one, and a submodule's folder, are none.
func TestInstanceOfAWorktree(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		cmd.Dir = filepath.Join(dir, "main")
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("git %v: %v: %s", args, err, out)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "main", "deploy"), 0o700); err != nil {
		t.Fatal(err)
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "begin")
	git("worktree", "add", "-q", filepath.Join(dir, "Feature.X"))
	in := filepath.Join(dir, "Feature.X", "deploy")
	if err := os.Mkdir(in, 0o700); err != nil {
		t.Fatal(err)
	}
	sub := filepath.Join(dir, "main", "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(sub, ".git"), []byte("gitdir: ../.git/modules/sub\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{in: "shop-featurex", filepath.Join(dir, "main", "deploy"): "shop", sub: "shop"} {
		p := loadCopy(t, "name: shop\nx-muster: {instance: auto}\nservices: {web: {image: x}}\n", Options{Dir: folder})
		if p.Name != want {
			t.Errorf("%s: got %s, want %s", folder, p.Name, want)
		}
	}
}

// Not every image's tag leaves room for a name.
func TestInstanceWithoutRoom(t *testing.T) {
	dir := t.TempDir()
	text := "services: {web: {build: ., image: \"web:" + strings.Repeat("x", 120) + "\"}}\n"
	_, err := Load(t.Context(), Options{Dir: dir, Files: []string{"-"}, Stdin: strings.NewReader(text), Name: "shop", Instance: "long-enough", Environ: []string{}, TolerateMissing: true})
	if err == nil || !strings.Contains(err.Error(), "services.web.image") || !strings.Contains(err.Error(), "shorter name") {
		t.Errorf("got %v", err)
	}
}

func TestHostPortAsText(t *testing.T) {
	for _, h := range []HostPort{
		{Service: "web", Published: 8080, Target: 80, Protocol: "tcp"}, {Service: "db", HostIP: "127.0.0.1", Published: 5432, Target: 5432, Protocol: "tcp"},
		{Service: "a.b-c", HostIP: "::1", Published: 1, Target: 65535, Protocol: "udp"},
	} {
		var got HostPort
		if err := got.UnmarshalText([]byte(h.String())); err != nil || got != h {
			t.Errorf("%v: %v, %v", h, got, err)
		}
	}
	for _, text := range []string{"", "web", "web 80", "web :x:80/tcp"} {
		if err := new(HostPort).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a host port", text)
		}
	}
}
