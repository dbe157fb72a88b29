package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

// serving is the creation of a container that serves HTTP on 8080, in a network of its own project.
func (r *rig) serving(service string, flags ...string) planner.CreateContainer {
	return r.shell(service, "", func(a *planner.CreateContainer) {
		a.Image = testapp()
		a.Spec.Command = append([]string{"run"}, flags...)
		r.inNetwork(a)
	})
}

func (r *rig) inNetwork(a *planner.CreateContainer) {
	a.Spec.Networks = map[string]*types.ServiceNetworkConfig{"default": nil}
	a.Networks = map[string]string{"default": r.project + "_default"}
}

// expect asks a container and holds the answer against what is wanted: "ok", the output of a check
// that failed, or "cannot" and the beginning of the reason.
func (r *rig) expect(service, want string, c healthcheck.Check) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, 15*time.Second)
	defer cancel()
	got, err := r.Probe(ctx, r.name(service), c)
	var cannot *healthcheck.CannotCheck
	text := got.Output
	switch {
	case errors.As(err, &cannot):
		text = "cannot " + cannot.Reason
	case err != nil:
		text = err.Error()
	case got.ExitCode == 0:
		text = "ok"
	}
	if !strings.HasPrefix(text, want) {
		r.t.Errorf("%s %v: %q, want %q", service, c, text, want)
	}
}

func httpCheck(path string, status ...int) healthcheck.Check {
	return healthcheck.Check{HTTP: &healthcheck.HTTPCheck{Port: 8080, Path: path, Status: status}}
}

// Ports that nobody publishes, of an image without a shell. Where the engine's network is this machine's, the
// container's own address does.
func TestProbeUnpublishedPorts(t *testing.T) {
	r := newRig(t)
	r.do(r.network("default"), r.serving("web", "-healthy-after=1h"), planner.StartContainer{Name: r.name("web")})
	if w, err := r.waysTo(r.ctx, r.name("web")); err != nil || len(w.direct) == 0 {
		t.Logf("the engine has a network of its own: %v", err)
		r.expect("web", "cannot port 8080 cannot be reached from here", healthcheck.Check{TCP: 8080})
		r.expect("web", "cannot port 8080 cannot be reached from here", httpCheck("/"))
		return
	}
	r.until("web", healthcheck.Check{TCP: 8080})
	r.expect("web", "connection refused", healthcheck.Check{TCP: 81})
	r.expect("web", "ok", httpCheck("/"))
	r.expect("web", "503 Service Unavailable", httpCheck("/health"))
	r.expect("web", "ok", httpCheck("/health", 200, 503))
}

// until waits for the first success.
func (r *rig) until(service string, c healthcheck.Check) {
	r.t.Helper()
	w := healthcheck.New(r.Stack, healthcheck.Options{})
	if err := w.Start(r.ctx); err != nil {
		r.t.Fatal(err)
	}
	defer w.Close()
	err := w.Wait(r.ctx, healthcheck.Target{Name: r.name(service), Condition: healthcheck.Healthy, Check: &c, Timeout: 30 * time.Second})
	if err != nil {
		r.t.Fatal(err)
	}
}

// On an engine whose network is not here, or in no network at all, a shell looks from inside.
func TestProbePortsFromInside(t *testing.T) {
	r := newRig(t)
	const server = "mkdir /www; echo hello > /www/index.html; httpd -p %s8080 -h /www; " + sleeper
	r.do(r.network("default"))
	for service, mode := range map[string]string{"lone": "none", "netted": ""} {
		r.do(r.shell(service, fmt.Sprintf(server, ""), func(a *planner.CreateContainer) {
			if a.Spec.NetworkMode = mode; mode == "" {
				r.inNetwork(a)
			}
		}), planner.StartContainer{Name: r.name(service)})
	}
	r.do(r.shell("shy", fmt.Sprintf(server, "127.0.0.1:"), r.inNetwork), planner.StartContainer{Name: r.name("shy")})
	r.do(r.shell("guest", sleeper, func(a *planner.CreateContainer) { a.Spec.NetworkMode = "container:" + r.name("netted") }),
		planner.StartContainer{Name: r.name("guest")})
	r.until("lone", healthcheck.Check{TCP: 8080})
	r.until("netted", httpCheck("/"))
	r.until("guest", healthcheck.Check{TCP: 8080})
	r.expect("lone", "nothing listens", healthcheck.Check{TCP: 81})
	r.expect("lone", "ok", httpCheck("/"))
	r.expect("lone", "404 Not Found", httpCheck("/missing"))
	for service, inside := range map[string]bool{"netted": true, "shy": false, "guest": true} {
		// As for an engine elsewhere.
		w, err := r.waysTo(r.ctx, r.name(service))
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.listens(r.ctx, w, 8080)
		if err != nil || (got.ExitCode == 0) != inside {
			t.Errorf("%s: %v %v", service, got, err)
		}
		status, err := r.fetches(r.ctx, w, healthcheck.HTTPCheck{Port: 8080, Path: "/", Headers: map[string]string{"X-Try": "a b"}})
		if want := map[bool]int{true: 200}[inside]; err != nil || status != want {
			t.Errorf("%s: status %d, want %d: %v", service, status, want, err)
		}
	}
}

// A published port is the way to an image without a shell on another machine. Before the container listens, whoever
// publishes the port accepts, and closes at once.
func TestProbePublishedPorts(t *testing.T) {
	r := newRig(t)
	publish := func(service string, target uint32, flags ...string) {
		a := r.serving(service, flags...)
		a.Spec.Ports = []types.ServicePortConfig{{Target: target, Protocol: "tcp"}}
		r.do(a, planner.StartContainer{Name: r.name(service)})
	}
	r.do(r.network("default"))
	publish("web", 8080)
	publish("mute", 81)
	here, err := r.waysTo(r.ctx, r.name("web"))
	if err != nil {
		t.Fatal(err)
	}
	if len(here.direct) == 0 {
		t.Skip("ports of this engine are published in a network of its own")
	}
	r.until("web", httpCheck("/"))
	if got := holdsOpen(r.ctx, here.published[8080]); got.ExitCode != 0 {
		t.Errorf("a port that is served: %v", got)
	}
	mute, err := r.waysTo(r.ctx, r.name("mute"))
	if err != nil {
		t.Fatal(err)
	}
	if got := holdsOpen(r.ctx, mute.published[81]); got.ExitCode == 0 {
		t.Error("a port that nobody serves counts as open")
	}
}

// A line of the log, also of an image without a shell.
func TestProbeLines(t *testing.T) {
	r := newRig(t)
	r.do(r.network("default"), r.serving("web", "-lines=3", "-text=listening on"), planner.StartContainer{Name: r.name("web")})
	r.until("web", healthcheck.Check{Log: `listening on 3`})
	r.do(r.shell("silent", "echo on; "+sleeper, func(a *planner.CreateContainer) { a.Spec.LogDriver = "none" }),
		planner.StartContainer{Name: r.name("silent")})
	err := r.Lines(r.ctx, r.name("silent"), healthcheck.Excerpt{Follow: true}, func(string) error { return nil })
	if !errors.As(err, new(*healthcheck.CannotCheck)) {
		t.Errorf("logs that are not kept: %v", err)
	}
}

// A line that it printed before it was started again says nothing.
func TestProbeLinesOfThisRun(t *testing.T) {
	r := newRig(t)
	const second = "if [ -e /once ]; then echo second; " + sleeper + "; fi; touch /once; echo first"
	r.do(r.network("default"), r.shell("web", second, r.inNetwork), planner.StartContainer{Name: r.name("web")})
	w := healthcheck.New(r.Stack, healthcheck.Options{})
	if err := w.Start(r.ctx); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Wait(r.ctx, healthcheck.Target{Name: r.name("web"), Condition: healthcheck.Completed}); err != nil {
		t.Fatal(err)
	}
	r.do(planner.StartContainer{Name: r.name("web")})
	r.until("web", healthcheck.Check{Log: "second"})
	err := w.Wait(r.ctx, healthcheck.Target{Name: r.name("web"), Condition: healthcheck.Healthy, Check: &healthcheck.Check{Log: "first"}, Timeout: time.Second})
	if !errors.As(err, new(*healthcheck.Failure)) {
		t.Errorf("a line of the first run: %v", err)
	}
}
