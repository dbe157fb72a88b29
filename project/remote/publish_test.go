package remote

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/hack/registry"
)

// files are a project of two merged files, one that is extended from, and an env file.
func files() []File {
	return []File{
		{Name: "compose.yaml", Text: []byte("services:\n  web:\n    extends: {service: base, file: base-1.yaml}\n    env_file: web-2.env\n")},
		{Name: "compose.override.yaml", Text: []byte("services:\n  web:\n    image: web:2\n")},
		{Name: "base-1.yaml", Text: []byte("services:\n  base:\n    image: web:1\n"), Extends: true},
		{Name: "web-2.env", Text: []byte("A=1\n"), Env: true},
	}
}

// published sends a project and reads it back.
func published(t *testing.T, host string, how Publishing) (Copy, error) {
	t.Helper()
	to, err := Parse("oci://" + host + "/org/app:1")
	if err != nil {
		t.Fatal(err)
	}
	digest, err := Publish(t.Context(), to, files(), how)
	if err != nil {
		return Copy{}, err
	}
	c, err := Store{Dir: t.TempDir()}.Fetch(t.Context(), to, "")
	if err == nil && c.Version != digest {
		t.Errorf("Publish says that the digest is %s, the registry has %s", digest, c.Version)
	}
	return c, err
}

func TestPublishAndFetch(t *testing.T) {
	for name, format := range map[string]string{"newest": "", "1.1": "1.1", "1.0": "1.0"} {
		t.Run(name, func(t *testing.T) {
			c, err := published(t, registry.Start(t, registry.Options{}), Publishing{Format: format, Program: "muster test"})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			entries, err := os.ReadDir(c.Root)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				text, err := os.ReadFile(filepath.Join(c.Root, e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				got[e.Name()] = string(text)
			}
			f := files()
			want := map[string]string{
				"compose.yaml": string(f[0].Text) + "\n---\n" + string(f[1].Text), f[2].Name: string(f[2].Text), f[3].Name: string(f[3].Text),
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("files (- want, + got):\n%s", diff)
			}
		})
	}
}

// A registry of before OCI 1.1 refuses manifests whose configuration is of a type that it does not know.
func TestPublishToAnOldRegistry(t *testing.T) {
	old := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
				next.ServeHTTP(w, r)
				return
			}
			body := new(strings.Builder)
			var m struct{ ArtifactType string }
			copied, err := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), teeing(r, body))
			if err != nil || json.Unmarshal([]byte(body.String()), &m) != nil || m.ArtifactType != "" {
				http.Error(w, `{"errors":[{"code":"MANIFEST_INVALID"}]}`, http.StatusBadRequest)
				return
			}
			copied.Header, copied.Host = r.Header, r.Host
			next.ServeHTTP(w, copied)
		})
	}
	host := registry.Start(t, registry.Options{Front: old})
	if _, err := published(t, host, Publishing{}); err != nil {
		t.Errorf("without a format: %v", err)
	}
	if _, err := published(t, host, Publishing{Format: "1.1"}); err == nil {
		t.Error("1.1 was asked for by name, and the registry refuses it, but nothing was said")
	}
}

// teeing reads a request's body and gives it once more.
func teeing(r *http.Request, into *strings.Builder) *strings.Reader {
	buffer := make([]byte, 1<<16)
	for {
		n, err := r.Body.Read(buffer)
		into.Write(buffer[:n])
		if err != nil {
			return strings.NewReader(into.String())
		}
	}
}

func TestPublishWantsALogin(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	host := registry.Start(t, registry.Options{Login: true})
	_, err := published(t, host, Publishing{})
	var p *Problem
	if !errors.As(err, &p) || !strings.Contains(p.Text, "wants a login") || !strings.Contains(p.Hint, "docker login "+host) {
		t.Errorf("error %v, want one that names the login", err)
	}
}

// As for docker, a registry of this machine may have a certificate that nobody signed.
func TestPublishByTLS(t *testing.T) {
	if _, err := published(t, registry.Start(t, registry.Options{TLS: true}), Publishing{}); err != nil {
		t.Error(err)
	}
}

// The images that are copied can be had from the artifact's repository, by an index that refers to the project.
func TestPublishWithImages(t *testing.T) {
	host := registry.Start(t, registry.Options{})
	image, err := Parse("oci://" + host + "/lib/web:1")
	if err != nil {
		t.Fatal(err)
	}
	digest, err := Publish(t.Context(), image, []File{{Name: "x.yaml", Text: []byte("{}")}}, Publishing{}) // any manifest will do
	if err != nil {
		t.Fatal(err)
	}
	if _, err := published(t, host, Publishing{Images: []string{host + "/lib/web:1"}}); err != nil {
		t.Fatal(err)
	}
	for _, reference := range []string{host + "/org/app@" + digest} {
		r, err := Parse("oci://" + reference)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (Store{Dir: t.TempDir()}).Fetch(t.Context(), r, ""); err != nil {
			t.Errorf("%s: %v", reference, err)
		}
	}
	_, err = published(t, host, Publishing{Images: []string{host + "/lib/none:1"}})
	if err == nil || !strings.Contains(err.Error(), "lib/none") {
		t.Errorf("error %v, want one that names the image that is not there", err)
	}
}
