package planner

import (
	"cmp"
	"slices"
	"strings"
)

// unit is what is replaced, or stays, as one: a replica with those that live in its namespaces and cannot outlive
// it, or services that exchange their ports. All of it is one undo group.
type unit struct {
	root    *service // whose rollout it is part of
	members []member // a parent before those that live in it
	group   string   // the undo group of its steps
	// reach has the services that those in the parent's namespaces need: they cannot wait for a
	// parent to be done that itself waits for them.
	reach         map[string]bool
	order         Order
	notStartFirst string // why not, where it was asked for
	// deferred: old containers are kept, stopped, until new ones that come later have been judged too: those of the next batch or,
	// where all may have to go back, of the whole rollout.
	deferred bool
}

type member struct {
	of *service
	r  *replica
}

// groupOf names the undo group of these members.
func groupOf(members []member) string {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.r.name
	}
	return ReplaceGroup + strings.Join(names, ", ")
}

// ReplaceGroup begins the name of the undo group of every replacement; the names of the containers follow, joined by ", ".
const ReplaceGroup = "replace "

func (u *unit) together() bool { return len(u.members) > 1 }

// formUnits groups the replicas that are replaced. A service that is joined to a namespace of another one is
// replaced with the first replica of that.
func (b *builder) formUnits() {
	var units []*unit
	for _, name := range b.order {
		s := b.services[name]
		for _, r := range s.replicas {
			if r.verb != replace && r.verb != finish {
				continue
			}
			u := b.parentUnit(s)
			if u == nil {
				u = &unit{root: s}
				units = append(units, u)
			}
			u.members = append(u.members, member{s, r})
			r.unit = u
		}
	}
	b.unitsOf = make(map[*service][]*unit, len(units))
	for _, u := range units {
		b.unitsOf[u.root] = append(b.unitsOf[u.root], u)
	}
	for _, u := range units {
		u.group = groupOf(u.members)
		b.settleOrder(u)
		u.deferred = len(b.unitsOf[u.root]) > 1 && !b.how.NoStart
		if u.together() {
			u.reach = map[string]bool{}
			for _, m := range u.members {
				if m.of != u.root {
					b.reach(m.of.name, u.reach)
				}
			}
		}
	}
	b.units = units
}

// parentUnit is the unit of the container whose namespace the containers of s live in; nil for none.
func (b *builder) parentUnit(s *service) *unit {
	for _, p := range s.parents {
		if p.process && len(p.to.replicas) > 0 && p.to.replicas[0].unit != nil {
			return p.to.replicas[0].unit
		}
	}
	return nil
}

// reach adds a service or provider and all that it depends on.
func (b *builder) reach(name string, seen map[string]bool) {
	if seen[name] {
		return
	}
	seen[name] = true
	if s := b.services[name]; s != nil {
		for _, e := range s.edges {
			b.reach(e.to.name, seen)
		}
		for _, p := range s.parents {
			b.reach(p.to.name, seen)
		}
	}
	for other := range b.want.Services[name].DependsOn {
		b.reach(other, seen)
	}
}

// settleOrder decides which goes first. What is replaced as one goes start-first only if all of it asks
// for that and can.
func (b *builder) settleOrder(u *unit) {
	u.order = StartFirst
	for _, m := range u.members {
		asked, why := b.startFirst(m.of, u)
		if asked && why == "" {
			continue
		}
		u.order = StopFirst
		switch {
		case m.of == u.root && !asked:
			u.notStartFirst = ""
			return
		case u.notStartFirst != "":
		case asked && m.of == u.root:
			u.notStartFirst = why
		case asked:
			u.notStartFirst = m.of.name + ", which goes with it: " + why
		default:
			u.notStartFirst = m.of.name + ", which goes with it, does not ask for start-first"
		}
	}
}

// kin are the members of a replica's unit that it lives in.
func (r *replica) kin(s *service) []*replica {
	var out []*replica
	for _, p := range s.parents {
		if p.process && len(p.to.replicas) > 0 && r.unit != nil && p.to.replicas[0].unit == r.unit {
			out = append(out, p.to.replicas[0])
		}
	}
	return out
}

// inside says whether a container of s cannot wait until first has its name, since the unit that first is part of
// waits for it.
func inside(s *service, r, first *replica) bool {
	u := first.unit
	if u == nil || !u.together() {
		return false
	}
	member := slices.ContainsFunc(u.members, func(m member) bool { return m.of == s })
	return r != nil && r.unit == u || u.reach[s.name] && !member
}

// oldName is the name that the old container has while it is replaced.
func (r *replica) oldName() string {
	if r.verb == replace && isSuccessor(r.old) {
		return r.name
	}
	return r.old.Name
}

// hereNow is the name that the container which a replica is to have goes by until the plan is done with it.
func (r *replica) hereNow() string {
	if r.next != nil {
		return r.next.Name
	}
	return successorName(r.name)
}

// seal ties the steps of each unit to those of its other members, and each batch to the one before. Only now all of
// them are known.
func (b *builder) seal() {
	for _, u := range b.units {
		b.tie(u.members)
		if u.deferred && !u.together() {
			b.checkAgain(u.members[0])
		}
	}
	for _, p := range b.pauses {
		b.graph.byID[p.step].After = ends(p.of)
	}
	b.keepNames()
	roots := map[string]string{} // of the undo groups
	for _, u := range b.units {
		for _, m := range u.members {
			if step := b.graph.byID[m.r.first]; step != nil && len(m.r.previous) > 0 {
				step.After = append(step.After, m.r.wait)
				step.After = append(step.After, ends(m.r.previous)...)
				step.After = append(step.After, b.judged(u, m.r.previous)...)
			}
		}
		if u.deferred {
			b.postpone(u)
		}
		roots[u.group] = u.root.name
	}
	for _, step := range b.graph.steps {
		if root, ok := roots[step.Group]; ok {
			step.Rollout = root
		}
	}
}

// keepNames lets a successor keep its passing name until the last of those that name it has been made: a later batch of a service that
// has its volumes may well come after all of its unit.
func (b *builder) keepNames() {
	for _, name := range b.order {
		s := b.services[name]
		for _, r := range s.replicas {
			for _, p := range s.parents {
				if len(p.to.replicas) == 0 || !inside(s, r, p.to.replicas[0]) {
					continue
				}
				made := cmp.Or(r.create, idOf(CreateContainer{Name: successorName(r.name)}))
				b.follow(p.to.replicas[0].commit, made)
			}
		}
	}
}

// tie lets old containers go when all new ones of their unit are good, and children stop before what they live in.
func (b *builder) tie(members []member) {
	if len(members) < 2 {
		return
	}
	for _, m := range members {
		b.checkAgain(m)
	}
	for _, m := range members {
		if !m.r.unit.deferred {
			need(b.graph.byID[m.r.stopLate], m.r.check)
		}
		for _, other := range members {
			if other.r == m.r {
				continue
			}
			need(b.graph.byID[m.r.check], other.r.last)
			need(b.graph.byID[m.r.removal], cmp.Or(other.r.check, other.r.last))
			if m.r.unit.deferred {
				need(b.graph.byID[m.r.stopLate], other.r.proof)
			} else {
				need(b.graph.byID[m.r.stopLate], other.r.check)
			}
			if slices.Contains(other.r.kin(other.of), m.r) {
				need(b.graph.byID[m.r.gaveWay], other.r.gaveWay)
				need(b.graph.byID[m.r.stopLate], other.r.stopLate)
				// Podman keeps a container whose namespace another one has.
				need(b.graph.byID[m.r.removal], other.r.removal)
			}
		}
	}
}

// checkAgain looks at a successor once more before its old container goes: it was proven a while ago.
func (b *builder) checkAgain(m member) {
	if m.r.check != "" || m.r.proof == "" {
		return
	}
	m.r.check = b.graph.add(Step{
		Action: Await{Name: m.r.hereNow(), Service: m.of.name, Condition: IsSteady, OrCompleted: m.r.proven == IsCompleted || m.of.once()},
		Needs:  []StepID{m.r.last}, Because: m.r.because, Group: m.r.unit.group,
	})
	need(b.graph.byID[m.r.removal], m.r.check)
}

// postpone lets the old containers of a unit go only when others of the rollout have been judged too: all of them where all
// may have to go back, else those of the next batch. So a new container that crashes a while after it was good is noticed while
// there is still something to go back to.
func (b *builder) postpone(u *unit) {
	all := b.updatePace(u.root).OnFailure == RollBack
	for _, other := range b.judges(u) {
		for _, m := range u.members {
			for _, o := range other.members {
				b.follow(m.r.check, o.r.last)
				if all {
					b.follow(m.r.removal, o.r.last, o.r.check)
				}
			}
		}
	}
}

// judges are the units whose new containers have to be judged before the old containers of u go.
func (b *builder) judges(u *unit) []*unit {
	all := b.updatePace(u.root).OnFailure == RollBack
	var out []*unit
	for _, other := range b.unitsOf[u.root] {
		if other != u && (all || other.comesAfter(u)) {
			out = append(out, other)
		}
	}
	return out
}

// provenLater are the steps by which those are judged, as far as they are emitted.
func (b *builder) provenLater(u *unit) []StepID {
	var out []StepID
	for _, other := range b.judges(u) {
		for _, m := range other.members {
			out = append(out, m.r.last)
		}
	}
	return out
}

// comesAfter says whether u is of the batch after that of other.
func (u *unit) comesAfter(other *unit) bool {
	return slices.ContainsFunc(u.members, func(m member) bool {
		return slices.ContainsFunc(m.r.previous, func(r *replica) bool { return r.unit == other })
	})
}

// judged are the second looks at the batch before the previous one, without which no further batch begins: its new containers
// have been watched for as long as the previous one took. Where all may go back they are at the end.
func (b *builder) judged(u *unit, previous []*replica) []StepID {
	if !u.deferred || b.updatePace(u.root).OnFailure == RollBack {
		return nil
	}
	var out []StepID
	for _, r := range previous {
		for _, before := range r.previous {
			for _, m := range before.unit.members {
				out = append(out, m.r.check)
			}
		}
	}
	return out
}

// follow lets a step come after others, however they end.
func (b *builder) follow(id StepID, others ...StepID) {
	if step := b.graph.byID[id]; step != nil {
		step.After = append(step.After, others...)
	}
}

func need(step *Step, id StepID) {
	if step != nil && id != "" {
		step.Needs = append(step.Needs, id)
	}
}

// ends are the last steps of replicas and of those that are replaced with them. Where the old containers are kept for
// later, the removal of those is not among them.
func ends(replicas []*replica) []StepID {
	var out []StepID
	for _, r := range replicas {
		for _, m := range r.unit.members {
			out = append(out, m.r.last)
			if !r.unit.deferred {
				out = append(out, m.r.commit)
			}
		}
	}
	return out
}

// replacedHow says how fast and in what order containers of a service are replaced.
func (b *builder) replacedHow(s *service, n int) string {
	var u *unit
	for _, r := range s.replicas {
		if r.unit != nil {
			u = r.unit
			break
		}
	}
	if u == nil {
		return ""
	}
	text := ""
	switch p := b.updatePace(s).text(n); {
	case u.root != s:
		text = " with " + u.root.name
	case p != "":
		text = ", " + p
	}
	switch {
	case u.order == StartFirst:
		text += ", start-first"
	case u.notStartFirst != "":
		text += ", stop-first (not start-first: " + u.notStartFirst + ")"
	}
	return text
}

// rollouts tells of each service with containers to replace how that is done.
func (b *builder) rollouts() []Rollout {
	out := slices.Grow([]Rollout(nil), len(b.units))
	for _, name := range b.order {
		s := b.services[name]
		r := Rollout{Service: name, Pace: b.updatePace(s), Groups: []string{}}
		r.spoken = r.Delay > 0 || r.Monitor > 0 || r.MaxFailureRatio > 0 || r.OnFailure != PauseRollout
		var units []*unit
		for _, one := range s.replicas {
			if one.unit != nil && one.unit.root == s {
				units = append(units, one.unit)
				if one.last != "" { // or nothing of it can fail
					r.Groups = append(r.Groups, one.unit.group)
				}
			}
		}
		if r.Replicas = len(units); r.Replicas == 0 {
			continue
		}
		r.Order, r.NotStartFirst = units[0].order, units[0].notStartFirst
		if r.Monitor == 0 {
			r.Monitor = b.briefly()
		}
		if r.OnFailure == RollBack {
			r.Back = b.wayBack(s, units)
		}
		out = append(out, r)
	}
	return out
}
