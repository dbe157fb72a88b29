package docker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

func TestProbe(t *testing.T) {
	r := newRig(t)
	r.do(r.shell("web", sleeper, func(a *planner.CreateContainer) {
		a.Spec.Environment = types.MappingWithEquals{"WHO": ptr("me")}
	}), planner.StartContainer{Name: r.name("web")})
	for name, c := range map[string]struct {
		test []string
		want healthcheck.ProbeResult
	}{
		"well":     {[]string{"CMD", "true"}, healthcheck.ProbeResult{}},
		"not well": {[]string{"CMD-SHELL", "echo no, $WHO >&2; exit 5"}, healthcheck.ProbeResult{ExitCode: 5, Output: "no, me"}},
		"much output": {[]string{"CMD-SHELL", "yes | tr -d '\\n' | head -c 100000"},
			healthcheck.ProbeResult{Output: strings.Repeat("y", 4096)}},
	} {
		got, err := r.Probe(r.ctx, r.name("web"), healthcheck.Check{Exec: c.test})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	late := errors.New("too late")
	ctx, cancel := context.WithTimeoutCause(r.ctx, 200*time.Millisecond, late)
	defer cancel()
	if _, err := r.Probe(ctx, r.name("web"), healthcheck.Check{Exec: []string{"CMD", "sleep", "60"}}); !errors.Is(err, late) {
		t.Errorf("a check that hangs: %v", err)
	}
	if _, err := r.Probe(r.ctx, r.name("web"), healthcheck.Check{Exec: []string{"NONE"}}); err == nil {
		t.Error("NONE was run")
	}
}

func TestLook(t *testing.T) {
	r := newRig(t)
	name := r.name("web")
	timeout := types.Duration(7 * time.Second)
	r.do(r.shell("web", "exit 3", func(a *planner.CreateContainer) {
		a.Spec.HealthCheck = &types.HealthCheckConfig{Test: []string{"CMD", "true"}, Timeout: &timeout}
	}))
	look := func() healthcheck.Status {
		t.Helper()
		s, err := r.Look(r.ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	want := healthcheck.Status{Test: []string{"CMD", "true"}, Timeout: 7 * time.Second}
	if diff := cmp.Diff(want, look()); diff != "" {
		t.Errorf("before the start: %s", diff)
	}
	r.do(planner.StartContainer{Name: name})
	if code, err := r.Wait(r.ctx, name); err != nil || code != 3 {
		t.Errorf("wait: %d, %v", code, err)
	}
	got := look()
	if !got.Exited || got.ExitCode != 3 || got.Running || got.Restarts || got.StartedAt.IsZero() {
		t.Errorf("after the end: %+v", got)
	}
	if _, err := r.Look(r.ctx, "no-such-container"); !errors.Is(err, healthcheck.ErrNoContainer) {
		t.Errorf("%v", err)
	}
}

// A container that the engine keeps restarting is not running and has not exited.
func TestLookAtARestartingContainer(t *testing.T) {
	r := newRig(t)
	name := r.name("web")
	r.do(r.shell("web", "exit 1", func(a *planner.CreateContainer) { a.Spec.Restart = "always" }))
	seen, err := r.Watch(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	r.do(planner.StartContainer{Name: name})
	for ev := range seen {
		if ev.What != "die" {
			continue
		}
		s, err := r.Look(r.ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if !s.Restarts || s.Exited && !r.isPodman() {
			t.Fatalf("%+v", s)
		}
		if s.Restarting || s.Exited {
			return
		}
	}
	t.Error("the stream ended")
}
