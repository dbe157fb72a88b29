package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"

	"github.com/musterhq/muster/planner"
)

// registryOfOne is a registry on this machine that has one image, with nothing in it. Engines take those without TLS.
func registryOfOne(t *testing.T) string {
	t.Helper()
	const manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	var layer bytes.Buffer
	if err := tar.NewWriter(&layer).Close(); err != nil {
		t.Fatal(err)
	}
	blobs := map[string][]byte{}
	add := func(kind string, text []byte) map[string]any {
		name := "sha256:" + digest(string(text))
		blobs[name] = text
		return map[string]any{"mediaType": kind, "digest": name, "size": len(text)}
	}
	config := add("application/vnd.docker.container.image.v1+json", fmt.Appendf(nil,
		`{"architecture":"amd64","os":"linux","config":{"Labels":{"of":%q}},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}`, t.Name(), digest(layer.String())))
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": manifestType, "config": config,
		"layers": []any{add("application/vnd.docker.image.rootfs.diff.tar", layer.Bytes())}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, known := blobs[path.Base(r.URL.Path)]
		if strings.Contains(r.URL.Path, "/manifests/") {
			text, known = manifest, true
			w.Header().Set("Content-Type", manifestType)
			w.Header().Set("Docker-Content-Digest", "sha256:"+digest(string(manifest)))
		}
		if !known && r.URL.Path != "/v2/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		_, _ = w.Write(text)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// When an image was last pulled is known to the engine also where a pull found nothing new, so that a period begins anew.
func TestPullIsNoted(t *testing.T) {
	r := newRig(t)
	if r.isPodman() {
		t.Skip("podman takes no registry without TLS")
	}
	ref := registryOfOne(t) + "/" + r.project + ":1"
	fetched := func() planner.Image {
		t.Helper()
		r.do(planner.PullImage{Ref: ref, Services: []string{"web"}})
		have, err := r.Observe(r.ctx, planner.Scope{Project: r.project, Images: []string{ref}, Aged: []string{ref, "not/there:1"}})
		if err != nil || len(have.Images) != 1 {
			t.Fatalf("%+v, %v", have.Images, err)
		}
		return have.Images[0]
	}
	first := fetched()
	t.Cleanup(func() { _, _ = r.client.ImageRemove(context.Background(), ref, image.RemoveOptions{}) })
	again := fetched()
	if first.ID != again.ID || first.Fetched.IsZero() || !again.Fetched.After(first.Fetched) {
		t.Errorf("first %s %v, then %s %v", first.ID, first.Fetched, again.ID, again.Fetched)
	}
	have, err := r.Observe(r.ctx, planner.Scope{Project: r.project, Images: []string{ref}})
	if err != nil || len(have.Images) != 1 || !have.Images[0].Fetched.IsZero() {
		t.Errorf("asked for an age that nobody wants: %+v, %v", have.Images, err)
	}
}
