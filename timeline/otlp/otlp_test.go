package otlp

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"github.com/musterhq/muster/timeline"
)

func TestSend(t *testing.T) {
	var got collector.ExportTraceServiceRequest
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(r.Body)
		}
		text, err := io.ReadAll(body)
		if err == nil {
			err = proto.Unmarshal(text, &got)
		}
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("X-Try") != "1" {
			t.Errorf("%s %v: %v", r.URL.Path, r.Header, err)
		}
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "X-Try=1")
	began := time.Unix(100, 0)
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	r := timeline.Record{Project: "shop", Command: "up", Began: began, Ended: at(3), Spans: []timeline.Span{
		{ID: "start db", Kind: timeline.Started, Service: "db", Name: "shop-db-1", Began: began, Ended: at(1)},
		{ID: "await db", Kind: timeline.Healthy, Service: "db", Name: "shop-db-1", Needs: []string{"start db"}, Began: at(1), Ended: at(3), Failed: true, LastSaid: "no"},
	}}
	if err := Send(t.Context(), r, "1.2", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"); err != nil {
		t.Fatal(err)
	}
	spans := map[string]string{}
	for _, resource := range got.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				if s.TraceId[0] != 0x0a {
					t.Errorf("%s is of another trace", s.Name)
				}
				spans[s.Name] = time.Duration(s.EndTimeUnixNano - s.StartTimeUnixNano).String()
			}
		}
	}
	for name, took := range map[string]string{"muster up": "3s", "db": "3s", "start db": "1s", "await db": "2s"} {
		if spans[name] != took {
			t.Errorf("%s took %q, want %s", name, spans[name], took)
		}
	}
}
