package stacktest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/fault"
	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
	"github.com/musterhq/muster/runner/memory"
)

// memoryEngine is an engine in memory as stacks want it.
type memoryEngine struct{ *memory.Engine }

func (e memoryEngine) Health(string) healthcheck.Engine { return e.Engine }
func (e memoryEngine) Host() string                     { return "unix:///run/test.sock" }
func (e memoryEngine) ReadVolume(context.Context, string, string, io.Writer) error {
	return errors.New("volumes in memory have no files")
}
func (e memoryEngine) PrepareRestore(_ context.Context, _ *project.Project, from map[string]planner.Restore, _ bool) (func(), error) {
	for key, r := range from {
		r.Exchange = true
		from[key] = r
	}
	return func() {}, nil
}

func (e memoryEngine) NetworkAgent(context.Context, string, []string) (fault.Agent, error) {
	return nil, errors.New("nothing runs in memory")
}
func (e memoryEngine) ID(context.Context) (string, error) { return "memory", nil }
func (e memoryEngine) Close() error                       { return nil }

func (e memoryEngine) Logs(ctx context.Context, container string, tail int, each func([]byte, bool) error) error {
	return e.Lines(ctx, container, healthcheck.Excerpt{Last: tail}, func(line string) error { return each([]byte(line), false) })
}

func (e memoryEngine) Exec(context.Context, string, []string, io.Writer, io.Writer) (int, error) {
	return 0, errors.New("nothing runs in memory")
}

// inMemory is an engine with the image app, and options to use it with a home of the test's own.
func inMemory(t *testing.T) (*memory.Engine, []Option) {
	on := memory.New()
	on.AddImage("app", memory.Image{})
	return on, []Option{Env("XDG_STATE_HOME=" + t.TempDir()), func(o *options) {
		o.open = func() (engine, error) { return memoryEngine{on}, nil }
	}}
}

const small = `
name: shop
services:
  web: {image: app, ports: ["8080:80"]}
  db: {image: app, volumes: [data:/data]}
volumes: {data: {}}
`

// TestUpAndAway: a stack is an instance that carries when it ends, and its ports are its own; after the test nothing of it is left, nor is it known.
func TestUpAndAway(t *testing.T) {
	t.Parallel()
	on, with := inMemory(t)
	path, name := written(t, small), ""
	var s *session
	r := record(t, "TestOrders", func(t testing.TB) {
		stack := Up(t, path, with...)
		name, s = stack.Project(), stack.s
		if at := stack.Endpoint("web", 80); at == "localhost:8080" || !strings.HasPrefix(at, "localhost:") {
			t.Errorf("web is at %s, want a port of its own", at)
		}
		if url := stack.URL("web", 80); url != "http://"+stack.Endpoint("web", 80) {
			t.Errorf("the URL is %s", url)
		}
		have, err := on.Observe(t.Context(), planner.Scope{Project: name})
		if err != nil || len(have.Containers) != 2 || len(have.Volumes) != 1 {
			t.Errorf("there are %d containers and %d volumes, %v", len(have.Containers), len(have.Volumes), err)
		}
		for _, c := range have.Containers {
			if ends, err := time.Parse(time.RFC3339, c.Labels[planner.LabelExpires]); err != nil || ends.Before(time.Now()) {
				t.Errorf("%s says that it is needed until %q", c.Name, c.Labels[planner.LabelExpires])
			}
		}
		if known, _ := s.instances.Find(name); !known.Held || !s.instances.Held(name) {
			t.Errorf("it is not held: %+v", known)
		}
	})
	if r.failed {
		t.Error(r.said.String())
	}
	have, err := on.Observe(t.Context(), planner.Scope{Project: name})
	if err != nil || len(have.Containers)+len(have.Networks)+len(have.Volumes) > 0 {
		t.Errorf("left: %+v, %v", have, err)
	}
	if all, err := s.instances.List(); err != nil || len(all) > 0 {
		t.Errorf("still known: %+v, %v", all, err)
	}
}

// TestTold: a test is told what muster would say, with the file and the place in it.
func TestTold(t *testing.T) {
	t.Parallel()
	on, with := inMemory(t)
	on.AddImage("bad", memory.Image{})
	on.Behave("bad", memory.Behaviour{Exits: true, ExitCode: 3, Output: []string{"no such table"}})
	path := written(t, small)
	up := func(t testing.TB) *Stack { return Up(t, path, with...) }
	for name, c := range map[string]struct {
		test func(testing.TB)
		want []string
	}{
		"mistake in the file": {func(t testing.TB) {
			Up(t, written(t.(*recorder).TB.(*testing.T), "services:\n  web: {imag: app}\n"), with...)
		},
			[]string{"compose.yaml:2", "imag", "image"}},
		"no file": {func(t testing.TB) { Up(t, "missing.yaml", with...) }, []string{"missing.yaml"}},
		"exits": {func(t testing.TB) {
			Up(t, written(t.(*recorder).TB.(*testing.T), "name: shop\nservices:\n  bad: {image: bad}\n"), with...)
		}, []string{"compose.yaml: bad: shop-test-", "-bad-1 exited with code 3", "│ no such table"}},
		"no such service": {func(t testing.TB) { up(t).Stop("wbe") }, []string{path, "no such service: wbe", "db, web"}},
		"not published":   {func(t testing.TB) { up(t).Endpoint("db", 5432) }, []string{path, "db does not publish port 5432", `stacktest.Publish("db", 5432)`}},
		"stopped":         {func(t testing.TB) { s := up(t); s.Stop("web"); s.Endpoint("web", 80) }, []string{"service web is not running"}},
		"no snapshot":     {func(t testing.TB) { up(t).Restore("seeded") }, []string{`there is no snapshot "seeded"`}},
		"no Run":          {func(t testing.TB) { Shared(path, with...).Up(t) }, []string{"TestMain", "shared.Run(m)"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, "TestOrders", c.test)
			for _, want := range c.want {
				if !strings.Contains(r.said.String(), want) {
					t.Errorf("the test is not told %q:\n%s", want, &r.said)
				}
			}
			if !r.failed {
				t.Error("the test goes on")
			}
		})
	}
}

// TestWithoutEngine: where no engine answers a test fails, or is skipped where it says so; nothing is taken for it.
func TestWithoutEngine(t *testing.T) {
	t.Parallel()
	nowhere := func(o *options) {
		o.open = func() (engine, error) {
			on, err := docker.Open(docker.Options{Host: "unix://" + t.TempDir() + "/no.sock"})
			return dockerEngine{on}, err
		}
	}
	for _, skip := range []bool{false, true} {
		with := []Option{nowhere, Env("XDG_STATE_HOME=" + t.TempDir())}
		if skip {
			with = append(with, SkipWithoutEngine())
		}
		var s *session
		r := record(t, "TestOrders", func(t testing.TB) {
			s = newSession(written(t.(*recorder).TB.(*testing.T), small), with)
			t.Cleanup(func() {
				if err := s.end(context.WithoutCancel(t.Context())); err != nil {
					t.Errorf("%v", err)
				}
			})
			(&Stack{t: t, s: s}).begin()
		})
		if r.skipped != skip || r.failed == skip || !strings.Contains(r.said.String(), "no.sock") {
			t.Errorf("skip %v: skipped %v, failed %v: %s", skip, r.skipped, r.failed, &r.said)
		}
		if all, err := s.instances.List(); err != nil || len(all) > 0 {
			t.Errorf("still known: %+v, %v", all, err)
		}
	}
}

// limited is a test that go test ends at a time.
type limited struct {
	*recorder
	end time.Time
}

func (l limited) Deadline() (time.Time, bool) { return l.end, true }

// TestTimeIsUp: a stack that does not become ready is given up, told and removed before go test ends everything.
func TestTimeIsUp(t *testing.T) {
	t.Parallel()
	on, with := inMemory(t)
	on.AddImage("app", memory.Image{Check: &memory.Check{Test: []string{"CMD", "ready"}, Interval: memory.Span(time.Minute), Retries: 3}})
	on.Behave("web", memory.Behaviour{NeverReady: true})
	path := written(t, small)
	r := record(t, "TestOrders", func(t testing.TB) { Up(limited{t.(*recorder), time.Now().Add(2 * time.Second)}, path, with...) })
	if said := r.said.String(); !r.failed || !strings.Contains(said, "-timeout") {
		t.Errorf("failed %v: %s", r.failed, said)
	}
	if have, err := on.Observe(t.Context(), planner.Scope{}); err != nil || len(have.Containers) > 0 {
		t.Errorf("left: %+v, %v", have.Containers, err)
	}
}

// TestSharedFails: a shared stack that does not come up fails each test that asks, is tried once, and its end is still clean.
func TestSharedFails(t *testing.T) {
	t.Parallel()
	on, with := inMemory(t)
	on.Behave("web", memory.Behaviour{StartError: "no room"})
	shared := Shared(written(t, small), with...)
	code := shared.Run(runs(func() int {
		for _, name := range []string{"one", "two"} {
			r := record(t, name, func(t testing.TB) { shared.Up(t) })
			if !r.failed || !strings.Contains(r.said.String(), "no room") {
				t.Errorf("%s: failed %v: %s", name, r.failed, &r.said)
			}
		}
		return 1
	}))
	if n := on.Count("StartContainer"); code != 1 || n > 2 {
		t.Errorf("exit code %d, %d starts", code, n)
	}
	if have, err := on.Observe(t.Context(), planner.Scope{}); err != nil || len(have.Containers) > 0 {
		t.Errorf("left: %+v, %v", have.Containers, err)
	}
}
