package planner

import (
	"fmt"
	"strconv"
)

// emitReplace replaces one container. The successor is made beside the old one, which is given up only
// when the successor has proven itself:
//
//	stop-first:  create, stop old, start, await, remove old, rename
//	start-first: create, start, await, stop old, remove old, rename
//
// Up to the await all steps are one group: when one of them fails, what they did is taken back. From
// then on the successor is the one that counts, and nothing is taken back any more; a later plan
// finishes what is left.
func (b *builder) emitReplace(s *service, r *replica, gates, before []StepID) {
	old, oldName := r.old, r.old.Name
	group := "replace " + r.name
	next := successorName(r.name)
	needs := append(b.clear(r), b.after(old.Name)...)
	if isSuccessor(old) {
		// The temporary name is needed again.
		oldName = r.name
		needs = []StepID{b.graph.add(Step{
			Action: RenameContainer{Name: old.Name, To: oldName, Service: s.name}, Needs: needs, Impact: InPlace,
			Because: []Change{{Path: s.path("name"), From: old.Name, To: oldName, Drift: true}},
		})}
	}
	needs = append(append(needs, before...), b.resources(s)...)
	inherit := oldName
	if b.how.RenewAnonVolumes {
		inherit = ""
	}
	made := b.graph.add(Step{
		Action: b.creation(s, r, next, oldName, inherit), Needs: needs, Because: r.because, Group: group,
		Undo: []Action{RemoveContainer{Name: next, Service: s.name, Volumes: true}},
	})
	ready := append([]StepID{made}, gates...)
	if !b.how.NoStart {
		// Before the old one stops: it serves on while they work, and when they fail.
		ready = b.beforeStart(s, r, next, ready, group)
	}
	startFirst, _ := b.startFirst(s)
	if !startFirst || b.how.NoStart {
		ready = []StepID{b.giveWay(s, r, oldName, ready, group)}
	}
	if !b.how.NoStart {
		ready = []StepID{b.prove(s, r, next, ready, group, []Action{StopContainer{Name: next, Service: s.name, Grace: b.how.Timeout}})}
		if startFirst && old.up() {
			ready = []StepID{b.stop(old, oldName, ready, r.because, "", nil)}
		}
	}
	b.succeed(s, r, oldName, next, ready)
}

// giveWay stops the old container before its successor starts. One that an
// interrupted replacement stopped is stopped "again": the step does nothing but brings it back if the successor fails.
func (b *builder) giveWay(s *service, r *replica, oldName string, needs []StepID, group string) StepID {
	if !r.old.up() && !r.resumed {
		return b.join(needs)
	}
	return b.stop(r.old, oldName, needs, r.because, group, b.startAgain(r.old, oldName))
}

// startAgain brings a container back that gave way, with the hooks that it was made with: what they did to its
// process ended with that.
func (b *builder) startAgain(old *Container, name string) []Action {
	out := []Action{StartContainer{Name: name, Service: old.Service}}
	for i, h := range b.codec.recorded(old.Labels).PostStart {
		out = append(out, RunHook{Name: name, Service: old.Service, When: "post_start", Index: i, Hook: h})
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
func (b *builder) prove(s *service, r *replica, next string, needs []StepID, group string, undo []Action) StepID {
	started := b.graph.add(Step{
		Action: StartContainer{Name: next, Service: s.name}, Needs: needs, Because: r.because, Group: group, Undo: undo,
	})
	last := b.hooks("post_start", s.spec.PostStart, next, s.name, []StepID{started}, group)
	wait := b.waiting(s, next, b.proof(s))
	if wait.Condition == IsStable {
		wait.Monitor = b.monitor(s)
	}
	wait.OrCompleted = wait.Condition == IsStable && s.once()
	r.proven = wait.Condition
	return b.graph.add(Step{
		Action: wait, Needs: []StepID{last}, Group: group, Because: r.because,
	})
}

// succeed removes the old container and gives its successor the name.
func (b *builder) succeed(s *service, r *replica, oldName, next string, needs []StepID) {
	removed := b.graph.add(Step{
		Action: RemoveContainer{Name: oldName, Service: s.name, Volumes: b.how.RenewAnonVolumes},
		Needs:  needs, Because: r.because, Impact: Replace,
	})
	r.commit = b.graph.add(Step{
		Action: RenameContainer{Name: next, To: r.name, Service: s.name}, Needs: []StepID{removed}, Impact: InPlace, Because: r.because,
	})
	r.done = []StepID{r.commit}
}

// emitFinish carries on a replacement that was interrupted after its successor had
// been started.
func (b *builder) emitFinish(s *service, r *replica, before []StepID) {
	group := "replace " + r.name
	needs := append(append(b.clear(r), b.after(r.next.Name)...), before...)
	needs = append(needs, b.after(r.old.Name)...)
	if r.next.up() && !b.how.NoStart {
		// Starting what runs does nothing; the step is there for its undo.
		undo := []Action{StopContainer{Name: r.next.Name, Service: s.name, Grace: b.how.Timeout}}
		undo = append(undo, b.startAgain(r.old, r.old.Name)...)
		undo = append(undo, RemoveContainer{Name: r.next.Name, Service: s.name, Volumes: true})
		needs = []StepID{b.prove(s, r, r.next.Name, needs, group, undo)}
	}
	if r.old.up() {
		needs = []StepID{b.stop(r.old, r.old.Name, needs, r.because, "", nil)}
	}
	b.succeed(s, r, r.old.Name, r.next.Name, needs)
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

// startFirst says whether the successor starts while the old container still runs and, where that was
// asked for and cannot be, why not.
func (b *builder) startFirst(s *service) (bool, string) {
	d := s.spec.Deploy
	if d == nil || d.UpdateConfig == nil || d.UpdateConfig.Order != "start-first" {
		return false, ""
	}
	for _, p := range s.spec.Ports {
		if fixed(p) {
			return false, "host port " + p.Published + " can be held only once"
		}
	}
	if s.spec.ContainerName != "" {
		return false, "container_name " + s.spec.ContainerName + " can be had only once"
	}
	if s.spec.NetworkMode != "" && s.spec.NetworkMode != "none" {
		return false, "it shares its ports through network_mode " + s.spec.NetworkMode
	}
	for _, key := range keys(s.spec.Networks) {
		n := s.spec.Networks[key]
		if n != nil && (n.Ipv4Address != "" || n.Ipv6Address != "" || n.MacAddress != "") {
			return false, "its address on network " + key + " can be had only once"
		}
	}
	if s.spec.MacAddress != "" {
		return false, "mac_address " + s.spec.MacAddress + " can be had only once"
	}
	if len(s.spec.Devices) > 0 {
		return false, "device " + s.spec.Devices[0].Source + " may be held only once"
	}
	return true, ""
}

// batches lets the replicas of a service be replaced a few at a time.
type batches struct {
	size     int // 0 is all at once
	previous []StepID
	current  []StepID
}

func newBatches(s *service) *batches {
	return &batches{size: parallelism(s)}
}

// parallelism is how many replicas are replaced at the same time; 0 is all.
func parallelism(s *service) int {
	if d := s.spec.Deploy; d != nil && d.UpdateConfig != nil && d.UpdateConfig.Parallelism != nil {
		return int(*d.UpdateConfig.Parallelism)
	}
	return 1
}

// before are the steps that the next replica has to wait for.
func (c *batches) before() []StepID {
	if c.size > 0 && len(c.current) == c.size {
		c.previous, c.current = c.current, nil
	}
	return c.previous
}

func (c *batches) add(commit StepID) { c.current = append(c.current, commit) }

// pace says in words how the replicas are replaced.
func pace(s *service, n int) string {
	switch p := parallelism(s); {
	case n < 2:
		return ""
	case p == 1:
		return "one at a time"
	case p == 0 || p >= n:
		return "all at once"
	default:
		return strconv.Itoa(p) + " at a time"
	}
}

func replaceText(n, of int) string {
	if of == 1 {
		return "replace"
	}
	return fmt.Sprintf("replace %d of %d", n, of)
}
