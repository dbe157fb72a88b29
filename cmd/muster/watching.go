package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/watch"
)

// syncer brings files into containers, and removes the images that rebuilds leave; see [docker.Engine.Sync] and the
// others there.
type syncer interface {
	Sync(ctx context.Context, container string, files watch.Files) error
	Leftovers(ctx context.Context, project string) ([]string, error)
	DiscardImages(ctx context.Context, ids []string) error
}

// watching is a watched stack: what [watch.Session] decides, it does and tells.
type watching struct {
	*program
	on      engine
	loading loading
	how     planner.Policy
	look    look
	consent *consent
	prune   bool
	keep    []string // images that stay, by ID
	rules   []watch.Rule
	watcher *watch.Watcher
	// line prints a line of its own; one at a time.
	line     func(string)
	speaking sync.Mutex
	// shows makes the display of a change; nil makes the usual one.
	shows func() display
	// bring carries a plan out.
	bring func(ctx context.Context, b bringing) (brought, error)

	files atomic.Pointer[project.Project]
	// changing is held by whoever changes more than files: one at a time.
	changing sync.Mutex
	// ends are the services whose containers are being ended for a change.
	ends atomic.Pointer[[]string]
}

// replaces says whether the containers of a service end only to come back changed.
func (w *watching) replaces(service string) bool {
	services := w.ends.Load()
	return services != nil && slices.Contains(*services, service)
}

func (w *watching) want() *project.Project         { return w.files.Load() }
func (w *watching) setWant(files *project.Project) { w.files.Store(files) }

// say prints a line.
func (w *watching) say(text string) {
	w.speaking.Lock()
	defer w.speaking.Unlock()
	w.line(text)
}

// display is that of the next change; nil leaves it to who carries it out.
func (w *watching) display() display {
	if w.shows == nil {
		return nil
	}
	return w.shows()
}

// told says why something failed, unless it was ended by the user.
func (w *watching) told(ctx context.Context, service string, err error) error {
	if err != nil && ctx.Err() == nil {
		w.say(service + ": " + withHint(err))
	}
	return err
}

// running are the containers of a service that run.
func (w *watching) running(ctx context.Context, service string) ([]planner.Container, error) {
	have, err := w.on.Observe(ctx, planner.Scope{Project: w.want().Name})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(have.Containers, func(c planner.Container) bool {
		return c.Service != service || c.OneOff || c.Status != planner.Running
	}), nil
}

// errNotRunning says that a service has no container to do something in.
var errNotRunning = &usageError{problem: "no container runs", hint: "what changed is synced with its next change after it was started: `muster start`"}

// Sync brings files into the containers of a service.
func (w *watching) Sync(ctx context.Context, service string, files watch.Files) error {
	containers, err := w.running(ctx, service)
	if err == nil && len(containers) == 0 {
		err = errNotRunning
	}
	if err != nil {
		return w.told(ctx, service, err)
	}
	w.say(fmt.Sprintf("Syncing service %q after %d changes were detected", service, len(files.Copy)+len(files.Remove)))
	all, in := errgroup.WithContext(ctx)
	for _, c := range containers {
		all.Go(func() error { return w.on.Sync(in, c.Name, files) })
	}
	return w.told(ctx, service, all.Wait())
}

// Exec runs the command of a rule in the containers of a service.
func (w *watching) Exec(ctx context.Context, service string, command project.ServiceHook) error {
	containers, err := w.running(ctx, service)
	if err != nil {
		return w.told(ctx, service, err)
	}
	var all errgroup.Group
	for _, c := range containers {
		run := planner.RunHook{Name: c.Name, Service: service, Hook: command, When: string(watch.SyncExec)}
		all.Go(func() error {
			err := w.on.Apply(ctx, run, func(p runner.Progress) { w.say(p.Line) })
			return w.told(ctx, labelOf(w.want().Name, c.Name), err)
		})
	}
	return all.Wait()
}

// Restart restarts the containers of a service, and of those that asked to restart with it.
func (w *watching) Restart(ctx context.Context, service string) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	return w.told(ctx, service, w.restart(ctx, service))
}

func (w *watching) restart(ctx context.Context, service string) error {
	want := w.want()
	ending := restartedWith(want, []string{service})
	w.ends.Store(&ending)
	defer w.ends.Store(nil)
	release, err := w.hold(ctx, w.on, w.on.Host(), want.Name)
	if err != nil {
		return err
	}
	defer release()
	have, err := w.on.Observe(ctx, planner.ScopeOf(want))
	if err != nil {
		return err
	}
	plan, err := planner.Restarts(want, have, planner.Policy{Services: []string{service}, Now: w.now()})
	if err != nil {
		return err
	}
	board, err := w.carryOut(ctx, w.on, job{plan: plan, have: have, goal: "restarted", look: w.look, display: w.display()})
	if err != nil {
		return &runFailure{cause: err, board: board, again: "muster restart"}
	}
	w.say(fmt.Sprintf("service(s) [%q] restarted", service))
	return nil
}

// Rebuild builds the images of services, by the same way as `up --build`: containers are replaced where the image is
// another one then.
func (w *watching) Rebuild(ctx context.Context, services []string) error {
	w.changing.Lock()
	defer w.changing.Unlock()
	w.say(fmt.Sprintf("Rebuilding service(s) %q after changes were detected...", services))
	want := w.want()
	how, err := withInputs(want, w.how)
	if err != nil {
		return w.told(ctx, "build", err)
	}
	how.Services, how.NoDeps, how.Now = restartedWith(want, services), true, w.now()
	w.ends.Store(&how.Services)
	defer w.ends.Store(nil)
	went, err := w.bring(ctx, bringing{
		want: building(want, services), how: how, look: w.look, goal: "up", again: "muster up --build", consent: w.consent.anew(), display: w.display(),
	})
	if err != nil {
		if ctx.Err() == nil {
			w.say(w.failureText(err))
		}
		return err
	}
	w.say(fmt.Sprintf("service(s) %q successfully built", services))
	if !changes(went.plan) {
		w.say("The images are the same as before, so the containers stay")
	}
	if w.prune {
		if err := w.discard(ctx); err != nil && ctx.Err() == nil {
			w.say(withHint(err))
		}
	}
	return nil
}

// restartedWith are the services, and those that asked to restart with them.
func restartedWith(want *project.Project, services []string) []string {
	out := slices.Clone(services)
	for _, name := range serviceNames(want) {
		for on, d := range want.Services[name].DependsOn {
			if d.Restart && slices.Contains(services, on) && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// discard removes the images that rebuilds have left, but for those that were there before.
func (w *watching) discard(ctx context.Context) error {
	all, err := w.on.Leftovers(ctx, w.want().Name)
	if err != nil {
		return err
	}
	return w.on.DiscardImages(ctx, slices.DeleteFunc(all, func(id string) bool { return slices.Contains(w.keep, id) }))
}
