package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// shelf keeps orders in a slice.
type shelf struct {
	orders []Order
	err    error
}

func (s *shelf) Check(context.Context) error { return s.err }

func (s *shelf) Take(_ context.Context, item string) (Order, error) {
	order := Order{ID: int64(len(s.orders) + 1), Item: item, At: time.Unix(0, 0).UTC()}
	s.orders = append([]Order{order}, s.orders...)
	return order, s.err
}

func (s *shelf) Book(context.Context) (Book, error) {
	n := int64(len(s.orders))
	return Book{Latest: s.orders, Total: n, Taken: n}, s.err
}

func do(t *testing.T, shop orders, method, path, accept string, form url.Values) (int, string, http.Header) {
	t.Helper()
	request := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", accept)
	answer := httptest.NewRecorder()
	newHandler(shop, slog.New(slog.NewTextHandler(io.Discard, nil))).ServeHTTP(answer, request)
	return answer.Code, answer.Body.String(), answer.Header()
}

func TestOrderThenRead(t *testing.T) {
	shop := &shelf{}
	status, body, header := do(t, shop, "POST", "/orders", "*/*", url.Values{"item": {"<tea>"}})
	if want := `{"id":1,"item":"\u003ctea\u003e","at":"1970-01-01T00:00:00Z"}` + "\n"; status != 201 || body != want {
		t.Errorf("POST /orders: %d %s, want 201 %s", status, body, want)
	}
	if header.Get("X-Served-By") == "" {
		t.Error("the answer does not say who gave it")
	}
	if status, body, _ := do(t, shop, "GET", "/orders", "*/*", nil); status != 200 || !strings.Contains(body, `"total":1,"taken":1`) {
		t.Errorf("GET /orders: %d %s", status, body)
	}
	if status, body, _ := do(t, shop, "GET", "/", "text/html", nil); status != 200 || !strings.Contains(body, "#1 &lt;tea&gt;") {
		t.Errorf("GET /: %d %s", status, body)
	}
}

func TestBrowserComesBackToThePage(t *testing.T) {
	status, _, header := do(t, &shelf{}, "POST", "/orders", "text/html", url.Values{"item": {"tea"}})
	if status != 303 || header.Get("Location") != "/" {
		t.Errorf("%d to %q, want 303 to /", status, header.Get("Location"))
	}
}

func TestRefusals(t *testing.T) {
	down := &shelf{err: errors.New("database: connection refused")}
	for _, c := range []struct {
		name         string
		shop         *shelf
		method, path string
		status       int
		body         string
	}{
		{"no item", &shelf{}, "POST", "/orders", 400, "say which item: item=…\n"},
		{"unhealthy", down, "GET", "/healthz", 503, "database: connection refused\n"},
		{"no book", down, "GET", "/orders", 503, "database: connection refused\n"},
		{"elsewhere", &shelf{}, "GET", "/nowhere", 404, "404 page not found\n"},
	} {
		if status, body, _ := do(t, c.shop, c.method, c.path, "*/*", nil); status != c.status || body != c.body {
			t.Errorf("%s: %d %q, want %d %q", c.name, status, body, c.status, c.body)
		}
	}
}

func TestHealthRepeatsWhatTheServerSays(t *testing.T) {
	shop := &shelf{}
	server := httptest.NewServer(newHandler(shop, slog.New(slog.NewTextHandler(io.Discard, nil))))
	defer server.Close()
	address := server.Listener.Addr().String()
	if err := health(t.Context(), address); err != nil {
		t.Errorf("healthy server: %v", err)
	}
	shop.err = errors.New("cache: connection refused")
	if err := health(t.Context(), address); err == nil || err.Error() != "503 Service Unavailable: cache: connection refused" {
		t.Errorf("unhealthy server: %v", err)
	}
}

func TestLogLevelIsChecked(t *testing.T) {
	if _, err := newLogger(io.Discard, "loud"); err == nil || err.Error() != `LOG_LEVEL "loud": write debug, info, warn or error` {
		t.Errorf("got %v", err)
	}
}
