package docker

import (
	"bufio"
	"cmp"

	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	clitypes "github.com/docker/cli/cli/config/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/versions"

	"github.com/musterhq/muster/hack/registry"
	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// buildKitFolder is where buildkitd is; tests of builders skip without one.
func buildKitFolder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("MUSTER_TEST_BUILDKIT")
	if dir == "" || os.Getuid() != 0 {
		t.Skip("no MUSTER_TEST_BUILDKIT (the folder that hack/buildkitd prints), or no root to run it")
	}
	return dir
}

// startBuildKit runs BuildKit's own daemon until the test ends, and gives where it listens without TLS.
func startBuildKit(t *testing.T, flags ...string) (address string) {
	t.Helper()
	dir := buildKitFolder(t)
	root, err := os.MkdirTemp("", "bk") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	address = "unix://" + root + "/sock"
	args := append([]string{"--root", root, "--addr", address, "--containerd-worker=false", "--oci-worker-snapshotter=native", "--oci-worker-net=host"}, flags...)
	daemon := exec.Command(filepath.Join(dir, "buildkitd"), args...)
	daemon.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	says, err := daemon.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
	})
	var log []string
	for lines := bufio.NewScanner(says); lines.Scan(); {
		log = append(log, lines.Text())
		if strings.Contains(lines.Text(), "running server on") && strings.Contains(lines.Text(), root) {
			go func() { _, _ = io.Copy(io.Discard, says) }()
			return address
		}
	}
	t.Fatalf("buildkitd has ended:\n%s", strings.Join(log, "\n"))
	return ""
}

// chooses writes down a builder as buildx does, and gives an engine for which it counts.
func (r *rig) chooses(driver, endpoint string, options map[string]string) *Engine {
	r.t.Helper()
	r.apiVersion() // the rig's own client has to know it too
	dir := r.t.TempDir()
	text, err := json.Marshal(map[string]any{"Name": "far", "Driver": driver, "Nodes": []any{
		map[string]any{"Name": "far" + r.project, "Endpoint": endpoint, "DriverOpts": options},
	}})
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "buildx", "instances"), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "buildx", "instances", "far"), text, 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	e, err := Open(Options{Host: r.host, ConfigDir: dir, Builder: "far"})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = e.Close() })
	return e
}

// builtBy builds an image with a builder.
func (r *rig) builtBy(e *Engine, a planner.BuildImage) (string, error) {
	var said strings.Builder
	err := e.Apply(r.ctx, a, func(p runner.Progress) {
		if p.Line != "" {
			said.WriteString(p.Line + "\n")
		}
	})
	return said.String(), err
}

// base is the image with a shell, in a registry: a builder does not see those of the engine.
func (g *registryRig) base() string {
	g.t.Helper()
	g.forget()
	if err := g.client.ImageTag(g.ctx, busybox(), g.ref); err != nil {
		g.t.Fatal(err)
	}
	if err := g.push(); err != nil {
		g.t.Fatal(err)
	}
	return g.ref
}

// says runs an image that was built and gives what it prints.
func (r *rig) says(ref, command string) string {
	r.t.Helper()
	r.do(r.shell("web", command, func(c *planner.CreateContainer) { c.Image = ref }), planner.StartContainer{Name: r.name("web")})
	out := strings.Join(r.output(r.name("web")), "|")
	r.do(planner.RemoveContainer{Name: r.name("web")})
	return out
}

// A BuildKit elsewhere builds with all that a build may have, and the image is on the engine then.
func TestBuildElsewhere(t *testing.T) {
	g := newRegistryRig(t, registry.Options{})
	e := g.chooses("remote", startBuildKit(t), nil)
	base := g.base()
	dir := files(t, map[string]string{"greeting": "hello", "more/b": "2", "Dockerfile": `ARG BASE
FROM ${BASE}
ARG WHO=nobody
COPY greeting /greeting
COPY --from=more b /b
RUN --mount=type=secret,id=token echo "$WHO $(cat /greeting /b /run/secrets/token)" > /said
`})
	b := types.BuildConfig{
		Context: dir, Args: types.MappingWithEquals{"BASE": &base, "WHO": ptr("you")}, Secrets: []types.ServiceSecretConfig{{Source: "token"}},
		AdditionalContexts: types.Mapping{"more": filepath.Join(dir, "more")},
		CacheTo:            []string{"type=registry,mode=max,ref=" + g.host + "/cache"}, CacheFrom: []string{"type=registry,ref=" + g.host + "/cache"},
		Tags: []string{g.project + "-more:2"}, Labels: types.Labels{"mine": "yes"},
	}
	a := g.image(b)
	a.Secrets = []planner.File{{Key: "secrets.token", Target: "token", Content: "s3cret"}}
	t.Cleanup(func() { _ = g.Apply(context.Background(), planner.RemoveImage{Ref: g.project + "-more:2"}, nil) })
	said, err := g.builtBy(e, a)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if got := g.says(a.Ref, "cat /said"); got != "out you hello2s3cret" {
		t.Errorf("got %s", got)
	}
	is, err := g.client.ImageInspect(g.ctx, g.project+"-more:2")
	if err != nil || is.Config.Labels["mine"] != "yes" || is.Config.Labels[planner.LabelProject] != g.project {
		t.Errorf("%v %+v", err, is.Config)
	}
	again, err := g.builtBy(g.chooses("remote", startBuildKit(t), nil), a)
	if err != nil || !strings.Contains(again, "importing cache manifest from "+g.host+"/cache") || !strings.Contains(again, "CACHED") {
		t.Errorf("another one, with the cache: %v\n%s", err, again)
	}
}

// A service's image is a context of a build elsewhere, although it is on the engine only.
func TestBuildElsewhereOnAService(t *testing.T) {
	g := newRegistryRig(t, registry.Options{})
	e := g.chooses("remote", startBuildKit(t), nil)
	a := g.image(types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM base\nCOPY --from=base /nonce /again\n",
		AdditionalContexts: types.Mapping{"base": "docker-image://" + g.ref}})
	a.Bases = []string{"base"}
	said, err := g.builtBy(e, a)
	if g.isPodman() {
		told(t, err, "services.web.build.additional_contexts.base with a builder elsewhere: Podman gives images in a form*", "take the key out")
		return
	}
	if versions.LessThan(g.apiVersion(), "1.44") {
		told(t, err, "services.web.build.additional_contexts.base with a builder elsewhere needs engine API 1.44*", "update the engine*")
		return
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	was, _ := g.client.ImageInspect(g.ctx, g.ref)
	is, err := g.client.ImageInspect(g.ctx, a.Ref)
	if err != nil || len(is.RootFS.Layers) != 2 || is.RootFS.Layers[0] != was.RootFS.Layers[0] {
		t.Errorf("%v: %v is not on %v", err, is.RootFS.Layers, was.RootFS.Layers)
	}
}

// What fails elsewhere says where in the Dockerfile, and that images of the engine are not seen there.
func TestBuildElsewhereFails(t *testing.T) {
	enginetest.SameOnAny(t, "TestBuildElsewhere and TestBuildElsewhereOnAService")
	g := newRegistryRig(t, registry.Options{})
	e := g.chooses("remote", startBuildKit(t), nil)
	b := types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM scratch\nCOPY missing /\n"}
	_, err := g.builtBy(e, g.image(b))
	told(t, err, "image * of web could not be built: dockerfile_inline:2 (COPY missing /): *", "a file to COPY is not in the build context*")
	b.DockerfileInline = "FROM " + g.host + "/only/here:1\n"
	_, err = g.builtBy(e, g.image(b))
	told(t, err, "image * of web could not be built: *not found*", "the image after FROM cannot be had: * builder far does not see the engine's own images*")
	if check, err := e.CheckBuild(g.ctx, g.image(types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM scratch\nmaintainer me\n"})); err != nil || check.Warnings == 0 {
		t.Errorf("check: %+v %v", check, err)
	}
}

// freePort is a port of this machine that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// keys writes a CA and what it has signed for 127.0.0.1 into a folder.
func keys(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write := func(name, kind string, raw []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	own := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ownKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	caRaw, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	ownRaw, err := x509.CreateCertificate(rand.Reader, own, ca, &ownKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	keyRaw, err := x509.MarshalECPrivateKey(ownKey)
	if err != nil {
		t.Fatal(err)
	}
	write("ca.pem", "CERTIFICATE", caRaw)
	write("cert.pem", "CERTIFICATE", ownRaw)
	write("key.pem", "EC PRIVATE KEY", keyRaw)
	return dir
}

// A BuildKit behind TLS is reached with the keys that its builder was created with, and what is wrong with them is told.
func TestBuilderTLS(t *testing.T) {
	enginetest.SameOnAny(t, "TestBuildElsewhere")
	r := newRig(t)
	buildKitFolder(t)
	ours, others, address := keys(t), keys(t), freePort(t)
	startBuildKit(t, "--addr", "tcp://"+address, "--tlscert", ours+"/cert.pem", "--tlskey", ours+"/key.pem", "--tlscacert", ours+"/ca.pem")
	a := r.image(types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM scratch\nLABEL a=b\n"})
	options := func(ca, own string) map[string]string {
		return map[string]string{"cacert": ca + "/ca.pem", "cert": own + "/cert.pem", "key": own + "/key.pem"}
	}
	if said, err := r.builtBy(r.chooses("remote", "tcp://"+address, options(ours, ours)), a); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if _, err := r.client.ImageInspect(r.ctx, a.Ref); err != nil {
		t.Error(err)
	}
	missing := options(ours, ours)
	delete(missing, "key")
	for _, c := range []struct {
		options      map[string]string
		reason, hint string
	}{
		{options(others, ours), "its certificate is not trusted: *", "create it anew with the right --driver-opt cacert=*"},
		{options(ours, others), "it does not accept our certificate", "create it anew with --driver-opt cert=*"},
		{map[string]string{"cacert": ours + "/ca.pem"}, "it does not accept our certificate", "create it anew with --driver-opt cert=*"},
		{nil, "one side speaks TLS and the other does not", "create it anew with --driver-opt cacert=*"},
		{missing, "it has TLS, and not all of its keys: *", "*"},
		{options(ours, ours+"/none"), "no such file or directory (" + ours + "/none/cert.pem)", "*"},
	} {
		_, err := r.builtBy(r.chooses("remote", "tcp://"+address, c.options), a)
		told(t, err, "builder far (tcp://"+address+") does not answer: "+c.reason, c.hint)
	}
}

// A builder that is not there says so, and where it should be.
func TestBuilderGone(t *testing.T) {
	r := newRig(t)
	a := r.image(types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM scratch\nLABEL a=b\n"})
	socket := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct{ driver, endpoint, problem, hint string }{
		{"remote", "tcp://" + freePort(t), "builder far (tcp://127.0.0.1:*) does not answer: connection refused", "start BuildKit there, or have the engine build: BUILDX_BUILDER=default"},
		{"remote", "tcp://nowhere.invalid:1", `builder far (tcp://nowhere.invalid:1) does not answer: unknown host "nowhere.invalid"`, "look at the address*"},
		{"remote", "unix://" + socket, "builder far (unix://" + socket + ") does not answer: no such file or directory (" + socket + ")", "start BuildKit there*"},
		{"docker-container", r.host, "builder far (container buildx_buildkit_far" + r.project + ") does not answer: it is not there", "make it with `docker buildx inspect --bootstrap far`*"},
		{"remote", "docker-container://" + r.project, "builder far (docker-container://" + r.project + ") does not answer: it is not there", "*"},
		{"kubernetes", "kubernetes:///far", "builder far has driver kubernetes, which muster does not know", "make one with `docker buildx create --driver remote ADDRESS`*"},
		{"docker", "elsewhere", `there is no builder "elsewhere"`, "`docker buildx ls` shows*"},
	} {
		_, err := r.builtBy(r.chooses(c.driver, c.endpoint, nil), a)
		told(t, err, c.problem, c.hint)
	}
	e, err := Open(Options{Host: r.host, ConfigDir: t.TempDir(), Builder: "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	_, err = r.builtBy(e, a)
	told(t, err, `there is no builder "nobody"`, "`docker buildx ls` shows those that there are; *")
}

// A builder whose driver is the engine at hand is the engine's own.
func TestBuilderOfTheEngine(t *testing.T) {
	r := newRig(t)
	r.needsBuildKit()
	a := r.image(types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM " + busybox() + "\nLABEL a=b\n"}) // which only the engine has
	if said, err := r.builtBy(r.chooses("docker", r.host, nil), a); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// A BuildKit in a container is reached through it, and started where it stands still.
func TestBuilderInContainer(t *testing.T) {
	r := newRig(t)
	dir := buildKitFolder(t)
	if versions.LessThan(r.apiVersion(), "1.42") {
		t.Skip("the runtime of so old an engine gives no privileges on a new kernel")
	}
	name := "buildx_buildkit_far" + r.project
	made, err := r.client.ContainerCreate(r.ctx, &container.Config{
		Image: busybox(), Labels: map[string]string{planner.LabelProject: r.project}, Env: []string{"PATH=/bin:/kit"},
		Cmd: []string{"/kit/buildkitd", "--root", "/state", "--containerd-worker=false", "--oci-worker-snapshotter=native", "--oci-worker-net=host"},
	}, &container.HostConfig{Privileged: true, Mounts: []mount.Mount{
		{Type: mount.TypeBind, Source: dir, Target: "/kit", ReadOnly: true}, {Type: mount.TypeTmpfs, Target: "/state"},
	}}, nil, nil, name)
	if err != nil {
		t.Fatal(err)
	}
	e := r.chooses("docker-container", r.host, nil)
	a := r.image(types.BuildConfig{Context: files(t, map[string]string{"a": "1"}), DockerfileInline: "FROM scratch\nCOPY a /\nLABEL project=" + r.project + "\n"})
	for _, when := range []string{"made and not started", "running"} {
		if said, err := r.builtBy(e, a); err != nil {
			t.Fatalf("%s: %v\n%s", when, err, said)
		}
		if _, err := r.client.ImageInspect(r.ctx, a.Ref); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		r.do(planner.RemoveImage{Ref: a.Ref})
	}
	if is, err := r.client.ContainerInspect(r.ctx, made.ID); err != nil || !is.State.Running {
		t.Errorf("%v %+v", err, is.State)
	}
}

// A builder's container that ends at once, or that has no BuildKit, is told as such.
func TestBuilderContainerWithout(t *testing.T) {
	r := newRig(t)
	r.apiVersion()
	missing := "*buildctl*executable file not found*"
	if r.isPodman() {
		missing = "buildctl in container *" // it only hangs up
	}
	a := r.image(types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM scratch\nLABEL a=b\n"})
	name := "buildx_buildkit_far" + r.project
	for command, reason := range map[string]string{"exit 1": "container " + name + " has ended as soon as it was started", "sleep 1000": missing} {
		made, err := r.client.ContainerCreate(r.ctx, &container.Config{
			Image: busybox(), Labels: map[string]string{planner.LabelProject: r.project}, Cmd: []string{"sh", "-c", command},
		}, &container.HostConfig{}, nil, nil, name)
		if err != nil {
			t.Fatal(err)
		}
		if command != "exit 1" {
			if err := r.client.ContainerStart(r.ctx, made.ID, container.StartOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		_, err = r.builtBy(r.chooses("docker-container", r.host, nil), a)
		told(t, err, "builder far (container "+name+") does not answer: "+reason, "*")
		if err := r.client.ContainerRemove(r.ctx, made.ID, container.RemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
}

// A builder elsewhere sends to a registry what the engine's own store does not keep: several platforms, and attestations.
func TestBuildElsewherePushes(t *testing.T) {
	g := newRegistryRig(t, registry.Options{Login: true})
	e := g.chooses("remote", startBuildKit(t), nil)
	a := g.image(types.BuildConfig{
		Context: files(t, map[string]string{"a": "1"}), DockerfileInline: "FROM scratch\nCOPY a /\n",
		Platforms: []string{"linux/amd64", "linux/arm64"}, Provenance: "mode=max", Tags: []string{g.host + "/more:2"},
	})
	a.Ref, a.Push = g.ref, true
	g.forget()
	_, err := g.builtBy(e, a)
	told(t, err, "image * of web could not be built: failed to push *", "correct the image's name, or log in to its registry with `docker login`")
	e.config.AuthConfigs = map[string]clitypes.AuthConfig{g.host: {Username: registry.User, Password: registry.Password}}
	if said, err := g.builtBy(e, a); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if g.there() {
		t.Error("the engine has it, unasked")
	}
	for _, path := range []string{g.project + "/manifests/1", "more/manifests/2"} {
		var index struct {
			Manifests []struct {
				Platform    struct{ Architecture string }
				Annotations map[string]string
			}
		}
		g.fromRegistry(path, &index)
		var has []string
		for _, m := range index.Manifests {
			has = append(has, cmp.Or(m.Annotations["vnd.docker.reference.type"], m.Platform.Architecture))
		}
		if got := strings.Join(has, " "); got != "amd64 arm64 attestation-manifest attestation-manifest" {
			t.Errorf("%s has %s", path, got)
		}
	}
	// Without the push it would have to go into the engine's store.
	a.Push = false
	if keeps, err := g.keepsIndexes(g.ctx); err != nil || keeps {
		t.Skipf("the engine's store keeps it, too: %v", err)
	}
	_, err = g.builtBy(e, a)
	told(t, err, "*services.web.build.platforms: the engine's image store keeps one at a time; *", "take the key out")
	told(t, err, "*services.web.build.provenance: the engine's image store keeps no attestations; * muster build --push*", "*")
}

// fromRegistry reads what the registry answers to somebody with the password.
func (g *registryRig) fromRegistry(path string, to any) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.ctx, http.MethodGet, "http://"+g.host+"/v2/"+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.SetBasicAuth(registry.User, registry.Password)
	req.Header.Set("Accept", "application/vnd.oci.image.index.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(to); err != nil {
		g.t.Fatalf("%s: %s %v", path, resp.Status, err)
	}
}

// A builder whose disk is full is told as such, and not as the engine.
func TestBuilderDiskFull(t *testing.T) {
	enginetest.SameOnAny(t, "TestBuildElsewhere")
	r := newRig(t)
	e := r.chooses("remote", startBuildKit(t, "--root", smallDisk(t)), nil)
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, 32<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := r.builtBy(e, r.image(types.BuildConfig{Context: filepath.Dir(big), DockerfileInline: "FROM scratch\nCOPY big /\n"}))
	told(t, err, "image * of web could not be built: no space left on the disk of builder far", "`docker buildx du --builder far` shows what takes the space, `docker buildx prune --builder far` frees it")
}

// smallDisk is a folder that takes few megabytes.
func smallDisk(t *testing.T) string {
	t.Helper()
	buildKitFolder(t)
	dir, err := os.MkdirTemp("", "bk")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("no disk to fill: %v", err)
	}
	t.Cleanup(func() {
		_ = syscall.Unmount(dir, syscall.MNT_DETACH)
		_ = os.Remove(dir)
	})
	return dir
}
