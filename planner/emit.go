package planner

import (
	"path"
	"slices"
	"strings"

	"github.com/musterhq/muster/project"
)

// emit writes the steps of one service. Its dependencies have been written before.
func (b *builder) emit(s *service) {
	gates := &gate{b: b, of: s}
	b.clearHooks(s.name)
	chain := &batches{pace: b.updatePace(s)}
	for _, r := range s.replicas {
		if r.unit != nil && r.unit.root == s {
			b.admitTo(chain, s, r)
		}
		switch r.verb {
		case keep:
			b.emitMends(s, r)
		case start:
			b.emitStart(s, r, gates.needs())
		case restart:
			b.emitRestart(s, r, gates.needs())
		case create:
			b.emitCreate(s, r, gates)
		case replace:
			b.emitReplace(s, r, gates.needs())
		case finish:
			b.emitFinish(s, r)
		}
		if len(r.previous) > 0 && r.first != "" {
			b.graph.pending[r.first] = func() []StepID { return ends(r.previous) }
		}
		if r.unit != nil && r.unit.deferred && r.removal != "" {
			b.graph.pending[r.removal] = func() []StepID { return b.provenLater(r.unit) }
		}
	}
	for _, x := range s.surplus {
		b.discard(x.container, x.because)
	}
	b.items = append(b.items, b.itemOf(s, gates))
}

// emitMends puts right what can be put right on a container as it is. The
// answer is what must be done before it may start.
func (b *builder) emitMends(s *service, r *replica) []StepID {
	needs := b.clear(r)
	for _, m := range r.mends {
		step := Step{Because: []Change{m.change}, Impact: InPlace, Needs: b.after(r.old.Name)}
		switch {
		case m.adjust != nil:
			step.Because = m.adjust
			step.Action = UpdateContainer{Name: r.old.Name, Service: s.name, Settings: m.settings}
			step.Needs = append(step.Needs, needs...)
			if !b.asRecorded(r.old, m.settings) {
				step.Needs = append(step.Needs, b.rememberAdjusted())
			}
		case m.rename:
			step.Action = RenameContainer{Name: r.old.Name, To: r.name, Service: s.name}
			step.Needs = append(step.Needs, needs...)
		case m.place != nil:
			needs = append(needs, b.rejoin(s, r, m, needs)...)
			continue
		case m.connect != "":
			name := b.network(m.connect)
			step.Action = b.connection(s, r, m.connect)
			step.Needs = append(step.Needs, b.networkSteps[name])
		default:
			// Joined first, left last: it shall not be without any network.
			step.Action = DisconnectNetwork{Name: r.old.Name, Service: s.name, Network: m.disconnect}
			step.Needs = append(step.Needs, needs...)
		}
		needs = append(needs, b.graph.add(step))
	}
	r.done = needs
	return needs
}

// rejoin takes a container off a network and brings it back with all that its service wants there. A network that is
// made anew does so by itself.
func (b *builder) rejoin(s *service, r *replica, m mend, needs []StepID) []StepID {
	name := b.network(m.connect)
	if b.networkSteps[name] != "" {
		return nil
	}
	needs = append(append(b.after(r.old.Name), needs...), b.rememberPlaces(s, r.old))
	off := b.graph.add(Step{
		Action: DisconnectNetwork{Name: r.old.Name, Service: s.name, Network: name}, Needs: needs, Because: m.place, Impact: InPlace,
	})
	return []StepID{b.graph.add(Step{
		Action: b.connection(s, r, m.connect), Needs: []StepID{off}, Because: m.place, Impact: InPlace,
	})}
}

// connection puts the container of a replica into the network with that key.
func (b *builder) connection(s *service, r *replica, key string) ConnectNetwork {
	a := ConnectNetwork{Name: r.old.Name, Service: s.name, Network: b.network(key), Key: key, Spec: b.resolve(s.spec)}
	if a.Name != r.name {
		a.As = r.name
	}
	return a
}

func (b *builder) emitStart(s *service, r *replica, gates []StepID) {
	needs := append(b.emitMends(s, r), gates...)
	needs = append(needs, b.after(r.old.Name)...)
	needs = append(needs, b.newNetworks(s)...) // a run that made its container may have ended before its networks were there
	needs = b.beforeStart(s, r, r.name, needs, "")
	last := b.graph.add(Step{Action: StartContainer{Name: r.name, Service: s.name}, Needs: needs, Because: r.because})
	for _, m := range b.exchanges(r.old) {
		// An engine that removes a volume lets no container with any start meanwhile.
		need(b.graph.byID[m.cleared], last)
	}
	if r.old.Status != Paused || b.halted[r.old.Name] != "" {
		last = b.hooks("post_start", s.spec.PostStart, r.name, s.name, []StepID{last}, "")
	}
	r.done = []StepID{last}
}

func (b *builder) emitRestart(s *service, r *replica, gates []StepID) {
	needs := append(b.emitMends(s, r), gates...)
	needs = append(needs, b.after(r.old.Name)...)
	if len(s.spec.PreStop) > 0 && r.old.Status == Running {
		needs = []StepID{b.hooks("pre_stop", s.spec.PreStop, r.name, s.name, needs, "")}
	}
	last := b.graph.add(Step{
		Action: RestartContainer{Name: r.name, Service: s.name, Grace: b.how.Timeout},
		Needs:  needs, Because: r.because, Impact: Restart,
	})
	r.done = []StepID{b.hooks("post_start", s.spec.PostStart, r.name, s.name, []StepID{last}, "")}
}

// emitCreate makes a container that has no predecessor. It is created ahead of what it waits for: only its
// start has to wait.
func (b *builder) emitCreate(s *service, r *replica, gates *gate) {
	needs := append(b.clear(r), b.resources(s, r)...)
	var late []StepID
	if b.have.lateNetworks && !b.how.NoStart {
		late = b.newNetworks(s)
		needs = without(needs, late)
	}
	r.create = b.graph.add(Step{Action: b.creation(s, r, r.name, "", ""), Needs: needs, Because: r.because})
	r.done = []StepID{r.create}
	marks := b.unmark(s, r.create)
	if b.how.NoStart {
		return
	}
	last := b.graph.add(Step{
		Action: StartContainer{Name: r.name, Service: s.name},
		Needs:  b.beforeStart(s, r, r.name, slices.Concat([]StepID{r.create}, late, marks, gates.needs()), ""), Because: r.because,
	})
	r.done = []StepID{b.hooks("post_start", s.spec.PostStart, r.name, s.name, []StepID{last}, "")}
}

// clear removes what an interrupted run left in a replica's place.
func (b *builder) clear(r *replica) []StepID {
	var out []StepID
	for _, c := range r.litter {
		if r.migrated != nil {
			out = append(out, b.discard(c, r.because))
			continue
		}
		out = append(out, b.discard(c, []Change{{Path: "containers." + c.Name, From: "left over (" + statusText(c) + ")", Drift: true}}))
	}
	return out
}

// discard stops a container, if it runs, and removes it.
func (b *builder) discard(c *Container, because []Change) StepID {
	needs := b.after(c.Name)
	if c.up() && b.halted[c.Name] == "" {
		needs = []StepID{b.stop(c, c.Name, needs, because, "", nil)}
	}
	return b.graph.add(Step{
		Action: RemoveContainer{Name: c.Name, Service: c.Service}, Needs: needs, Because: because, Impact: Replace,
	})
}

// stop runs the hooks that a container has before its end and stops it. name is
// what it is called by then.
func (b *builder) stop(c *Container, name string, needs []StepID, because []Change, group string, undo []Action) StepID {
	if c.Status == Running && !c.OneOff && b.halted[c.Name] == "" {
		if hooks := b.preStop(c); len(hooks) > 0 {
			needs = []StepID{b.hooks("pre_stop", hooks, name, c.Service, needs, group)}
		}
	}
	return b.graph.add(Step{
		Action: StopContainer{Name: name, Service: c.Service, Grace: b.how.Timeout},
		Needs:  needs, Because: because, Impact: Replace, Group: group, Undo: undo,
	})
}

// preStop are the hooks of a container: those of the file, else those that it was made with.
func (b *builder) preStop(c *Container) []project.ServiceHook {
	if b.want != nil {
		if _, ok := b.want.Services[c.Service]; ok {
			return b.want.Services[c.Service].PreStop
		}
		if s, ok := b.want.Inactive[c.Service]; ok {
			return s.PreStop
		}
	}
	return b.codec.recorded(c.Labels).PreStop
}

// hooks adds a service's hooks, one after the other, and answers with the last
// step, or with the last need where there are none.
func (b *builder) hooks(when string, hooks []project.ServiceHook, container, service string, needs []StepID, group string) StepID {
	for i, h := range hooks {
		needs = []StepID{b.graph.add(Step{
			Action: RunHook{Name: container, Service: service, When: when, Index: i, Hook: h},
			Needs:  needs, Group: group,
			Because: []Change{{Path: "services." + service + "." + when, To: strings.Join(h.Command, " ")}},
		})}
	}
	if len(needs) == 0 {
		return ""
	}
	return needs[len(needs)-1]
}

// after are the steps that all others on the container called name have to follow.
func (b *builder) after(name string) []StepID {
	return append([]StepID(nil), b.before[name]...)
}

// newNetworks are the steps that make those networks of s that are not there.
func (b *builder) newNetworks(s *service) []StepID {
	var out []StepID
	for _, key := range networkKeys(s.spec) {
		if name := b.network(key); b.have.networks[name] == nil && b.networkSteps[name] != "" {
			out = append(out, b.networkSteps[name])
		}
	}
	return out
}

func without(ids, others []StepID) []StepID {
	return slices.DeleteFunc(ids, func(id StepID) bool { return slices.Contains(others, id) })
}

// resources are the steps that make what a container of s needs to exist.
func (b *builder) resources(s *service, r *replica) []StepID {
	needs := append(b.bringSources(s), b.imageSteps[b.want.ImageName(s.spec)])
	for _, key := range networkKeys(s.spec) {
		needs = append(needs, b.networkSteps[b.network(key)])
	}
	for _, v := range s.spec.Volumes {
		switch {
		case v.Type == "volume" && v.Source != "":
			needs = append(needs, b.volumeSteps[b.volume(v.Source)])
		case v.Type == "image":
			needs = append(needs, b.imageSteps[volumeImage(b.want, v.Source)])
		}
	}
	for _, p := range s.parents {
		if len(p.to.replicas) == 0 {
			continue
		}
		first := p.to.replicas[0]
		switch {
		case first.create != "":
			needs = append(needs, first.create)
		case !inside(s, r, first):
			needs = append(needs, first.done...)
		case first.last != "":
			needs = append(needs, first.first)
		}
	}
	return needs
}

// creation is the action that makes a container of s. as is the name that it will have in the end.
func (b *builder) creation(s *service, r *replica, name, replaces, inherit string) CreateContainer {
	a := CreateContainer{
		Name: name, Number: r.number, Spec: resolved(s.spec, b.namesFor(s, r)), Image: b.want.ImageName(s.spec),
		Labels: b.containerLabels(s, r.number, replaces), Files: b.files(s.spec), Inherit: inherit, Injections: b.injections(s.spec),
	}
	if name != r.name {
		a.As = r.name
	}
	b.nameResources(&a)
	b.keepAnonymous(&a, r)
	return a
}

// nameResources says by what names the engine knows the networks and volumes of a container.
func (b *builder) nameResources(a *CreateContainer) {
	a.Networks, a.Volumes = b.resourceNames(a.Spec)
}

// resourceNames are the names on the engine of a service's networks and named volumes, by their keys; nil for none.
func (b *builder) resourceNames(s project.Service) (networks, volumes map[string]string) {
	for _, key := range networkKeys(s) {
		if _, known := b.want.Networks[key]; known {
			networks = put(networks, key, b.network(key))
		}
	}
	for _, v := range s.Volumes {
		if _, known := b.want.Volumes[v.Source]; known && v.Type == "volume" {
			volumes = put(volumes, v.Source, b.volume(v.Source))
		}
	}
	return networks, volumes
}

func put(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return m
}

// resolve replaces references to services by the names that their containers have in the end.
func (b *builder) resolve(s project.Service) project.Service {
	return resolved(s, b.namesFor(nil, nil))
}

// namesFor answers with the container that a reference to a service means, for a container of s that is about to be made.
func (b *builder) namesFor(s *service, r *replica) func(service string) string {
	return func(name string) string {
		if to := b.services[name]; to != nil && len(to.replicas) > 0 {
			first := to.replicas[0]
			if s != nil && inside(s, r, first) {
				return first.hereNow()
			}
			return first.name
		}
		if list := b.have.services[name]; len(list) > 0 {
			return list[0].Name
		}
		return ""
	}
}

// use is a service's use of a config or a secret.
type use struct {
	kind     Kind
	path     string // "configs.KEY" or "secrets.KEY"
	ref      project.FileReference
	declared project.FileObject
}

// uses are those of a service, configs first, with that which its credentials are in: only an engine that keeps configs takes such.
func (b *builder) uses(s project.Service) []use {
	out := make([]use, 0, len(s.Configs)+len(s.Secrets))
	for _, ref := range s.Configs {
		out = append(out, use{KindConfig, "configs." + ref.Source, project.FileReference(ref), project.FileObject(b.want.Configs[ref.Source])})
	}
	if spec := s.CredentialSpec; spec != nil && spec.Config != "" && !slices.ContainsFunc(out, func(u use) bool { return u.ref.Source == spec.Config }) {
		out = append(out, use{KindConfig, "configs." + spec.Config, project.FileReference{Source: spec.Config}, project.FileObject(b.want.Configs[spec.Config])})
	}
	for _, ref := range s.Secrets {
		out = append(out, use{KindSecret, "secrets." + ref.Source, project.FileReference(ref), project.FileObject(b.want.Secrets[ref.Source])})
	}
	return out
}

// files are the configs and secrets of a service with where they come from and go to.
func (b *builder) files(s project.Service) []File {
	var out []File
	for _, u := range b.uses(s) {
		folder := "/"
		if u.kind == KindSecret {
			folder = "/run/secrets"
		}
		f := fileOf(u.path, u.ref, folder)
		f.Source, f.Content = u.declared.File, Hidden(b.contentOf(u.declared.Content, u.declared.Environment))
		out = append(out, f)
	}
	return out
}

func (b *builder) contentOf(content, variable string) string {
	if content == "" && variable != "" {
		return b.want.Environment[variable]
	}
	return content
}

func fileOf(key string, ref project.FileReference, folder string) File {
	target := ref.Target
	if target == "" {
		target = ref.Source
	}
	if !strings.HasPrefix(target, "/") {
		target = path.Join(folder, target)
	}
	f := File{Key: key, Target: target, UID: ref.UID, GID: ref.GID}
	if ref.Mode != nil {
		f.Mode = uint32(*ref.Mode)
	}
	return f
}
