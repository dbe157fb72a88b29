package docker

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type answers map[string]string

func (a answers) take(method, path string) (io.ReadCloser, bool) {
	text, ok := a[method+" "+path]
	return io.NopCloser(strings.NewReader(text)), ok
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) { return t(req) }

// What was asked ahead is answered by that, until something is done, and what is no answer by the engine.
func TestAhead(t *testing.T) {
	given := answers{
		"GET /containers/json?all=1": "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n[1]",
		"GET /gone":                  "HTTP/1.0 404 Not Found\r\n\r\n{}",
		"HEAD /_ping":                "HTTP/1.0 200 OK\r\nApi-Version: 1.51\r\nContent-Length: 2\r\n\r\n",
		"GET /cut":                   "HTTP/1.0 2",
		"GET /empty":                 "",
	}
	a := &ahead{take: given.take, next: transport(func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == "/fails" {
			return nil, errors.New("no engine")
		}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("engine"))}, nil
	})}
	ask := func(method, path string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://docker"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := a.RoundTrip(req)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return strings.TrimSpace(resp.Status + " " + resp.Header.Get("Api-Version") + string(body))
	}
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/containers/json?all=1", "200 OK [1]"},
		{"GET", "/containers/json", "engine"},
		{"GET", "/gone", "404 Not Found {}"},
		{"HEAD", "/_ping", "200 OK 1.51"},
		{"GET", "/cut", "engine"},
		{"GET", "/empty", "engine"},
		{"GET", "/fails", "no engine"},
		{"POST", "/containers/json?all=1", "engine"},
		{"GET", "/containers/json?all=1", "engine"}, // something was done
	} {
		if got := ask(c.method, c.path); got != c.want {
			t.Errorf("%s %s: %q, not %q", c.method, c.path, got, c.want)
		}
	}
}

// Where questions get headers by docker's configuration, none is asked without them.
func TestAheadWithHeaders(t *testing.T) {
	for config, want := range map[string]bool{"{}": true, `{"HttpHeaders": {"X-Of": "a"}}`: false} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := Open(Options{Host: "unix:///nowhere", ConfigDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		_, known := e.Sources()
		if err := e.Ahead(answers{}.take); (err == nil) != want || known != want {
			t.Errorf("%s: ahead %v, known %v", config, err, known)
		}
	}
}
