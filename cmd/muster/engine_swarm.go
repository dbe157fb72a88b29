package main

import (
	"context"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker"
	"github.com/musterhq/muster/runner/swarm"
)

// swarmEngine is a swarm as the commands want it: its services, and of the manager's own engine what is a matter of one node, such
// as images and locks.
type swarmEngine struct {
	dockerEngine
	swarm *swarm.Engine
}

func openSwarm(of *docker.Engine) engine { return swarmEngine{dockerEngine{of}, swarm.Open(of)} }

// Observe answers with the services of a project, and with their containers on all nodes.
func (e swarmEngine) Observe(ctx context.Context, scope planner.Scope) (planner.State, error) {
	return e.swarm.Observe(ctx, scope)
}

// Apply does one action.
func (e swarmEngine) Apply(ctx context.Context, a planner.Action, report func(runner.Progress)) error {
	return e.swarm.Apply(ctx, a, report)
}

// Fit says what of a project a swarm has nothing for.
func (e swarmEngine) Fit(want *project.Project, have planner.State) (warnings []string, err error) {
	var problems project.Errors
	for _, r := range swarm.Check(want, have.Engine.API) {
		told := want.At(r.Place()...)
		told.Path, told.Problem, told.Hint = r.Path(), r.Why, r.Hint
		if r.Minor {
			warnings = append(warnings, told.Error())
			continue
		}
		problems = append(problems, told)
	}
	if len(problems) > 0 {
		return warnings, problems
	}
	return warnings, nil
}

// Health says how one project's containers are.
func (e swarmEngine) Health(project string) healthcheck.Engine { return e.swarm.Stack(project) }

// Inspect looks at one container, on whatever node.
func (e swarmEngine) Inspect(ctx context.Context, name string) (planner.Container, error) {
	return e.swarm.Inspect(ctx, name)
}

// Projects lists the stacks of the swarm.
func (e swarmEngine) Projects(ctx context.Context) ([]docker.Listed, error) {
	return e.swarm.Projects(ctx)
}

// Happenings tells what happens to a project's containers.
func (e swarmEngine) Happenings(ctx context.Context, project string, o docker.HappeningsOptions, each func(docker.Event) error) error {
	return e.swarm.Happenings(ctx, project, o, each)
}

// Logs hands over a container's output line by line, from whatever node.
func (e swarmEngine) Logs(ctx context.Context, container string, o logOptions, each func(logChunk) error) error {
	stream, err := e.swarm.Logs(ctx, container, docker.LogOptions{Follow: o.follow, Tail: o.tail, Since: o.since, Until: o.until})
	if err != nil {
		return err
	}
	return eachChunk(ctx, stream, each)
}

// Exec begins a command in a container on the node that is connected to.
func (e swarmEngine) Exec(ctx context.Context, container string, o docker.ExecOptions) (talk, error) {
	id, err := e.swarm.Container(ctx, container)
	if err != nil {
		return nil, err
	}
	return e.dockerEngine.Exec(ctx, id, o)
}

// ExecDetached leaves it running.
func (e swarmEngine) ExecDetached(ctx context.Context, container string, o docker.ExecOptions) error {
	id, err := e.swarm.Container(ctx, container)
	if err != nil {
		return err
	}
	return e.dockerEngine.ExecDetached(ctx, id, o)
}
