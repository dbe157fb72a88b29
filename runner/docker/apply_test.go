package docker

import (
	"context"
	"errors"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// Every action done twice has the same effect as done once.
func TestActionsAreIdempotent(t *testing.T) {
	r := newRig(t)
	service := func(a *planner.CreateContainer) {
		a.Spec.Networks = map[string]*types.ServiceNetworkConfig{"front": nil}
		a.Networks = map[string]string{"front": r.project + "_front", "back": r.project + "_back"}
	}
	create := r.shell("web", "trap : USR2; "+sleeper, service)
	name, other := create.Name, r.project+"-web-9"
	second := time.Second
	steps := []planner.Action{
		r.network("front"), r.network("back"), r.volume("data"),
		create,
		planner.StartContainer{Name: name},
		planner.KillContainer{Name: name, Signal: "SIGUSR2"},
		planner.ConnectNetwork{Name: name, Network: r.project + "_back", Key: "back", Spec: create.Spec},
		planner.DisconnectNetwork{Name: name, Network: r.project + "_back"},
		planner.UpdateContainer{Name: name, Settings: planner.Settings{Memory: 64 << 20, Restart: "always"}},
		planner.RestartContainer{Name: name, Grace: &second},
		planner.RenameContainer{Name: name, To: other},
		planner.StopContainer{Name: other, Grace: &second},
		planner.StopContainer{Name: "no-such-container"},
		planner.RemoveContainer{Name: other, Volumes: true},
		planner.RemoveNetwork{Name: r.project + "_front"},
		planner.RemoveNetwork{Name: r.project + "_back"},
		planner.RemoveVolume{Name: r.project + "_data"},
		planner.RemoveImage{Ref: "muster.local/no-such-image:1"},
	}
	for _, a := range steps {
		r.do(a, a)
	}
	state, err := r.Observe(r.ctx, planner.Scope{Project: r.project})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(state.Containers) + len(state.Networks) + len(state.Volumes); n != 0 {
		t.Errorf("%d things are left: %+v", n, state)
	}
}

func TestObserveTellsWhatThereIs(t *testing.T) {
	r := newRig(t)
	r.do(r.network("front"), r.volume("data"))
	r.do(r.shell("job", "exit 3", nil), planner.StartContainer{Name: r.name("job")})
	r.do(r.shell("web", sleeper, func(a *planner.CreateContainer) {
		a.Spec.Networks = map[string]*types.ServiceNetworkConfig{"front": nil}
		a.Networks = map[string]string{"front": r.project + "_front"}
		a.Spec.Volumes = []types.ServiceVolumeConfig{{Type: "volume", Source: "data", Target: "/data", ReadOnly: true}}
		a.Volumes = map[string]string{"data": r.project + "_data"}
		a.Spec.Ports = []types.ServicePortConfig{{Target: 80, Published: "0", HostIP: "127.0.0.1"}}
	}), planner.StartContainer{Name: r.name("web")})
	if _, err := r.Wait(r.ctx, r.name("job")); err != nil {
		t.Fatal(err)
	}
	state, err := r.Observe(r.ctx, planner.Scope{Project: r.project, Images: []string{busybox(), "docker.io/library/nothing:7"}, Networks: []string{"bridge"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(state.Containers) != 2 {
		t.Fatalf("%d containers", len(state.Containers))
	}
	bare, err := r.Observe(r.ctx, planner.Scope{Project: r.project, ContainersOnly: true, Networks: []string{"bridge"}})
	if err != nil || len(bare.Containers) != 2 || len(bare.Networks)+len(bare.Volumes) > 0 {
		t.Errorf("of nothing but containers: %+v, %v", bare, err)
	}
	one, err := r.Observe(r.ctx, planner.Scope{Project: r.project, ContainersOnly: true, Service: "web", Networks: []string{"bridge"}})
	if err != nil || len(one.Containers) != 1 || one.Containers[0].Name != r.name("web") || len(one.Networks)+len(one.Volumes) > 0 {
		t.Errorf("of web alone: %+v, %v", one, err)
	}
	job, web := state.Containers[0], state.Containers[1]
	if job.Status != planner.Exited || job.ExitCode != 3 || job.Service != "job" || job.Number != 1 {
		t.Errorf("job: %+v", job)
	}
	if web.Status != planner.Running || len(web.Endpoints) != 1 || web.Endpoints[0].Network != r.project+"_front" || web.Endpoints[0].NetworkID == "" {
		t.Errorf("web: %+v", web)
	}
	want := []planner.Mount{{Type: "volume", Name: r.project + "_data", Target: "/data", ReadOnly: true}}
	for i := range web.Mounts {
		web.Mounts[i].Source = ""
	}
	if diff := cmp.Diff(want, web.Mounts); diff != "" {
		t.Error(diff)
	}
	if len(web.Ports) != 1 || web.Ports[0].Published == 0 || web.Ports[0].Target != 80 {
		t.Errorf("ports: %+v", web.Ports)
	}
	if len(state.Images) != 1 || len(state.Networks) != 2 || len(state.Volumes) != 1 {
		t.Errorf("images %v networks %v volumes %v", state.Images, state.Networks, state.Volumes)
	}
	if state.Engine.API == "" || !strings.HasPrefix(state.Engine.Name, "docker ") && !strings.HasPrefix(state.Engine.Name, "podman ") || state.Engine.OS != "linux" {
		t.Errorf("engine: %+v", state.Engine)
	}
	inspected, err := r.Inspect(r.ctx, web.Name)
	if err != nil {
		t.Fatal(err)
	}
	if inspected.ID != web.ID || inspected.Status != web.Status || !cmp.Equal(inspected.Ports, web.Ports) {
		t.Errorf("inspect says %+v, the list says %+v", inspected, web)
	}
}

// A start lets a paused container go on.
func TestStartOfAPausedContainer(t *testing.T) {
	r := newRig(t)
	name := r.name("web")
	r.do(r.shell("web", sleeper, nil), planner.StartContainer{Name: name})
	if err := r.client.ContainerPause(r.ctx, name); err != nil {
		if strings.Contains(err.Error(), "cgroup") {
			t.Skipf("this engine cannot pause: %v", err)
		}
		t.Fatal(err)
	}
	r.do(planner.StartContainer{Name: name}, planner.StartContainer{Name: name})
	if got, err := r.Inspect(r.ctx, name); err != nil || got.Status != planner.Running {
		t.Errorf("%s, %v", got.Status, err)
	}
}

// A stop can be given its signal and its patience, on old engines too.
func TestStopWithASignal(t *testing.T) {
	r := newRig(t)
	moment, long := 100*time.Millisecond, time.Minute
	for service, c := range map[string]struct {
		script string
		grace  *time.Duration
		want   int
	}{
		"heeds":   {"trap 'exit 5' USR1; while :; do sleep 0.1; done", &long, 5},
		"ignores": {"trap '' USR1; while :; do sleep 0.1; done", &moment, 137},
	} {
		name := r.name(service)
		r.do(r.shell(service, "trap : USR1; echo up; "+c.script, nil), planner.StartContainer{Name: name})
		stream, err := r.Logs(r.ctx, name, LogOptions{Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Next(); err != nil { // the trap is set
			t.Fatal(err)
		}
		_ = stream.Close()
		stop := planner.StopContainer{Name: name, Signal: "SIGUSR1", Grace: c.grace}
		r.do(stop, stop)
		if got, err := r.Inspect(r.ctx, name); err != nil || got.Status != planner.Exited || got.ExitCode != c.want {
			t.Errorf("%s: %s with code %d, %v", service, got.Status, got.ExitCode, err)
		}
	}
}

// Who looks right after a kill or a stop does not find that the container runs. The engine's list says so for some milliseconds.
func TestLookAfterTheEnd(t *testing.T) {
	r := newRig(t)
	create := r.shell("web", sleeper, nil)
	now := time.Duration(0)
	for _, end := range []planner.Action{
		planner.KillContainer{Name: create.Name}, planner.KillContainer{Name: create.Name, Signal: "SIGKILL"}, planner.KillContainer{Name: create.Name, Signal: "9"},
		planner.StopContainer{Name: create.Name, Grace: &now},
	} {
		r.do(create, planner.StartContainer{Name: create.Name}, end)
		state, err := r.Observe(r.ctx, planner.Scope{Project: r.project})
		if err != nil || len(state.Containers) != 1 || state.Containers[0].Status != planner.Exited {
			t.Errorf("after %#v: %+v, %v", end, state.Containers, err)
		}
	}
}

// Who has waited for the end of a container does not find that it runs either, as `muster attach web && muster up -d` would.
func TestLookAfterEnding(t *testing.T) {
	const often = 5 // the engine's list is not always late
	r := newRig(t)
	create := r.shell("web", "exit 3", nil)
	r.do(create)
	for range often {
		ending, err := r.Ending(r.ctx, create.Name, false)
		if err != nil {
			t.Fatal(err)
		}
		r.do(planner.StartContainer{Name: create.Name})
		if code, err := ending(); code != 3 || err != nil {
			t.Fatalf("ended with %d, %v", code, err)
		}
		state, err := r.Observe(r.ctx, planner.Scope{Project: r.project})
		if err != nil || len(state.Containers) != 1 || state.Containers[0].Status != planner.Exited {
			t.Fatalf("after the end: %+v, %v", state.Containers, err)
		}
	}
}

// A start that is interrupted while the engine is at it has come to its end when it returns: an attached up that then stops all finds the container.
func TestInterruptedStart(t *testing.T) {
	r := newRig(t)
	create := r.shell("web", sleeper, nil)
	r.do(create)
	ctx, cancel := context.WithCancel(r.ctx)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { cancel() }})
	_ = r.Apply(ctx, planner.StartContainer{Name: create.Name}, nil) // it may as well say that it was interrupted
	state, err := r.Observe(r.ctx, planner.Scope{Project: r.project})
	if err != nil || len(state.Containers) != 1 || state.Containers[0].Status != planner.Running {
		t.Errorf("after the start: %+v, %v", state.Containers, err)
	}
}

// interruptedStop is a container that takes a second to stop, and a stop of it that was interrupted meanwhile.
func (r *rig) interruptedStop(service string) (name string) {
	r.t.Helper()
	name = r.name(service)
	r.do(r.shell(service, "trap 'echo stopping; sleep 1; exit 0' TERM; echo up; while :; do sleep 0.1; done", nil), planner.StartContainer{Name: name})
	stream, err := r.Logs(r.ctx, name, LogOptions{Follow: true})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := stream.Next(); err != nil { // the trap is set
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- r.Apply(ctx, planner.StopContainer{Name: name}, nil) }()
	if _, err := stream.Next(); err != nil { // the stop has begun
		r.t.Fatal(err)
	}
	_ = stream.Close()
	cancel()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		r.t.Errorf("the stop that is left: %v", err)
	}
	return name
}

// What starts again after a stop that was interrupted runs on: the engine ends that stop all the same.
func TestStartAfterAStopThatWasLeft(t *testing.T) {
	r := newRig(t)
	name := r.interruptedStop("slow")
	before, err := r.client.ContainerInspect(r.ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	r.do(planner.StartContainer{Name: name})
	after, err := r.client.ContainerInspect(r.ctx, name)
	if err != nil || !after.State.Running || after.State.StartedAt == before.State.StartedAt {
		t.Errorf("running: %v since %s, first %s (%v)", after.State.Running, after.State.StartedAt, before.State.StartedAt, err)
	}
	r.AwaitLeft(r.ctx, func(names []string) { t.Errorf("it waits for %v, which was started again", names) })
}

// Who waits for stops that were interrupted does not find that anything of it runs.
func TestAwaitLeft(t *testing.T) {
	r := newRig(t)
	name := r.interruptedStop("slow")
	var waited []string
	r.AwaitLeft(r.ctx, func(names []string) { waited = append(waited, names...) })
	r.AwaitLeft(r.ctx, func([]string) { t.Error("it waits twice") })
	state, err := r.Observe(r.ctx, planner.Scope{Project: r.project})
	if err != nil || !slices.Equal(waited, []string{name}) || len(state.Containers) != 1 || state.Containers[0].Status != planner.Exited {
		t.Errorf("waited for %v: %+v, %v", waited, state.Containers, err)
	}
}

func TestProjects(t *testing.T) {
	r := newRig(t)
	label := func(a *planner.CreateContainer) {
		a.Labels[planner.LabelWorkingDir] = "/src/shop"
		a.Labels[planner.LabelConfigFiles] = "/src/shop/b.yaml,/src/shop/a.yaml"
	}
	r.do(r.shell("web", sleeper, label), r.shell("db", sleeper, label), planner.StartContainer{Name: r.name("web")},
		r.shell("once", sleeper, func(a *planner.CreateContainer) { a.Labels[planner.LabelOneOff] = "True" }))
	all, err := r.Projects(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.Name != r.project {
			continue
		}
		want := Listed{
			Name: r.project, WorkingDir: "/src/shop", ConfigFiles: []string{"/src/shop/b.yaml", "/src/shop/a.yaml"},
			Containers: map[planner.Status]int{planner.Running: 1, planner.Created: 1},
		}
		if diff := cmp.Diff(want, p); diff != "" {
			t.Error(diff)
		}
		return
	}
	t.Errorf("%s is not among %+v", r.project, all)
}

func TestVersion(t *testing.T) {
	r := newRig(t)
	v, err := r.Version(r.ctx)
	if err != nil || v.Version == "" || v.API == "" || v.OS != "linux" || v.Spoken != r.apiVersion() || len(v.Components) == 0 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestHooks(t *testing.T) {
	r := newRig(t)
	r.do(r.shell("web", sleeper, nil), planner.StartContainer{Name: r.name("web")})
	var said []string
	hook := planner.RunHook{Name: r.name("web"), Service: "web", When: "post_start", Hook: project.ServiceHook{
		Command: []string{"/bin/sh", "-c", "echo $GREETING; pwd"}, WorkingDir: "/tmp",
		Environment: map[string]*string{"GREETING": ptr("hello")},
	}}
	if err := r.Apply(r.ctx, hook, func(p runner.Progress) { said = append(said, p.Line) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"hello", "/tmp"}, said); diff != "" {
		t.Error(diff)
	}
	hook.Hook.Command = []string{"/bin/sh", "-c", "echo no way >&2; exit 4"}
	err := r.Apply(r.ctx, hook, nil)
	if err == nil || err.Error() != "post_start hook 1 of web exited with code 4: no way" {
		t.Errorf("%v", err)
	}
	// What has ended, or is gone, can be told nothing before its end; and what should have been done after its start was not.
	r.do(planner.StopContainer{Name: r.name("web")})
	parting := hook
	parting.When = "pre_stop"
	r.do(parting)
	err = r.Apply(r.ctx, hook, nil)
	var failed *HookError
	if !errors.As(err, &failed) || !failed.Ended || err.Error() != "post_start hook 1 of web: the container ended before the hook did" {
		t.Errorf("%v", err)
	}
	r.do(planner.RemoveContainer{Name: r.name("web")}, parting)
}

func ptr[T any](v T) *T { return &v }
