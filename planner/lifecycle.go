package planner

import (
	"strings"

	"github.com/musterhq/muster/project"
)

// Start plans the start of what exists and is stopped, in dependency order. want may be nil: then the
// labels say what depends on what.
func Start(want *project.Project, have State, how Policy) (Plan, error) {
	st := newStanding(want, have, how, false)
	st.checkNames()
	done := map[string][]StepID{}
	for _, name := range st.names {
		var needs []StepID
		for _, to := range keys(st.on[name]) {
			needs = append(needs, st.holds(name, to, done[to])...)
		}
		started := 0
		for _, c := range byNumber(st.all[name]) {
			if !st.takesPart(name) {
				continue
			}
			if c.Status == Created || c.Status == Exited || c.Status == Paused {
				if started++; started == 1 && !how.NoDeps {
					needs = append(needs, st.resumeProviders(name)...)
				}
				id := st.graph.add(Step{
					Action: StartContainer{Name: c.Name, Service: name}, Needs: st.firstStart(c, needs),
					Because: []Change{{Path: "services." + name + ".status", From: exitText(c), To: "running"}},
				})
				id = st.hooks("post_start", st.postStart(c), c.Name, name, []StepID{id}, "")
				done[name] = append(done[name], id)
				st.begun[c.Name] = id
			}
		}
		st.note(name, started, "start")
	}
	st.waitForAll(st.takesPart)
	return st.finish()
}

// takesPart says whether a service is started: it was named, or one that was named depends on it.
func (st *standing) takesPart(name string) bool {
	if takes, known := st.part[name]; known {
		return takes
	}
	takes := st.chosen(name)
	for needer := range st.needers[name] {
		takes = takes || !st.how.NoDeps && st.takesPart(needer)
	}
	st.part[name] = takes
	return takes
}

// note adds the item of a service with which something happens, or nothing.
func (st *standing) note(name string, n int, what string) {
	if !st.takesPart(name) {
		return
	}
	item := Item{Ref: Ref{Kind: KindService, Name: name}, Verdict: Unchanged, Containers: len(st.all[name])}
	if n > 0 {
		item.Verdict = Modify
		item.Summary = what + " " + plural(n, "container")
	}
	st.items = append(st.items, item)
}

// Stop plans the stop of what runs, in reverse dependency order, hooks first. want may be nil.
func Stop(want *project.Project, have State, how Policy) (Plan, error) {
	st := newStanding(want, have, how, false)
	st.checkNames()
	stopped := map[string][]StepID{}
	for i := len(st.names) - 1; i >= 0; i-- {
		name := st.names[i]
		if !st.chosen(name) {
			continue
		}
		needs := st.dependentsStopped(name, stopped)
		n := 0
		for _, c := range byNumber(st.all[name]) {
			if c.up() {
				n++
				stopped[name] = append(stopped[name], st.stop(c, c.Name, needs, nil, "", nil))
			}
		}
		if n > 0 {
			st.items = append(st.items, Item{Ref: Ref{Kind: KindService, Name: name}, Verdict: Modify,
				Summary: "stop " + plural(n, "container"), Impact: Replace, Containers: len(st.all[name])})
		}
	}
	st.pauseProviders(stopped)
	return st.finish()
}

// dependentsStopped are the stops of everything that depends on a service, directly or through
// services that have nothing to stop.
func (st *standing) dependentsStopped(name string, stopped map[string][]StepID) []StepID {
	var out []StepID
	seen := map[string]bool{name: true}
	var visit func(string)
	visit = func(n string) {
		for _, needer := range keys(st.needers[n]) {
			if seen[needer] {
				continue
			}
			seen[needer] = true
			if len(stopped[needer]) > 0 {
				out = append(out, stopped[needer]...)
				continue
			}
			visit(needer)
		}
	}
	visit(name)
	return out
}

// Restarts plans the restart of containers in dependency order, with the dependents that asked for
// it by depends_on.restart. What does not run is started. want may be nil.
func Restarts(want *project.Project, have State, how Policy) (Plan, error) {
	st := newStanding(want, have, how, false)
	st.checkNames()
	why := map[string]string{}
	done := map[string][]StepID{}
	for _, name := range st.names {
		var needs []StepID
		for _, to := range keys(st.on[name]) {
			if len(done[to]) == 0 {
				continue
			}
			needs = append(needs, st.holds(name, to, done[to])...)
			if st.on[name][to].Restart && !how.NoDeps && why[name] == "" {
				why[name] = to + " is restarted"
			}
		}
		if st.chosen(name) {
			why[name] = "asked for"
		}
		if why[name] == "" {
			continue
		}
		for _, c := range byNumber(st.all[name]) {
			st.begun[c.Name] = st.restartOne(name, c, needs, why[name])
			done[name] = append(done[name], st.begun[c.Name])
		}
		if n := len(st.all[name]); n > 0 {
			summary := "restart " + plural(n, "container")
			if !st.chosen(name) {
				summary += ", since " + strings.TrimSpace(why[name])
			}
			st.items = append(st.items, Item{Ref: Ref{Kind: KindService, Name: name}, Verdict: Modify, Summary: summary, Impact: Restart, Containers: n})
		}
	}
	st.waitForAll(func(name string) bool { return why[name] != "" })
	return st.finish()
}

func (st *standing) restartOne(name string, c *Container, needs []StepID, why string) StepID {
	because := []Change{{Path: "services." + name + ".restart", To: why}}
	if c.Status == Running {
		if hooks := st.preStop(c); len(hooks) > 0 {
			needs = []StepID{st.hooks("pre_stop", hooks, c.Name, name, needs, "")}
		}
	}
	needs = st.firstStart(c, needs)
	id := st.graph.add(Step{
		Action: RestartContainer{Name: c.Name, Service: name, Grace: st.how.Timeout},
		Needs:  needs, Because: because, Impact: Restart,
	})
	return st.hooks("post_start", st.postStart(c), c.Name, name, []StepID{id}, "")
}
