package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/docker/cli/cli/config/configfile"
	clitypes "github.com/docker/cli/cli/config/types"
	"github.com/docker/docker/api/types/image"

	"github.com/musterhq/muster/hack/registry"
	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// registryRig is an engine with a registry, which has an image of the test's own unless it is not to be had.
type registryRig struct {
	*rig
	engine    *Engine
	host, ref string
	lines     []string // that the last transfer had
}

// newRegistryRig starts a registry. Engines use those of this machine without TLS, or with any certificate.
func newRegistryRig(t *testing.T, o registry.Options) *registryRig {
	t.Helper()
	return newRig(t).withRegistry(registry.Start(t, o))
}

// withRegistry gives a rig a registry, and an image of its own to send there.
func (r *rig) withRegistry(host string) *registryRig {
	r.t.Helper()
	if err := r.connect(r.ctx); err != nil { // before its client is used itself
		r.t.Fatal(err)
	}
	g := &registryRig{rig: r, host: host, ref: host + "/" + r.project + ":1"}
	g.engine = &Engine{client: r.client, host: r.host, config: &configfile.ConfigFile{}, info: r.info}
	g.make()
	return g
}

// make puts an image onto the engine that nobody else has.
func (g *registryRig) make() {
	g.t.Helper()
	var archive bytes.Buffer
	files := tar.NewWriter(&archive)
	if err := errors.Join(pack(files, tar.Header{Typeflag: tar.TypeReg, Name: "nonce", Mode: 0o600}, []byte(g.ref)), files.Close()); err != nil {
		g.t.Fatal(err)
	}
	answer, err := g.client.ImageImport(g.ctx, image.ImportSource{Source: &archive, SourceName: "-"}, g.ref, image.ImportOptions{})
	if err == nil {
		err = readProgress(answer, func(runner.Progress) {})
		_ = answer.Close()
	}
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(g.forget)
}

// login has docker's configuration know a password.
func (g *registryRig) login(password string) {
	g.engine.config.AuthConfigs = map[string]clitypes.AuthConfig{g.host: {Username: registry.User, Password: password}}
}

// forget removes the image from the engine.
func (g *registryRig) forget() {
	_, _ = g.client.ImageRemove(context.Background(), g.ref, image.RemoveOptions{})
}

func (g *registryRig) apply(a planner.Action) error {
	g.lines = nil
	return g.engine.Apply(g.ctx, a, func(p runner.Progress) {
		if p.Line != "" {
			g.lines = append(g.lines, p.Line)
		}
	})
}

func (g *registryRig) push() error {
	return g.apply(planner.PushImage{Ref: g.ref, Services: []string{"web"}})
}

func (g *registryRig) pull() error {
	return g.apply(planner.PullImage{Ref: g.ref, Services: []string{"web"}})
}

// pushed puts the image into the registry and removes it from the engine.
func (g *registryRig) pushed() {
	g.t.Helper()
	if err := g.push(); err != nil {
		g.t.Fatal(err)
	}
	g.forget()
}

// there says whether the engine has the image.
func (g *registryRig) there() bool {
	_, err := g.client.ImageInspect(g.ctx, g.ref)
	return err == nil
}

// An image goes to a registry and comes back, with its layers reported, to and from every kind of registry.
func TestPushAndPull(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]registry.Options{"open": {}, "login": {Login: true}, "TLS": {TLS: true}, "TLS and login": {TLS: true, Login: true}} {
		t.Run(name, func(t *testing.T) {
			g := newRegistryRig(t, o)
			g.login(registry.Password)
			g.pushed()
			layers := map[string]bool{}
			err := g.engine.Apply(g.ctx, planner.PullImage{Ref: g.ref, Services: []string{"web"}}, func(p runner.Progress) {
				if p.ID != "" {
					layers[p.ID] = true
				}
			})
			if err != nil || !g.there() || len(layers) == 0 {
				t.Errorf("%v; there: %v; layers: %v", err, g.there(), layers)
			}
		})
	}
}

// Without the right login neither goes, and the error says what to do.
func TestRegistryRefuses(t *testing.T) {
	t.Parallel()
	for name, password := range map[string]string{"no login": "", "wrong password": "guess"} {
		t.Run(name, func(t *testing.T) {
			g := newRegistryRig(t, registry.Options{Login: true})
			g.login(registry.Password)
			if err := g.push(); err != nil {
				t.Fatal(err)
			}
			if g.login(password); password == "" {
				g.engine.config.AuthConfigs = nil
			}
			told(t, g.push(), "image "+g.ref+" could not be pushed: "+g.host+" does not let you write there", "log in with `docker login "+g.host+"`*")
			g.forget()
			told(t, g.pull(), "image "+g.ref+" could not be pulled: authentication required", "log in with `docker login "+g.host+"`")
			if len(g.lines) > 0 {
				t.Errorf("it was tried again: %q", g.lines)
			}
		})
	}
}

// What is not there is said to be not there, and where nobody answers that is said.
func TestPullOfNothing(t *testing.T) {
	g := newRegistryRig(t, registry.Options{})
	g.pushed()
	told(t, g.apply(planner.PullImage{Ref: g.ref + "9", Services: []string{"web"}}),
		"image "+g.ref+"9 could not be pulled: there is no such tag or image at "+g.host, "correct services.web.image")
	told(t, g.apply(planner.PullImage{Ref: "127.0.0.1:1/x:1", Services: []string{"web"}}),
		"image 127.0.0.1:1/x:1 could not be pulled: 127.0.0.1:1 does not answer", "look at the engine's network and proxy*")
	told(t, g.push(), "image "+g.ref+" could not be pushed: it is not on the engine", "build it with `muster build web`")
	if len(g.lines) > 0 {
		t.Errorf("it was tried again: %q", g.lines)
	}
}

// trouble stands before a registry and fails some requests.
type trouble struct {
	mu    sync.Mutex
	fails int // how often; negative: always
	when  func(*http.Request) bool
	how   func(http.ResponseWriter)
}

func (tr *trouble) front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr.mu.Lock()
		fail := tr.fails != 0 && tr.when(r)
		if fail {
			tr.fails--
		}
		tr.mu.Unlock()
		if fail {
			tr.how(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// begin has requests fail from now on.
func (tr *trouble) begin(times int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.fails = times
}

func hangUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func busy(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }

func anything(*http.Request) bool { return true }

func aboutTag(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }

// afterManifest are the requests that come next in a pull. Docker's own store, which calls an image by the digest of its settings,
// tries layers again for itself and for long, so there it is the settings alone.
func (g *registryRig) afterManifest() func(*http.Request) bool {
	g.t.Helper()
	made, err := g.client.ImageInspect(g.ctx, g.ref)
	if err != nil {
		g.t.Fatal(err)
	}
	part := "/blobs/"
	if keeps, err := g.keepsIndexes(g.ctx); err != nil {
		g.t.Fatal(err)
	} else if !keeps {
		part += made.ID
	}
	return func(r *http.Request) bool { return r.Method == http.MethodGet && strings.Contains(r.URL.Path, part) }
}

// A registry that is gone for a moment is asked again; one that stays away is told about.
func TestRegistryGone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		when    func(*http.Request) bool // nil: for what comes after the manifest
		how     func(http.ResponseWriter)
		times   int
		again   string // what is said before it is tried again
		problem string // of the error; empty: it works
	}{
		// An engine asks twice what a tag means, and a connection that was hung up on it opens anew some times.
		{"busy for a moment", aboutTag, busy, 2, "503 Service Unavailable", ""},
		{"busy", anything, busy, -1, "503 Service Unavailable", "*has trouble of its own*503*"},
		{"gone in the middle for a moment", nil, hangUp, 6, "EOF", ""},
		{"gone in the middle", nil, hangUp, -1, "EOF", "*does not answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := &trouble{when: c.when, how: c.how}
			g := newRegistryRig(t, registry.Options{Front: tr.front})
			if tr.when == nil {
				tr.when = g.afterManifest()
			}
			g.pushed()
			tr.begin(c.times)
			err := g.pull()
			// Podman itself tries again, so what lasts only a moment is not noticed.
			if text := strings.Join(g.lines, "\n"); (!g.isPodman() || c.problem != "") && (!strings.Contains(text, c.again) || !strings.Contains(text, "trying again in 500ms")) {
				t.Errorf("said %q", text)
			}
			if c.problem != "" {
				told(t, err, "image "+g.ref+" could not be pulled: "+c.problem, "*")
				return
			}
			if err != nil || !g.there() {
				t.Errorf("%v; there: %v", err, g.there())
			}
		})
	}
}

// A tag's digest is asked of the registry, with docker's login.
func TestDigest(t *testing.T) {
	g := newRegistryRig(t, registry.Options{Login: true})
	if _, err := g.engine.Digest(g.ctx, g.ref); !g.isPodman() && (err == nil || !strings.Contains(err.Error(), "look up")) {
		t.Errorf("without a login: %v", err)
	}
	g.login(registry.Password)
	g.pushed()
	if g.isPodman() {
		_, err := g.engine.Digest(g.ctx, g.ref)
		told(t, err, "Podman does not ask registries what "+g.ref+" is now", "pull it first*")
		return
	}
	digest, err := g.engine.Digest(g.ctx, g.ref)
	if err != nil || !strings.HasPrefix(digest, "sha256:") {
		t.Fatalf("%q, %v", digest, err)
	}
	named := planner.PullImage{Ref: g.host + "/" + g.project + "@" + digest, Services: []string{"web"}}
	t.Cleanup(func() { _, _ = g.client.ImageRemove(context.Background(), named.Ref, image.RemoveOptions{}) })
	if err := g.apply(named); err != nil {
		t.Error(err)
	}
}

// The login may be kept by a helper; one that fails is named.
func TestCredentialHelper(t *testing.T) {
	const helper = "#!/bin/sh\ncat > /dev/null\necho '{\"Username\":\"" + registry.User + "\",\"Secret\":\"" + registry.Password + "\"}'\n"
	dir := t.TempDir()
	for name, text := range map[string]string{"keeps": helper, "fails": "#!/bin/sh\necho the keyring is locked\nexit 1\n"} {
		if err := os.WriteFile(filepath.Join(dir, "docker-credential-muster-"+name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	host := enginetest.Host(t)
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH")) // so it cannot be parallel
	at := registry.Start(t, registry.Options{Login: true})
	g := openRig(t, host).withRegistry(at)
	g.engine.config.CredentialHelpers = map[string]string{at: "muster-keeps"}
	g.pushed()
	if err := g.pull(); err != nil {
		t.Error(err)
	}
	g.engine.config.CredentialHelpers[at] = "muster-fails"
	told(t, g.pull(), "the credentials for "+at+" cannot be read: *the keyring is locked*", "look at credsStore and credHelpers in *")
}

// When an image was last pulled is known to the engine also where a pull found nothing new, so that a period begins anew.
func TestPullIsNoted(t *testing.T) {
	g := newRegistryRig(t, registry.Options{})
	g.pushed()
	fetched := func() planner.Image {
		t.Helper()
		if err := g.pull(); err != nil {
			t.Fatal(err)
		}
		have, err := g.Observe(g.ctx, planner.Scope{Project: g.project, Images: []string{g.ref}, Aged: []string{g.ref, "not/there:1"}})
		if err != nil || len(have.Images) != 1 {
			t.Fatalf("%+v, %v", have.Images, err)
		}
		return have.Images[0]
	}
	first, again := fetched(), fetched()
	if g.isPodman() {
		t.Skip("Podman does not note when it pulled an image")
	}
	if first.ID != again.ID || first.Fetched.IsZero() || !again.Fetched.After(first.Fetched) {
		t.Errorf("first %s %v, then %s %v", first.ID, first.Fetched, again.ID, again.Fetched)
	}
	have, err := g.Observe(g.ctx, planner.Scope{Project: g.project, Images: []string{g.ref}})
	if err != nil || len(have.Images) != 1 || !have.Images[0].Fetched.IsZero() {
		t.Errorf("asked for an age that nobody wants: %+v, %v", have.Images, err)
	}
}
