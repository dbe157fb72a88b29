package planner

import (
	"slices"
	"strings"

	"github.com/musterhq/muster/project"
)

// redeployNetwork makes a network anew that services are in. An engine that keeps services lets none go on meanwhile: they are taken
// away, what depends on others first, and come back as new ones. That is an outage, which has to be asked for. The answer is how
// many there are.
func (b *builder) redeployNetwork(key string, n project.Network, have *Network, why []Change) int {
	ref := Ref{Kind: KindNetwork, Name: have.Name}
	differs := "network " + have.Name + " is there and differs from the file in " + listed(why, "networks."+key+".")
	var in, orphans []*Deployed
	for _, service := range keys(b.have.deployed) {
		each := b.have.deployed[service]
		switch {
		case !slices.Contains(each.Networks, have.Name):
		case b.deployments[service] != nil:
			in = append(in, each)
		case b.knows(service):
			b.fail(ref, "run `muster up --force-recreate` without naming services", "%s, and %s, which is not brought up now, is in it", differs, service)
		case !b.how.RemoveOrphans:
			b.fail(ref, "`--remove-orphans` removes that service", "%s, and %s, which is none of the file, is in it", differs, each.Name)
		default:
			orphans = append(orphans, each)
		}
	}
	switch {
	case len(have.Others) > 0:
		b.fail(ref, "give it another name with `name`, or take those out of it", "%s, and services of others are in it: %s", differs, strings.Join(have.Others, ", "))
	case len(in) > 0 && b.how.Recreate != RecreateAlways:
		b.fail(ref, "`muster up --force-recreate` takes the services in it away, makes it anew and brings them back; or give it another name with `name`",
			"%s, and no service can go on meanwhile", differs)
	}
	var needs, images []StepID // nothing is taken away before all is there that comes in its place
	for _, each := range in {
		ref := b.want.ImageName(b.deployments[each.Service].spec)
		images = append(images, b.imageSteps[ref], b.pushSteps[ref])
	}
	for _, each := range orphans {
		if b.gone[each.Name] == "" {
			b.gone[each.Name] = b.removeOrphan(each)
		}
		needs = append(needs, b.gone[each.Name])
	}
	for i := len(b.order) - 1; i >= 0; i-- {
		d := b.deployments[b.order[i]]
		if d.have == nil || !slices.Contains(d.have.Networks, have.Name) {
			continue
		}
		if len(d.changes) == 0 { // what is taken away has to come back
			d.changes = []Change{{Path: d.path("networks." + key), To: "made anew"}}
		}
		if d.removed == "" { // else for another network
			d.removed = b.graph.add(Step{
				Action: RemoveService{Name: d.have.Name, Service: d.name}, Needs: append(b.dependentsRemoved(d), images...), Because: why, Impact: Replace,
			})
		}
		needs = append(needs, d.removed)
	}
	removed := b.graph.add(Step{Action: RemoveNetwork{Name: have.Name}, Needs: needs, Because: why, Impact: Replace})
	b.networkSteps[have.Name] = b.createNetwork(key, n, []StepID{removed}, why)
	return len(in)
}

// dependentsRemoved are the removals of what depends on a service.
func (b *builder) dependentsRemoved(d *deployment) []StepID {
	var out []StepID
	for _, dependent := range d.dependents {
		if by := b.deployments[dependent.of.name]; by.removed != "" {
			out = append(out, by.removed)
		}
	}
	return out
}
