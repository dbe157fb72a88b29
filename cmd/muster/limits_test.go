package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
)

// onFile runs commands on one file, each as a program of its own.
type onFile struct {
	t                  *testing.T
	host, project, dir string
}

func newOnFile(t *testing.T, host string) *onFile {
	o := &onFile{t: t, host: host, project: projectName(t), dir: t.TempDir()}
	t.Cleanup(func() { removeProject(host, o.project) })
	return o
}

// write puts a Compose file in place of the last one.
func (o *onFile) write(text string) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, "compose.yaml"), []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

// run answers with what a command prints as its result; the command must do well.
func (o *onFile) run(args ...string) string {
	o.t.Helper()
	var out, progress bytes.Buffer
	p := inProcess(o.host, o.project, o.dir)
	p.out, p.err = &out, &progress
	if code := run(o.t.Context(), p, args); code != 0 {
		o.t.Fatalf("muster %s exits with %d:\n%s%s", strings.Join(args, " "), code, &out, &progress)
	}
	return out.String()
}

// Limits: what somebody did by hand is shown by plan and mended by up --drift; what the file changes is changed in
// place, there and back.
func TestEngineLimits(t *testing.T) {
	o := newOnFile(t, testEngine(t))
	limit := func(memory string) {
		o.write("services: {web: {image: \"${TESTAPP_IMAGE}\", command: [run], mem_limit: " + memory + "}}")
	}
	on, err := openEngine(t.Context(), address{host: o.host})
	if err != nil {
		t.Fatal(err)
	}
	defer on.Close()
	web := o.project + "-web-1"
	first := ""
	check := func(when string, want int64) {
		t.Helper()
		got, err := on.Inspect(t.Context(), web)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = got.ID
		}
		if got.Settings.Memory != want<<20 || got.ID != first {
			t.Errorf("%s: %d MiB in container %.12s, want %d in %.12s", when, got.Settings.Memory>>20, got.ID, want, first)
		}
	}
	limit("128m")
	o.run("up", "-d")
	check("made", 128)
	if err := on.Apply(t.Context(), planner.UpdateContainer{Name: web, Settings: planner.Settings{Memory: 64 << 20, Restart: "no"}}, nil); err != nil {
		t.Fatal(err)
	}
	o.run("up", "-d")
	check("up does not look", 64)
	if plan := o.run("plan"); !strings.Contains(plan, "drift: mem_limit 64M → 128M") || !strings.Contains(plan, "Run `muster up --drift` to do this") {
		t.Errorf("plan says:\n%s", plan)
	}
	o.run("up", "-d", "--drift")
	check("mended", 128)
	limit("256m")
	o.run("up", "-d")
	check("changed in place", 256)
	limit("128m")
	o.run("up", "-d")
	check("back again", 128)
	if plan := o.run("plan"); !strings.Contains(plan, "up to date") {
		t.Errorf("at the end plan says:\n%s", plan)
	}
	limit("96m")
	o.run("up", "-d")
	o.run("down")
	have, err := on.Observe(t.Context(), planner.Scope{Project: o.project})
	if err != nil {
		t.Fatal(err)
	}
	if len(have.Volumes) != 0 {
		t.Errorf("down leaves %v", have.Volumes)
	}
}

// An up that has nothing to do asks the engine as often for a large project as for a small one.
func TestEngineCallsOfNothingToDo(t *testing.T) {
	enginetest.SameOnAny(t, "TestEngineLimits, and TestObserveTakesAFixedNumberOfCalls of runner/docker")
	host := testEngine(t)
	counted := func(services ...string) int64 {
		o := newOnFile(t, host)
		text := "services:\n"
		for _, name := range services {
			text += "  " + name + ": {image: \"${TESTAPP_IMAGE}\", command: [run], mem_limit: 64m}\n"
		}
		o.write(text)
		o.run("up", "-d")
		calls := new(atomic.Int64)
		o.host = countingProxy(t, host, calls)
		o.run("up", "-d")
		return calls.Load()
	}
	one, four := counted("a"), counted("a", "b", "c", "d")
	if one != four || one > 5 {
		t.Errorf("%d calls for a service, %d for four; want 5 at most, and as many", one, four)
	}
}

// countingProxy stands before an engine and counts the requests.
func countingProxy(t *testing.T, host string, calls *atomic.Int64) string {
	return engineProxy(t, host, func(proxy *httputil.ReverseProxy, w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		proxy.ServeHTTP(w, r)
	})
}

// engineProxy stands before an engine; handle gets every request, and passes on what it likes. The answer is its address.
func engineProxy(t *testing.T, host string, handle func(*httputil.ReverseProxy, http.ResponseWriter, *http.Request)) string {
	t.Helper()
	at, err := url.Parse(host)
	if err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", at.Host
	if at.Scheme == "unix" {
		network, address = "unix", at.Path
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "engine" },
		FlushInterval: -1, // events are wanted when they happen
		ErrorLog:      log.New(io.Discard, "", 0),
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ErrorLog: proxy.ErrorLog, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handle(proxy, w, r) })}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return "tcp://" + listener.Addr().String()
}
