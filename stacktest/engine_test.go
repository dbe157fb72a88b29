package stacktest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

// file is a stack with a fixed host port, which only one copy could have.
const file = `
name: stacktest
services:
  web:
    image: "${TESTAPP_IMAGE}"
    command: [run]
    ports: ["18080:8080"]
    volumes: [data:/data]
    stop_grace_period: 0s
    healthcheck: {test: [CMD, /testapp, health]}
  shell:
    image: "${BUSYBOX_IMAGE}"
    command: [sh, -c, "echo it is up; exec sleep 600"]
    init: true
    stop_grace_period: 0s
volumes: {data: {}}
`

// onEngine is the address of the engine to test on, and options to use it with a home of the test's own; without an engine the test is skipped.
func onEngine(t *testing.T) (host string, with []Option) {
	t.Helper()
	host = enginetest.Host(t, "TESTAPP_IMAGE", "BUSYBOX_IMAGE")
	return host, []Option{Env("XDG_STATE_HOME=" + t.TempDir()), at(host)}
}

// SameOnAnyEngine leaves a test out with -short, which is how the oldest engine is tested: what it tests is muster's own doing, and
// others, which it names, ask the engine for the same there.
func SameOnAnyEngine(t *testing.T, others string) {
	t.Helper()
	if testing.Short() {
		t.Skip("the same on any engine; what it asks of one, these do too: " + others)
	}
}

// at opens the engine at an address.
func at(host string) Option { return opens(docker.Options{Host: host}) }

func opens(with docker.Options) Option {
	return func(o *options) {
		o.open = func() (engine, error) {
			on, err := docker.Open(with)
			if err != nil {
				return nil, err
			}
			return dockerEngine{on}, nil
		}
	}
}

// written is a Compose file of the test's own.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// left is how many things the engine has of a project.
func left(t *testing.T, host, project string) int {
	t.Helper()
	on, err := docker.Open(docker.Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	defer on.Close()
	have, err := on.Observe(context.WithoutCancel(t.Context()), planner.Scope{Project: project})
	if err != nil {
		t.Fatal(err)
	}
	return len(have.Containers) + len(have.Networks) + len(have.Volumes)
}

func get(ctx context.Context, url string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// recorder is a test that may fail without this one failing.
type recorder struct {
	testing.TB
	name string

	mu       sync.Mutex
	failed   bool
	skipped  bool
	said     strings.Builder
	cleanups []func()
}

func (r *recorder) say(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said.WriteString(text + "\n")
}
func (r *recorder) Helper()                   {}
func (r *recorder) Name() string              { return r.name }
func (r *recorder) Failed() bool              { return r.failed }
func (r *recorder) Cleanup(f func())          { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Log(a ...any)              { r.say(fmt.Sprint(a...)) }
func (r *recorder) Logf(f string, a ...any)   { r.say(fmt.Sprintf(f, a...)) }
func (r *recorder) Errorf(f string, a ...any) { r.failed = true; r.Logf(f, a...) }
func (r *recorder) Fatal(a ...any)            { r.failed = true; r.Log(a...); runtime.Goexit() }
func (r *recorder) Fatalf(f string, a ...any) { r.failed = true; r.Logf(f, a...); runtime.Goexit() }
func (r *recorder) Skip(a ...any)             { r.skipped = true; r.Log(a...); runtime.Goexit() }

// record runs a test, its cleanup included, and says what became of it.
func record(t *testing.T, name string, test func(testing.TB)) *recorder {
	r := &recorder{TB: t, name: name}
	var done sync.WaitGroup
	done.Go(func() {
		defer func() {
			for i := len(r.cleanups) - 1; i >= 0; i-- {
				r.cleanups[i]()
			}
		}()
		test(r)
	})
	done.Wait()
	return r
}

// TestEngineParallel: stacks of one file are up at a time, each with its own port, data and names; after the tests nothing is left.
func TestEngineParallel(t *testing.T) {
	SameOnAnyEngine(t, "TestEngineServices and TestEngineRestore")
	t.Parallel()
	host, with := onEngine(t)
	path := written(t, file)
	var mu sync.Mutex
	ports, projects := map[string]bool{}, map[string]bool{}
	var all, up sync.WaitGroup // until all are up, or have failed
	up.Add(3)
	for i := range 3 {
		all.Go(func() {
			came := sync.OnceFunc(up.Done)
			r := record(t, fmt.Sprint(i), func(t testing.TB) {
				defer came()
				s := Up(t, path, with...)
				came()
				up.Wait()
				if _, err := get(t.Context(), s.URL("web", 8080)); err != nil {
					t.Errorf("%v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				ports[s.Endpoint("web", 8080)], projects[s.Project()] = true, true
			})
			if r.failed {
				t.Errorf("stack %d: %s", i, &r.said)
			}
		})
	}
	all.Wait()
	if len(ports) != 3 || len(projects) != 3 {
		t.Errorf("endpoints %v of projects %v, want three of each", ports, projects)
	}
	for name := range projects {
		if n := left(t, host, name); n > 0 {
			t.Errorf("%d things are left of %s", n, name)
		}
	}
}

// TestEngineServices: what a test does to services happens to them.
func TestEngineServices(t *testing.T) {
	t.Parallel()
	_, with := onEngine(t)
	s := Up(t, written(t, file), append(with, Publish("shell", 7000))...)
	if got := s.Exec("shell", "echo", "hello"); got != "hello\n" {
		t.Errorf("exec printed %q", got)
	}
	if got := s.TryExec("shell", "sh", "-c", "echo why >&2; exit 3"); got != (Result{Code: 3, Stderr: "why\n"}) {
		t.Errorf("the command that fails: %+v", got)
	}
	if got := s.Logs("shell"); got != "it is up\n" {
		t.Errorf("the log is %q", got)
	}
	if got := s.Endpoint("shell", 7000); !strings.HasPrefix(got, "localhost:") {
		t.Errorf("the port that was published is at %q", got)
	}
	status := func(service string) planner.Status {
		all, err := s.s.containers(t.Context(), service)
		if err != nil || len(all) != 1 {
			t.Fatalf("containers of %s: %v, %v", service, all, err)
		}
		return all[0].Status
	}
	url := s.URL("web", 8080)
	s.Stop("web")
	if got := status("web"); got != planner.Exited {
		t.Errorf("stopped, web is %s", got)
	}
	if _, err := get(t.Context(), url); err == nil {
		t.Error("it answers although it was stopped")
	}
	s.Start("web")
	if _, err := get(t.Context(), s.URL("web", 8080)); err != nil {
		t.Errorf("started again: %v", err)
	}
	s.Pause("web")
	if got := status("web"); got != planner.Paused {
		t.Errorf("paused, web is %s", got)
	}
	s.Unpause("web")
	if got := status("web"); got != planner.Running {
		t.Errorf("unpaused, web is %s", got)
	}
}

// TestEngineTestFails: a test that fails has what the services said, in its log and in a folder, and leaves nothing.
func TestEngineTestFails(t *testing.T) {
	SameOnAnyEngine(t, "TestEngineServices")
	t.Parallel()
	host, with := onEngine(t)
	path, folder, name := written(t, file), t.TempDir(), ""
	r := record(t, "TestOrders", func(t testing.TB) {
		s := Up(t, path, append(with, LogsTo(folder))...)
		name = s.Project()
		t.Errorf("got 1, want 2")
	})
	if said := r.said.String(); !strings.Contains(said, "the last lines of shell-1 (running):\nit is up\n") {
		t.Errorf("the log of the test:\n%s", said)
	}
	kept, err := os.ReadFile(filepath.Join(folder, "TestOrders", "shell-1.log"))
	if err != nil || string(kept) != "it is up\n" {
		t.Errorf("kept: %q, %v", kept, err)
	}
	if n := left(t, host, name); n > 0 {
		t.Errorf("%d things are left", n)
	}
}

// TestEngineNotReady: the test is told which service did not become ready and why, and nothing is left.
func TestEngineNotReady(t *testing.T) {
	SameOnAnyEngine(t, "script failing of cmd/muster")
	t.Parallel()
	host, with := onEngine(t)
	path := written(t, `
name: stacktest
services:
  web:
    image: "${BUSYBOX_IMAGE}"
    command: [sh, -c, "echo no such table; exit 4"]
    healthcheck: {test: [CMD, "false"]} # without one it is ready where the machine takes long to come to its end
`)
	var s *session
	r := record(t, "TestOrders", func(t testing.TB) {
		stack := &Stack{t: t, s: newSession(path, with)}
		s = stack.s
		t.Cleanup(func() {
			if err := s.end(context.WithoutCancel(t.Context())); err != nil {
				t.Errorf("%v", err)
			}
		})
		stack.begin()
	})
	said := r.said.String()
	for _, want := range []string{path, "web: " + s.want.Name + "-web-1 exited with code 4", "│ no such table"} {
		if !strings.Contains(said, want) {
			t.Errorf("the test is not told %q:\n%s", want, said)
		}
	}
	if n := left(t, host, s.want.Name); n > 0 || !r.failed {
		t.Errorf("%d things are left; failed: %v", n, r.failed)
	}
}

// TestEngineRestore: between tests the volumes get back what a snapshot has, and the services that have them are ready then; where an agent does it, in the
// containers that they had.
func TestEngineRestore(t *testing.T) {
	t.Parallel()
	host, with := onEngine(t)
	path := written(t, `
name: stacktest
services:
  db:
    image: "${BUSYBOX_IMAGE}"
    command: [sh, -c, "test -e /data/rows || echo none > /data/rows; exec sleep 600"]
    init: true
    stop_grace_period: 0s
    volumes: [data:/data]
    healthcheck: {test: [CMD, test, -e, /data/rows]}
volumes: {data: {}}
`)
	program := staticMuster(t)
	for by, last := range map[string]docker.Options{
		"archives": {VolumesBy: docker.ByArchives}, "agent": {VolumesBy: docker.ByAgent, Muster: program},
		"itself": {Muster: program}, // or an agent, where the test is not root on the engine's machine
	} {
		last.Host = host
		with := slices.Concat(with, []Option{opens(last)})
		s := Up(t, path, with...)
		s.Exec("db", "sh", "-c", "echo seeded > /data/rows")
		s.Snapshot("seeded")
		if got := s.Exec("db", "cat", "/data/rows"); got != "seeded\n" {
			t.Errorf("%s: after the snapshot the volume has %q", by, got)
		}
		s.Exec("db", "sh", "-c", "echo changed > /data/rows")
		had := s.Exec("db", "hostname")
		s.Restore("seeded")
		if got := s.Exec("db", "cat", "/data/rows"); got != "seeded\n" {
			t.Errorf("%s: restored, the volume has %q", by, got)
		}
		if has := s.Exec("db", "hostname"); (has == had) != (by != "archives") {
			t.Errorf("%s: the container was %s and is %s", by, had, has)
		}
		other := Up(t, path, append(with, FromSnapshot("seeded"))...)
		if got := other.Exec("db", "cat", "/data/rows"); got != "seeded\n" {
			t.Errorf("%s: begun with the snapshot, the volume has %q", by, got)
		}
	}
}

// killed is the variable that makes TestHelperKilled the test that is killed, on the file that it names.
const killed = "STACKTEST_KILLED"

// TestHelperKilled is run by TestEngineKilled in a process of its own.
func TestHelperKilled(t *testing.T) {
	path := os.Getenv(killed)
	if path == "" {
		t.Skip("it is for another test")
	}
	s := Up(t, path, at(os.Getenv("MUSTER_TEST_ENGINE")))
	fmt.Printf("up %s\n", s.Project())
	<-t.Context().Done() // until it is killed
}

// TestEngineKilled: what a test process leaves that is killed with SIGKILL, the next Up of the same stack removes; what a living one has, it leaves alone.
func TestEngineKilled(t *testing.T) {
	SameOnAnyEngine(t, "TestEngineServices, and script expires of cmd/muster")
	t.Parallel()
	host, _ := onEngine(t)
	path, home := written(t, file), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestHelperKilled$", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), killed+"="+path, "XDG_STATE_HOME="+home)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var name string
	if _, err := fmt.Fscanf(out, "up %s\n", &name); err != nil {
		_ = cmd.Process.Kill()
		rest, _ := io.ReadAll(out)
		t.Fatalf("the test to kill did not come up: %v\n%s", err, rest)
	}
	with := []Option{Env("XDG_STATE_HOME=" + home), at(host), Services("shell")}
	Up(t, path, with...)
	if n := left(t, host, name); n == 0 {
		t.Fatal("the stack of a test that still runs was removed")
	}
	if err := cmd.Process.Kill(); err != nil { // SIGKILL
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if n := left(t, host, name); n == 0 {
		t.Fatal("nothing was left of what was killed, so that this test shows nothing")
	}
	Up(t, path, with...)
	if n := left(t, host, name); n > 0 {
		t.Errorf("%d things are left of what was killed", n)
	}
}

// TestEngineShared: all tests have the same stack, which is up until Run ends.
func TestEngineShared(t *testing.T) {
	SameOnAnyEngine(t, "TestEngineServices")
	t.Parallel()
	host, with := onEngine(t)
	shared := Shared(written(t, file), append(with, Services("shell"))...)
	names := map[string]bool{}
	code := shared.Run(runs(func() int {
		for _, name := range []string{"one", "two"} {
			t.Run(name, func(t *testing.T) {
				s := shared.Up(t)
				s.Exec("shell", "touch", "/"+name)
				names[s.Project()] = true
			})
		}
		return 0
	}))
	if code != 0 || len(names) != 1 {
		t.Errorf("exit code %d, projects %v", code, names)
	}
	for name := range names {
		if n := left(t, host, name); n > 0 {
			t.Errorf("%d things are left", n)
		}
	}
}

type runs func() int

func (r runs) Run() int { return r() }
