package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/image"

	"github.com/musterhq/muster/hack/registry"
	"github.com/musterhq/muster/runner"
)

// built builds an image for a test and gives what was said.
func (r *rig) built(b types.BuildConfig) (string, error) {
	var said strings.Builder
	err := r.Apply(r.ctx, r.image(b), func(p runner.Progress) {
		if p.Line != "" {
			said.WriteString(p.Line + "\n")
		}
	})
	return said.String(), err
}

// Each key reaches the build: a step in it sees what the key asks for.
func TestBuildKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		step   string // that succeeds only where the key counts
		change func(*types.BuildConfig)
		api    string // that the engine needs
	}{
		{"network none", "test ! -e /sys/class/net/eth0", func(b *types.BuildConfig) { b.Network = "none" }, ""},
		{"network host", "test -e /sys/class/net/docker0 || ls /sys/class/net | grep -v lo", func(b *types.BuildConfig) {
			b.Network, b.Entitlements = "host", []string{"network.host"}
		}, ""},
		{"extra_hosts", "grep '10.1.2.3.*db' /etc/hosts", func(b *types.BuildConfig) { b.ExtraHosts = types.HostsList{"db": {"10.1.2.3"}} }, ""},
		{"shm_size", "df -k /dev/shm | grep ' 12288 '", func(b *types.BuildConfig) { b.ShmSize = 12 << 20 }, "1.42"},
		{"ulimits", `test "$(ulimit -n)" = 123`, func(b *types.BuildConfig) { b.Ulimits = map[string]*types.UlimitsConfig{"nofile": {Single: 123}} }, "1.42"},
		{"platforms", "true", func(b *types.BuildConfig) { b.Platforms = []string{"linux/amd64"} }, ""},
		{"args", `test "$WHO" = you`, func(b *types.BuildConfig) { b.Args = types.MappingWithEquals{"WHO": ptr("you")} }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.needsBuildKit()
			b := types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM " + busybox() + "\nARG WHO\nRUN echo " + r.project + "; " + c.step + "\n"}
			plain, err := r.built(b)
			if c.name != "platforms" && c.name != "network host" && err == nil {
				t.Errorf("the step says nothing: it works without the key, too\n%s", plain)
			}
			c.change(&b)
			if c.api != "" && r.refuses(r.image(b), "services.web.build."+c.name, c.api) {
				return
			}
			if said, err := r.built(b); err != nil {
				t.Errorf("%v\n%s", err, said)
			}
		})
	}
}

// A context may be an archive behind an address.
func TestBuildFromURL(t *testing.T) {
	r := newRig(t)
	r.needsBuildKit()
	var archive bytes.Buffer
	files := tar.NewWriter(&archive)
	for name, text := range map[string]string{"Dockerfile": "FROM " + busybox() + "\nCOPY greeting /\nRUN grep " + r.project + " /greeting\n", "greeting": r.project} {
		if err := pack(files, tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive.Bytes()) }))
	t.Cleanup(server.Close)
	if said, err := r.built(types.BuildConfig{Context: server.URL + "/context.tar"}); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// A context may be a git repository; the engine needs git for that, and where it has none that is said.
func TestBuildFromGit(t *testing.T) {
	r := newRig(t)
	r.needsBuildKit()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git to make a repository with")
	}
	dir := files(t, map[string]string{"work/Dockerfile": "FROM " + busybox() + "\nCOPY greeting /\nRUN grep " + r.project + " /greeting\n", "work/greeting": r.project})
	for _, args := range [][]string{
		{"init", "-q", "-b", "main", "work"}, {"-C", "work", "add", "."}, {"-C", "work", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "all"},
		{"clone", "-q", "--bare", "work", "repo.git"}, {"-C", "repo.git", "update-server-info"},
	} {
		c := exec.CommandContext(r.ctx, git, args...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	said, err := r.built(types.BuildConfig{Context: server.URL + "/repo.git#main"})
	if err == nil {
		return
	}
	if !strings.Contains(err.Error(), `"git": executable file not found`) && !strings.Contains(err.Error(), "unknown scheme git") {
		t.Fatalf("%v\n%s", err, said)
	}
	told(t, err, "*", "the engine reads git repositories with git: install it where the engine runs, or use a folder")
}

// Only the stages that no_cache_filter names are built anew.
func TestBuildNoCacheFilter(t *testing.T) {
	r := newRig(t)
	r.needsBuildKit()
	b := types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM " + busybox() + " AS kept\nRUN echo kept " + r.project + "\n" +
		"FROM kept AS anew\nRUN echo anew " + r.project + "\n"}
	if _, err := r.built(b); err != nil {
		t.Fatal(err)
	}
	count := func(said, stage string) int {
		n := 0
		for line := range strings.Lines(said) {
			if strings.HasSuffix(strings.TrimSpace(line), stage+" "+r.project) && !strings.Contains(line, "RUN") {
				n++
			}
		}
		return n
	}
	said, err := r.built(b)
	if err != nil || count(said, "kept")+count(said, "anew") != 0 {
		t.Errorf("all was in the cache: %v\n%s", err, said)
	}
	b.NoCacheFilter = []string{"anew"}
	said, err = r.built(b)
	if err != nil || count(said, "kept") != 0 || count(said, "anew") == 0 {
		t.Errorf("one stage: %v\n%s", err, said)
	}
	b.NoCacheFilter, b.NoCache = nil, true
	said, err = r.built(b)
	if err != nil || count(said, "kept") == 0 || count(said, "anew") == 0 {
		t.Errorf("no cache: %v\n%s", err, said)
	}
}

// A step may use an agent of this machine.
func TestBuildSSH(t *testing.T) {
	r := newRig(t)
	r.needsBuildKit()
	path := filepath.Join(t.TempDir(), "agent")
	agent, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Close() })
	b := types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM " + busybox() + "\nRUN --mount=type=ssh,id=own,required=true echo " + r.project + `; test -S "$SSH_AUTH_SOCK"` + "\n"}
	if _, err := r.built(b); err == nil {
		t.Error("without an agent it works, too")
	}
	b.SSH = types.SSHConfig{{ID: "own=" + path}}
	if said, err := r.built(b); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// What takes more than an engine allows is told with what to set.
func TestBuildEntitlements(t *testing.T) {
	r := newRig(t)
	r.needsBuildKit()
	_, err := r.built(types.BuildConfig{Context: t.TempDir(), Privileged: true, DockerfileInline: "FROM " + busybox() + "\nRUN --security=insecure true\n"})
	if err == nil {
		t.Skip("this engine allows it")
	}
	told(t, err, "*security.insecure is not allowed*", "the engine's BuildKit has to allow it*")
}

// pull looks for a newer image after FROM, and caches come from registries and go with images.
func TestBuildPullAndCaches(t *testing.T) {
	g := newRegistryRig(t, registry.Options{})
	g.needsBuildKit()
	if err := g.push(); err != nil {
		t.Fatal(err)
	}
	b := types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM " + g.ref + "\nLABEL a=b\n", CacheTo: []string{"type=inline"}}
	parent := func() string {
		t.Helper()
		a := g.image(b)
		if said, err := g.built(b); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		is, err := g.client.ImageInspect(g.ctx, a.Ref)
		if err != nil {
			t.Fatal(err)
		}
		return is.RootFS.Layers[0]
	}
	first := parent()
	// The tag means something else in the registry now, and here it is as it was.
	old := g.ref + "-old"
	if err := g.client.ImageTag(g.ctx, g.ref, old); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = g.client.ImageRemove(context.Background(), old, image.RemoveOptions{}) })
	if err := g.client.ImageTag(g.ctx, busybox(), g.ref); err != nil {
		t.Fatal(err)
	}
	if err := g.push(); err != nil {
		t.Fatal(err)
	}
	if err := g.client.ImageTag(g.ctx, old, g.ref); err != nil {
		t.Fatal(err)
	}
	if now := parent(); now != first {
		t.Error("the newer image was taken, unasked")
	}
	b.Pull = true
	if now := parent(); now == first {
		t.Error("the newer image was not taken")
	}
	b.CacheFrom = []string{g.ref}
	said, err := g.built(b)
	if err != nil || !strings.Contains(said, "importing cache manifest from "+g.ref) {
		t.Errorf("cache_from: %v\n%s", err, said)
	}
}
