package memory_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/memory"
)

// create makes an action for a container of project p.
func create(name string, change ...func(*planner.CreateContainer)) planner.CreateContainer {
	a := planner.CreateContainer{Name: name, Image: "app", Labels: map[string]string{
		planner.LabelProject: "p", planner.LabelService: name, planner.LabelNumber: "1"}}
	for _, f := range change {
		f(&a)
	}
	return a
}

func spec(s project.Service) func(*planner.CreateContainer) {
	return func(a *planner.CreateContainer) { a.Spec = s }
}

func on(network string) func(*planner.CreateContainer) {
	return func(a *planner.CreateContainer) { a.Networks = map[string]string{network: network} }
}

func published(port string) project.Service {
	return project.Service{WorkloadSpec: types.WorkloadSpec{Ports: []types.ServicePortConfig{{Target: 80, Published: port, Protocol: "tcp"}}}}
}

func start(name string) planner.StartContainer   { return planner.StartContainer{Name: name} }
func remove(name string) planner.RemoveContainer { return planner.RemoveContainer{Name: name} }

// What an engine accepts and what it refuses, action by action: the last one
// of each list has the error.
func TestRules(t *testing.T) {
	network := planner.CreateNetwork{Name: "n"}
	data := spec(project.Service{ContainerSpec: types.ContainerSpec{Volumes: []types.ServiceVolumeConfig{{Type: "volume", Source: "data", Target: "/data"}}}})
	shared := spec(project.Service{ContainerSpec: types.ContainerSpec{NetworkMode: "container:a"}})
	address := func(a *planner.CreateContainer) {
		a.Networks = map[string]string{"n": "n"}
		a.Spec.Networks = map[string]*types.ServiceNetworkConfig{"n": {Ipv4Address: "172.20.0.9"}}
	}
	for name, test := range map[string]struct {
		actions []planner.Action
		want    string // part of the error; empty for success
	}{
		"network twice":             {[]planner.Action{network, network}, ""},
		"network removed twice":     {[]planner.Action{network, planner.RemoveNetwork{Name: "n"}, planner.RemoveNetwork{Name: "n"}}, ""},
		"network in use":            {[]planner.Action{network, create("a", on("n")), start("a"), planner.RemoveNetwork{Name: "n"}}, "has active endpoints"},
		"network of a stopped one":  {[]planner.Action{network, create("a", on("n")), planner.RemoveNetwork{Name: "n"}}, ""},
		"network comes later":       {[]planner.Action{create("a", on("n")), network, start("a")}, ""},
		"network is not there":      {[]planner.Action{create("a", on("n")), start("a")}, "network n not found"},
		"network to join not there": {[]planner.Action{create("a"), planner.ConnectNetwork{Name: "a", Network: "n"}}, "network n not found"},
		"network was made again":    {[]planner.Action{network, create("a", on("n")), start("a"), planner.StopContainer{Name: "a"}, planner.RemoveNetwork{Name: "n"}, network, start("a")}, "not found"},
		"volume twice":              {[]planner.Action{planner.CreateVolume{Name: "v"}, planner.CreateVolume{Name: "v"}}, ""},
		"volume in use":             {[]planner.Action{create("a", data), planner.RemoveVolume{Name: "data"}}, "volume is in use"},
		"volume no longer used":     {[]planner.Action{create("a", data), remove("a"), planner.RemoveVolume{Name: "data"}}, ""},
		"image is not there":        {[]planner.Action{create("a", func(a *planner.CreateContainer) { a.Image = "nowhere" })}, "no such image: nowhere"},
		"image with a longer name":  {[]planner.Action{create("a", func(a *planner.CreateContainer) { a.Image = "docker.io/library/app:latest" })}, ""},
		"image unknown to registry": {[]planner.Action{planner.PullImage{Ref: "nowhere"}}, "pull access denied for nowhere"},
		"image need not be pulled":  {[]planner.Action{planner.PullImage{Ref: "app", Optional: true}}, ""},
		"image pulled":              {[]planner.Action{planner.PullImage{Ref: "db:17"}, create("a", func(a *planner.CreateContainer) { a.Image = "db:17" })}, ""},
		"image in use":              {[]planner.Action{create("a"), planner.RemoveImage{Ref: "app"}}, "is using its referenced image"},
		"image built":               {[]planner.Action{planner.BuildImage{Ref: "mine", Service: "web"}, create("a", func(a *planner.CreateContainer) { a.Image = "mine" })}, ""},
		"container twice":           {[]planner.Action{create("a"), create("a")}, ""},
		"container of another kind": {[]planner.Action{create("a"), create("a", func(a *planner.CreateContainer) { a.Labels = nil })}, "already in use"},
		"start twice":               {[]planner.Action{create("a"), start("a"), start("a")}, ""},
		"start of nothing":          {[]planner.Action{start("a")}, "no such container: a"},
		"stop of nothing":           {[]planner.Action{planner.StopContainer{Name: "a"}}, ""},
		"remove of nothing":         {[]planner.Action{remove("a")}, ""},
		"rename":                    {[]planner.Action{create("a"), planner.RenameContainer{Name: "a", To: "b"}, start("b")}, ""},
		"rename twice":              {[]planner.Action{create("a"), planner.RenameContainer{Name: "a", To: "b"}, planner.RenameContainer{Name: "a", To: "b"}}, ""},
		"rename to a taken name":    {[]planner.Action{create("a"), create("b"), planner.RenameContainer{Name: "a", To: "b"}}, "already in use"},
		"port is taken":             {[]planner.Action{create("a", spec(published("80"))), start("a"), create("b", spec(published("80"))), start("b")}, "port is already allocated"},
		"port is free again":        {[]planner.Action{create("a", spec(published("80"))), start("a"), planner.StopContainer{Name: "a"}, create("b", spec(published("80"))), start("b")}, ""},
		"port by choice":            {[]planner.Action{create("a", spec(published(""))), start("a"), create("b", spec(published(""))), start("b")}, ""},
		"address is taken":          {[]planner.Action{network, create("a", address), start("a"), create("b", address), start("b")}, "already in use"},
		"namespace of nothing":      {[]planner.Action{create("b", shared)}, "no such container: a"},
		"namespace of a stopped":    {[]planner.Action{create("a"), create("b", shared), start("b")}, "non running container"},
		"namespace":                 {[]planner.Action{create("a"), create("b", shared), start("a"), start("b")}, ""},
		"inherit from nothing":      {[]planner.Action{create("a", func(a *planner.CreateContainer) { a.Inherit = "z" })}, "no such container: z"},
		"hook in a stopped one":     {[]planner.Action{create("a"), planner.RunHook{Name: "a"}}, "is not running"},
		"disconnect twice":          {[]planner.Action{network, create("a", on("n")), planner.DisconnectNetwork{Name: "a", Network: "n"}, planner.DisconnectNetwork{Name: "a", Network: "n"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := memory.New()
			e.AddImage("app", memory.Image{})
			e.Publish("db:17", memory.Image{})
			for i, a := range test.actions {
				err := e.Apply(t.Context(), a, nil)
				switch last := i == len(test.actions)-1; {
				case !last && err != nil:
					t.Fatalf("%T: %v", a, err)
				case last && test.want == "" && err != nil, last && test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
					t.Errorf("got error %v, want %q", err, test.want)
				}
			}
		})
	}
}

func observe(t *testing.T, e *memory.Engine) planner.State {
	t.Helper()
	s, err := e.Observe(t.Context(), planner.Scope{Project: "p", Images: []string{"app", "nowhere"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func apply(t *testing.T, e *memory.Engine, actions ...planner.Action) {
	t.Helper()
	for _, a := range actions {
		if err := e.Apply(t.Context(), a, nil); err != nil {
			t.Fatalf("%T: %v", a, err)
		}
	}
}

func TestAnonymousVolumesAreInherited(t *testing.T) {
	e := memory.New()
	e.AddImage("app", memory.Image{Volumes: []string{"/cache"}})
	anonymous := spec(project.Service{ContainerSpec: types.ContainerSpec{Volumes: []types.ServiceVolumeConfig{{Type: "volume", Target: "/data"}}}})
	apply(t, e, create("a", anonymous), create("b", anonymous, func(a *planner.CreateContainer) { a.Inherit = "a" }), create("c", anonymous))
	s := observe(t, e)
	a, b, c := s.Containers[0].Mounts, s.Containers[1].Mounts, s.Containers[2].Mounts
	if diff := cmp.Diff(a, b); diff != "" || len(a) != 2 {
		t.Errorf("not the same volumes: %s", diff)
	}
	if a[0].Name == c[0].Name || a[1].Name == c[1].Name {
		t.Error("a container that inherits nothing has another's volumes")
	}
	// What the successor still has is not removed with the predecessor.
	apply(t, e, planner.RemoveContainer{Name: "a", Volumes: true}, planner.RemoveContainer{Name: "c", Volumes: true})
	s, err := e.Observe(t.Context(), planner.Scope{Volumes: []string{a[0].Name, a[1].Name, c[0].Name}})
	if err != nil || len(s.Volumes) != 2 {
		t.Errorf("%d volumes are left, %v", len(s.Volumes), err)
	}
}

func TestLives(t *testing.T) {
	const s = time.Second
	checked := spec(project.Service{Restart: "always", WorkloadSpec: types.WorkloadSpec{
		HealthCheck: &types.HealthCheckConfig{Test: []string{"CMD", "x"}}}})
	type moment struct {
		after  time.Duration
		status planner.Status
		health planner.Health
	}
	for name, test := range map[string]struct {
		behaviour memory.Behaviour
		create    planner.CreateContainer
		want      []moment
	}{
		"runs":                   {memory.Behaviour{}, create("a"), []moment{{0, planner.Running, ""}, {time.Hour, planner.Running, ""}}},
		"ends":                   {memory.Behaviour{Exits: true, ExitAfter: memory.Span(5 * s)}, create("a"), []moment{{4 * s, planner.Running, ""}, {6 * s, planner.Exited, ""}}},
		"healthy at an interval": {memory.Behaviour{ReadyAfter: memory.Span(s)}, create("a", checked), []moment{{2 * s, planner.Running, planner.Starting}, {31 * s, planner.Running, planner.Healthy}}},
		"unhealthy after three":  {memory.Behaviour{NeverReady: true}, create("a", checked), []moment{{89 * s, planner.Running, planner.Starting}, {91 * s, planner.Running, planner.Unhealthy}}},
		"breaks":                 {memory.Behaviour{BreaksAfter: memory.Span(40 * s)}, create("a", checked), []moment{{31 * s, planner.Running, planner.Healthy}, {121 * s, planner.Running, planner.Unhealthy}}},
		"restarts": {memory.Behaviour{Exits: true, ExitAfter: memory.Span(5 * s), ExitCode: 1}, create("a", spec(project.Service{Restart: "on-failure:2"})),
			[]moment{{5*s + 50*time.Millisecond, planner.Restarting, ""}, {6 * s, planner.Running, ""}, {10*s + 150*time.Millisecond, planner.Restarting, ""}, {20 * s, planner.Exited, ""}}},
		"crashes once": {memory.Behaviour{Exits: true, Crashes: 1, ExitCode: 1}, create("a", checked), []moment{{50 * time.Millisecond, planner.Restarting, planner.Unhealthy}, {s, planner.Running, planner.Starting}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := memory.New()
				e.AddImage("app", memory.Image{})
				e.Behave("a", test.behaviour)
				apply(t, e, test.create, start("a"))
				begun := time.Now()
				for _, m := range test.want {
					time.Sleep(m.after - time.Since(begun))
					synctest.Wait()
					c, err := e.Inspect(t.Context(), "a")
					if err != nil {
						t.Fatal(err)
					}
					if c.Status != m.status || c.Health != m.health {
						t.Errorf("after %v it is %s %q, want %s %q", m.after, c.Status, c.Health, m.status, m.health)
					}
				}
			})
		})
	}
}

// Several programs, one after the other, work on one file.
func TestSaveAndLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "engine.json")
		e, err := memory.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		e.AddImage("app", memory.Image{Check: &memory.Check{Test: []string{"CMD", "x"}, Interval: memory.Span(2 * time.Second)}})
		e.Behave("app", memory.Behaviour{ReadyAfter: memory.Span(time.Second)})
		e.Publish("db", memory.Image{})
		e.Fail(memory.Fault{Action: "StopContainer", Call: 2, Do: memory.Refuse})
		apply(t, e, planner.CreateNetwork{Name: "n", Labels: map[string]string{planner.LabelProject: "p"}}, create("a", on("n")), start("a"), planner.StopContainer{Name: "z"})
		before := observe(t, e)
		if err := e.Save(file); err != nil {
			t.Fatal(err)
		}
		again, err := memory.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, observe(t, again)); diff != "" {
			t.Errorf("not the same after loading:\n%s", diff)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if c, _ := again.Inspect(t.Context(), "a"); c.Health != planner.Healthy {
			t.Errorf("after loading time stands still: %s", c.Health)
		}
		if err := again.Apply(t.Context(), planner.StopContainer{Name: "a"}, nil); err == nil {
			t.Error("the fault was lost")
		}
		apply(t, again, planner.PullImage{Ref: "db"})
	})
}

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.New()
		e.AddImage("app", memory.Image{})
		exists := func(name string) bool {
			_, err := e.Inspect(t.Context(), name)
			return err == nil
		}
		e.Fail(memory.Fault{Action: "CreateContainer", Call: 2, Do: memory.Forget, Error: "timeout"},
			memory.Fault{Name: "c*", Do: memory.Stall})
		apply(t, e, create("a"))
		if err := e.Apply(t.Context(), create("b"), nil); err == nil || err.Error() != "timeout" || !exists("b") {
			t.Errorf("forgetting: %v, exists %v", err, exists("b"))
		}
		time.AfterFunc(time.Minute, e.Release)
		begun := time.Now()
		apply(t, e, create("c1"))
		if time.Since(begun) != time.Minute {
			t.Errorf("stalled for %v", time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.Apply(ctx, create("c2"), nil); !errors.Is(err, context.DeadlineExceeded) || exists("c2") {
			t.Errorf("stalled and cancelled: %v, exists %v", err, exists("c2"))
		}
		e.Fail(memory.Fault{Action: "StartContainer", Do: memory.DieAfter})
		err := errors.Join(e.Apply(t.Context(), start("a"), nil), e.Apply(t.Context(), start("b"), nil))
		if !errors.Is(err, memory.ErrDead) {
			t.Errorf("dead: %v", err)
		}
		e.Revive()
		for name, want := range map[string]planner.Status{"a": planner.Running, "b": planner.Created} {
			if c, _ := e.Inspect(t.Context(), name); c.Status != want {
				t.Errorf("%s is %s after the death, want %s", name, c.Status, want)
			}
		}
		if e.Count("StartContainer") != 2 {
			t.Errorf("%d starts", e.Count("StartContainer"))
		}
	})
}
