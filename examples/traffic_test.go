package examples

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/enginetest"
)

// pace is the time between two requests of a client: 200 a second.
const pace = 5 * time.Millisecond

// traffic is a client that asks at an even pace, whatever becomes of the requests before.
type traffic struct {
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu       sync.Mutex
	sent     int
	failures []string
	first    time.Time // the first failure
	last     time.Time // and the last one
	answers  map[string]int
}

// startTraffic begins to ask for a page.
func startTraffic(url string) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	t := &traffic{cancel: cancel, answers: map[string]int{}}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 50}}
	t.all.Go(func() {
		ticks := time.NewTicker(pace)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
				t.all.Go(func() { t.ask(client, url) })
			}
		}
	})
	return t
}

func (t *traffic) ask(client *http.Client, url string) {
	at := time.Now()
	answer, err := fetch(client, url)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent++
	if err == nil {
		version, _, _ := strings.Cut(answer, " from ")
		t.answers[version]++
		return
	}
	if t.first.IsZero() {
		t.first = at
	}
	t.last = at
	t.failures = append(t.failures, err.Error())
}

func fetch(client *http.Client, url string) (string, error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", response.Status)
	}
	return string(body), err
}

// stop ends it once all requests are answered.
func (t *traffic) stop() {
	t.cancel()
	t.all.Wait()
}

// until waits for so many more answers.
func (t *traffic) until(more int) {
	t.mu.Lock()
	want := t.sent + more
	t.mu.Unlock()
	for range time.Tick(pace) {
		t.mu.Lock()
		enough := t.sent >= want
		t.mu.Unlock()
		if enough {
			return
		}
	}
}

// TestRollingTraffic: while the replicas are replaced, or turn out bad and stay, no request of a client fails. It is not
// parallel: client and proxy have time limits such as they have in production, and processors that are taken by other
// tests would make them strike.
func TestRollingTraffic(t *testing.T) {
	for _, c := range []struct {
		name, override string
		code           int
		reason         string // on the screen
		version        string // that serves at the end
	}{
		{"good", "", 0, "", "version 2"},
		{"bad image", "image: ${TESTAPP_IMAGE}\n    command: [exit, \"3\"]", 1, "exit", "version 1"},
		{"unhealthy", "healthcheck: {test: [CMD, \"false\"], interval: 200ms, retries: 2}", 1, "unhealthy", "version 1"},
		{"crash", "image: ${TESTAPP_IMAGE}\n    command: [run, -http=:80, -exit-after=300ms, -exit=7]\n    healthcheck: {test: [CMD, /testapp, health, -http=:81]}", 1, "7", "version 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.code != 0 {
				enginetest.SameOnAny(t, "the good one, and script failing of cmd/muster")
			}
			s := newStack(t, "rolling", "ROLLING_PORT")
			if c.reason == "unhealthy" && s.onPodman() {
				t.Skip("Podman runs health checks by systemd only, and nobody says who is not well")
			}
			s.muster("up", "-d", "--wait")
			before := s.containers()
			args := []string{"up", "-d", "--wait"}
			if c.override != "" {
				file := filepath.Join(t.TempDir(), "worse.yaml")
				if err := os.WriteFile(file, []byte("services:\n  app:\n    "+c.override+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				args = append([]string{"-f", "compose.yaml", "-f", file}, args...)
			}
			client := startTraffic(s.url("/"))
			client.until(100)
			code, _, stderr := s.with("VERSION=2").try(args...)
			client.until(100)
			client.stop()
			if code != c.code || !strings.Contains(stderr, c.reason) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, c.code, c.reason, stderr)
			}
			if len(client.failures) > 0 {
				t.Errorf("%d of %d requests failed, over %s; the first: %s", len(client.failures), client.sent, client.last.Sub(client.first), client.failures[0])
			}
			t.Logf("%d requests, %d failed, answers %v", client.sent, len(client.failures), client.answers)
			if text, _ := s.get("/"); !strings.HasPrefix(text, c.version+" from ") {
				t.Errorf("at the end %q serves, want %s", text, c.version)
			}
			if c.code != 0 {
				s.wantReplaced(before)
			}
		})
	}
}

// small is an HTTP server and little more.
const small = `
services:
  web:
    image: ${TESTAPP_IMAGE}
    command: [run]
    environment: {NUMBER: "${NUMBER:-0}"}
    ports: ["${PORT}:8080"]
`

// BenchmarkOutage is how long a service with a published port does not answer while its one container is replaced,
// stop-first, by muster and, where MUSTER_PEER_COMPOSE names it, by docker compose.
func BenchmarkOutage(b *testing.B) {
	for _, program := range []string{"muster", os.Getenv("MUSTER_PEER_COMPOSE")} {
		if program == "" {
			continue
		}
		b.Run(filepath.Base(program), func(b *testing.B) {
			dir := b.TempDir() // outlives the stack
			s := newStack(b, "outage", "PORT")
			s.program, s.dir = program, dir
			if err := os.WriteFile(filepath.Join(s.dir, "compose.yaml"), []byte(small), 0o600); err != nil {
				b.Fatal(err)
			}
			s.muster("up", "-d", "--wait")
			var outage time.Duration
			n := 0
			for b.Loop() {
				n++
				client := startTraffic(s.url("/"))
				client.until(20)
				s.with(fmt.Sprint("NUMBER=", n)).muster("up", "-d", "--wait")
				client.until(20)
				client.stop()
				outage += client.last.Sub(client.first)
			}
			b.ReportMetric(float64(outage.Milliseconds())/float64(n), "ms-outage")
		})
	}
}
