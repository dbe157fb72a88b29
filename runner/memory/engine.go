// Package memory is a working container engine that lives in memory: for
// tests, for the properties that must hold at any cut, and for simulation.
//
// It refuses what an engine refuses (a name or a port that is taken, a network in use,
// an image that is not there), its containers become healthy, fail and die as
// their [Behaviour] says, and it can be told to fail, stall, forget or die at any call. All
// of its time goes through package time, so that tests run it under
// testing/synctest.
package memory

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	units "github.com/docker/go-units"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

var (
	_ runner.Engine      = (*Engine)(nil)
	_ healthcheck.Engine = (*Engine)(nil)
)

// The kinds of refusal, for errors.Is.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("conflict")
	// ErrDead is what every call returns once a fault has let the engine, or
	// rather the program that uses it, die. See [Engine.Revive].
	ErrDead = errors.New("connection to the engine is lost")
)

// Engine is an engine in memory. Its methods may be called at the same time.
type Engine struct {
	mu       sync.Mutex
	s        State
	timers   map[string]*time.Timer // by container ID: its next change
	streams  map[*stream]bool
	faults   []*Fault
	stalled  chan struct{} // closed by Release
	dead     bool
	calls    []Call
	counts   map[string]int
	probing  map[string]int // probes in flight, by container
	mostEver int            // probes that were in flight at once in one container
}

// Call is one call of Apply.
type Call struct {
	Action planner.Action
	Begun  time.Time
	Ended  time.Time // zero while it is in flight
	Err    error
}

// New makes an empty engine.
func New() *Engine {
	e := &Engine{timers: map[string]*time.Timer{}, streams: map[*stream]bool{},
		stalled: make(chan struct{}), counts: map[string]int{}, probing: map[string]int{}}
	e.s.fill()
	return e
}

// Apply does one action as the engine's faults, latencies and rules have it.
func (e *Engine) Apply(ctx context.Context, a planner.Action, report func(runner.Progress)) error {
	n, fault := e.arrive(a)
	err := e.carryOut(ctx, a, fault, report)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls[n].Ended, e.calls[n].Err = time.Now(), err
	return err
}

// arrive notes a call and says what fault it meets, if any.
func (e *Engine) arrive(a planner.Action) (int, *Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, Call{Action: a, Begun: time.Now()})
	e.counts[kindOf(a)]++
	return len(e.calls) - 1, e.meets(a)
}

func (e *Engine) carryOut(ctx context.Context, a planner.Action, fault *Fault, report func(runner.Progress)) error {
	if err := e.delay(ctx, a, fault); err != nil {
		return err
	}
	if fault != nil && fault.Do == Panic {
		panic(fault.text())
	}
	if stop, ok := a.(planner.StopContainer); ok {
		if err := e.stopping(ctx, stop.Name, stop.Grace); err != nil {
			return err
		}
	}
	if restart, ok := a.(planner.RestartContainer); ok {
		if err := e.stopping(ctx, restart.Name, restart.Grace); err != nil {
			return err
		}
	}
	if wait, ok := a.(planner.AwaitService); ok {
		return e.awaitService(ctx, wait, report)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if fault != nil && fault.Do == Die {
		e.die()
	}
	if e.dead {
		return ErrDead
	}
	if fault != nil && fault.Do == Refuse {
		return errors.New(fault.text())
	}
	err := e.do(a, report)
	switch {
	case fault == nil:
		return err
	case fault.Do == DieAfter:
		e.die()
		return ErrDead
	case fault.Do == Forget:
		return errors.New(fault.text())
	}
	return err
}

// delay passes the action's latency, and a stall where there is one.
func (e *Engine) delay(ctx context.Context, a planner.Action, fault *Fault) error {
	e.mu.Lock()
	latency := e.s.Latency[kindOf(a)]
	stalled := e.stalled
	e.mu.Unlock()
	if fault != nil && fault.Do == Stall {
		select {
		case <-stalled:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return pass(ctx, time.Duration(latency))
}

// pass lets time go by.
func pass(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// do changes the state as the action says.
func (e *Engine) do(a planner.Action, report func(runner.Progress)) error {
	switch a := a.(type) {
	case planner.CreateNetwork:
		return e.createNetwork(a)
	case planner.RemoveNetwork:
		return e.removeNetwork(a)
	case planner.CreateVolume:
		return e.createVolume(a)
	case planner.CopyVolume:
		return e.copyVolume(a)
	case planner.BeginFill:
		return e.beginFill(a)
	case planner.FillVolume:
		return e.fillVolume(a)
	case planner.MoveVolume:
		return e.moveVolume(a)
	case planner.ExchangeVolume:
		return e.exchangeVolume(a)
	case planner.RemoveVolume:
		return e.removeVolume(a)
	case planner.PullImage:
		return e.pull(a, report)
	case planner.PushImage:
		return e.push(a)
	case planner.BuildImage:
		return e.build(a, report)
	case planner.RemoveImage:
		return e.removeImage(a)
	case planner.CreateContainer:
		return e.create(a)
	case planner.StartContainer:
		return e.start(a.Name)
	case planner.StopContainer:
		return e.stop(a.Name, a.Grace)
	case planner.KillContainer:
		return e.signal(a)
	case planner.PauseContainer:
		return e.pause(a.Name, true)
	case planner.UnpauseContainer:
		return e.pause(a.Name, false)
	case planner.RestartContainer:
		if err := e.stop(a.Name, a.Grace); err != nil {
			return err
		}
		return e.start(a.Name)
	case planner.RemoveContainer:
		return e.remove(a)
	case planner.RenameContainer:
		return e.rename(a)
	case planner.RunHook:
		return e.hook(a)
	case planner.UpdateContainer:
		return e.update(a)
	case planner.ConnectNetwork:
		return e.connect(a)
	case planner.DisconnectNetwork:
		return e.disconnect(a)
	case planner.ApplyService, planner.RemoveService, planner.CreateObject, planner.RemoveObject:
		return e.deploy(a)
	default:
		return fmt.Errorf("engine in memory does not know %T", a)
	}
}

// Observe answers with what belongs to the scope, sorted by name; as an engine does, with nothing but containers where no more is wanted.
func (e *Engine) Observe(ctx context.Context, scope planner.Scope) (planner.State, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.look(ctx, "Observe"); err != nil {
		return planner.State{}, err
	}
	out := planner.State{Engine: e.s.Engine}
	mine := func(labels map[string]string) bool {
		return scope.Project != "" && labels[planner.LabelProject] == scope.Project
	}
	for _, name := range sorted(e.s.Containers) {
		if c := e.s.Containers[name]; mine(c.Labels) && (scope.Service == "" || scope.Service == c.Labels[planner.LabelService]) {
			seen := e.seen(c)
			seen.Settings = nil // it takes an inspection
			out.Containers = append(out.Containers, seen)
		}
	}
	if scope.ContainersOnly {
		return out, nil
	}
	for _, name := range sorted(e.s.Networks) {
		if n := e.s.Networks[name]; mine(n.Labels) || slices.Contains(scope.Networks, name) {
			n := *n
			n.Labels = maps.Clone(n.Labels)
			out.Networks = append(out.Networks, n)
		}
	}
	for _, name := range sorted(e.s.Volumes) {
		if v := e.s.Volumes[name]; mine(v.Labels) || slices.Contains(scope.Volumes, name) {
			v := *v
			v.Labels = maps.Clone(v.Labels)
			out.Volumes = append(out.Volumes, v)
		}
	}
	out.Images = e.imagesOf(scope.Images)
	e.observeDeployed(scope, &out)
	return out, nil
}

// Compare is Inspect: of a container without a record nothing is known.
func (e *Engine) Compare(ctx context.Context, name string, _ planner.CreateContainer) (planner.Container, error) {
	return e.Inspect(ctx, name)
}

// Inspect looks at one container, by its name or ID.
func (e *Engine) Inspect(ctx context.Context, name string) (planner.Container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.look(ctx, "Inspect"); err != nil {
		return planner.Container{}, err
	}
	c, err := e.container(name)
	if err != nil {
		return planner.Container{}, err
	}
	return e.seen(c), nil
}

// look counts a call that only looks, and refuses it where it has to be.
func (e *Engine) look(ctx context.Context, what string) error {
	e.counts[what]++
	if e.dead {
		return ErrDead
	}
	return context.Cause(ctx)
}

// seen is a container as the planner sees it, sharing nothing with the engine.
func (e *Engine) seen(c *Container) planner.Container {
	out := c.Container
	out.Service = c.Labels[planner.LabelService]
	out.Number, _ = strconv.Atoi(c.Labels[planner.LabelNumber])
	out.OneOff = c.Labels[planner.LabelOneOff] == "True"
	if out.OneOff {
		out.Number = 0
	}
	out.Labels = maps.Clone(c.Labels)
	out.Mounts = slices.Clone(c.Mounts)
	out.Ports = slices.Clone(c.Ports)
	out.Endpoints = slices.Clone(c.Endpoints)
	for i := range out.Endpoints {
		out.Endpoints[i].Aliases = slices.Clone(out.Endpoints[i].Aliases)
	}
	out.Since = since(c)
	if c.Settings != nil {
		settings := *c.Settings
		out.Settings = &settings
	}
	return out
}

// since words how long a container has been what it is, as Docker does.
func since(c *Container) string {
	switch c.Status {
	case planner.Running, planner.Paused:
		text := "Up " + units.HumanDuration(time.Since(c.StartedAt))
		switch {
		case c.Status == planner.Paused:
			text += " (Paused)"
		case c.Health == planner.Starting:
			text += " (health: starting)"
		case c.Health != planner.NoHealth:
			text += " (" + string(c.Health) + ")"
		}
		return text
	case planner.Exited:
		return fmt.Sprintf("Exited (%d) %s ago", c.ExitCode, units.HumanDuration(time.Since(c.EndedAt)))
	case planner.Restarting:
		return fmt.Sprintf("Restarting (%d) %s ago", c.ExitCode, units.HumanDuration(time.Since(c.EndedAt)))
	default:
		return "Created"
	}
}

// Calls lists the calls of Apply so far, in the order in which they came.
func (e *Engine) Calls() []Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

// Count says how many calls of one kind there were: an action's type name,
// such as "StartContainer", or Observe, Inspect, Watch, Look, Probe, Tail.
func (e *Engine) Count(kind string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts[kind]
}

// newID makes an ID that is the same for the same history.
func (e *Engine) newID(what string) string {
	e.s.Seq++
	return fmt.Sprintf("%x", sha256.Sum256([]byte(what+strconv.Itoa(e.s.Seq))))
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
