package docker

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/docker/cli/cli/config/configfile"
	clitypes "github.com/docker/cli/cli/config/types"
	"github.com/docker/docker/api/types/image"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// testRegistry takes what is pushed. With a user only who says user:secret may.
type testRegistry struct {
	user string

	mu        sync.Mutex
	uploads   int
	blobs     map[string][]byte // by digest; by path while they come
	manifests map[string][]byte // by repository and tag
}

func (g *testRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.user != "" && r.Header.Get("Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(g.user+":secret")) {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch at := r.URL.Path; {
	case at == "/v2/":
	case strings.HasSuffix(at, "/blobs/uploads/"):
		g.uploads++
		w.Header().Set("Location", fmt.Sprintf("%s%d", at, g.uploads))
		w.WriteHeader(http.StatusAccepted)
	case strings.Contains(at, "/blobs/uploads/") && r.Method == http.MethodPatch:
		g.blobs[at] = append(g.blobs[at], text...)
		w.Header().Set("Location", at)
		w.Header().Set("Range", fmt.Sprintf("0-%d", len(g.blobs[at])-1))
		w.WriteHeader(http.StatusAccepted)
	case strings.Contains(at, "/blobs/uploads/"):
		name := r.URL.Query().Get("digest")
		g.blobs[name] = append(g.blobs[at], text...)
		w.Header().Set("Docker-Content-Digest", name)
		w.WriteHeader(http.StatusCreated)
	case strings.Contains(at, "/manifests/") && r.Method == http.MethodPut:
		g.manifests[at] = text
		w.Header().Set("Docker-Content-Digest", "sha256:"+digest(string(text)))
		w.WriteHeader(http.StatusCreated)
	case g.blobs[path.Base(at)] != nil:
		w.Header().Set("Content-Length", fmt.Sprint(len(g.blobs[path.Base(at)])))
	default:
		http.NotFound(w, r)
	}
}

// serve starts a registry and gives its host; engines take those of this machine without TLS.
func (g *testRegistry) serve(t *testing.T) string {
	g.blobs, g.manifests = map[string][]byte{}, map[string][]byte{}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestPush(t *testing.T) {
	r := newRig(t)
	if r.isPodman() {
		t.Skip("podman takes no registry without TLS")
	}
	for _, c := range []struct {
		name, user, login string
		problem           string // empty: it works
	}{
		{"open", "", "", ""},
		{"logged in", "me", "me", ""},
		{"not logged in", "me", "", "does not let you write there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &testRegistry{user: c.user}
			host := g.serve(t)
			ref := host + "/" + r.project + ":1"
			if err := r.client.ImageTag(r.ctx, busybox(), ref); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _, _ = r.client.ImageRemove(context.Background(), ref, image.RemoveOptions{}) })
			e := &Engine{client: r.client, host: r.host, config: &configfile.ConfigFile{}, info: r.info}
			if c.login != "" {
				e.config.AuthConfigs = map[string]clitypes.AuthConfig{host: {Username: c.login, Password: "secret"}}
			}
			err := e.Apply(r.ctx, planner.PushImage{Ref: ref, Services: []string{"web"}}, nil)
			if c.problem != "" {
				var hint runner.Hinter
				if err == nil || !strings.Contains(err.Error(), c.problem) || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "docker login "+host) {
					t.Errorf("got %v, want %q and a hint to log in", err, c.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if g.manifests["/v2/"+r.project+"/manifests/1"] == nil {
				t.Errorf("the registry has %d manifests and not ours", len(g.manifests))
			}
		})
	}
	t.Run("not there", func(t *testing.T) {
		err := r.Apply(r.ctx, planner.PushImage{Ref: "127.0.0.1:1/nothing:1", Services: []string{"web"}}, nil)
		if err == nil || !strings.Contains(err.Error(), "it is not on the engine") {
			t.Errorf("got %v", err)
		}
	})
}
