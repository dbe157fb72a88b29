package planner

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/project"
)

// Removal plans the way to nothing for an instance that nobody needs any more: at once, with its data and the images that were built for it, by what its
// labels say.
func Removal(instance string, have State, now time.Time) (Plan, error) {
	var grace time.Duration
	plan, err := Teardown(nil, have, Policy{Volumes: true, RemoveOrphans: true, Images: "local", Now: now, Timeout: &grace})
	plan.Project = instance
	return plan, err
}

// Teardown plans the removal of everything that have holds, one-off containers included. want may be
// nil: then the labels say in what order things stop; else hooks come from it.
//
// With want, containers of services that it does not know stay unless Policy.RemoveOrphans: two files may
// share a project's name. What they use stays with them. Volumes go only with
// Policy.Volumes, and of those only the declared ones that carry the project's label.
func Teardown(want *project.Project, have State, how Policy) (Plan, error) {
	t := &teardown{standing: newStanding(want, have, how, true), file: want != nil}
	t.checkNames()
	if have.Converges {
		t.undeploy()
		return t.finish()
	}
	t.containers()
	t.stopProviders()
	t.dropFiles()
	if len(how.Services) == 0 {
		t.networks()
		t.volumes()
		if len(t.stay) == 0 {
			t.removeAdjusted()
		}
	}
	t.images()
	return t.finish()
}

// teardown is one call of Teardown.
type teardown struct {
	*standing
	file    bool // a Compose file says what belongs to the project
	removed map[string]StepID
	stopped map[string]StepID // those of them that ran
	stay    []*Container      // orphans that are not removed
	users   *ties
}

func (t *teardown) containers() {
	t.removed, t.stopped = map[string]StepID{}, map[string]StepID{}
	stopped := map[string][]StepID{}
	for i := len(t.names) - 1; i >= 0; i-- {
		name := t.names[i]
		orphan := t.file && !t.knows(name)
		if orphan && !t.how.RemoveOrphans && len(t.how.Services) == 0 {
			t.stay = append(t.stay, t.all[name]...)
			continue
		}
		if !t.chosen(name) {
			t.stay = append(t.stay, t.all[name]...)
			continue
		}
		needs := t.dependentsStopped(name, stopped)
		running := 0
		for _, c := range byNumber(t.all[name]) {
			need := needs
			if c.up() {
				running++
				id := t.stop(c, c.Name, needs, nil, "", nil)
				stopped[name] = append(stopped[name], id)
				need = []StepID{id}
				t.stopped[c.Name] = id
			}
			id := t.graph.add(Step{
				Action: t.codec.removeContainer(c, t.how.Volumes), Needs: need, Impact: Replace,
			})
			t.removed[c.Name] = id
		}
		item := Item{Ref: Ref{Kind: KindService, Name: name}, Verdict: Remove, Impact: Replace}
		item.Summary = removal(len(t.all[name]), running)
		if orphan {
			item.Summary = "orphan, " + item.Summary
		}
		t.items = append(t.items, item)
	}
	if len(t.stay) > 0 && len(t.how.Services) == 0 && !t.how.IgnoreOrphans {
		t.warn("%s; remove with `muster down --remove-orphans`", orphanText(byNumber(t.stay)))
	}
}

func removal(n, running int) string {
	switch running {
	case 0:
		return "remove " + plural(n, "container")
	case n:
		return "stop and remove " + plural(n, "container")
	}
	return fmt.Sprintf("stop %d and remove %s", running, plural(n, "container"))
}

// networks removes the project's networks that nobody who stays is in.
func (t *teardown) networks() {
	for _, name := range keys(t.have.networks) {
		n := t.have.networks[name]
		if n.Labels[LabelProject] != t.want.Name || t.isExternal(name) {
			continue
		}
		if users := t.tenants(name); len(users) > 0 {
			t.warn("network %s stays: %s uses it", name, strings.Join(users, ", "))
			continue
		}
		t.graph.add(Step{Action: RemoveNetwork{Name: name}, Needs: t.tied().networks[name], Impact: InPlace})
		t.items = append(t.items, Item{Ref: Ref{Kind: KindNetwork, Name: name}, Verdict: Remove, Summary: "remove", Impact: InPlace})
	}
}

// ties are the removals of the containers that use something, by its name or ID.
type ties struct{ networks, volumes, images map[string][]StepID }

// tied finds them once. Under the empty name are containers whose mounts are not known: they may have any volume.
func (t *teardown) tied() *ties {
	if t.users != nil {
		return t.users
	}
	t.users = &ties{networks: map[string][]StepID{}, volumes: map[string][]StepID{}, images: map[string][]StepID{}}
	for _, name := range t.names {
		for _, c := range t.all[name] {
			id := t.removed[c.Name]
			if id == "" {
				continue
			}
			left := id
			if stop := t.stopped[c.Name]; stop != "" && t.have.lateNetworks {
				left = stop
			}
			for _, e := range c.Endpoints {
				t.users.networks[e.Network] = append(t.users.networks[e.Network], left)
			}
			if c.Mounts == nil {
				t.users.volumes[""] = append(t.users.volumes[""], id)
			}
			for _, m := range c.Mounts {
				if m.Name != "" {
					t.users.volumes[m.Name] = append(t.users.volumes[m.Name], id)
				}
			}
			t.users.images[c.ImageID] = append(t.users.images[c.ImageID], id)
			t.users.images[familiar(c.Image)] = append(t.users.images[familiar(c.Image)], id)
		}
	}
	return t.users
}

func (t *teardown) isExternal(network string) bool {
	for key, n := range t.want.Networks {
		if bool(n.External) && networkName(t.want, key, n) == network {
			return true
		}
	}
	return false
}

func (t *teardown) tenants(network string) []string {
	var out []string
	for _, c := range t.stay {
		if c.endpoint(network) != nil {
			out = append(out, c.Name)
		}
	}
	return distinct(out)
}

// volumes removes named volumes, data and all; only those that the project made.
func (t *teardown) volumes() {
	if !t.how.Volumes {
		return
	}
	declared := t.declaredVolumes()
	used := map[string]string{}
	for _, c := range t.stay {
		for _, m := range c.Mounts {
			if m.Name != "" {
				used[m.Name] = c.Name
			}
		}
	}
	gone := map[string]bool{}
	stays := func(name string) bool { return t.have.volumes[name] != nil && !gone[name] }
	for _, name := range keys(t.have.volumes) { // a volume before what was begun for it, which has a longer name
		v := t.have.volumes[name]
		ours := v.Labels[LabelProject] == t.want.Name
		switch {
		case v == t.have.adjusted, v.Labels[LabelFiles] != "", declared[name] == external, !ours && declared[name] == absent:
			continue
		case ours && v.fillingFor() != "":
			if stays(v.fillingFor()) && t.have.volumes[migratingName(v.fillingFor())] != nil {
				t.warn("volume %s stays: volume %s is filled from it by the next `muster up`", name, v.fillingFor())
				continue
			}
			t.graph.add(Step{Action: RemoveVolume{Name: name}, Needs: t.removals(), Impact: InPlace})
			t.items = append(t.items, Item{Ref: Ref{Kind: KindVolume, Name: name}, Verdict: Remove, Summary: "remove, left by a restore that was interrupted", Impact: InPlace})
			continue
		case ours && v.Labels[LabelKeptFrom] != "":
			t.warn("volume %s stays: it has what volume %s had before it was defined anew; remove with `docker volume rm %s`", name, v.Labels[LabelKeptFrom], name)
			continue
		case ours && v.Labels[LabelKept] != "":
			if !stays(strings.TrimSuffix(name, migratingName(""))) {
				// What was being carried over goes, so there is nothing to carry on.
				t.graph.add(Step{Action: RemoveVolume{Name: name}, Needs: t.removals(), Impact: InPlace})
			}
			continue
		case !ours:
			t.warn("volume %s stays: it was not made for this project (%s)", name, owner(v.Labels))
			continue
		case t.file && declared[name] == absent:
			t.warn("volume %s stays: the file does not declare it; remove with `docker volume rm %s`", name, name)
			continue
		case used[name] != "":
			t.warn("volume %s stays: %s uses it", name, used[name])
			continue
		}
		gone[name] = true
		t.graph.add(Step{Action: RemoveVolume{Name: name}, Needs: append(slices.Clone(t.tied().volumes[name]), t.tied().volumes[""]...), Impact: DataLoss})
		t.items = append(t.items, Item{Ref: Ref{Kind: KindVolume, Name: name}, Verdict: Remove, Summary: "remove, its data is lost", Impact: DataLoss})
	}
}

// removals are the steps that remove containers, by their names.
func (t *teardown) removals() []StepID {
	var out []StepID
	for _, name := range keys(t.removed) {
		out = append(out, t.removed[name])
	}
	return out
}

// declaration is what the file says of a volume.
type declaration int

const (
	absent declaration = iota
	own
	external
)

// declaredVolumes are all volumes of the file by their name on the engine, those of inactive services too.
func (t *teardown) declaredVolumes() map[string]declaration {
	out := map[string]declaration{}
	take := func(key string, v project.Volume) {
		name := volumeName(t.want, key, v)
		out[name] = own
		if bool(v.External) {
			out[name] = external
		}
	}
	if t.want.Model != nil {
		for key, v := range t.want.Model.Volumes {
			take(key, v)
		}
	}
	for key, v := range t.want.Volumes {
		take(key, v)
	}
	return out
}

// ownImage says whether an image is one that an instance built under a name of its own, of which the file has another.
func ownImage(ref, instance string) bool {
	return instance != "" && strings.HasSuffix(ref, "-"+instance)
}

// images removes the images of the services, "local" only those that were built and have no name of their own.
func (t *teardown) images() {
	if t.how.Images == "" {
		return
	}
	keep := map[string]bool{}
	for _, c := range t.stay {
		keep[familiar(c.Image)] = true
	}
	refs := map[string]bool{}
	for _, name := range keys(t.want.Services) {
		s := t.want.Services[name]
		s.Name = name
		if t.chosen(name) && (t.how.Images == "all" || s.Image == "" || s.Build != nil && ownImage(s.Image, t.want.Instance)) {
			refs[t.want.ImageName(s)] = true
		}
	}
	for _, name := range t.names {
		if _, known := t.want.Services[name]; known || !t.chosen(name) {
			continue
		}
		for _, c := range t.all[name] {
			local := familiar(c.Image) == familiar(t.want.ImageName(project.Service{Name: name})) || ownImage(c.Image, c.Labels[LabelInstance])
			if t.removed[c.Name] != "" && (t.how.Images == "all" || local) {
				refs[c.Image] = true
			}
		}
	}
	for _, ref := range keys(refs) {
		image := t.image(ref)
		if image == nil || keep[familiar(ref)] {
			continue
		}
		t.graph.add(Step{Action: RemoveImage{Ref: ref}, Needs: append(slices.Clone(t.tied().images[image.ID]), t.tied().images[familiar(ref)]...)})
		t.items = append(t.items, Item{Ref: Ref{Kind: KindImage, Name: ref}, Verdict: Remove, Summary: "remove"})
	}
}
