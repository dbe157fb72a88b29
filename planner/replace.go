package planner

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/musterhq/muster/project"
)

// emitReplace replaces one container. The successor is made beside the old one, which is given up only
// when the successor has proven itself:
//
//	stop-first:  create, stop old, start, await, remove old, rename
//	start-first: create, start, await, stop old, remove old, rename
//
// Up to the await all steps are one group: when one of them fails, what they did is taken back. From
// then on the successor is the one that counts, and nothing is taken back any more; a later plan
// finishes what is left. Where several are replaced, the old one is kept, stopped, until those of the next batch have come to
// that point or, where the whole rollout may have to go back, all of them.
func (b *builder) emitReplace(s *service, r *replica, gates []StepID) {
	old, oldName, u := r.old, r.oldName(), r.unit
	next := successorName(r.name)
	needs := append(b.clear(r), b.after(old.Name)...)
	if isSuccessor(old) {
		// The temporary name is needed again.
		needs = []StepID{b.graph.add(Step{
			Action: RenameContainer{Name: old.Name, To: oldName, Service: s.name}, Needs: needs, Impact: InPlace,
			Because: []Change{{Path: s.path("name"), From: old.Name, To: oldName, Drift: true}},
		})}
	}
	inherit := oldName
	if b.how.RenewAnonVolumes {
		inherit = ""
	}
	r.first = b.graph.add(Step{
		Action: b.creation(s, r, next, oldName, inherit), Needs: append(needs, b.resources(s, r)...), Because: r.because, Group: u.group,
		Undo: []Action{RemoveContainer{Name: next, Service: s.name, Volumes: true}},
	})
	r.last = r.first
	ready, late := b.split(s, r, gates)
	ready = append([]StepID{r.first}, ready...)
	if !b.how.NoStart && len(late) == 0 {
		// Before the old one stops: it serves on while they work, and when they fail.
		ready = b.beforeStart(s, r, next, ready, u.group)
	}
	if u.order == StopFirst || b.how.NoStart {
		ready = []StepID{b.giveWay(s, r, oldName, ready)}
	}
	if !b.how.NoStart {
		if len(late) > 0 {
			ready = b.beforeStart(s, r, next, append(ready, late...), u.group)
		}
		ready = []StepID{b.prove(s, r, next, ready, b.stopAgain(s.spec.PreStop, next, s.name))}
		if u.order == StartFirst && old.up() {
			ready = []StepID{b.stopLate(r, oldName, ready)}
		}
	}
	b.succeed(s, r, oldName, next, ready)
}

// split tells what a successor has to wait for before its old container stops from what can hold only after
// that, since it depends on what the container lives in.
func (b *builder) split(s *service, r *replica, gates []StepID) (early, late []StepID) {
	kin := r.kin(s)
	for _, g := range gates {
		within := false
		for _, k := range kin {
			within = within || b.graph.depends(g, k.first)
		}
		if within {
			late = append(late, g)
		} else {
			early = append(early, g)
		}
	}
	for _, k := range kin {
		if k.proof != "" {
			late = append(late, k.proof)
		}
	}
	return early, late
}

// giveWay stops the old container before its successor starts. One that an
// interrupted replacement stopped is stopped "again": the step does nothing but brings it back if the successor fails.
func (b *builder) giveWay(s *service, r *replica, oldName string, needs []StepID) StepID {
	if !r.old.up() && !r.resumed {
		return b.join(needs)
	}
	r.gaveWay = b.stop(r.old, oldName, needs, r.because, r.unit.group, b.startAgain(r.old, oldName))
	r.last = r.gaveWay
	return r.gaveWay
}

// stopLate stops the old container when its successor has proven itself. Where it is kept for
// going back, that is still one with what came before.
func (b *builder) stopLate(r *replica, oldName string, needs []StepID) StepID {
	var undo []Action
	group := ""
	if r.unit.deferred {
		group, undo = r.unit.group, b.startAgain(r.old, oldName)
	}
	r.stopLate = b.stop(r.old, oldName, needs, r.because, group, undo)
	if r.unit.deferred {
		r.last = r.stopLate
	}
	return r.stopLate
}

// stopAgain stops a container that was started and is to go again, after its hooks where it runs.
func (b *builder) stopAgain(hooks []project.ServiceHook, name, service string) []Action {
	var out []Action
	for i, h := range hooks {
		out = append(out, RunHook{Name: name, Service: service, When: "pre_stop", Index: i, Hook: h})
	}
	return append(out, StopContainer{Name: name, Service: service, Grace: b.how.Timeout})
}

// startAgain brings a container back that gave way, with the hooks that it was made with: what they did to its
// process ended with that.
func (b *builder) startAgain(old *Container, name string) []Action {
	out := []Action{StartContainer{Name: name, Service: old.Service}}
	for i, h := range b.startedWith(old) {
		out = append(out, RunHook{Name: name, Service: old.Service, When: "post_start", Index: i, Hook: h})
	}
	return out
}

// startedWith are the hooks that a container was made with for after its start. Most have none, and nothing else of their record is asked for.
func (b *builder) startedWith(c *Container) []project.ServiceHook {
	if text, err := b.codec.decode(c.Labels[LabelSpec]); err == nil && !strings.Contains(text, `"post_start"`) {
		return nil
	}
	return b.madeWith(c).PostStart
}

// madeWith are the settings of a container: those on record, or where docker compose made it, which keeps none, those of the file.
func (b *builder) madeWith(c *Container) applied {
	if c.Labels[LabelSpec] != "" {
		return b.codec.recorded(c.Labels)
	}
	var out applied
	if b.want != nil {
		s := b.want.Services[c.Service]
		out.PreStop, out.PostStart = s.PreStop, s.PostStart
	}
	return out
}

// join answers with the one need that stands for all; the needs of a replacement begin with its creation.
func (b *builder) join(needs []StepID) StepID {
	if len(needs) == 1 {
		return needs[0]
	}
	made := b.graph.byID[needs[0]]
	made.Needs = append(made.Needs, needs[1:]...)
	return needs[0]
}

// prove starts the successor and waits until it is good.
func (b *builder) prove(s *service, r *replica, next string, needs []StepID, undo []Action) StepID {
	started := b.graph.add(Step{
		Action: StartContainer{Name: next, Service: s.name}, Needs: needs, Because: r.because, Group: r.unit.group, Undo: undo,
	})
	if r.first == "" {
		r.first = started
	}
	return b.proveRunning(s, r, next, []StepID{started})
}

// proveRunning waits until a successor that has been started is good.
func (b *builder) proveRunning(s *service, r *replica, next string, needs []StepID) StepID {
	group := r.unit.group
	if len(s.spec.PostStart) > 0 {
		needs = []StepID{b.hooks("post_start", s.spec.PostStart, next, s.name, needs, group)}
	}
	wait := b.waiting(s, next, b.proof(s))
	wait.OrCompleted = wait.Condition == IsStable && s.once()
	r.proven = wait.Condition
	r.proof = b.watch(wait, b.updatePace(s), needs, r.because, group)
	r.last = r.proof
	return r.proof
}

// watch waits until a container is good, and then for as long as the pace has it watched.
func (b *builder) watch(wait Await, pace Pace, needs []StepID, because []Change, group string) StepID {
	monitor := pace.Monitor
	switch {
	case monitor == 0 && wait.Condition == IsStable:
		wait.Monitor = b.briefly()
	case monitor == 0:
		monitor = b.briefly()
	}
	steady := monitor > 0 && wait.Condition != IsCompleted
	last := b.graph.add(Step{Action: wait, Needs: needs, Group: group, Because: because})
	if !steady {
		return last
	}
	wait.Condition, wait.Monitor, wait.Timeout, wait.Ready = IsSteady, monitor, 0, nil
	return b.graph.add(Step{Action: wait, Needs: []StepID{last}, Group: group, Because: because})
}

// succeed removes the old container and gives its successor the name.
func (b *builder) succeed(s *service, r *replica, oldName, next string, needs []StepID) {
	remove := b.codec.removeContainer(r.old, b.how.RenewAnonVolumes)
	remove.Name, remove.Service = oldName, s.name
	r.removal = b.graph.add(Step{
		Action: remove,
		Needs:  needs, Because: r.because, Impact: Replace, Rollout: r.unit.root.name,
	})
	if r.first == "" {
		r.first = r.removal
	}
	r.commit = b.graph.add(Step{
		Action: RenameContainer{Name: next, To: r.name, Service: s.name}, Needs: []StepID{r.removal}, Impact: InPlace, Because: r.because,
		Rollout: r.unit.root.name,
	})
	r.done = []StepID{r.commit}
}

// emitFinish carries on a replacement that was interrupted after its successor had
// been started.
func (b *builder) emitFinish(s *service, r *replica) {
	u, next, old := r.unit, r.next.Name, r.old
	needs := append(append(b.clear(r), b.after(next)...), b.after(old.Name)...)
	switch {
	case !r.next.up() || b.how.NoStart:
		if old.up() {
			r.stopLate = b.stop(old, old.Name, needs, r.because, "", nil)
			r.first, needs = r.stopLate, []StepID{r.stopLate}
		}
		b.succeed(s, r, old.Name, next, needs)
		return
	case !u.together():
		// Starting what runs does nothing; the step is there for its undo.
		undo := append(b.stopAgain(s.spec.PreStop, next, s.name), b.startAgain(old, old.Name)...)
		undo = append(undo, RemoveContainer{Name: next, Service: s.name, Volumes: true})
		needs = []StepID{b.prove(s, r, next, needs, undo)}
	default:
		needs = []StepID{b.resume(s, r, needs)}
	}
	if old.up() {
		needs = []StepID{b.stopLate(r, old.Name, needs)}
	}
	b.succeed(s, r, old.Name, next, needs)
}

// resume proves a successor that others are replaced with. Starting what runs and stopping what does not do nothing: the
// steps are there for their undos, so that all of the unit can go back in the right order.
func (b *builder) resume(s *service, r *replica, needs []StepID) StepID {
	old, next, group := r.old, r.next.Name, r.unit.group
	undo := b.stopAgain(s.spec.PreStop, next, s.name)
	if !old.up() {
		undo = append(undo, b.startAgain(old, old.Name)...)
	}
	for _, k := range r.kin(s) {
		needs = append(needs, k.first)
	}
	r.first = b.graph.add(Step{
		Action: StartContainer{Name: next, Service: s.name}, Needs: needs, Because: r.because, Group: group,
		Undo: append(undo, RemoveContainer{Name: next, Service: s.name, Volumes: true}),
	})
	last := r.first
	if !old.up() {
		r.gaveWay = b.stop(old, old.Name, []StepID{last}, r.because, group,
			append(b.stopAgain(s.spec.PreStop, next, s.name), StartContainer{Name: old.Name, Service: s.name}))
		last = r.gaveWay
	}
	needs = []StepID{last}
	for _, k := range r.kin(s) {
		needs = append(needs, k.proof)
	}
	return b.proveRunning(s, r, next, needs)
}

// proof is what a successor has to come to before the old one goes.
func (b *builder) proof(s *service) Condition {
	switch {
	case s.job:
		return IsCompleted
	case s.checked():
		return IsHealthy
	}
	return IsStable
}

// pace says in words how the replicas are replaced.
func (p Pace) text(n int) string {
	switch {
	case n < 2:
		return ""
	case p.Parallelism == 1:
		return "one at a time"
	case p.Parallelism == 0 || p.Parallelism >= n:
		return "all at once"
	default:
		return strconv.Itoa(p.Parallelism) + " at a time"
	}
}

func replaceText(n, of int) string {
	if of == 1 {
		return "replace"
	}
	return fmt.Sprintf("replace %d of %d", n, of)
}
