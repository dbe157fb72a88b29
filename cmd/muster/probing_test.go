package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"

	"github.com/musterhq/muster/internal/enginetest"
)

// probeCounter stands before an engine and counts the commands that are run in containers, by the container's name or ID.
type probeCounter struct {
	mu       sync.Mutex
	of       map[string]string // container, by the command's ID
	all      map[string]int    // commands
	inFlight map[string]int
	most     map[string]int // in flight at once
}

func (c *probeCounter) handle(proxy *httputil.ReverseProxy, w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/") // v1.51 containers NAME exec, v1.51 exec ID start
	switch {
	case len(path) == 4 && path[1] == "containers" && path[3] == "exec":
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, r)
		var made struct{ ID string }
		_ = json.Unmarshal(answer.Body.Bytes(), &made)
		c.mu.Lock()
		c.of[made.ID] = path[2]
		c.all[path[2]]++
		c.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	case len(path) == 4 && path[1] == "exec" && path[3] == "start":
		c.add(path[2], 1)
		proxy.ServeHTTP(w, r)
		c.add(path[2], -1)
	default:
		proxy.ServeHTTP(w, r)
	}
}

func (c *probeCounter) add(command string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	container := c.of[command]
	c.inFlight[container] += n
	c.most[container] = max(c.most[container], c.inFlight[container])
}

// TestEngineProbesAreFew: a container is asked one thing at a time, and nothing more once it is ready, though
// its neighbour is not.
func TestEngineProbesAreFew(t *testing.T) {
	enginetest.SameOnAny(t, "scripts ready and shop")
	host := testEngine(t)
	o := newOnFile(t, host)
	o.write(`services:
  ready: {image: "${BUSYBOX_IMAGE}", command: [sleep, "1000"], init: true, stop_grace_period: 0s, healthcheck: {test: [CMD, "true"]}}
  late:
    image: "${BUSYBOX_IMAGE}"
    command: [sh, -c, 'sleep 2; touch /up; exec sleep 1000']
    init: true
    stop_grace_period: 0s
    healthcheck: {test: 'sleep 0.3; test -e /up'}
`)
	c := &probeCounter{of: map[string]string{}, all: map[string]int{}, inFlight: map[string]int{}, most: map[string]int{}}
	o.host = engineProxy(t, host, c.handle)
	o.run("up", "-d", "--wait")
	ready, late := o.project+"-ready-1", o.project+"-late-1"
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[ready] != 1 {
		t.Errorf("what was ready at once was asked %d times", c.all[ready])
	}
	if c.all[late] < 2 || c.most[late] != 1 {
		t.Errorf("what was ready late was asked %d times, %d at once; want it several times, one at a time", c.all[late], c.most[late])
	}
	if len(c.all) != 2 {
		t.Errorf("commands in containers: %v", c.all)
	}
}
