package planner

import (
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"

	"github.com/musterhq/muster/project"
)

// hooked is a replica that is about to run for the first time, with what its pre_start
// hooks need to know of it.
type hooked struct {
	service project.Service
	replica string // the name that it has in the end, after which the hooks' containers are named
	number  int
	now     string   // the name that it has while they run
	needs   []StepID // before the first hook
	group   string
	names   func(service string) string // of the containers that references to services mean
	all     bool                        // the hooks of the service too, and not only those of each replica
}

// preStart adds the hooks that run before a container's first start, each in a container of its own
// that is removed when it has done its work. One that fails stays for people to look at, until the next plan that
// brings the service up. The answer is what the start has to wait for.
//
// The removal is in no group: it takes nothing away that going back would miss.
func (b *builder) preStart(h hooked) []StepID {
	needs := h.needs
	for i, hook := range h.service.PreStart {
		if !hook.PerReplica && !h.all {
			continue
		}
		name := h.replica + "-pre_start-" + strconv.Itoa(i+1)
		why := []Change{{Path: "services." + h.service.Name + ".pre_start", To: hookText(hook)}}
		made := b.hookCreation(h, i, name)
		needs = append(needs, b.after(name)...)
		needs = append(needs, b.hookResources(made.Spec, made.Image)...)
		needs = []StepID{b.graph.add(Step{Action: made, Needs: needs, Because: why, Group: h.group})}
		needs = []StepID{b.graph.add(Step{
			Action: StartContainer{Name: name, Service: h.service.Name}, Needs: needs, Because: why, Group: h.group,
		})}
		needs = []StepID{b.graph.add(Step{
			Action: Await{Name: name, Service: h.service.Name, Condition: IsCompleted}, Needs: needs, Because: why, Group: h.group,
		})}
		needs = []StepID{b.graph.add(Step{
			Action: RemoveContainer{Name: name, Service: h.service.Name, Volumes: true}, Needs: needs, Because: why,
		})}
	}
	return needs
}

func hookText(h project.PreStartHook) string {
	if len(h.Command) > 0 {
		return strings.Join(h.Command, " ")
	}
	return h.Image
}

// hookCreation makes a hook's container: what compose-go has put together of the hook and its service, with
// the mounts of the container that it runs for. In networks it is nobody: the names and
// addresses are the service's.
func (b *builder) hookCreation(h hooked, i int, name string) CreateContainer {
	hook := h.service.PreStart[i]
	s := project.Service{Name: h.service.Name, ContainerSpec: hook.ContainerSpec}
	if s.Image == "" {
		s.Image = b.want.ImageName(h.service)
	}
	s.MacAddress = ""
	s.Networks = anonymous(s.Networks)
	s = resolved(s, h.names)
	s.VolumesFrom = append([]string{h.now}, s.VolumesFrom...)
	labels := maps.Clone(map[string]string(s.Labels))
	if labels == nil {
		labels = map[string]string{}
	}
	labels[LabelProject], labels[LabelService], labels[LabelOneOff] = b.want.Name, s.Name, "True"
	labels[LabelVersion], labels[LabelWorkingDir] = composeVersion, b.want.WorkingDir
	labels[LabelConfigFiles] = strings.Join(b.want.Files, ",")
	labels[LabelHook] = fmt.Sprintf("pre_start %d", i+1)
	a := CreateContainer{Name: name, Number: h.number, Spec: s, Image: s.Image, Labels: labels, Files: b.files(s), Injections: b.injections(h.service)}
	b.nameResources(&a)
	return a
}

// hookResources are the steps that make what a hook's container needs to exist.
func (b *builder) hookResources(s project.Service, image string) []StepID {
	needs := []StepID{b.imageSteps[image]}
	for _, key := range networkKeys(s) {
		needs = append(needs, b.networkSteps[b.network(key)])
	}
	for _, v := range s.Volumes {
		if v.Type == "volume" && v.Source != "" {
			needs = append(needs, b.volumeSteps[b.volume(v.Source)])
		}
	}
	return needs
}

// beginsAnew says whether a replica runs for the first time, so that its hooks are due.
func (r *replica) beginsAnew() bool {
	return r.verb == create || r.verb == replace || r.verb == start && r.old.Status == Created
}

// beforeStart adds the hooks that are due before a replica's first start. Those of the service run before the first
// of its replicas, and only where no replica stays that they have run for.
func (b *builder) beforeStart(s *service, r *replica, now string, needs []StepID, group string) []StepID {
	if len(s.spec.PreStart) == 0 || !r.beginsAnew() {
		return needs
	}
	all := false
	if !s.prepared {
		s.prepared, all = true, true
		for _, other := range s.replicas {
			if !other.beginsAnew() {
				all = false
			}
		}
	}
	needs = b.preStart(hooked{
		service: s.spec, replica: r.name, number: r.number, now: now, needs: append(needs, s.preparation...), group: group, all: all,
		names: b.namesFor(s, r),
	})
	if all {
		s.preparation = needs
	}
	return needs
}

// clearHooks removes what is left of a service's hooks: of those that failed, and of an interrupted run.
func (b *builder) clearHooks(service string) {
	for _, c := range b.have.oneOffs {
		if c.Service != service || c.Labels[LabelHook] == "" {
			continue
		}
		id := b.discard(c, []Change{{Path: "containers." + c.Name, From: "left over (" + statusText(c) + ")", Drift: true}})
		b.before[c.Name] = append(b.before[c.Name], id)
	}
}

// leftHooks says whether something is left of a service's hooks.
func (b *builder) leftHooks(service string) int {
	n := 0
	for _, c := range b.have.oneOffs {
		if c.Service == service && c.Labels[LabelHook] != "" {
			n++
		}
	}
	return n
}

// asWritten is the service with its hooks as they were written: compose-go completes each with the
// service's own keys, and a change of one of those would be told twice.
func asWritten(s project.Service) project.Service {
	if len(s.PreStart) == 0 {
		return s
	}
	hooks := make([]project.PreStartHook, len(s.PreStart))
	base := reflect.ValueOf(s.ContainerSpec)
	for i, h := range s.PreStart {
		spec := reflect.ValueOf(&h.ContainerSpec).Elem()
		for f := range spec.NumField() {
			mine, inherited := spec.Field(f), base.Field(f)
			switch {
			case reflect.DeepEqual(mine.Interface(), inherited.Interface()):
				mine.SetZero()
			case mine.Kind() == reflect.Map:
				mine.Set(entriesWithout(mine, inherited))
			}
		}
		hooks[i] = h
	}
	s.PreStart = hooks
	return s
}

// entriesWithout are those entries of a map that another one has not.
func entriesWithout(mine, inherited reflect.Value) reflect.Value {
	out := reflect.MakeMap(mine.Type())
	for _, key := range mine.MapKeys() {
		other := inherited.MapIndex(key)
		if !other.IsValid() || !reflect.DeepEqual(other.Interface(), mine.MapIndex(key).Interface()) {
			out.SetMapIndex(key, mine.MapIndex(key))
		}
	}
	return out
}

// withHookResources adds the networks, volumes, configs and secrets that only hooks use: the project has those of the
// services.
func withHookResources(want *project.Project) *project.Project {
	if want == nil || want.Model == nil {
		return want
	}
	out := *want
	for _, name := range keys(want.Services) {
		for _, h := range want.Services[name].PreStart {
			for key := range h.Networks {
				out.Networks = complete(out.Networks, want.Model.Networks, key)
			}
			for _, v := range h.Volumes {
				if v.Type == "volume" {
					out.Volumes = complete(out.Volumes, want.Model.Volumes, v.Source)
				}
			}
			for _, c := range h.Configs {
				out.Configs = complete(out.Configs, want.Model.Configs, c.Source)
			}
			for _, c := range h.Secrets {
				out.Secrets = complete(out.Secrets, want.Model.Secrets, c.Source)
			}
		}
	}
	return &out
}

// complete gives have the entry of all with key, in a copy where it is not there.
func complete[V any](have, all map[string]V, key string) map[string]V {
	v, known := all[key]
	if _, there := have[key]; there || !known {
		return have
	}
	out := maps.Clone(have)
	if out == nil {
		out = map[string]V{}
	}
	out[key] = v
	return out
}
