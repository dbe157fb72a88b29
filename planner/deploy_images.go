package planner

import (
	"strings"

	"github.com/musterhq/muster/project"
)

// deployImages builds and sends those images that the file builds: the engine's machines fetch them from a registry.
func (b *builder) deployImages() {
	for _, name := range b.order {
		d := b.deployments[name]
		if d.spec.Build == nil {
			continue
		}
		ref := b.want.ImageName(d.spec)
		if !pushable(ref) && len(b.have.nodes) > 1 {
			b.fail(d.ref(), "give it a name with a registry, such as `image: registry.example.com/"+d.name+"`, or build it and load it on each node, and take `build` out",
				"%s: image %s is built here, and the other nodes cannot fetch it", d.name, ref)
			continue
		}
		policy, _ := b.pullPolicy(d.service)
		why, due := b.buildReason(d.service, policy, b.image(ref))
		if !due && b.image(ref) == nil && (d.have == nil || len(d.changes) > 0) && !b.how.NoBuild {
			why, due = Change{Path: d.path("image"), To: ref + " is missing"}, true
		}
		if !due {
			continue
		}
		b.buildImage(d.service, ref, why)
		d.resolve = resolveAlways
		if d.have != nil && len(d.changes) == 0 {
			d.changes = []Change{{Path: d.path("image"), From: ref, To: "the one that is built"}}
		}
		if pushable(ref) && b.pushSteps[ref] == "" {
			b.pushSteps[ref] = b.graph.add(Step{
				Action: PushImage{Ref: ref, Services: []string{d.name}}, Needs: []StepID{b.imageSteps[ref]},
				Because: []Change{{Path: d.path("image"), To: "for the other nodes"}},
			})
		}
	}
}

// resolveAlways lets references of images be resolved to digests anew.
const resolveAlways = "always"

// resolveImages applies every service again where images are to be looked up anew: a tag may stand for something else by now.
func (b *builder) resolveImages() {
	if b.how.Resolve != resolveAlways && b.how.Pull != project.PullAlways {
		return
	}
	for _, name := range b.order {
		d := b.deployments[name]
		d.resolve = resolveAlways
		if d.have != nil && len(d.changes) == 0 {
			d.changes = []Change{{Path: d.path("image"), From: d.have.Image, To: "what its registry has now"}}
		}
	}
}

// pushable says whether a reference names a registry of its own: the first part of it has a dot or a port, or is localhost.
func pushable(ref string) bool {
	host, _, ok := strings.Cut(ref, "/")
	return ok && (strings.ContainsAny(host, ".:") || host == "localhost")
}
