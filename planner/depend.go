package planner

import (
	"strings"

	"github.com/musterhq/muster/project"
)

// gate finds what a service has to wait for before its containers may start. It does so
// only when somebody asks, since a wait that nobody needs must not become a step.
type gate struct {
	b     *builder
	of    *service
	found bool
	steps []StepID
	after []string // in words, for people
}

// needs are the steps that have to be done first.
func (g *gate) needs() []StepID {
	if g.found || g.b.how.NoStart {
		return g.steps
	}
	g.found = true
	for _, e := range g.of.edges {
		steps := g.b.satisfied(e)
		g.steps = append(g.steps, steps...)
		if len(steps) > 0 && e.condition != project.ConditionStarted {
			g.after = append(g.after, e.to.name+" "+strings.TrimPrefix(shortCondition(e.condition), "service_"))
		}
	}
	return g.steps
}

func shortCondition(condition string) string {
	if condition == project.ConditionCompleted {
		return "completed"
	}
	return condition
}

// satisfied are the steps after which an edge's condition holds for every replica.
func (b *builder) satisfied(e edge) []StepID {
	var out []StepID
	for _, r := range e.to.replicas {
		switch e.condition {
		case project.ConditionHealthy:
			out = append(out, b.await(e.to, r, IsHealthy)...)
		case project.ConditionCompleted:
			out = append(out, b.await(e.to, r, IsCompleted)...)
		default:
			out = append(out, r.done...)
		}
	}
	return out
}

// await adds the wait for a replica, once for each condition, unless it is known to be good already.
func (b *builder) await(s *service, r *replica, condition Condition) []StepID {
	if r.verb == keep && known(r.old, condition) || r.proven == condition || r.proven == IsCompleted {
		return r.done
	}
	if condition == IsReady && (r.proven == IsHealthy || r.proven == IsStable) {
		return r.done
	}
	if id, ok := r.awaits[condition]; ok {
		return []StepID{id}
	}
	wait := Await{Name: r.name, Service: s.name, Condition: condition, Timeout: b.how.WaitTimeout}
	wait.OrCompleted = condition == IsReady && s.once()
	id := b.graph.add(Step{Action: wait, Needs: r.done, Because: b.waiters(s, condition)})
	if r.awaits == nil {
		r.awaits = map[Condition]StepID{}
	}
	r.awaits[condition] = id
	return []StepID{id}
}

// known says whether the engine has already seen that a container is as awaited.
func known(c *Container, condition Condition) bool {
	switch condition {
	case IsHealthy:
		return c.Status == Running && c.Health == Healthy
	case IsCompleted:
		return c.completed()
	}
	return c.ready()
}

// waiters says for whom a wait is.
func (b *builder) waiters(s *service, condition Condition) []Change {
	var out []Change
	for _, d := range s.dependents {
		if awaited(d.condition) == condition {
			out = append(out, Change{Path: d.of.path("depends_on." + s.name), To: d.condition})
		}
	}
	if len(out) == 0 {
		out = append(out, Change{Path: s.path("ready"), To: "asked for with --wait"})
	}
	return out
}

func awaited(condition string) Condition {
	switch condition {
	case project.ConditionHealthy:
		return IsHealthy
	case project.ConditionCompleted:
		return IsCompleted
	}
	return IsRunning
}

// readiness is what --wait waits for. Where others wait for a health check, that is one and the same
// wait: healthy is as good as ready.
func (b *builder) readiness(s *service) Condition {
	if s.job {
		return IsCompleted
	}
	for _, d := range s.dependents {
		if s.checked() && awaited(d.condition) == IsHealthy {
			return IsHealthy
		}
	}
	return IsReady
}
