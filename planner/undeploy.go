package planner

import (
	"slices"
	"strings"

	"github.com/musterhq/muster/project"
)

// undeploy plans the removal of what an engine keeps of a project: services, those that others depend on last, then configs,
// secrets and networks. Volumes lie on the machines that containers ran on; only those of the reachable one can be removed.
func (t *teardown) undeploy() {
	removed := map[string]StepID{}
	staying := map[string]bool{}
	order := t.deployedOrder()
	for i := len(order) - 1; i >= 0; i-- {
		key := order[i]
		have := t.have.deployed[key]
		orphan := t.file && !t.knows(key)
		switch {
		case orphan && !t.how.RemoveOrphans && len(t.how.Services) == 0:
			if !t.how.IgnoreOrphans {
				t.warn("service %s is none of the file (orphan); remove with `muster down --remove-orphans`", have.Name)
			}
			staying[key] = true
			continue
		case !t.chosen(key):
			staying[key] = true
			continue
		}
		var needs []StepID
		for _, other := range order {
			if _, on := t.dependsOn(other)[key]; on {
				needs = append(needs, removed[other])
			}
		}
		removed[key] = t.graph.add(Step{Action: RemoveService{Name: have.Name, Service: key}, Needs: needs, Impact: Replace})
		summary := "remove with " + plural(have.Replicas, "replica")
		if have.Mode.Job() {
			summary = "remove the job"
		}
		if orphan {
			summary = "orphan, " + summary
		}
		t.items = append(t.items, Item{Ref: Ref{Kind: KindService, Name: key}, Verdict: Remove, Summary: summary, Impact: Replace})
	}
	if len(t.how.Services) == 0 {
		t.removeKept(removed, staying)
	}
}

// deployedOrder are the services that the engine keeps, each after what it depends on.
func (t *teardown) deployedOrder() []string {
	var out []string
	seen := map[string]bool{}
	var visit func(key string)
	visit = func(key string) {
		if seen[key] || t.have.deployed[key] == nil {
			return
		}
		seen[key] = true
		for _, on := range keys(t.dependsOn(key)) {
			visit(on)
		}
		out = append(out, key)
	}
	for _, key := range keys(t.have.deployed) {
		visit(key)
	}
	return out
}

// dependsOn is what a service depends on, by the file or by its label.
func (t *teardown) dependsOn(key string) map[string]project.ServiceDependency {
	if s, ok := t.want.Declared(key); ok {
		return s.DependsOn
	}
	return readDependsOn(t.have.deployed[key].Labels[LabelDependsOn])
}

// awaitDeployed adds waits for services that an engine keeps.
func (st *standing) awaitDeployed(condition Condition) {
	for _, key := range keys(st.have.deployed) {
		have := st.have.deployed[key]
		d := &deployment{have: have}
		if !st.chosen(key) || have.Mode.Job() != (condition == IsCompleted) && len(st.how.Services) == 0 || condition != IsCompleted && d.met(condition) {
			continue
		}
		st.graph.add(Step{
			Action:  AwaitService{Name: have.Name, Service: key, Condition: condition, Timeout: st.how.WaitTimeout},
			Because: []Change{{Path: "services." + key + "." + string(condition), To: "asked for with wait"}},
		})
		st.items = append(st.items, Item{Ref: Ref{Kind: KindService, Name: key}, Verdict: Unchanged, Containers: have.Replicas})
	}
}

// removeKept removes what the services had.
func (t *teardown) removeKept(removed map[string]StepID, staying map[string]bool) {
	var all []StepID
	for _, key := range keys(removed) {
		all = append(all, removed[key])
	}
	for _, o := range t.have.objects {
		if o.Labels[LabelProject] != t.want.Name {
			continue
		}
		if slices.ContainsFunc(keys(staying), func(key string) bool { return slices.Contains(t.have.deployed[key].Objects, o.Name) }) {
			continue
		}
		t.graph.add(Step{Action: RemoveObject{Kind: o.Kind, Name: o.Name}, Needs: all})
		t.items = append(t.items, Item{Ref: Ref{Kind: o.Kind, Name: o.Name}, Verdict: Remove, Summary: "remove", Impact: InPlace})
	}
	for _, name := range keys(t.have.networks) {
		n := t.have.networks[name]
		switch {
		case n.Labels[LabelProject] != t.want.Name || t.isExternal(name):
			continue
		case len(staying) > 0:
			t.warn("network %s stays: services that stay may use it (%s)", name, strings.Join(keys(staying), ", "))
			continue
		}
		t.graph.add(Step{Action: RemoveNetwork{Name: name}, Needs: all, Impact: InPlace})
		t.items = append(t.items, Item{Ref: Ref{Kind: KindNetwork, Name: name}, Verdict: Remove, Summary: "remove", Impact: InPlace})
	}
	if t.how.Volumes {
		t.volumesHere(all)
	}
}

// volumesHere removes the project's volumes of the reachable machine.
func (t *teardown) volumesHere(after []StepID) {
	for _, name := range keys(t.have.volumes) {
		if t.have.volumes[name].Labels[LabelProject] != t.want.Name {
			continue
		}
		t.graph.add(Step{Action: RemoveVolume{Name: name}, Needs: after, Impact: DataLoss})
		t.items = append(t.items, Item{Ref: Ref{Kind: KindVolume, Name: name}, Verdict: Remove, Summary: "remove, its data is lost", Impact: DataLoss})
	}
	if len(t.have.nodes) > 1 {
		t.warn("volumes on other nodes than this one stay; remove them there with `docker volume rm`")
	}
}
