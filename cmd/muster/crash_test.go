package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
)

// The stack that muster is killed over: web is replaced stop-first, app start-first and one at a time, less loses a
// replica, more gains one, limit is changed in place.
const (
	crashBefore = `
services:
  web:
    image: ${TESTAPP_IMAGE}
    command: [run, -healthy-after=100ms]
    environment: {VERSION: "1"}
    volumes: [data:/data, /scratch]
    healthcheck: {test: [CMD, /testapp, health]}
    depends_on: [app]
  app:
    image: ${TESTAPP_IMAGE}
    command: [run]
    environment: {VERSION: "1"}
    healthcheck: {test: [CMD, /testapp, health]}
    deploy: {replicas: 2, update_config: {order: start-first}}
  less: {image: "${TESTAPP_IMAGE}", command: [run], scale: 2}
  more: {image: "${TESTAPP_IMAGE}", command: [run]}
  limit: {image: "${TESTAPP_IMAGE}", command: [run], mem_limit: 64m}
volumes: {data: }
`
)

// crashAfter is the next version of the file.
func crashAfter() string {
	return strings.NewReplacer(`VERSION: "1"`, `VERSION: "2"`, "scale: 2", "scale: 1",
		"more: {", "more: {scale: 2, ", "mem_limit: 64m", "mem_limit: 96m").Replace(crashBefore)
}

// TestEngineKilled kills muster, as kill -9 does, at the calls by which it changes something: before the engine gets
// the call, and after it has carried it out. The next run of the same command finishes the work, whatever was left: no
// temporary name, no volume lost, nothing left to do.
//
// Every call is tried where MUSTER_TEST_SWEEP is "all", else every eleventh point.
func TestEngineKilled(t *testing.T) {
	t.Parallel()
	enginetest.SameOnAny(t, "scripts shop and failing, TestEngineLimits, and TestActionsAreIdempotent of runner/docker")
	host := testEngine(t)
	every := 11
	if os.Getenv("MUSTER_TEST_SWEEP") == "all" {
		every = 1
	}
	for _, c := range []struct {
		name          string
		before, after string
		command       []string
	}{
		{"create", "", crashBefore, []string{"up", "-d"}},
		{"change", crashBefore, crashAfter(), []string{"up", "-d"}},
		{"down", crashBefore, crashBefore, []string{"down", "-t", "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			t.Run("whole", func(t *testing.T) {
				s := newCrash(t, host, c.before, c.after)
				calls = s.run(0, false, c.command)
				s.check(c.command)
			})
			points := 0
			for n := 1; n <= calls; n++ {
				for _, done := range []bool{false, true} {
					if points++; points%every != 0 {
						continue
					}
					t.Run(fmt.Sprintf("%s-%d", map[bool]string{false: "before", true: "after"}[done], n), func(t *testing.T) {
						t.Parallel()
						s := newCrash(t, host, c.before, c.after)
						s.run(n, done, c.command)
						s.works(c.command)
						s.onFile.run(c.command...)
						s.check(c.command)
					})
				}
			}
			t.Logf("%d calls change something, %d points of %d tried", calls, points/every, points)
		})
	}
}

// crash is a project that muster is killed over.
type crash struct {
	*onFile
	on    engine
	first planner.State // before
}

func newCrash(t *testing.T, host, before, after string) *crash {
	on, err := openEngine(t.Context(), address{host: host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = on.Close() })
	s := &crash{on: on}
	t.Cleanup(s.removeVolumes)
	s.onFile = newOnFile(t, host)
	if before != "" {
		s.write(before)
		s.onFile.run("up", "-d", "--wait")
		s.first = s.have()
	}
	s.write(after)
	return s
}

// removeVolumes removes the anonymous ones, which down keeps, once the containers are gone that tell whose they are.
func (s *crash) removeVolumes() {
	for _, c := range s.first.Containers {
		for _, m := range c.Mounts {
			if m.Name == "" {
				continue
			}
			if err := s.on.Apply(context.Background(), planner.RemoveVolume{Name: m.Name}, nil); err != nil {
				s.t.Error(err)
			}
		}
	}
}

func (s *crash) have() planner.State {
	s.t.Helper()
	have, err := s.on.Observe(s.t.Context(), planner.Scope{Project: s.project})
	if err != nil {
		s.t.Fatal(err)
	}
	return have
}

// run runs a command in a process of its own, which is killed at its nth call that changes something; 0 is never. The
// answer is how many such calls there were.
func (s *crash) run(n int, done bool, command []string) int {
	s.t.Helper()
	k := &killer{at: n, done: done}
	proxied := k.serve(s.t, s.host)
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), self, command...)
	cmd.Args[0] = "muster"
	cmd.Env = append(inProcess(s.host, s.project, s.dir).environ, "DOCKER_HOST="+proxied, "HOME="+s.dir)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	k.victim(cmd.Process)
	err = cmd.Wait()
	if n == 0 && err != nil {
		s.t.Fatalf("%v:\n%s", err, &out)
	}
	if n > 0 && cmd.ProcessState.ExitCode() >= 0 && k.count() >= n {
		s.t.Fatalf("it was not killed at call %d of %d:\n%s", n, k.count(), &out)
	}
	return k.count()
}

// works checks that what has another one started before it, app, was never without: nothing but its own end or its
// successor's start takes a container away.
func (s *crash) works(command []string) {
	s.t.Helper()
	if command[0] != "up" || len(s.first.Containers) == 0 {
		return
	}
	up := 0
	for _, c := range s.have().Containers {
		if c.Service == "app" && c.Status == planner.Running {
			up++
		}
	}
	if up < 2 {
		s.t.Errorf("after the kill %d of app run, want 2", up)
	}
}

// check looks at the end of it.
func (s *crash) check(command []string) {
	s.t.Helper()
	have := s.have()
	if command[0] == "down" {
		if len(have.Containers)+len(have.Networks) > 0 {
			s.t.Errorf("down leaves %v %v", names(have.Containers), have.Networks)
		}
		s.keptVolumes(have)
		return
	}
	if plan := s.onFile.run("plan"); !strings.Contains(plan, "up to date") {
		s.t.Errorf("there is still something to do:\n%s", plan)
	}
	for _, c := range have.Containers {
		if c.Status != planner.Running || !strings.HasPrefix(c.Name, s.project+"-"+c.Service+"-") || strings.Contains(c.Name, ".") {
			s.t.Errorf("%s of %s is %s", c.Name, c.Service, c.Status)
		}
	}
	s.keptVolumes(have)
}

// keptVolumes checks that every volume that there was is there, and that who had one has it still.
func (s *crash) keptVolumes(now planner.State) {
	s.t.Helper()
	var wanted []string
	for _, c := range s.first.Containers {
		for _, m := range c.Mounts {
			if m.Name != "" && c.Service != "less" {
				wanted = append(wanted, m.Name)
			}
		}
	}
	all, err := s.on.Observe(s.t.Context(), planner.Scope{Project: s.project, Volumes: wanted})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range wanted {
		if !slices.ContainsFunc(all.Volumes, func(v planner.Volume) bool { return v.Name == name }) {
			s.t.Errorf("volume %s is lost", name)
		}
	}
	for _, was := range s.first.Containers {
		at := slices.IndexFunc(now.Containers, func(c planner.Container) bool { return c.Name == was.Name })
		if at < 0 || was.Service == "less" {
			continue
		}
		for i, m := range now.Containers[at].Mounts {
			if i < len(was.Mounts) && m.Name != was.Mounts[i].Name {
				s.t.Errorf("%s had volume %s at %s and has %s", was.Name, was.Mounts[i].Name, m.Target, m.Name)
			}
		}
	}
}

func names(containers []planner.Container) []string {
	var out []string
	for _, c := range containers {
		out = append(out, c.Name)
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}

// killer stands before an engine and kills who calls it.
type killer struct {
	at   int  // the call
	done bool // after the engine has carried it out; else it never gets it

	mu      sync.Mutex
	seen    int
	process *os.Process
	ready   chan struct{} // the process is known
}

func (k *killer) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.seen
}

func (k *killer) victim(p *os.Process) {
	k.process = p
	close(k.ready)
}

// serve starts it.
func (k *killer) serve(t *testing.T, host string) string {
	k.ready = make(chan struct{})
	return engineProxy(t, host, k.handle)
}

// handle counts a call that changes something, and kills at the one that is meant. Commands that probes run in containers change nothing.
func (k *killer) handle(proxy *httputil.ReverseProxy, w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || strings.Contains(r.URL.Path, "/exec") || strings.HasSuffix(r.URL.Path, "/wait") {
		proxy.ServeHTTP(w, r)
		return
	}
	k.mu.Lock()
	k.seen++
	mine := k.seen == k.at
	k.mu.Unlock()
	if !mine {
		proxy.ServeHTTP(w, r)
		return
	}
	<-k.ready
	if k.done {
		// The engine shall carry it out even though nobody waits for the answer.
		proxy.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	}
	_ = k.process.Kill()
	if !k.done {
		panic(http.ErrAbortHandler)
	}
}
