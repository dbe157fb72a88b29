package planner

import (
	"slices"

	"github.com/musterhq/muster/project"
)

// holds are the steps after which name may start as far as one that it depends on is concerned, whose own steps
// are done. Nothing is waited for that is not started here and is good by now.
func (st *standing) holds(name, to string, done []StepID) []StepID {
	d := st.on[name][to]
	wanted := awaited(condition(d))
	timeout, _ := project.DependencyTimeout(d) // a bad one was told when the file was read
	if wanted == IsRunning && (d.Required || len(done) == 0) {
		return done
	}
	var out []StepID
	for _, c := range byNumber(st.all[to]) {
		if len(done) == 0 && known(st.ready(to), c, wanted) || !st.takesPart(to) {
			continue
		}
		wait := st.waiting(to, c, wanted)
		if !d.Required || timeout > 0 {
			wait.For, wait.Optional, wait.Timeout = name, !d.Required, shorter(wait.Timeout, timeout)
		}
		out = append(out, st.awaitOnce(wait, done, Change{Path: "services." + to, To: condition(d)}))
	}
	return out
}

// waiting is the wait for one container of a service.
func (st *standing) waiting(name string, c *Container, condition Condition) Await {
	wait := Await{Name: c.Name, Service: name, Condition: condition, Timeout: st.how.WaitTimeout}
	return wait.readyBy(st.ready(name))
}

// ready is what the file says that a service is ready by; nil where it says nothing.
func (st *standing) ready(name string) *project.Ready {
	s, ok := st.want.Declared(name)
	if !ok {
		return nil
	}
	m, _ := project.Extension(s) // a bad one was told when the file was read
	return m.Ready
}

// Waits plans nothing but waits: until the containers of the named services, or of all, have come to a condition. What
// is known to be so is not waited for, unless it is the exit, of which one wants to know the code. want may be nil.
func Waits(want *project.Project, have State, how Policy, condition Condition) (Plan, error) {
	st := newStanding(want, have, how, false)
	st.checkNames()
	if have.Converges {
		st.awaitDeployed(condition)
		return st.finish()
	}
	for _, name := range st.names {
		if !st.chosen(name) {
			continue
		}
		waits := 0
		for _, c := range byNumber(st.all[name]) {
			if condition != IsCompleted && known(st.ready(name), c, condition) {
				continue
			}
			waits++
			st.awaitOnce(st.waiting(name, c, condition), nil, Change{Path: "services." + name + "." + string(condition), To: "asked for with wait"})
		}
		if waits > 0 {
			st.items = append(st.items, Item{Ref: Ref{Kind: KindService, Name: name}, Verdict: Unchanged, Containers: len(st.all[name])})
		}
	}
	return st.finish()
}

// WaitAgain plans what --wait waits for once more, of the services that have one of the named containers, as far as it is not
// known to be so.
func WaitAgain(want *project.Project, have State, how Policy, containers []string) (Plan, error) {
	st := newStanding(want, have, how, false)
	st.how.Wait = true
	st.waitForAll(func(name string) bool {
		return st.takesPart(name) && slices.ContainsFunc(st.all[name], func(c *Container) bool { return contains(containers, c.Name) })
	})
	return st.finish()
}

func (st *standing) awaitOnce(wait Await, needs []StepID, why Change) StepID {
	id := idOf(wait)
	if st.graph.byID[id] == nil {
		st.graph.add(Step{Action: wait, Needs: needs, Because: []Change{why}})
	}
	return id
}

// waitForAll adds what --wait waits for, of the services that take part. It comes after everything else: a wait that
// another service has for a container is enough.
func (st *standing) waitForAll(part func(name string) bool) {
	if !st.how.Wait {
		return
	}
	for _, name := range st.names {
		if !part(name) {
			continue
		}
		condition := IsReady
		for _, d := range st.needers[name] {
			if d.Condition == project.ConditionCompleted {
				condition = IsCompleted
			}
		}
		for _, c := range byNumber(st.all[name]) {
			st.waitUntil(name, c, condition)
		}
	}
}

func (st *standing) waitUntil(name string, c *Container, condition Condition) {
	wait := st.waiting(name, c, condition)
	wait.OrCompleted = condition == IsReady
	var needs []StepID
	if begun := st.begun[c.Name]; begun != "" {
		needs = []StepID{begun}
	}
	healthy := wait
	healthy.Condition = IsHealthy
	if len(needs) == 0 && known(st.ready(name), c, condition) || condition == IsReady && st.graph.byID[idOf(healthy)] != nil {
		return
	}
	st.awaitOnce(wait, needs, Change{Path: "services." + name + ".ready", To: "asked for with --wait"})
}
