package planner

import (
	"strings"
	"time"

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
		steps := g.b.satisfied(g.of, e)
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

// satisfied are the steps after which an edge of a service, or of a provider, holds for every replica.
func (b *builder) satisfied(of *service, e edge) []StepID {
	for _, r := range e.to.replicas {
		if u := r.unit; u != nil && u.together() && u.reach[of.name] {
			return b.satisfiedWithin(of, u, e)
		}
	}
	var out []StepID
	for _, r := range e.to.replicas {
		switch {
		case e.optional || e.timeout > 0:
			out = append(out, b.awaitFor(of, e, r)...)
		case e.condition == project.ConditionStarted && of.livesIn(e.to) && r.verb == keep && r.old.Status == Restarting:
			// Between two runs there is nothing to join.
			out = append(out, b.await(e.to, r, IsRunning)...)
		case e.condition == project.ConditionStarted:
			out = append(out, r.done...)
		default:
			out = append(out, b.await(e.to, r, awaited(e.condition))...)
		}
	}
	return out
}

// satisfiedWithin is the same for those that a unit itself waits for: the proof of the unit's own replicas has to do.
func (b *builder) satisfiedWithin(of *service, u *unit, e edge) []StepID {
	var out []StepID
	for _, r := range e.to.replicas {
		condition := awaited(e.condition)
		switch {
		case r.unit != u:
		case condition == IsRunning || r.proven == condition || r.proven == IsCompleted || r.proof == "":
			out = append(out, r.proof)
		default:
			step := Step{Action: b.waiting(e.to, r.hereNow(), condition), Needs: []StepID{r.proof}, Because: b.waiters(e.to, condition), Group: u.group}
			if e.optional || e.timeout > 0 {
				step = b.ownWait(of, e, r.hereNow(), []StepID{r.proof})
			}
			// A second one of these is the same step.
			if b.graph.byID[idOf(step.Action)] == nil {
				b.graph.add(step)
			}
			out = append(out, idOf(step.Action))
		}
	}
	return out
}

// awaitFor adds the wait for a replica that one dependent has for itself.
func (b *builder) awaitFor(of *service, e edge, r *replica) []StepID {
	condition := awaited(e.condition)
	if b.proven(e.to, r, condition) || condition == IsRunning && len(r.done) == 0 {
		return r.done
	}
	return []StepID{b.graph.add(b.ownWait(of, e, r.name, r.done))}
}

// ownWait is the step in which one dependent waits for itself for the container called name.
func (b *builder) ownWait(of *service, e edge, name string, needs []StepID) Step {
	wait := b.waiting(e.to, name, awaited(e.condition))
	wait.For, wait.Optional, wait.Timeout = of.name, e.optional, shorter(wait.Timeout, e.timeout)
	return Step{Action: wait, Needs: needs, Because: []Change{{Path: of.path("depends_on." + e.to.name), To: e.condition}}}
}

// waiting is the wait for a container of a service.
func (b *builder) waiting(s *service, name string, condition Condition) Await {
	wait := Await{Name: name, Service: s.name, Condition: condition, Timeout: b.how.WaitTimeout}
	return wait.readyBy(s.ready)
}

// readyBy is the wait with what the service is ready by, where that matters for the condition.
func (a Await) readyBy(ready *project.Ready) Await {
	if ready != nil && a.Condition != IsRunning && a.Condition != IsCompleted {
		a.Ready, a.Timeout = ready, shorter(a.Timeout, ready.Timeout)
	}
	return a
}

// shorter is the shorter of two bounds; 0 is none.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// proven says whether a replica is known to be good already, without a wait or by that of its replacement.
func (b *builder) proven(s *service, r *replica, condition Condition) bool {
	switch {
	case r.verb == keep && known(s.ready, r.old, condition), r.proven == condition, r.proven == IsCompleted:
		return true
	}
	return condition == IsReady && (r.proven == IsHealthy || r.proven == IsStable)
}

// await adds the wait for a replica, once for each condition, unless it is known to be good already.
func (b *builder) await(s *service, r *replica, condition Condition) []StepID {
	if b.proven(s, r, condition) {
		return r.done
	}
	if id, ok := r.awaits[condition]; ok {
		return []StepID{id}
	}
	wait := b.waiting(s, r.name, condition)
	wait.OrCompleted = condition == IsReady && s.once()
	id := b.graph.add(Step{Action: wait, Needs: r.done, Because: b.waiters(s, condition)})
	if r.awaits == nil {
		r.awaits = map[Condition]StepID{}
	}
	r.awaits[condition] = id
	return []StepID{id}
}

// known says whether the engine has already seen that a container is as awaited. Of what x-muster.ready
// asks it knows nothing.
func known(ready *project.Ready, c *Container, condition Condition) bool {
	switch {
	case condition == IsCompleted:
		return c.completed()
	case condition == IsRunning:
		return c.Status == Running
	case ready != nil:
		return false
	case condition == IsHealthy:
		return c.Status == Running && c.Health == Healthy
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

// waitForAll adds what --wait waits for. It comes after everything else: where a service waits for another to be
// healthy, which may be by a check that only the image has, that wait is enough.
func (b *builder) waitForAll() {
	if !b.how.Wait || b.how.NoStart {
		return
	}
	for _, name := range b.order {
		s := b.services[name]
		for _, r := range s.replicas {
			condition := b.readiness(s)
			if _, waited := r.awaits[IsHealthy]; waited && condition == IsReady {
				continue
			}
			b.await(s, r, condition)
		}
	}
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
