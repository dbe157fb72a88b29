package memory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

// Behaviour is how a container acts once it is started. The zero value runs
// for ever and passes every check at once.
type Behaviour struct {
	// StartError refuses the start.
	StartError string `json:",omitempty"`
	// Exits ends each run after ExitAfter with ExitCode.
	Exits     bool `json:",omitempty"`
	ExitAfter Span `json:",omitempty"`
	ExitCode  int  `json:",omitempty"`
	OOM       bool `json:",omitempty"`
	// Crashes bounds Exits to the first runs; 0 is all of them.
	Crashes int `json:",omitempty"`
	// ReadyAfter is when its check passes for the first time in a run; NeverReady that
	// it never does.
	ReadyAfter Span `json:",omitempty"`
	NeverReady bool `json:",omitempty"`
	// BreaksAfter is when its check stops to pass; 0 is never.
	BreaksAfter Span `json:",omitempty"`
	// ProbeTakes is how long one run of its check takes.
	ProbeTakes Span   `json:",omitempty"`
	Probe      string `json:",omitempty"` // what its check prints when it fails
	// StopTakes is how long it needs to stop; after its grace it is killed.
	StopTakes Span     `json:",omitempty"`
	Output    []string `json:",omitempty"` // the lines that it prints
	// OutputAfter is how long after its start it prints them.
	OutputAfter Span `json:",omitempty"`
	HookCode    int  `json:",omitempty"` // exit code of hooks run in it
}

// The engine's own schedule, as Docker has it.
const (
	checkInterval = 30 * time.Second
	startInterval = 5 * time.Second
	checkRetries  = 3
	stopGrace     = 10 * time.Second
	firstRestart  = 100 * time.Millisecond
	lastRestart   = time.Minute
	// calm is how long a run must last for the restarts before it to be forgotten.
	calm = 10 * time.Second
)

// behaviour finds what a container does.
func (e *Engine) behaviour(c *Container) Behaviour {
	for _, key := range []string{c.Name, c.Labels[planner.LabelService], c.Image, familiar(c.Image), c.ImageID} {
		if b, ok := e.s.Behaviours[key]; ok {
			return b
		}
	}
	return Behaviour{}
}

// active says whether a container has processes.
func active(c *Container) bool { return c.Status == planner.Running || c.Status == planner.Paused }

// start starts a container that exists.
func (e *Engine) start(name string) error {
	c, err := e.container(name)
	if err != nil {
		return err
	}
	switch c.Status {
	case planner.Running:
		return nil
	case planner.Paused:
		c.Status = planner.Running
		e.emit(healthcheck.Event{Name: c.Name, What: "unpause"})
		return nil
	}
	c.ByHand = false
	c.Restarts = 0
	return e.launch(c)
}

// launch begins one run.
func (e *Engine) launch(c *Container) error {
	for _, other := range c.Spaces {
		if o, err := e.container(other); err != nil {
			return err
		} else if !active(o) {
			return fmt.Errorf("cannot join namespace of a non running container: %s: %w", other, ErrConflict)
		}
	}
	if err := e.address(c); err != nil {
		return err
	}
	if err := e.bind(c); err != nil {
		return err
	}
	b := e.behaviour(c)
	if b.StartError != "" {
		c.ExitCode, c.Ports = 127, nil
		if c.Status = planner.Exited; c.Runs == 0 {
			c.Status = planner.Created
		}
		return errors.New(b.StartError)
	}
	c.Status, c.StartedAt, c.ExitCode, c.OOMKilled = planner.Running, time.Now(), 0, false
	c.Runs++
	c.Failing, c.Health, c.CheckAt = 0, planner.NoHealth, time.Time{}
	if c.Check != nil {
		c.Health = planner.Starting
		c.CheckAt = c.StartedAt.Add(c.Check.pause(0, c.Health))
	}
	e.emit(healthcheck.Event{Name: c.Name, What: "start"})
	if exit := e.exitAt(c); exit.Equal(c.StartedAt) {
		e.advance(c) // at once, and not when a timer gets its turn
		return nil
	}
	e.plan(c)
	return nil
}

// stopping lets the time pass that a container needs to stop.
func (e *Engine) stopping(ctx context.Context, name string, grace *time.Duration) error {
	e.mu.Lock()
	c := e.s.Containers[name]
	if c == nil || !active(c) {
		e.mu.Unlock()
		return nil
	}
	takes := min(time.Duration(e.behaviour(c).StopTakes), c.grace(grace))
	e.mu.Unlock()
	return pass(ctx, takes)
}

// grace is the time between the stop signal and the kill.
func (c *Container) grace(override *time.Duration) time.Duration {
	switch {
	case override != nil:
		return *override
	case c.Grace > 0:
		return time.Duration(c.Grace)
	default:
		return stopGrace
	}
}

func (e *Engine) stop(name string, grace *time.Duration) error {
	c := e.s.Containers[name]
	if c == nil {
		return nil
	}
	c.ByHand = true
	switch {
	case active(c):
		e.emit(healthcheck.Event{Name: c.Name, What: "kill"})
		code := 0
		if time.Duration(e.behaviour(c).StopTakes) > c.grace(grace) {
			code = 137
		}
		e.end(c, code, false)
	case c.Status == planner.Restarting:
		c.Status = planner.Exited
		e.plan(c)
	}
	return nil
}

// signal sends a container a signal; SIGKILL and SIGTERM end it, and it does not come back.
func (e *Engine) signal(a planner.KillContainer) error {
	c := e.s.Containers[a.Name]
	if c == nil || !active(c) {
		return nil
	}
	e.emit(healthcheck.Event{Name: c.Name, What: "kill"})
	code := map[string]int{"SIGKILL": 137, "KILL": 137, "9": 137, "SIGTERM": 143, "TERM": 143, "15": 143}[a.Signal]
	if code > 0 {
		c.ByHand = true
		e.end(c, code, false)
	}
	return nil
}

// end ends a container's run, and plans the next where its policy wants one.
func (e *Engine) end(c *Container, code int, oom bool) {
	now := time.Now()
	c.ExitCode, c.OOMKilled, c.EndedAt, c.Ports = code, oom, now, nil
	c.Status = planner.Exited
	if c.Check != nil {
		c.Health = planner.Unhealthy // as Docker has it for a container that has ended
	}
	if now.Sub(c.StartedAt) >= calm {
		c.Restarts = 0
	}
	if c.again() {
		c.Status = planner.Restarting
		c.RestartAt = now.Add(min(firstRestart<<min(c.Restarts, 20), lastRestart))
		c.Restarts++
	}
	if oom {
		e.emit(healthcheck.Event{Name: c.Name, What: "oom"})
	}
	e.emit(healthcheck.Event{Name: c.Name, What: "die", ExitCode: code})
	e.plan(c)
	if c.AutoRemove && c.Status == planner.Exited {
		_ = e.remove(planner.RemoveContainer{Name: c.Name, Volumes: true}) // it is there
	}
}

// again says whether the policy of a container that has ended starts it again.
func (c *Container) again() bool {
	if c.ByHand {
		return false
	}
	switch c.Restart {
	case "always", "unless-stopped":
		return true
	case "on-failure":
		return c.ExitCode != 0 && (c.Attempts == 0 || c.Restarts < c.Attempts)
	default:
		return false
	}
}

// Kill ends a container's process from outside, with the exit code given; its restart
// policy applies.
func (e *Engine) Kill(name string, code int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.container(name)
	if err == nil && active(c) {
		e.end(c, code, false)
	}
	return err
}

// Pause pauses a container, or lets a paused one go on.
func (e *Engine) Pause(name string, paused bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c, err := e.container(name); err != nil || !active(c) {
		return err
	}
	return e.pause(name, paused)
}

// pause does it for the two actions, and refuses what does not run.
func (e *Engine) pause(name string, paused bool) error {
	c, err := e.container(name)
	switch {
	case err != nil || paused == (c.Status == planner.Paused):
		return err
	case !active(c):
		return fmt.Errorf("container %s is not running: %w", name, ErrConflict)
	}
	c.Status = planner.Running
	what := "unpause"
	if paused {
		c.Status, what = planner.Paused, "pause"
	}
	e.emit(healthcheck.Event{Name: name, What: what})
	return nil
}

// hook runs a command in a container. Before the end of one that runs no more there is nothing to do.
func (e *Engine) hook(a planner.RunHook) error {
	c, err := e.container(a.Name)
	if a.When == "pre_stop" && (err != nil || c.Status != planner.Running) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.Status != planner.Running {
		return fmt.Errorf("container %s is not running: %w", a.Name, ErrConflict)
	}
	c.Hooks = append(c.Hooks, fmt.Sprintf("%s %d", a.When, a.Index))
	if code := e.behaviour(c).HookCode; code != 0 {
		return fmt.Errorf("%s hook exited with status %d", a.When, code)
	}
	return nil
}

// passes says whether a container's check would pass now.
func (e *Engine) passes(c *Container) bool {
	b := e.behaviour(c)
	up := time.Since(c.StartedAt)
	return c.Status == planner.Running && !b.NeverReady && up >= time.Duration(b.ReadyAfter) &&
		(b.BreaksAfter == 0 || up < time.Duration(b.BreaksAfter))
}

// pause is the time until the engine's next check of a container up for so long.
func (k *Check) pause(up time.Duration, h planner.Health) time.Duration {
	if h == planner.Starting && up < time.Duration(k.StartPeriod) {
		return orElse(k.StartInterval, startInterval)
	}
	return orElse(k.Interval, checkInterval)
}

func orElse(s Span, d time.Duration) time.Duration {
	if s > 0 {
		return time.Duration(s)
	}
	return d
}

// check is one run of the engine's own check.
func (e *Engine) check(c *Container) {
	was, up := c.Health, time.Since(c.StartedAt)
	retries := c.Check.Retries
	if retries == 0 {
		retries = checkRetries
	}
	switch {
	case e.passes(c):
		c.Failing, c.Health, c.LastProbe = 0, planner.Healthy, ""
	case was == planner.Starting && up < time.Duration(c.Check.StartPeriod):
		c.LastProbe = e.behaviour(c).Probe
	default:
		c.LastProbe = e.behaviour(c).Probe
		if c.Failing++; c.Failing >= retries {
			c.Health = planner.Unhealthy
		}
	}
	c.CheckAt = time.Now().Add(c.Check.pause(up, c.Health))
	if c.Health != was {
		e.emit(healthcheck.Event{Name: c.Name, What: "health", Health: string(c.Health)})
	}
}

// plan sets the timer for the next thing that happens to a container by itself.
func (e *Engine) plan(c *Container) {
	e.unplan(c)
	if e.s.Containers[c.Name] != c {
		return
	}
	next := e.next(c)
	if next.IsZero() {
		return
	}
	id, due := c.ID, next
	e.timers[id] = time.AfterFunc(time.Until(due), func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.s.Containers[c.Name] == c && e.next(c).Equal(due) {
			e.advance(c)
		}
	})
}

func (e *Engine) unplan(c *Container) {
	if t := e.timers[c.ID]; t != nil {
		t.Stop()
		delete(e.timers, c.ID)
	}
}

// next is when something happens to a container by itself; zero for never.
func (e *Engine) next(c *Container) time.Time {
	switch c.Status {
	case planner.Restarting:
		return c.RestartAt
	case planner.Running:
		at := c.CheckAt
		if exit := e.exitAt(c); !exit.IsZero() && (at.IsZero() || exit.Before(at)) {
			at = exit
		}
		return at
	default:
		return time.Time{}
	}
}

func (e *Engine) exitAt(c *Container) time.Time {
	b := e.behaviour(c)
	if !b.Exits || b.Crashes > 0 && c.Runs > b.Crashes {
		return time.Time{}
	}
	return c.StartedAt.Add(time.Duration(b.ExitAfter))
}

// advance does what is due for a container.
func (e *Engine) advance(c *Container) {
	exit := e.exitAt(c)
	switch {
	case c.Status == planner.Restarting:
		if err := e.launch(c); err != nil {
			c.Status = planner.Exited
		}
	case !exit.IsZero() && !exit.After(time.Now()):
		b := e.behaviour(c)
		e.end(c, b.ExitCode, b.OOM)
	case c.Check != nil:
		e.check(c)
	}
	e.plan(c)
}

// Good says whether a container serves: it runs and would pass its check, or it
// has done its job and exited with 0.
func (e *Engine) Good(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.s.Containers[name]
	switch {
	case c == nil:
		return false
	case c.Status == planner.Exited:
		return c.Runs > 0 && c.ExitCode == 0 && e.behaviour(c).Exits
	default:
		return c.Status == planner.Running && (c.Check == nil || e.passes(c))
	}
}
