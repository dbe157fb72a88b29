package swarm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

// Stack is one stack's tasks, seen as containers.
type Stack struct {
	engine  *Engine
	project string
}

var _ healthcheck.Engine = (*Stack)(nil)

// Stack gives what happens to one stack's tasks.
func (e *Engine) Stack(project string) *Stack { return &Stack{e, project} }

// Watch streams what happens to the tasks, as far as looks at them tell: what begins and ends between two is told with
// the second.
func (s *Stack) Watch(ctx context.Context) (<-chan healthcheck.Event, error) {
	c, err := s.engine.Client(ctx)
	if err != nil {
		return nil, err
	}
	first, err := s.engine.look(ctx, c, s.project)
	if err != nil {
		return nil, err
	}
	before := byName(first, s.project, nil)
	out := make(chan healthcheck.Event, 16)
	go func() {
		defer close(out)
		_ = s.engine.watch(ctx, c, s.project, func(now sight, nodes []swarm.Node) (bool, time.Duration, error) {
			after := byName(now, s.project, nodes)
			for _, event := range differences(before, after) {
				select {
				case out <- event:
				case <-ctx.Done():
					return true, 0, nil
				}
			}
			before = after
			return false, 0, nil
		})
	}()
	return out, nil
}

// differences are the events that lead from one look to the next.
func differences(before, after map[string]planner.Container) []healthcheck.Event {
	var out []healthcheck.Event
	for _, name := range slices.Sorted(maps.Keys(before)) {
		was := before[name]
		now, there := after[name]
		if !there {
			if runs(was) {
				out = append(out, healthcheck.Event{Name: name, What: "die"})
			}
			out = append(out, healthcheck.Event{Name: name, What: "destroy"})
			continue
		}
		if runs(was) && !runs(now) {
			out = append(out, healthcheck.Event{Name: name, What: "die", ExitCode: now.ExitCode})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		was, now := before[name], after[name]
		if runs(now) && !runs(was) {
			out = append(out, healthcheck.Event{Name: name, What: "start"})
		}
		if now.Health != was.Health && (now.Health == planner.Healthy || now.Health == planner.Unhealthy) {
			out = append(out, healthcheck.Event{Name: name, What: "health", Health: string(now.Health)})
		}
	}
	return out
}

func runs(c planner.Container) bool { return c.Status == planner.Running }

// byName are all tasks of a stack as containers, and not the latest ones only.
func byName(now sight, project string, nodes []swarm.Node) map[string]planner.Container {
	out := map[string]planner.Container{}
	for _, service := range now.services {
		for _, t := range now.tasks[service.ID] {
			c := containerOf(service, t, project, number(service, t), nodes)
			out[c.Name] = c
		}
	}
	return out
}

// Look says how a task's container is.
func (s *Stack) Look(ctx context.Context, name string) (healthcheck.Status, error) {
	c, err := s.engine.Client(ctx)
	if err != nil {
		return healthcheck.Status{}, err
	}
	t, err := s.engine.task(ctx, c, name)
	if err != nil {
		return healthcheck.Status{}, err
	}
	status, health := statusOf(t)
	out := healthcheck.Status{Running: status == planner.Running, Exited: status == planner.Exited, Health: string(health)}
	if ran := t.Status.ContainerStatus; ran != nil {
		out.ExitCode = ran.ExitCode
	}
	if out.Running {
		out.StartedAt = t.Status.Timestamp
	} else if out.Exited {
		out.EndedAt = t.Status.Timestamp
	}
	return out, nil
}

// task finds a task, by the name of its container. That there is none is [healthcheck.ErrNoContainer].
func (e *Engine) task(ctx context.Context, c *client.Client, name string) (swarm.Task, error) {
	t, _, err := c.TaskInspectWithRaw(ctx, taskID(name))
	if cerrdefs.IsNotFound(err) {
		return t, fmt.Errorf("task %s: %w", name, healthcheck.ErrNoContainer)
	}
	return t, e.explain(ctx, err, "inspect task", name)
}

// Inspect is a task as a container, by its name.
func (e *Engine) Inspect(ctx context.Context, name string) (planner.Container, error) {
	c, err := e.Client(ctx)
	if err != nil {
		return planner.Container{}, err
	}
	t, err := e.task(ctx, c, name)
	if err != nil {
		return planner.Container{}, err
	}
	s, _, err := c.ServiceInspectWithRaw(ctx, t.ServiceID, swarm.ServiceInspectOptions{})
	if err != nil {
		return planner.Container{}, e.explain(ctx, err, "inspect the service of task", name)
	}
	nodes, err := c.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return planner.Container{}, e.explain(ctx, err, "list the nodes for", name)
	}
	return containerOf(s, t, s.Spec.Labels[labelStack], number(s, t), nodes), nil
}

// Probe cannot ask: the container may be on any node.
func (s *Stack) Probe(context.Context, string, healthcheck.Check) (healthcheck.ProbeResult, error) {
	return healthcheck.ProbeResult{}, errors.New("containers of a swarm cannot be asked from here; a healthcheck is what it goes by")
}

// Lines hands over a task's lines of output.
func (s *Stack) Lines(ctx context.Context, name string, o healthcheck.Excerpt, each func(line string) error) error {
	options := docker.LogOptions{Follow: o.Follow, Tail: o.Last}
	if !o.Since.IsZero() {
		options.Since = strconv.FormatFloat(float64(o.Since.UnixNano())/1e9, 'f', 9, 64)
	}
	stream, err := s.engine.Logs(ctx, name, options)
	if err != nil {
		return err
	}
	return stream.Each(ctx, func(line docker.LogLine) error { return each(string(line.Text)) })
}

// Happenings tells what happens to a stack's tasks until ctx ends. What was before is not kept by a swarm.
func (e *Engine) Happenings(ctx context.Context, project string, _ docker.HappeningsOptions, each func(docker.Event) error) error {
	events, err := e.Stack(project).Watch(ctx)
	if err != nil {
		return err
	}
	for event := range events {
		service, rest, _ := strings.Cut(strings.TrimPrefix(event.Name, project+"_"), ".")
		number, _, _ := strings.Cut(rest, ".")
		n, _ := strconv.Atoi(number)
		action := event.What
		if action == "health" {
			action = "health_status: " + event.Health
		}
		if err := each(docker.Event{
			At: time.Now(), Action: action, ID: taskID(event.Name), Name: event.Name, Service: service, Number: n, Health: event.Health, ExitCode: event.ExitCode,
			Labels: map[string]string{planner.LabelProject: project, planner.LabelService: service, "name": event.Name},
		}); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// Projects lists the stacks of the swarm, sorted by name.
func (e *Engine) Projects(ctx context.Context) ([]docker.Listed, error) {
	c, err := e.Client(ctx)
	if err != nil {
		return nil, err
	}
	services, err := c.ServiceList(ctx, swarm.ServiceListOptions{Status: true})
	if err != nil {
		return nil, e.explain(ctx, err, "list the services of", "the swarm")
	}
	found := map[string]*docker.Listed{}
	for _, s := range services {
		name := s.Spec.Labels[labelStack]
		if name == "" {
			continue
		}
		l := found[name]
		if l == nil {
			l = &docker.Listed{Name: name, Containers: map[planner.Status]int{}}
			found[name] = l
		}
		if s.ServiceStatus != nil {
			l.Containers[planner.Running] += int(s.ServiceStatus.RunningTasks)
		}
		if files := s.Spec.Labels[planner.LabelConfigFiles]; files != "" {
			l.ConfigFiles, l.WorkingDir = strings.Split(files, ","), s.Spec.Labels[planner.LabelWorkingDir]
		}
		l.Instance, l.First = s.Spec.Labels[planner.LabelInstance], s.Spec.Labels[planner.LabelInstanceOf]
	}
	out := make([]docker.Listed, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, *found[name])
	}
	return out, nil
}
