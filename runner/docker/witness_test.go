package docker

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// answering answers each request with its path.
type answering struct{}

func (answering) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(req.URL.Path))}, nil
}

// Answers are shown whole until who sees them has seen enough; after that they are not even copied, also those that are being read.
func TestWitness(t *testing.T) {
	var seen []string
	w := &witness{next: answering{}, see: func(e Exchange) bool {
		seen = append(seen, e.Method+" "+e.Path+" "+string(e.Body))
		return e.Method == http.MethodGet
	}}
	ask := func(method, path string) io.ReadCloser {
		t.Helper()
		req, err := http.NewRequest(method, "http://docker"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := w.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Body
	}
	read := func(body io.ReadCloser, want string) {
		t.Helper()
		if text, err := io.ReadAll(body); err != nil || string(text) != want {
			t.Errorf("%q, %v", text, err)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
	}
	read(ask(http.MethodGet, "/one"), "/one")
	if err := ask(http.MethodGet, "/unread").Close(); err != nil {
		t.Error(err)
	}
	events := ask(http.MethodGet, "/events")
	read(ask(http.MethodPost, "/start"), "/start")
	read(events, "/events")
	if copied := events.(*witnessed).copied.Len(); copied > 0 {
		t.Errorf("%d bytes are copied for nobody", copied)
	}
	later := ask(http.MethodGet, "/later")
	if _, copied := later.(*witnessed); copied {
		t.Error("what comes later is copied")
	}
	read(later, "/later")
	if got, want := strings.Join(seen, ", "), "GET /one /one, GET /unread /unread, POST /start "; got != want {
		t.Errorf("seen: %s, want %s", got, want)
	}
}
