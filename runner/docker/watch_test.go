package docker

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/events"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

func TestWatchSeesALife(t *testing.T) {
	r := newRig(t)
	if r.isPodman() {
		t.Skip("Podman runs health checks by systemd only")
	}
	seen, err := r.Watch(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	interval := types.Duration(100 * time.Millisecond)
	one := uint64(1)
	name := r.name("web")
	r.do(
		r.shell("web", "trap 'exit 7' TERM; touch /well; while :; do sleep 0.1; done", func(a *planner.CreateContainer) {
			a.Spec.HealthCheck = &types.HealthCheckConfig{Test: []string{"CMD-SHELL", "test -e /well"}, Interval: &interval, Retries: &one}
		}),
		planner.StartContainer{Name: name},
	)
	var got []healthcheck.Event
	until := func(what, health string) {
		t.Helper()
		for {
			select {
			case ev, ok := <-seen:
				if !ok {
					t.Fatal("the stream ended")
				}
				got = append(got, ev)
				if ev.What == what && ev.Health == health {
					return
				}
			case <-r.ctx.Done():
				t.Fatalf("no %s %s; seen: %+v", what, health, got)
			}
		}
	}
	until("health", "healthy")
	r.sh(name, "rm /well")
	until("health", "unhealthy")
	r.do(planner.RenameContainer{Name: name, To: name + "0"}, planner.StopContainer{Name: name + "0"})
	until("die", "")
	r.do(planner.RemoveContainer{Name: name + "0"})
	until("destroy", "")
	want := []healthcheck.Event{
		{Name: name, What: "start"}, {Name: name, What: "health", Health: "healthy"}, {Name: name, What: "health", Health: "unhealthy"},
		{Name: name + "0", What: "rename"}, {Name: name + "0", What: "kill"}, {Name: name + "0", What: "die", ExitCode: 7}, {Name: name + "0", What: "destroy"},
	}
	for i, e := range got {
		if e.At.IsZero() {
			t.Errorf("%s has no time", e.What)
		}
		got[i].At = time.Time{}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Nothing that happens after Watch has returned is missed, however soon.
func TestWatchMissesNothing(t *testing.T) {
	r := newRig(t)
	r.do(r.shell("web", sleeper, nil))
	for range 20 {
		ctx, cancel := context.WithCancel(r.ctx)
		seen, err := r.Watch(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.client.ContainerRename(ctx, r.name("web"), r.name("web")+"0"); err != nil {
			t.Fatal(err)
		}
		select {
		case ev := <-seen:
			if ev.What != "rename" || ev.Name != r.name("web")+"0" {
				t.Errorf("%+v", ev)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the event was missed")
		}
		cancel()
		for range seen { // is closed
		}
		r.do(planner.RenameContainer{Name: r.name("web") + "0", To: r.name("web")})
	}
}

// A stream that breaks is taken up again with a resync; when the engine is gone for good, it ends.
func TestWatchResyncs(t *testing.T) {
	var calls atomic.Int32
	e := fakeEngine(t, func(w http.ResponseWriter, _ *http.Request) {
		switch calls.Add(1) {
		case 1, 2:
			_, _ = w.Write([]byte(`{"Type":"container","Action":"start","Actor":{"ID":"1","Attributes":{"name":"web"}}}`))
		default:
			http.Error(w, `{"message":"shutting down"}`, http.StatusServiceUnavailable)
		}
	})
	seen, err := e.Stack("p").Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for ev := range seen {
		got = append(got, ev.What)
	}
	if want := []string{"start", "resync", "start"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// fakeEngine answers the ping itself and leaves the rest to handle.
func fakeEngine(t *testing.T, handle http.HandlerFunc) *Engine {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Api-Version", "1.51")
		w.Header().Set("Server", "Docker/28.5.2 (linux)")
		w.Header().Set("Ostype", "linux")
		if !strings.HasSuffix(req.URL.Path, "/_ping") {
			w.Header().Set("Content-Type", "application/json")
			handle(w, req)
		}
	}))
	socket := t.TempDir() + "/s"
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	e, err := Open(Options{Host: "unix://" + socket, ConfigDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func TestEventsOfBothEngines(t *testing.T) {
	for name, c := range map[string]struct {
		action     string
		attributes map[string]string
		want       Event
		ok         bool
	}{
		"docker healthy":   {"health_status: healthy", nil, Event{Action: "health", Health: "healthy"}, true},
		"podman unhealthy": {"health_status", map[string]string{"health_status": "unhealthy"}, Event{Action: "health", Health: "unhealthy"}, true},
		"health starting":  {"health_status: running", nil, Event{}, false},
		"docker die":       {"die", map[string]string{"exitCode": "3"}, Event{Action: "die", ExitCode: 3}, true},
		"podman died":      {"died", map[string]string{"containerExitCode": "4"}, Event{Action: "die", ExitCode: 4}, true},
		"podman remove":    {"remove", nil, Event{Action: "destroy"}, true},
		"labels": {"start", map[string]string{"name": "web", planner.LabelService: "web", planner.LabelNumber: "2", planner.LabelOneOff: "True"},
			Event{Action: "start", Name: "web", Service: "web", Number: 2, OneOff: true}, true},
	} {
		got, ok := fromMessage(events.Message{Type: "container", Action: events.Action(c.action), Actor: events.Actor{Attributes: c.attributes}})
		if ok != c.ok {
			t.Errorf("%s: ok is %v", name, ok)
			continue
		}
		got.At, got.Labels = time.Time{}, nil
		if diff := cmp.Diff(c.want, got); ok && diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
