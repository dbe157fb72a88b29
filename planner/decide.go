package planner

import (
	"fmt"
	"sort"
	"strconv"
)

// slot is what exists for one number of a service.
type slot struct {
	number  int
	old     *Container
	next    *Container   // a successor that an interrupted run left
	litter  []*Container // cannot be used; they go
	changes []Change     // of the container that stands for it
	resumed bool
	finish  bool // next is good and the old one only has to go
}

// decide says what becomes of each container of a service. Services come here after those that they
// depend on.
func (b *builder) decide(s *service) {
	slots := b.slots(s)
	s.fresh, s.had = len(slots) == 0, len(slots)
	slots = b.shed(s, slots)
	highest := 0
	for _, c := range b.have.services[s.name] {
		highest = max(highest, c.number())
	}
	for _, sl := range slots {
		s.replicas = append(s.replicas, b.replicaOf(s, sl))
	}
	for n := highest + 1; len(s.replicas) < s.scale; n++ {
		s.replicas = append(s.replicas, &replica{
			name: b.want.ContainerName(s.spec, n), number: n, verb: create,
			because: []Change{{Path: s.path("replicas"), From: count(len(slots)), To: count(s.scale)}},
		})
	}
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// slots groups a service's containers by number and settles what an interrupted
// replacement left.
func (b *builder) slots(s *service) []*slot {
	byNumber := map[int]*slot{}
	var numbers []int
	var successors []*Container
	for _, c := range b.have.services[s.name] {
		if isSuccessor(c) {
			successors = append(successors, c)
			continue
		}
		sl := byNumber[c.number()]
		if sl == nil {
			sl = &slot{number: c.number()}
			byNumber[sl.number] = sl
			numbers = append(numbers, sl.number)
		}
		b.admit(s, sl, c)
	}
	for _, c := range successors {
		sl := byNumber[c.number()]
		if sl == nil {
			// Its old one is gone already: it only wants its name.
			sl = &slot{number: c.number(), old: c}
			byNumber[sl.number] = sl
			numbers = append(numbers, sl.number)
			continue
		}
		if sl.next != nil {
			sl.litter = append(sl.litter, c)
			continue
		}
		sl.next = c
	}
	sort.Ints(numbers)
	out := make([]*slot, 0, len(numbers))
	for _, n := range numbers {
		sl := byNumber[n]
		b.settle(s, sl)
		out = append(out, sl)
	}
	return out
}

// admit puts c into a slot; of two with the same number the better one stays.
func (b *builder) admit(s *service, sl *slot, c *Container) {
	switch {
	case c.Status == Dead || c.Status == Removing:
		sl.litter = append(sl.litter, c)
	case sl.old == nil:
		sl.old = c
	case b.better(s, c, sl.old):
		sl.litter = append(sl.litter, sl.old)
		sl.old = c
	default:
		sl.litter = append(sl.litter, c)
	}
}

// better prefers what need not be replaced, then what runs.
func (b *builder) better(s *service, a, c *Container) bool {
	sameA, sameC := len(b.changes(s, a)) == 0, len(b.changes(s, c)) == 0
	if sameA != sameC {
		return sameA
	}
	return a.up() && !c.up()
}

// settle decides between an old container and its unfinished successor.
//
// A successor that runs and is what is wanted is carried on. One that runs while the old one does
// not is what serves now, so it takes the place before anything else
// happens. Every other is removed: it was never the one that served.
func (b *builder) settle(s *service, sl *slot) {
	if sl.old == nil && sl.next != nil {
		sl.old, sl.next = sl.next, nil
	}
	if sl.old == nil {
		return
	}
	sl.changes = b.changes(s, sl.old)
	if sl.next == nil {
		return
	}
	done := sl.next.up() || s.job && sl.next.completed()
	changes := b.changes(s, sl.next)
	switch {
	case done && len(changes) == 0 && len(b.inherited(s, sl.next)) == 0:
		sl.finish, sl.changes = true, nil
	case sl.next.ready() && !sl.old.up():
		sl.litter = append(sl.litter, sl.old)
		sl.old, sl.next, sl.changes = sl.next, nil, changes
	default:
		sl.litter = append(sl.litter, sl.next)
		sl.next = nil
		sl.resumed = !sl.old.up()
	}
}

// shed takes the slots away that are too many: first those that would have to be replaced, then
// the highest numbers.
func (b *builder) shed(s *service, slots []*slot) []*slot {
	excess := len(slots) - s.scale
	if excess <= 0 {
		return slots
	}
	order := append([]*slot(nil), slots...)
	sort.SliceStable(order, func(i, j int) bool {
		x, y := order[i].outdated(), order[j].outdated()
		if x != y {
			return x
		}
		return order[i].number > order[j].number
	})
	gone := map[*slot]bool{}
	why := []Change{{Path: s.path("replicas"), From: strconv.Itoa(len(slots)), To: strconv.Itoa(s.scale)}}
	for _, sl := range order[:excess] {
		gone[sl] = true
		for _, c := range append([]*Container{sl.old, sl.next}, sl.litter...) {
			if c != nil {
				s.surplus = append(s.surplus, &surplus{c, why})
			}
		}
	}
	out := slots[:0:0]
	for _, sl := range slots {
		if !gone[sl] {
			out = append(out, sl)
		}
	}
	return out
}

// outdated says whether a slot's container would have to be made anew.
func (sl *slot) outdated() bool { return sl.old == nil || len(sl.changes) > 0 }

// replicaOf turns a slot into what to do.
func (b *builder) replicaOf(s *service, sl *slot) *replica {
	r := &replica{
		name: b.want.ContainerName(s.spec, sl.number), number: sl.number,
		old: sl.old, next: sl.next, litter: sl.litter, resumed: sl.resumed,
	}
	if migrated := b.forMigration(s, sl); migrated != nil {
		return migrated
	}
	if sl.old == nil {
		// The engine gave its container up; the number and the name are free again.
		r.verb = create
		r.because = []Change{{Path: s.path("status"), From: string(sl.litter[0].Status), To: "made anew", Drift: true}}
		return r
	}
	changes := append(append([]Change(nil), sl.changes...), b.inherited(s, sl.standing())...)
	if s.forced && !sl.finish {
		changes = append(changes, Change{Path: s.path("recreate"), To: "forced"})
	}
	if c := sl.standing(); c.Status == Created && !b.how.NoStart && copied(b.files(s.spec)) {
		// Nobody can tell whether the run that made it got as far as its files.
		changes = append(changes, Change{Path: s.path("status"), From: "created, never started", To: "made anew", Drift: true})
	}
	if b.how.Recreate == RecreateNever || len(b.exchanges(sl.old)) > 0 {
		changes = nil
	}
	switch {
	case sl.finish:
		r.verb = finish
		r.because = []Change{{Path: s.path("container"), From: sl.next.Name, To: r.name, Drift: true}}
	case len(changes) > 0:
		r.verb = replace
		r.because = changes
	default:
		b.mend(s, r)
		b.startAgainFor(s, r)
	}
	return r
}

// copied says whether an engine has to copy any of the files into the container after it has made it;
// others are mounted, and cannot be missing.
func copied(files []File) bool {
	for _, f := range files {
		if f.Source == "" || f.UID != "" || f.GID != "" || f.Mode != 0 {
			return true
		}
	}
	return false
}

// standing is the container that stands for the slot.
func (sl *slot) standing() *Container {
	if sl.finish {
		return sl.next
	}
	return sl.old
}

// inherited are the reasons to replace a container of s that come from services whose namespaces or
// volumes it joins.
func (b *builder) inherited(s *service, c *Container) []Change {
	var out []Change
	for _, p := range s.parents {
		if len(p.to.replicas) == 0 {
			continue
		}
		first := p.to.replicas[0]
		why := Change{Path: s.path(p.field), From: first.name, To: first.name + " (made anew)"}
		switch {
		case first.verb == create || first.verb == replace || p.to.firstGone(first):
			out = append(out, why)
		case first.current() != nil && first.current().Created.After(c.Created):
			// An earlier run got as far as the parent.
			why.Drift = true
			out = append(out, why)
		case first.current() != nil && c.joinedOther(p.field, first.current()):
			// Somebody made the parent anew, or took the one away that it had joined.
			why.From, why.To, why.Drift = short(c.Joined[p.field]), first.name, true
			out = append(out, why)
		}
	}
	return out
}

// joinedOther says whether c is known to use the namespace of another container than parent.
func (c *Container) joinedOther(field string, parent *Container) bool {
	joined := c.Joined[field]
	return joined != "" && joined != parent.ID && joined != parent.Name
}

// firstGone says whether a container with a lower number than r is taken away: others
// refer to the lowest.
func (s *service) firstGone(r *replica) bool {
	for _, x := range s.surplus {
		if x.container.number() < r.number {
			return true
		}
	}
	return false
}

// statusText says how a container is, with the engine's word for since when.
func statusText(c *Container) string {
	if c.Status == Exited {
		return fmt.Sprintf("exited with code %d", c.ExitCode)
	}
	return string(c.Status)
}
