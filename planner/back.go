package planner

import "slices"

// wayBack is how the replicas of s that have been replaced get their old containers again, as rollback_config says.
func (b *builder) wayBack(s *service, units []*unit) *Rollback {
	back := &Rollback{Pace: b.rollbackPace(s)}
	for _, u := range units {
		order := back.Order
		if u.order != StartFirst && order == StartFirst && !b.bearsTwo(u) {
			order = StopFirst
		}
		back.Order = order
		if u.deferred {
			back.Units = append(back.Units, Unit{Group: u.group, Steps: b.putBack(u, order, back.Pace)})
		}
	}
	if back.Monitor == 0 {
		back.Monitor = b.briefly()
	}
	return back
}

// bearsTwo says whether old and new containers of a unit may run at the same time, whether that was asked for or not.
func (b *builder) bearsTwo(u *unit) bool {
	return !slices.ContainsFunc(u.members, func(m member) bool { return b.onlyOnce(m.of, u) != "" })
}

// putBack writes the steps of one unit. The new containers are removed when the old ones have proven
// themselves again; until then a failure brings the new ones back, since they are known to work.
func (b *builder) putBack(u *unit, order Order, pace Pace) []Step {
	forward := b.graph
	defer func() { b.graph = forward }()
	b.graph = newGraph()
	group := "put back" + u.group[len(ReplaceGroup)-1:]
	var last []StepID
	if order == StopFirst {
		last = b.stopNew(u, last, group)
		last = b.startOld(u, last, group, pace)
	} else {
		last = b.startOld(u, last, group, pace)
		last = b.stopNew(u, last, "")
	}
	for _, m := range slices.Backward(u.members) {
		last = []StepID{b.graph.add(Step{
			Action: RemoveContainer{Name: m.r.hereNow(), Service: m.of.name, Volumes: true}, Needs: last, Because: wentWrong(m.of), Impact: Replace,
			Rollout: u.root.name,
		})}
	}
	steps, err := b.graph.ordered()
	if err != nil {
		return nil // a chain is always in order
	}
	for i := range steps {
		steps[i].Rollout = u.root.name
	}
	return steps
}

func wentWrong(s *service) []Change {
	return []Change{{Path: s.path("deploy.update_config.failure_action"), To: string(RollBack)}}
}

// stopNew stops the new containers of a unit, those that live in others first.
func (b *builder) stopNew(u *unit, needs []StepID, group string) []StepID {
	for _, m := range slices.Backward(u.members) {
		name := m.r.hereNow()
		needs = []StepID{b.hooks("pre_stop", m.of.spec.PreStop, name, m.of.name, needs, group)}
		var undo []Action
		if group != "" {
			undo = []Action{StartContainer{Name: name, Service: m.of.name}}
			for i, h := range m.of.spec.PostStart {
				undo = append(undo, RunHook{Name: name, Service: m.of.name, When: "post_start", Index: i, Hook: h})
			}
		}
		needs = []StepID{b.graph.add(Step{
			Action: StopContainer{Name: name, Service: m.of.name, Grace: b.how.Timeout}, Needs: needs, Because: wentWrong(m.of),
			Impact: Replace, Group: group, Undo: undo,
		})}
	}
	return needs
}

// startOld starts the old containers of a unit that ran before, and waits until they are good.
func (b *builder) startOld(u *unit, needs []StepID, group string, pace Pace) []StepID {
	for _, m := range u.members {
		old, name := m.r.old, m.r.oldName()
		if !old.up() && !m.r.resumed && m.r.verb != finish {
			continue
		}
		for i, a := range b.startAgain(old, name) {
			step := Step{Action: a, Needs: needs, Because: wentWrong(m.of), Group: group}
			if i == 0 {
				step.Undo = b.stopAgain(b.madeWith(old).PreStop, name, m.of.name)
			}
			needs = []StepID{b.graph.add(step)}
		}
		wait := Await{Name: name, Service: m.of.name, Condition: IsStable, OrCompleted: m.of.once(), Timeout: b.how.WaitTimeout}
		needs = []StepID{b.watch(wait, pace, needs, wentWrong(m.of), group)}
	}
	return needs
}
