package docker

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/versions"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker/buildkit"
)

// files writes a folder of the test's own.
func files(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// image is a build of a service under a name of the test's own, which is removed at its end.
func (r *rig) image(b types.BuildConfig) planner.BuildImage {
	ref := r.project + "-web"
	r.t.Cleanup(func() {
		_, _ = r.client.ImageRemove(r.t.Context(), ref, image.RemoveOptions{Force: true})
	})
	return planner.BuildImage{
		Ref: ref, Service: "web", Labels: map[string]string{planner.LabelProject: r.project},
		Spec: project.Service{Name: "web", WorkloadSpec: types.WorkloadSpec{Build: &b}},
	}
}

// needsBuildKit skips on an engine that has none.
func (r *rig) needsBuildKit() {
	r.t.Helper()
	if r.isPodman() {
		r.t.Skip("Podman has no BuildKit")
	}
}

func TestBuildImage(t *testing.T) {
	r := newRig(t)
	r.needsBuildKit()
	dir := files(t, map[string]string{
		"greeting": "hello", "hidden": "no", ".dockerignore": "hidden\n",
		"Dockerfile": `ARG BASE
FROM ${BASE} AS base
ARG WHO=nobody
COPY . /ctx/
RUN --mount=type=secret,id=token echo "$WHO $(cat /ctx/greeting) $(cat /run/secrets/token)" > /said; ls -A /ctx > /list
FROM base AS unused
RUN false
`})
	a := r.image(types.BuildConfig{
		Context: dir, Target: "base", Labels: types.Labels{"mine": "yes"}, NoCache: true,
		Args:    types.MappingWithEquals{"BASE": ptr(busybox()), "WHO": ptr("you"), "NEVER": nil},
		Secrets: []types.ServiceSecretConfig{{Source: "token"}},
		Tags:    []string{r.project + "-more:2"},
	})
	a.Secrets = []planner.File{{Key: "secrets.token", Target: "token", Content: "s3cret"}}
	t.Cleanup(func() {
		_, _ = r.client.ImageRemove(t.Context(), r.project+"-more:2", image.RemoveOptions{Force: true})
	})
	var lines []string
	var last runner.Progress
	err := r.Apply(r.ctx, a, func(p runner.Progress) {
		if p.Line != "" {
			lines = append(lines, p.Line)
			return
		}
		last = p
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
	}
	if text := strings.Join(lines, "\n"); !strings.Contains(text, "COPY . /ctx/") || strings.Contains(text, "s3cret") {
		t.Errorf("progress:\n%s", text)
	}
	if last.Total == 0 || last.Current != last.Total {
		t.Errorf("last step: %+v", last)
	}
	state, err := r.Observe(r.ctx, planner.Scope{Project: r.project, Images: []string{a.Ref, r.project + "-more:2"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(state.Images) != 1 || state.Images[0].Labels["mine"] != "yes" || state.Images[0].Labels[planner.LabelProject] != r.project {
		t.Errorf("images: %+v", state.Images)
	}
	r.do(r.shell("web", "cat /said /list", func(c *planner.CreateContainer) { c.Image = a.Ref }), planner.StartContainer{Name: r.name("web")})
	got := strings.Join(r.output(r.name("web")), "|")
	if want := "out you hello s3cret|out .dockerignore|out Dockerfile|out greeting"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBuildInlineFromScratch(t *testing.T) {
	r := newRig(t)
	r.needsBuildKit()
	dir := files(t, map[string]string{"a": "1", "more/b": "2"})
	config := types.BuildConfig{Context: dir, DockerfileInline: "FROM scratch\nCOPY a /a\n"}
	r.do(r.image(config))
	config.DockerfileInline += "COPY --from=other b /b\nCOPY --from=base /bin/busybox /busybox\n"
	config.AdditionalContexts = types.Mapping{"other": filepath.Join(dir, "more"), "base": "docker-image://" + busybox()}
	a := r.image(config)
	if r.refuses(a, "services.web.build.additional_contexts", "1.42") {
		return
	}
	r.do(a)
	if _, err := r.client.ImageInspect(r.ctx, a.Ref); err != nil {
		t.Error(err)
	}
}

// The image that a build takes the name from is still there afterwards, without one, on every kind of store: containers
// run it, and a rollback goes back to it.
func TestBuildKeepsWhatItReplaces(t *testing.T) {
	r := newRig(t)
	r.needsBuildKit()
	made := func(text string) string {
		t.Helper()
		a := r.image(types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM " + busybox() + "\nRUN " + text + "\n"})
		if err := r.Apply(r.ctx, a, nil); (err != nil) != (text == "false") {
			t.Fatal(err)
		}
		is, err := r.client.ImageInspect(r.ctx, a.Ref)
		if err != nil {
			t.Fatal(err)
		}
		return is.ID
	}
	first := made("echo " + r.project)
	t.Cleanup(func() { _, _ = r.client.ImageRemove(t.Context(), first, image.RemoveOptions{}) })
	second := made("echo 2" + r.project)
	if first == second || made("echo 2"+r.project) != second || made("false") != second {
		t.Fatalf("the images are %s and %s", first, second)
	}
	for id, names := range map[string]int{first: 0, second: 1} {
		is, err := r.client.ImageInspect(r.ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if len(is.RepoTags) != names {
			t.Errorf("%s is called %q", id, is.RepoTags)
		}
	}
	left, err := r.Leftovers(r.ctx, r.project)
	if err != nil || len(left) != 1 || left[0] != first {
		t.Errorf("left over are %q, %v", left, err)
	}
}

// A list of what is in an image, and what it was made from, go with it where the engine's store keeps such things.
func TestBuildAttests(t *testing.T) {
	r := newRig(t)
	r.needsBuildKit()
	if keeps, err := r.keepsIndexes(r.ctx); err != nil || !keeps {
		t.Skipf("the engine's image store keeps no attestations (%v)", err)
	}
	scan := r.image(types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM " + busybox() + `
CMD ["sh", "-c", "echo '{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"predicateType\":\"https://spdx.dev/Document\",\"predicate\":{\"name\":\"all of it\"}}' > $BUILDKIT_SCAN_DESTINATION/x.spdx.json"]
`})
	scan.Ref = r.project + "-scanner:1"
	t.Cleanup(func() {
		_, _ = r.client.ImageRemove(t.Context(), scan.Ref, image.RemoveOptions{Force: true})
	})
	r.do(scan)
	b := types.BuildConfig{
		Context: t.TempDir(), DockerfileInline: "FROM " + busybox() + "\nRUN echo " + r.project + "\n",
		Provenance: "mode=max", SBOM: "generator=" + scan.Ref,
	}
	a := r.image(b)
	r.do(a)
	archive, err := r.client.ImageSave(r.ctx, []string{a.Ref})
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(archive)
	_ = archive.Close()
	if err != nil || !strings.Contains(string(all), `{"name":"all of it"}`) || !strings.Contains(string(all), "slsa.dev/provenance") {
		t.Errorf("the image has no list, or no provenance: %v", err)
	}
	b.SBOM = "generator=127.0.0.1:1/scanner:1"
	told(t, r.Apply(r.ctx, r.image(b), nil), "image "+a.Ref+" of web could not be built: *127.0.0.1:1/scanner*",
		"the scanner that services.web.build.sbom wants, 127.0.0.1:1/scanner:1, cannot be had: *")
}

func TestBuildFailureNamesTheLine(t *testing.T) {
	r := newRig(t)
	dir := files(t, map[string]string{"Dockerfile": "FROM " + busybox() + "\nRUN echo here && exit 3\n"})
	err := r.Apply(r.ctx, r.image(types.BuildConfig{Context: dir}), nil)
	if versions.LessThan(r.apiVersion(), "1.42") || r.isPodman() { // does not say where
		if err == nil || !strings.Contains(err.Error(), "exit 3") {
			t.Errorf("%v", err)
		}
		return
	}
	var failure *buildkit.Failure
	if !errors.As(err, &failure) || failure.Line != 2 || !strings.Contains(err.Error(), "Dockerfile:2 (RUN echo here && exit 3): ") || !strings.Contains(err.Error(), "exit code: 3") {
		t.Errorf("%v", err)
	}
}

func TestClassicBuild(t *testing.T) {
	r := newRig(t)
	dir := files(t, map[string]string{"ctx/greeting": "hello", "ctx/hidden": "no", "ctx/.dockerignore": "hidden\nDockerfile\n",
		"ctx/Dockerfile":  "FROM " + busybox() + "\nCOPY . /ctx/\n",
		"Dockerfile.else": "FROM " + busybox() + "\nCOPY greeting /ctx/\n"})
	for _, dockerfile := range []string{"", "../Dockerfile.else"} {
		a := r.image(types.BuildConfig{Context: filepath.Join(dir, "ctx"), Dockerfile: dockerfile})
		b := builder{action: a, api: r.apiVersion()}
		req, err := b.request()
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		if err := r.classicBuild(r.ctx, "web", req, func(p runner.Progress) { lines = append(lines, p.Line) }); err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
		}
		r.do(r.shell("web", "ls -A /ctx", func(c *planner.CreateContainer) { c.Image = a.Ref }), planner.StartContainer{Name: r.name("web")})
		got := strings.Join(r.output(r.name("web")), "|")
		want := map[string]string{"": "out .dockerignore|out greeting", "../Dockerfile.else": "out greeting"}[dockerfile]
		if got != want {
			t.Errorf("%q: got %s, want %s", dockerfile, got, want)
		}
		r.do(planner.RemoveContainer{Name: r.name("web")})
	}
}

// What cannot be built is refused by the name of its key.
func TestBuildRefuses(t *testing.T) {
	dir := files(t, map[string]string{"Dockerfile": "FROM scratch\n"})
	for key, change := range map[string]func(*types.BuildConfig){
		"additional_contexts.x": func(b *types.BuildConfig) { b.AdditionalContexts = types.Mapping{"x": "service:db"} },
		"extra_hosts":           func(b *types.BuildConfig) { b.ExtraHosts = types.HostsList{"h": {"host-gateway"}} },
		"isolation":             func(b *types.BuildConfig) { b.Isolation = "hyperv" },
		"network":               func(b *types.BuildConfig) { b.Network = "front" },
		"platforms":             func(b *types.BuildConfig) { b.Platforms = []string{"linux/amd64", "linux/arm64"} },
		"provenance":            func(b *types.BuildConfig) { b.Provenance = "true" },
		"sbom":                  func(b *types.BuildConfig) { b.SBOM = "true" },
		"secrets":               func(b *types.BuildConfig) { b.Secrets = []types.ServiceSecretConfig{{Source: "s"}} },
	} {
		config := types.BuildConfig{Context: dir}
		change(&config)
		b := builder{api: "1.51", action: planner.BuildImage{Service: "web", Spec: project.Service{WorkloadSpec: types.WorkloadSpec{Build: &config}}}}
		_, err := b.request()
		var unsupported *UnsupportedError
		if !errors.As(err, &unsupported) || unsupported.Key != "services.web.build."+key {
			t.Errorf("%s: %v", key, err)
		}
	}
}
