package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// artifacts is a registry with one name, org/app.
type artifacts struct {
	blobs     map[string]string
	manifests map[string]string // by tag and digest
	asked     int
	login     bool
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

type layer struct{ kind, text, title, name string }

// publish adds an artifact and gives its digest.
func (a *artifacts) publish(t *testing.T, tag, artifactType string, layers ...layer) string {
	t.Helper()
	list := []map[string]any{}
	for _, l := range layers {
		a.blobs[digestOf(l.text)] = l.text
		entry := map[string]any{"mediaType": l.kind, "digest": digestOf(l.text), "size": len(l.text), "annotations": map[string]string{l.title: l.name}}
		if l.title == fileTitle && l.name != "compose.yaml" {
			entry["annotations"] = map[string]string{l.title: l.name, extendsTitle: "true"}
		}
		list = append(list, entry)
	}
	data, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": artifactType,
		"config": map[string]any{"mediaType": configType, "digest": digestOf("{}"), "size": 2}, "layers": list})
	if err != nil {
		t.Fatal(err)
	}
	a.manifests[tag], a.manifests[digestOf(string(data))] = string(data), string(data)
	return digestOf(string(data))
}

func (a *artifacts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked++
	if a.login {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
		return
	}
	kind, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/org/app/"), "/")
	text, ok := a.blobs[key]
	if kind == "manifests" {
		text, ok = a.manifests[key]
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Docker-Content-Digest", digestOf(text))
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	_, _ = w.Write([]byte(text))
}

func serve(t *testing.T) (*artifacts, string) {
	t.Helper()
	a := &artifacts{blobs: map[string]string{}, manifests: map[string]string{}}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return a, "oci://" + strings.TrimPrefix(server.URL, "http://") + "/org/app"
}

func TestFetchArtifact(t *testing.T) {
	a, address := serve(t)
	digest := a.publish(t, "1", projectType,
		layer{fileType, "services: {web: {image: web}}\n", fileTitle, "compose.yaml"},
		layer{fileType, "services: {web: {restart: always}}\n", fileTitle, "compose.yaml"},
		layer{fileType, "services: {base: {image: b}}\n", fileTitle, "base.yaml"},
		layer{envFileType, "A=1\n", envFileTitle, "web.env"},
		layer{"application/vnd.example.later", "?", "x", "y"})
	s := Store{Dir: t.TempDir()}
	got, err := fetch(t, s, address+":1", "")
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != digest || filepath.Base(got.Root) != "app" {
		t.Errorf("%+v, want version %s in folder app", got, digest)
	}
	for name, want := range map[string]string{
		"compose.yaml": "services: {web: {image: web}}\n\n---\nservices: {web: {restart: always}}\n",
		"base.yaml":    "services: {base: {image: b}}\n", "web.env": "A=1\n",
	} {
		if data, err := os.ReadFile(filepath.Join(got.Root, name)); string(data) != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, data, err, want)
		}
	}
	asked := a.asked
	if again, err := fetch(t, s, address+":1", digest); again != got || err != nil || a.asked != asked {
		t.Errorf("pinned: %+v, %v, %d further requests", again, err, a.asked-asked)
	}
	if again, err := fetch(t, s, address+"@"+digest, ""); again != got || err != nil || a.asked != asked {
		t.Errorf("by digest: %+v, %v, %d further requests", again, err, a.asked-asked)
	}
}

func TestFetchArtifactRefuses(t *testing.T) {
	a, address := serve(t)
	a.publish(t, "image", "application/vnd.docker.container", layer{fileType, "x", fileTitle, "compose.yaml"})
	a.publish(t, "out", projectType, layer{fileType, "x", fileTitle, "compose.yaml"}, layer{envFileType, "X=1", envFileTitle, "../x.env"})
	a.publish(t, "absolute", projectType, layer{fileType, "x", fileTitle, "compose.yaml"}, layer{fileType, "y", fileTitle, "/etc/x"})
	a.publish(t, "empty", projectType)
	a.publish(t, "forged", projectType, layer{fileType, "good", fileTitle, "compose.yaml"})
	a.blobs[digestOf("good")] = "evil"
	for tag, want := range map[string]string{
		"nothing": "has no such version", "image": "is no Compose project but application/vnd.docker.container", "out": `"../x.env"`,
		"absolute": `"/etc/x"`, "empty": "has no Compose file", "forged": "mismatch",
	} {
		if got, err := fetch(t, Store{Dir: t.TempDir()}, address+":"+tag, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", tag, got, err, want)
		}
	}
	a.login = true
	_, err := fetch(t, Store{Dir: t.TempDir()}, address+":1", "")
	var p *Problem
	if !errors.As(err, &p) || !strings.Contains(p.Hint, "docker login") {
		t.Errorf("with a login: %v, want the hint to log in", err)
	}
}
