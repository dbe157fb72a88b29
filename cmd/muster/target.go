package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
)

// onSwarm are the commands that work on the services of a swarm; the others work on the containers of one engine.
func onSwarm() []string {
	return []string{
		"up", "plan", "apply", "rollback", "down", "scale", "wait", "ps", "logs", "ls", "config", "history", "timeline", "events", "exec", "port", "env",
		"build", "pull", "push", "publish", "doctor", "viz", "version", "open", "man", "completion",
	}
}

// aim makes a kind of engine the one that the command works on.
func (p *program) aim(target string) error {
	if target == project.TargetSwarm && !slices.Contains(onSwarm(), p.command) {
		return &usageError{
			problem: fmt.Sprintf("muster %s works on the containers of one engine, and this stack is for a swarm", p.command),
			hint:    "with a swarm there are " + strings.Join(onSwarm()[:16], ", "),
		}
	}
	p.globals.at.target = target
	return nil
}

// fallbackTarget is the kind of engine where neither flag nor variable nor file says: by docker's configuration of the context.
func (p *program) fallbackTarget() string {
	at := p.globals.at
	if docker.ForSwarm(docker.Options{Host: at.host, Context: at.context}) {
		return project.TargetSwarm
	}
	return project.TargetDocker
}

// aimByName does the same for a command that does not read the files, but for what they say it is for.
func (p *program) aimByName(ctx context.Context) error {
	target, err := project.FindTarget(ctx, p.loadOptions(loading{onlyLook: true}))
	if err != nil {
		return err
	}
	return p.aim(target)
}

// fitter knows values in files that its kind of engine has nothing for, beside whole keys, which the support table knows.
type fitter interface {
	// Fit answers with what people should know, and with an error for what cannot be.
	Fit(want *project.Project, have planner.State) (warnings []string, err error)
}

// fit asks an engine whether it can have a project.
func fit(on observer, want *project.Project, have planner.State) ([]string, error) {
	if knows, ok := on.(fitter); ok {
		return knows.Fit(want, have)
	}
	return nil, nil
}

// deployedCount is how many containers a plan leaves, where an engine keeps services by itself.
func deployedCount(plan planner.Plan) int {
	n := 0
	for _, item := range plan.Items {
		if item.Ref.Kind == planner.KindService && item.Verdict != planner.Remove {
			n += item.Containers
		}
	}
	return n
}
