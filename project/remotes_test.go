package project

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// gitRepository makes a repository of this machine; commit adds files to it and gives the
// commit.
func gitRepository(t *testing.T) (address string, commit func(files map[string]string) string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git program")
	}
	dir := filepath.Join(t.TempDir(), "base.git")
	write(t, dir, nil)
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull, "GIT_AUTHOR_NAME=a",
			"GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet", "--initial-branch=main")
	return "file://" + dir, func(files map[string]string) string {
		t.Helper()
		write(t, dir, files)
		git("add", "-A")
		git("commit", "--quiet", "-m", "x")
		return git("rev-parse", "HEAD")
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// desk is a user's folder with a cache of its own.
type desk struct {
	t   *testing.T
	dir string
	o   Options
}

func newDesk(t *testing.T, compose string, env ...string) *desk {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	write(t, dir, map[string]string{"compose.yaml": compose})
	return &desk{t: t, dir: dir, o: Options{Cwd: dir, Environ: append(env, "HOME="+dir, "PATH="+os.Getenv("PATH"), "XDG_CACHE_HOME="+t.TempDir())}}
}

func (d *desk) load() *Project {
	d.t.Helper()
	p, err := Load(d.t.Context(), d.o)
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

// wants loads in vain; the error has to have all the pieces.
func (d *desk) wants(pieces ...string) {
	d.t.Helper()
	p, err := Load(d.t.Context(), d.o)
	if err == nil {
		d.t.Fatalf("loaded %v, want the error %q", sortedKeys(p.Services), pieces)
	}
	for _, piece := range pieces {
		if !strings.Contains(err.Error(), piece) {
			d.t.Errorf("error:\n%v\nwant in it: %s", err, piece)
		}
	}
}

func TestIncludeFromGit(t *testing.T) {
	address, commit := gitRepository(t)
	first := commit(map[string]string{
		"db/compose.yaml": "services: {db: {image: 'postgres:${DB:-0}', env_file: [db.env], configs: [init]}}\nconfigs: {init: {file: ./init.sql}}\n",
		"db/.env":         "DB=17\n", "db/db.env": "A=1\n", "db/init.sql": "select 1",
	})
	d := newDesk(t, "include: ['"+address+"#main:db']\nservices: {web: {image: web, depends_on: [db]}}\n", "MUSTER_ALLOW_REMOTE=file://")
	d.o.Environ[0] = "MUSTER_ALLOW_REMOTE=" + address
	p := d.load()
	db := p.Services["db"]
	if a := db.Environment["A"]; db.Image != "postgres:17" || a == nil || *a != "1" || p.Content["configs.init"] == "" {
		t.Errorf("db: image %s, A %v, content %v", db.Image, a, p.Content)
	}
	want := RemoteSource{Source: address + "#main:db", Kind: "git", Version: first, By: "compose.yaml:1:11"}
	if len(p.Remotes) != 1 || p.Remotes[0] != want {
		t.Errorf("remotes %+v, want %+v", p.Remotes, want)
	}

	// The branch moves on; what was agreed to stays until it is asked for.
	second := commit(map[string]string{"db/compose.yaml": "services: {db: {image: postgres:18}}\n"})
	if got := d.load().Services["db"].Image; got != "postgres:17" {
		t.Errorf("after the branch moved: %s, want what was agreed to, postgres:17", got)
	}
	d.o.Environ[0] = "X=1"
	var asked []RemoteSource
	d.o.Confirm = func(s RemoteSource) (bool, error) { asked = append(asked, s); return len(asked) > 1, nil }
	d.o.RefreshRemotes = true
	d.o.Environ = append(d.o.Environ, "MUSTER_ALLOW_REMOTE=file:///nowhere")
	d.wants("was not agreed to", "compose.yaml:1:11")
	if len(asked) != 1 || asked[0].Was != first || asked[0].Version != second {
		t.Errorf("asked %+v, want whether %s may become %s", asked, first, second)
	}
	p = d.load()
	if got := p.Services["db"].Image; got != "postgres:18" {
		t.Errorf("refreshed: %s, want postgres:18", got)
	}

	// A lock file goes before what this user has seen.
	d.o.RefreshRemotes = false
	p.Remotes[0].Version = first
	file, content, err := p.LockFile()
	if err != nil || file != filepath.Join(d.dir, "muster.lock") {
		t.Fatalf("lock file %s, %v", file, err)
	}
	write(t, d.dir, map[string]string{"muster.lock": string(content)})
	if got := d.load().Services["db"].Image; got != "postgres:17" {
		t.Errorf("locked: %s, want postgres:17", got)
	}
}

func TestRemoteIsConfirmed(t *testing.T) {
	address, commit := gitRepository(t)
	commit(map[string]string{"compose.yaml": "services: {db: {image: postgres}}\n"})
	d := newDesk(t, "services:\n  web:\n    extends:\n      file: "+address+"\n      service: db\n", "MUSTER_ALLOW_REMOTE=file:///nowhere")
	place := "compose.yaml:4:13  services.web.extends.file"
	d.wants(place, "was not agreed to yet", "MUSTER_ALLOW_REMOTE="+address)
	// What the folder brings along does not count as the user's word.
	write(t, d.dir, map[string]string{".env": "MUSTER_ALLOW_REMOTE=" + address + "\n"})
	d.wants(place, "was not agreed to yet")
	asked := 0
	d.o.Confirm = func(RemoteSource) (bool, error) { asked++; return false, nil }
	d.wants(place, "was not agreed to")
	d.o.Confirm = func(RemoteSource) (bool, error) { asked++; return true, nil }
	if got := d.load().Services["web"].Image; got != "postgres" {
		t.Errorf("web runs %q, want postgres", got)
	}
	d.load()
	if asked != 2 {
		t.Errorf("asked %d times, want once for no, once for yes, and not again", asked)
	}
	d.o.Environ = append(d.o.Environ, "COMPOSE_EXPERIMENTAL_GIT_REMOTE=false")
	d.wants(place, "COMPOSE_EXPERIMENTAL_GIT_REMOTE is false")
}

// A repository of this machine is read by nobody who has not allowed it beforehand: there is nothing to ask.
func TestRepositoryOfThisMachine(t *testing.T) {
	address, commit := gitRepository(t)
	commit(map[string]string{"compose.yaml": "services: {db: {image: postgres}}\n"})
	for name, file := range map[string]string{
		"include": "include: ['" + address + "']\nservices: {web: {image: web}}\n",
		"extends": "services: {web: {extends: {file: '" + address + "', service: db}}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, file, "X=1")
			d.o.Confirm = func(s RemoteSource) (bool, error) { t.Errorf("asked about %+v", s); return true, nil }
			d.wants("is a repository of this machine, which is not read", "name the file itself", "MUSTER_ALLOW_REMOTE="+address)
		})
	}
}

func TestRemoteGivenFile(t *testing.T) {
	address, commit := gitRepository(t)
	commit(map[string]string{"compose.yaml": "include: [more.yaml]\nservices: {db: {image: postgres}}\n", "more.yaml": "services: {mail: {image: mail}}\n"})
	d := newDesk(t, "services: {own: {image: own}}\n", "MUSTER_ALLOW_REMOTE="+address)
	d.o.Files = []string{address}
	p := d.load()
	if got := sortedKeys(p.Services); p.Name != "base" || !slices.Equal(got, []string{"db", "mail"}) || filepath.Base(p.WorkingDir) != "base" {
		t.Errorf("project %s with %v in %s", p.Name, got, p.WorkingDir)
	}
	commit(map[string]string{"compose.yaml": "services: {db: {imag: postgres}}\n"})
	d.o.RefreshRemotes = true
	d.wants(address + "#:compose.yaml:1:17  services.db.imag: unknown key")
}

// TestRemoteStaysInside has remote files that name what is not theirs.
func TestRemoteStaysInside(t *testing.T) {
	cases := map[string]struct{ file, place string }{
		"env file above":         {"services: {a: {image: a, env_file: [../../x.env]}}", "services.a.env_file[0]"},
		"absolute env file":      {"services: {a: {image: a, env_file: [{path: /etc/passwd}]}}", "services.a.env_file[0].path"},
		"label file":             {"services: {a: {image: a, label_file: ../../x}}", "services.a.label_file"},
		"secret":                 {"services: {a: {image: a}}\nsecrets: {s: {file: ~/.ssh/id_rsa}}", "secrets.s.file"},
		"config by variable":     {"services: {a: {image: a}}\nconfigs: {s: {file: '${HOME}/x'}}", "configs.s.file"},
		"build context":          {"services: {a: {build: ../..}}", "services.a.build"},
		"named context":          {"services: {a: {build: {context: ., additional_contexts: {x: /}}}}", "services.a.build.additional_contexts.x"},
		"listed context":         {"services: {a: {build: {context: ., additional_contexts: ['x=../..']}}}", "services.a.build.additional_contexts[0]"},
		"dockerfile":             {"services: {a: {build: {context: sub, dockerfile: ../../../D}}}", "services.a.build.dockerfile"},
		"ssh key":                {"services: {a: {build: {context: ., ssh: ['k=~/.ssh/id_rsa']}}}", "services.a.build.ssh[0]"},
		"include":                {"include: [../../x.yaml]\nservices: {a: {image: a}}", "include[0]"},
		"env file of an include": {"include: [{path: y.yaml, env_file: /etc/environment}]\nservices: {a: {image: a}}", "include[0].env_file"},
		"extends":                {"services: {a: {extends: {file: /etc/x.yaml, service: b}}}", "services.a.extends.file"},
		"watch":                  {"services: {a: {image: a, develop: {watch: [{path: /, action: sync, target: /x}]}}}", "services.a.develop.watch[0].path"},
		"seccomp":                {"services: {a: {image: a, security_opt: ['seccomp:/etc/shadow']}}", "services.a.security_opt[0]"},
		"through an anchor":      {"x-e: &e {env_file: /etc/passwd}\nservices: {a: {<<: *e, image: a}}", "services.a.env_file"},
		"in an included file":    {"include: [inner.yaml]\nservices: {a: {image: a}}", "secrets.i.file"},
		"in an extended file":    {"services: {a: {extends: {file: inner.yaml, service: i}}}", "services.i.env_file"},
	}
	files := map[string]string{}
	for what, c := range cases {
		dir := strings.ReplaceAll(what, " ", "-")
		files[dir+"/compose.yaml"], files[dir+"/y.yaml"], files[dir+"/sub/x"] = c.file+"\n", "services: {}\n", ""
		files[dir+"/inner.yaml"] = "services: {i: {image: i, env_file: /etc/passwd}}\nsecrets: {i: {file: /etc/shadow}}\n"
	}
	address, commit := gitRepository(t)
	version := commit(files)
	cache := "XDG_CACHE_HOME=" + t.TempDir()
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			source := address + "#" + version + ":" + strings.ReplaceAll(what, " ", "-")
			d := newDesk(t, "include: ['"+source+"']\nservices: {web: {image: web}}\n")
			d.o.Environ = append(d.o.Environ, "MUSTER_ALLOW_REMOTE="+address, cache)
			d.wants(c.place+": ", "lies outside of the remote project")
		})
	}
}

func TestRemoteMountsAreWarnedAbout(t *testing.T) {
	address, commit := gitRepository(t)
	commit(map[string]string{"compose.yaml": `services:
  a:
    image: a
    volumes: ["/var/run/docker.sock:/s", "./conf:/conf", "data:/data", {type: bind, source: /, target: /host}]
volumes: {data: {}}
`})
	d := newDesk(t, "include: ['"+address+"']\nservices: {web: {image: web}}\n", "MUSTER_ALLOW_REMOTE="+address)
	var got []string
	for _, w := range d.load().Warnings {
		got = append(got, w.Problem)
	}
	want := []string{"a remote file gives its container /var/run/docker.sock of this machine", "a remote file gives its container / of this machine"}
	if !slices.Equal(got, want) {
		t.Errorf("warnings %q, want %q", got, want)
	}
}

func TestIncludeFromRegistry(t *testing.T) {
	blob := "services: {db: {image: postgres, env_file: [db.env]}}\n"
	env := "A=1\n"
	digest := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	layer := func(kind, title, name, text string) map[string]any {
		return map[string]any{"mediaType": kind, "digest": digest(text), "size": len(text), "annotations": map[string]string{title: name}}
	}
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"artifactType": "application/vnd.docker.compose.project",
		"config":       map[string]any{"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest("{}"), "size": 2},
		"layers": []any{layer("application/vnd.docker.compose.file+yaml", "com.docker.compose.file", "compose.yaml", blob),
			layer("application/vnd.docker.compose.envfile", "com.docker.compose.envfile", "db.env", env)}})
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]string{"manifests/1": string(manifest), "blobs/" + digest(blob): blob, "blobs/" + digest(env): env}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[strings.TrimPrefix(r.URL.Path, "/v2/org/db/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Docker-Content-Digest", digest(text))
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	d := newDesk(t, "include: ['oci://"+host+"/org/db:1']\nservices: {web: {image: web}}\n", "MUSTER_ALLOW_REMOTE="+host+"/org")
	p := d.load()
	if a := p.Services["db"].Environment["A"]; a == nil || *a != "1" {
		t.Errorf("db's environment: %v", p.Services["db"].Environment)
	}
	if len(p.Remotes) != 1 || p.Remotes[0].Kind != "oci" || p.Remotes[0].Version != digest(string(manifest)) {
		t.Errorf("remotes %+v", p.Remotes)
	}
	server.Close()
	d.load()
}
