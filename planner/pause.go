package planner

import "github.com/musterhq/muster/project"

// Pause plans to halt what runs. want may be nil.
func Pause(want *project.Project, have State, how Policy) (Plan, error) {
	return eachContainer(want, have, how, "pause", func(c *Container) Action {
		if c.Status != Running {
			return nil
		}
		return PauseContainer{Name: c.Name, Service: c.Service}
	})
}

// Unpause plans to let go on what is paused. want may be nil.
func Unpause(want *project.Project, have State, how Policy) (Plan, error) {
	return eachContainer(want, have, how, "unpause", func(c *Container) Action {
		if c.Status != Paused {
			return nil
		}
		return UnpauseContainer{Name: c.Name, Service: c.Service}
	})
}

// eachContainer plans one action for each container of the named services that do says any for, all at once: there is no
// order in which stopping the clock would be safer.
func eachContainer(want *project.Project, have State, how Policy, verb string, do func(*Container) Action) (Plan, error) {
	st := newStanding(want, have, how, false)
	st.checkNames()
	for _, name := range st.names {
		if !st.chosen(name) {
			continue
		}
		n := 0
		for _, c := range byNumber(st.all[name]) {
			action := do(c)
			if action == nil {
				continue
			}
			n++
			st.graph.add(Step{Action: action, Impact: Restart, Because: []Change{{Path: "services." + name + "." + verb, To: "asked for"}}})
		}
		if n > 0 {
			st.items = append(st.items, Item{Ref: Ref{Kind: KindService, Name: name}, Verdict: Modify,
				Summary: verb + " " + plural(n, "container"), Impact: Restart, Containers: len(st.all[name])})
		}
	}
	return st.finish()
}
