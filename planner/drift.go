package planner

import (
	"slices"
	"sort"
	"strings"

	"github.com/musterhq/muster/project"
)

// mend is something that was changed on the engine's side and is put right
// without another container.
type mend struct {
	change     Change
	connect    string   // key of a network to join
	disconnect string   // name of a network to leave, before it is joined again where connect is said too
	place      []Change // of its place in the network that it joins again; change is the first of them
	rename     bool
	adjust     []Change // of the settings; change is the first of them
	settings   Settings // with adjust: how it is set then
}

// mend finds what has drifted on a container that is otherwise as it shall be.
func (b *builder) mend(s *service, r *replica) {
	c := r.old
	b.mendSettings(s, r)
	b.mendEndpoints(s, r)
	if c.Name != r.name {
		// The name that it was made for tells a change of the file from one by hand.
		r.mends = append(r.mends, mend{rename: true, change: Change{
			Path: s.path("name"), From: c.Name, To: r.name, Drift: !b.namedByFile(c)}})
	}
	if b.how.IgnoreDrift {
		r.mends = byFile(r.mends)
		return
	}
	if b.how.NoStart {
		return
	}
	switch c.Status {
	case Created:
		r.verb = start
		r.because = append(r.because, Change{Path: s.path("status"), From: "created, never started", To: "running", Drift: true})
	case Exited:
		if s.job && c.completed() {
			return
		}
		r.verb = start
		r.because = append(r.because, Change{Path: s.path("status"), From: exitText(c), To: "running", Drift: true})
	case Paused:
		r.verb = start
		r.because = append(r.because, Change{Path: s.path("status"), From: "paused", To: "running", Drift: true})
	}
}

// byFile are the mends that the file asks for.
func byFile(mends []mend) []mend {
	var out []mend
	for _, m := range mends {
		if !m.change.Drift {
			out = append(out, m)
		}
	}
	return out
}

// mendSettings notices limits and restart policies that differ. --no-recreate leaves them, as all that the
// file has changed.
func (b *builder) mendSettings(s *service, r *replica) {
	if b.how.Recreate == RecreateNever {
		return
	}
	changes, _, to := b.adjustments(s, r.old)
	if len(changes) == 0 {
		return
	}
	// What the file asks for comes first: it says whether all of it is drift.
	sort.SliceStable(changes, func(i, j int) bool { return !changes[i].Drift && changes[j].Drift })
	r.mends = append(r.mends, mend{change: changes[0], adjust: changes, settings: to})
}

// namedByFile says whether a container still has the name that its own record gives it.
func (b *builder) namedByFile(c *Container) bool {
	recorded := b.codec.recorded(c.Labels)
	s := project.Service{Name: c.Service, ContainerName: recorded.ContainerName}
	return c.Labels[LabelSpec] != "" && b.want.ContainerName(s, c.number()) == c.Name
}

// exitText says how a container ended and, where the engine says so, how long ago.
func exitText(c *Container) string {
	text := statusText(c)
	if _, ago, ok := strings.Cut(c.Since, ") "); ok && strings.HasSuffix(ago, " ago") {
		text += " " + strings.ToLower(ago)
	}
	return text
}

// mendEndpoints compares the networks that a container is in with those that it shall be in.
func (b *builder) mendEndpoints(s *service, r *replica) {
	if s.spec.NetworkMode != "" {
		return
	}
	record, known := b.recordOf(s, r.old)
	wanted := map[string]bool{}
	for _, key := range networkKeys(s.spec) {
		name := b.network(key)
		wanted[name] = true
		if _, defined := b.want.Networks[key]; builtIn(name) || !defined {
			continue
		}
		if r.old.endpoint(name) != nil {
			b.mendPlace(s, r, key)
			continue
		}
		r.mends = append(r.mends, mend{connect: key, change: b.unconnected(s, r.old, key)})
	}
	for _, e := range r.old.Endpoints {
		n := b.have.networks[e.Network]
		if wanted[e.Network] || n == nil {
			continue
		}
		key := b.keyOf(n)
		_, had := record.Networks[key]
		// Other networks are none of our business: somebody may be looking on.
		if n.Labels[LabelProject] != b.want.Name && !had {
			continue
		}
		m := mend{disconnect: e.Network, change: Change{Path: s.path("networks." + key), From: e.Network, To: "not connected", Drift: true}}
		if _, used := s.spec.Networks[key]; used {
			m.change.To, m.change.Drift = b.network(key), false
		} else if !known || had {
			m.change.To, m.change.Drift = "", false
		}
		r.mends = append(r.mends, m)
	}
}

// unconnected is that a container is not in a network of its service.
func (b *builder) unconnected(s *service, c *Container, key string) Change {
	change := Change{Path: s.path("networks." + key), From: "not connected", To: b.network(key), Drift: true}
	record, known := b.recordOf(s, c)
	if was := b.formerly(c, key); was != "" {
		change.From, change.Drift = was, false
	} else if _, had := record.Networks[key]; !known || !had && len(record.Networks) > 0 {
		change.From, change.Drift = "", false
	}
	return change
}

// keyOf is the key in the file of a network; that of an external one stands on no label.
func (b *builder) keyOf(n *Network) string {
	if key := n.Labels[LabelNetwork]; key != "" && n.Labels[LabelProject] == b.want.Name {
		return key
	}
	for _, key := range keys(b.want.Networks) {
		if b.network(key) == n.Name {
			return key
		}
	}
	return ""
}

// mendPlace lets a container join a network again where its place there is another one than its service wants. --no-recreate
// leaves what the file has changed.
func (b *builder) mendPlace(s *service, r *replica, key string) {
	changes := b.misplaced(s, r.old, key)
	if b.how.Recreate == RecreateNever {
		changes = slices.DeleteFunc(changes, func(c Change) bool { return !c.Drift })
	}
	if len(changes) == 0 {
		return
	}
	sort.SliceStable(changes, func(i, j int) bool { return !changes[i].Drift && changes[j].Drift })
	r.mends = append(r.mends, mend{connect: key, disconnect: b.network(key), change: changes[0], place: changes})
}

// formerly is the network that a container is in for a key whose network has another name by now.
func (b *builder) formerly(c *Container, key string) string {
	for _, e := range c.Endpoints {
		n := b.have.networks[e.Network]
		if n != nil && n.Labels[LabelProject] == b.want.Name && n.Labels[LabelNetwork] == key && n.Name != b.network(key) {
			return n.Name
		}
	}
	return ""
}

// rerunJobs lets completed jobs run once more for a service that waits for
// their completion and is itself started, replaced or new. docker compose runs them at every up; what
// they do may depend on files that no label knows, such as bind-mounted migrations.
func (b *builder) rerunJobs() {
	if b.how.NoStart {
		return
	}
	for i := len(b.order) - 1; i >= 0; i-- {
		s := b.services[b.order[i]]
		if !s.starting() {
			continue
		}
		for _, e := range s.edges {
			if e.condition != project.ConditionCompleted {
				continue
			}
			for _, r := range e.to.replicas {
				if r.verb == keep && r.old.completed() {
					r.verb = start
					r.why = "run again for " + s.name
					r.because = append(r.because, Change{Path: e.to.path("status"), From: "completed", To: r.why})
				}
			}
		}
	}
}

// restartDependents finds running containers that must notice that a
// dependency is another one, because the file says so or because they live in its namespaces.
func (b *builder) restartDependents() {
	if b.how.NoStart {
		return
	}
	for _, name := range b.order {
		s := b.services[name]
		var why []Change
		var words []string
		for _, e := range s.edges {
			if e.restart && e.to.renewed() {
				why = append(why, Change{Path: s.path("depends_on." + e.to.name), From: e.to.name, To: "replaced"})
				words = append(words, e.to.name+" is replaced")
			}
		}
		for _, p := range s.parents {
			if len(p.to.replicas) == 0 || !p.process {
				continue
			}
			switch r := p.to.replicas[0]; {
			case r.verb == start || r.verb == restart:
				why = append(why, Change{Path: s.path(p.field), From: p.to.name, To: "started again"})
				words = append(words, p.to.name+" is started again")
			case r.verb == keep && r.old.Status == Restarting:
				// The engine gives up one that is due again before there is something to join, and one that still runs has
				// lost what it joined.
				why = append(why, Change{Path: s.path(p.field), From: p.to.name, To: "restarting"})
				words = append(words, p.to.name+" restarts by itself")
			}
		}
		if len(why) == 0 {
			continue
		}
		for _, r := range s.replicas {
			if r.verb == keep && (r.old.Status == Running || r.old.Status == Restarting) {
				r.verb = restart
				r.because = append(r.because, why...)
				r.why = "restart, since " + strings.Join(words, " and ")
			}
		}
	}
}
