package planner

import (
	"slices"
	"strconv"
)

// yieldPorts lets whoever takes a fixed host port wait until the plan has stopped the one that holds
// it. A holder that would itself wait for the taker, such as one whose new version depends on it,
// gives the port up before and not after.
func (b *builder) yieldPorts() {
	holders := b.portHolders()
	if len(holders) == 0 {
		return
	}
	takes := exchange{}
	for _, step := range b.graph.steps {
		a, ok := step.Action.(StartContainer)
		if !ok || b.services[a.Service] == nil {
			continue
		}
		for _, p := range b.services[a.Service].spec.Ports {
			if !fixed(p) {
				continue
			}
			for _, c := range holders[portKey(p.Published, p.Protocol)] {
				if c.Name != a.Name {
					b.waitForPort(step, c, takes)
				}
			}
		}
	}
	b.joinSwaps(takes)
}

// portHolders are the containers that hold each host port now, or are about to.
func (b *builder) portHolders() map[string][]*Container {
	holders := map[string][]*Container{}
	for _, name := range keys(b.have.containers) {
		c := b.have.containers[name]
		if !c.up() {
			continue
		}
		for _, p := range c.Ports {
			if p.Published > 0 {
				key := portKey(strconv.Itoa(p.Published), p.Protocol)
				holders[key] = append(holders[key], c)
			}
		}
		if c.Status == Restarting {
			// It holds none at the moment, and will in the next.
			for _, p := range b.codec.recorded(c.Labels).Ports {
				if !fixed(p) {
					continue
				}
				key := portKey(p.Published, p.Protocol)
				holders[key] = append(holders[key], c)
			}
		}
	}
	return holders
}

func portKey(published, protocol string) string {
	if protocol == "" {
		protocol = "tcp"
	}
	return published + "/" + protocol
}

// waitForPort lets a start wait for the stop of c, if the plan has one.
func (b *builder) waitForPort(begin *Step, c *Container, takes exchange) {
	stop := b.graph.byID[StepID("stop "+c.Name)]
	if stop == nil {
		return
	}
	if stop.Group != "" && stop.Group == begin.Group {
		// Within a swap the start mostly waits for the stop by way of its own old container. One that does not
		// run needs no stop, and leaves nothing to wait for.
		if !b.graph.depends(stop.ID, begin.ID) {
			b.graph.wishes[begin.ID] = append(b.graph.wishes[begin.ID], stop.ID)
		}
		return
	}
	if c.Service != begin.Action.Resource().Service { // replicas that want the same port cannot all have it, now or later
		takes.note(begin.Group, stop.Group)
	}
	if b.graph.depends(stop.ID, begin.ID) {
		b.graph.hasten(stop.ID, begin.ID)
	}
	b.graph.wishes[begin.ID] = append(b.graph.wishes[begin.ID], stop.ID)
	// Better still when the holder is gone for good: until then it may have to come back. The
	// starter's own old container keeps running meanwhile.
	first := begin.ID
	if own := b.memberOf(begin); own != nil && own.gaveWay != "" {
		first = own.gaveWay
	}
	gone := StepID("remove " + c.Name)
	b.graph.hopes[first] = append(b.graph.hopes[first], gone)
	if taker := begin.Action.Resource().Service; c.Service != taker && stop.Group != "" && b.graph.depends(gone, first) {
		b.warn("%s takes a host port over from %s before the new %s is known to be good, since that waits for %s: should it fail, its old container "+
			"cannot be put back. Two runs, with the port free in between, are without this risk", taker, c.Service, c.Service, taker)
	}
}

// memberOf is the replica that a step starts the successor of; nil for others.
func (b *builder) memberOf(begin *Step) *replica {
	for _, u := range b.units {
		if u.group != begin.Group {
			continue
		}
		for _, m := range u.members {
			if m.r.hereNow() == begin.Action.Resource().Name {
				return m.r
			}
		}
	}
	return nil
}

// yieldNames lets whoever takes a name wait until the plan has freed it.
func (b *builder) yieldNames() {
	freed := b.freedNames()
	for _, step := range b.graph.steps {
		var taken string
		switch a := step.Action.(type) {
		case CreateContainer:
			taken = a.Name
		case RenameContainer:
			taken = a.To
		}
		if id, ok := freed[taken]; ok && taken != "" && b.have.containers[taken] != nil && id != step.ID {
			b.graph.wishes[step.ID] = append(b.graph.wishes[step.ID], id)
		}
	}
}

// freedNames are the names that containers have now and give up in this plan, with the step that does it.
func (b *builder) freedNames() map[string]StepID {
	freed := map[string]StepID{}
	renames := map[string]*Step{}
	for _, step := range b.graph.steps {
		switch a := step.Action.(type) {
		case RemoveContainer:
			freed[a.Name] = step.ID
		case RenameContainer:
			// One that the plan makes under the same name later is not meant.
			if b.have.containers[a.Name] != nil && freed[a.Name] == "" {
				freed[a.Name] = step.ID
				renames[a.Name] = step
			}
		}
	}
	b.cutCircles(freed, renames)
	return freed
}

// cutCircles deals with containers that have each other's names: one of them is
// renamed by way of a name of its own.
func (b *builder) cutCircles(freed map[string]StepID, renames map[string]*Step) {
	seen := map[string]bool{}
	for _, first := range keys(renames) {
		if seen[first] {
			continue
		}
		name := first
		for renames[name] != nil && !seen[name] {
			seen[name] = true
			name = renames[name].Action.(RenameContainer).To
		}
		if name != first {
			continue
		}
		step := renames[first]
		a := step.Action.(RenameContainer)
		aside := successorName(a.To)
		freed[first] = b.graph.add(Step{
			Action: RenameContainer{Name: a.Name, To: aside, Service: a.Service}, Needs: step.Needs, Because: step.Because, Impact: InPlace,
		})
		a.Name = aside
		b.graph.become(step.ID, a, []StepID{freed[first]})
	}
}

// depends says whether a step is another or needs it, through however many.
func (g *graph) depends(step, need StepID) bool {
	seen := map[StepID]bool{}
	stack := []StepID{step}
	for len(stack) > 0 {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if id == need {
			return true
		}
		if s := g.byID[id]; s != nil && !seen[id] {
			seen[id] = true
			stack = append(append(stack, s.Needs...), s.After...)
			if more := g.pending[id]; more != nil {
				stack = append(stack, more()...)
			}
		}
	}
	return false
}

// hasten frees the stop of a container, and the hooks before it, from all that waits for another
// step. The steps after the stop wait for it instead.
func (g *graph) hasten(stop, other StepID) {
	var chain []StepID
	for step := g.byID[stop]; step != nil; step = g.hookBefore(step) {
		chain = append(chain, step.ID)
	}
	var drop []StepID
	for _, id := range chain {
		g.byID[id].Needs = slices.DeleteFunc(slices.Clone(g.byID[id].Needs), func(n StepID) bool {
			late := !slices.Contains(chain, n) && g.depends(n, other)
			if late {
				drop = append(drop, n)
			}
			return late
		})
	}
	for _, s := range g.steps {
		if slices.Contains(s.Needs, stop) {
			s.Needs = append(slices.Clone(s.Needs), drop...)
		}
	}
}

// hookBefore is the pre_stop hook that a stop, or another such hook, comes after; nil for none.
func (g *graph) hookBefore(step *Step) *Step {
	for _, n := range step.Needs {
		if s := g.byID[n]; s != nil {
			if hook, ok := s.Action.(RunHook); ok && hook.When == "pre_stop" && hook.Name == step.Action.Resource().Name {
				return s
			}
		}
	}
	return nil
}
