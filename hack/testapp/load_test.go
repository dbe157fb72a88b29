package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestLoadCounts: every second request is refused, and the sum says so.
func TestLoadCounts(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	var out strings.Builder
	if err := dispatch([]string{"load", "-rate=100", "-duration=200ms", "-timeout=30s", server.URL}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var sum loadSum
	if err := json.Unmarshal([]byte(out.String()), &sum); err != nil {
		t.Fatal(err)
	}
	sent := int(asked.Load())
	if sum.Sent != sent || sum.Failed != sent/2 || sum.Errors["503 Service Unavailable"] != sent/2 {
		t.Errorf("%d requests came, the sum says %+v", sent, sum)
	}
}
