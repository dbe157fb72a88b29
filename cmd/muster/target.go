package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
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

// aimByName does the same where no files say what it is for.
func (p *program) aimByName() error {
	target, err := project.TargetOf(p.globals.target, p.getenv(project.TargetVariable))
	if err != nil {
		return err
	}
	return p.aim(target)
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
