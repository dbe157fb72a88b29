package memory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// Converge makes it an engine that keeps services by itself, on so many machines.
func (e *Engine) Converge(nodes int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s.Nodes = nil
	for n := range nodes {
		e.s.Nodes = append(e.s.Nodes, planner.Node{Name: fmt.Sprintf("node%d", n+1), Manager: n == 0, Ready: true})
	}
}

// Deployed is a service that the engine keeps.
type Deployed struct {
	planner.Deployed
	Project  string
	Created  time.Time
	Before   *planner.Deployed `json:",omitempty"` // what it was before the last change
	RollBack bool              `json:",omitempty"` // a change that does not work is taken back
}

// deploy changes services and what they use.
func (e *Engine) deploy(a planner.Action) error {
	if len(e.s.Nodes) == 0 {
		return fmt.Errorf("engine in memory keeps no services: %T", a)
	}
	switch a := a.(type) {
	case planner.ApplyService:
		return e.applyService(a)
	case planner.RemoveService:
		delete(e.s.Deployed, a.Name)
	case planner.CreateObject:
		digest := ""
		if a.Kind == planner.KindConfig {
			digest = a.Labels[planner.LabelContent]
		}
		e.s.Objects[string(a.Kind)+" "+a.Name] = &planner.Object{Kind: a.Kind, Name: a.Name, Labels: a.Labels, Digest: digest}
	case planner.RemoveObject:
		for _, d := range e.s.Deployed {
			if slices.Contains(d.Objects, a.Name) {
				return nil // in use
			}
		}
		delete(e.s.Objects, string(a.Kind)+" "+a.Name)
	}
	return nil
}

func (e *Engine) applyService(a planner.ApplyService) error {
	for key, name := range a.Networks {
		if e.s.Networks[name] == nil {
			return fmt.Errorf("network %s of %s: %w", name, key, ErrNotFound)
		}
	}
	for key, name := range a.Objects {
		if e.s.Objects["config "+name] == nil && e.s.Objects["secret "+name] == nil {
			return fmt.Errorf("%s %s: %w", key, name, ErrNotFound)
		}
	}
	d := e.s.Deployed[a.Name]
	if d == nil {
		d = &Deployed{Project: a.Project, Created: time.Now(), Deployed: planner.Deployed{Name: a.Name, Service: a.Service, Mode: a.Mode}}
		e.s.Deployed[a.Name] = d
	} else {
		before := d.Deployed
		d.Before, d.Update = &before, planner.Updating
	}
	if d.Mode != a.Mode {
		return fmt.Errorf("the mode of service %s cannot be changed: %w", a.Name, ErrConflict)
	}
	d.Replicas, d.Labels, d.Image, d.Drift = a.Replicas, maps.Clone(a.Labels), a.Image, nil
	if a.Digest != "" {
		d.Image += "@" + a.Digest
	}
	d.Running, d.Completed, d.Message = 0, 0, ""
	d.Objects, d.Networks = slices.Sorted(maps.Values(a.Objects)), slices.Sorted(maps.Values(a.Networks))
	if a.Mode.Everywhere() {
		d.Replicas = len(e.s.Nodes)
	}
	d.RollBack = a.Spec.Deploy != nil && a.Spec.Deploy.UpdateConfig != nil && a.Spec.Deploy.UpdateConfig.FailureAction == string(planner.RollBack)
	return nil
}

// ErrNotConverged is what a wait for a service comes to that does not work.
var ErrNotConverged = errors.New("the service did not converge")

// awaitService waits for a service, whose containers act as their [Behaviour] says.
func (e *Engine) awaitService(ctx context.Context, a planner.AwaitService, report func(runner.Progress)) error {
	e.mu.Lock()
	d := e.s.Deployed[a.Name]
	if d == nil {
		e.mu.Unlock()
		return fmt.Errorf("service %s: %w", a.Name, ErrNotFound)
	}
	b := e.behaviourOf(d)
	e.mu.Unlock()
	if report != nil {
		report(runner.Progress{Text: "starting", Total: int64(d.Replicas)})
	}
	if err := pass(ctx, time.Duration(b.ReadyAfter)); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	failed := b.NeverReady || b.Exits && (b.ExitCode != 0 || !d.Mode.Job())
	switch {
	case failed && d.Update == planner.Updating && d.RollBack:
		d.Deployed, d.Before = *d.Before, nil
		d.Update, d.Message = planner.RolledBack, "rollback completed"
		d.Running = d.Replicas
		return fmt.Errorf("%w and was rolled back: task: non-zero exit (%d)", ErrNotConverged, b.ExitCode)
	case failed && d.Update == planner.Updating:
		d.Update, d.Message = planner.UpdatePaused, "update paused due to failure or early termination of task"
		return fmt.Errorf("%w: its update is paused: task: non-zero exit (%d)", ErrNotConverged, b.ExitCode)
	case failed:
		return fmt.Errorf("%w: task: non-zero exit (%d)", ErrNotConverged, b.ExitCode)
	}
	if d.Update == planner.Updating {
		d.Update = planner.Updated
	}
	if d.Mode.Job() {
		d.Completed = d.Replicas
	} else {
		d.Running = d.Replicas
	}
	return nil
}

// behaviourOf is how the containers of a service act.
func (e *Engine) behaviourOf(d *Deployed) Behaviour {
	return e.behaviour(&Container{Container: planner.Container{Name: d.Name, Image: d.Image, Labels: map[string]string{planner.LabelService: d.Service}}})
}

// observeDeployed adds to a state what only an engine has that keeps services.
func (e *Engine) observeDeployed(scope planner.Scope, out *planner.State) {
	if len(e.s.Nodes) == 0 {
		return
	}
	out.Converges, out.Nodes = true, slices.Clone(e.s.Nodes)
	for _, name := range sorted(e.s.Deployed) {
		d := e.s.Deployed[name]
		if d.Project != scope.Project {
			continue
		}
		seen := d.Deployed
		seen.Labels = maps.Clone(d.Labels)
		out.Deployed = append(out.Deployed, seen)
		out.Containers = append(out.Containers, tasks(d)...)
	}
	for _, key := range sorted(e.s.Objects) {
		if o := e.s.Objects[key]; o.Labels[planner.LabelProject] == scope.Project || slices.Contains(scope.Objects, o.Name) {
			out.Objects = append(out.Objects, *o)
		}
	}
}

// tasks are the containers of a service.
func tasks(d *Deployed) []planner.Container {
	var out []planner.Container
	for n := 1; n <= d.Replicas; n++ {
		c := planner.Container{
			ID: fmt.Sprintf("%s-task%d", d.Name, n), Name: fmt.Sprintf("%s.%d", d.Name, n), Service: d.Service, Number: n, Image: d.Image, Created: d.Created,
			Status: planner.Created, Since: "Pending",
			Labels: map[string]string{planner.LabelProject: d.Project, planner.LabelService: d.Service},
		}
		switch {
		case n <= d.Running:
			c.Status, c.Since = planner.Running, "Running"
		case n <= d.Completed:
			c.Status, c.Since = planner.Exited, "Complete"
		}
		out = append(out, c)
	}
	return out
}
