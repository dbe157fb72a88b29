//go:build unix

package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// projectRegistry is a registry on this machine that has one Compose project.
type projectRegistry struct {
	mu    sync.Mutex
	files map[string]string // blobs and manifests by digest, and the manifest by its tag
}

func sumOf(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }

// publish puts a version of the project there.
func (p *projectRegistry) publish(compose string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
"artifactType":"application/vnd.docker.compose.project",
"config":{"mediaType":"application/vnd.docker.compose.config.empty.v1+json","digest":%q,"size":2},
"layers":[{"mediaType":"application/vnd.docker.compose.file+yaml","digest":%q,"size":%d,"annotations":{"com.docker.compose.file":"compose.yaml"}}]}`,
		sumOf("{}"), sumOf(compose), len(compose))
	p.files[sumOf(compose)], p.files[sumOf(manifest)], p.files["1"] = compose, manifest, manifest
}

func (p *projectRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, known := p.files[path.Base(r.URL.Path)]
	if !known {
		http.NotFound(w, r)
		return
	}
	if strings.Contains(r.URL.Path, "/manifests/") {
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Docker-Content-Digest", sumOf(text))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	_, _ = w.Write([]byte(text))
}

// TestTerminalConfirmsRemoteFiles: who has not agreed to files from elsewhere is asked, once for each version, and no is the
// answer unless it is yes.
func TestTerminalConfirmsRemoteFiles(t *testing.T) {
	p := &projectRegistry{files: map[string]string{sumOf("{}"): "{}"}}
	p.publish("services: {db: {image: postgres:17}}\n")
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	file := "include: ['oci://" + strings.TrimPrefix(server.URL, "http://") + "/org/app:1']\nservices: {web: {image: web}}\n"
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	t.Setenv("MUSTER_ALLOW_REMOTE", "")
	muster := func(args ...string) *typist { return atTerminal(t, "unix:///nowhere", "shop", dir, args...) }

	u := muster("config", "--services")
	u.sees("compose.yaml:1:11  oci://")
	u.sees("comes from elsewhere. What it says will run on this machine. Read it? [y/N] ")
	u.typed("\r")
	u.sees("was not agreed to")
	if code := u.code(); code != exitFailed {
		t.Errorf("no: exit code %d: %s", code, u.all())
	}
	u = muster("config", "--services")
	u.sees("[y/N] ")
	u.typed("y\r")
	u.sees("db\r\nweb")
	if code := u.code(); code != 0 {
		t.Errorf("yes: exit code %d: %s", code, u.all())
	}
	u = muster("config", "--services")
	u.sees("db\r\nweb")
	if code := u.code(); code != 0 || strings.Contains(u.all(), "[y/N]") {
		t.Errorf("agreed to already: exit code %d: %s", code, u.all())
	}
	p.publish("services: {db: {image: postgres:18}}\n")
	u = muster("config", "--images", "--refresh-remotes")
	u.sees("It has changed, from ")
	u.sees("Take the new version? [y/N] ")
	u.typed("yes\r")
	u.sees("postgres:18")
	if code := u.code(); code != 0 {
		t.Errorf("the new version: exit code %d: %s", code, u.all())
	}
}
