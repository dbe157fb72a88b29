package planner

import (
	"slices"
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
			d.changes, d.open = []Change{{Path: d.path("image"), From: ref, To: "the one that is built"}}, true
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

// resolves says whether all images are to be looked up anew.
func (how Policy) resolves() bool {
	return how.Resolve == resolveAlways || how.Pull == project.PullAlways
}

// Lookups are the images of which a plan wants to know what they stand for in their registries now, so that it can say whether a
// tag has moved; the answers go into [State.Registry].
func Lookups(want *project.Project, have State, how Policy) []string {
	if !have.Converges || !how.resolves() {
		return nil
	}
	b := newBuilder(want, have, how)
	b.choose()
	var out []string
	for _, name := range b.order {
		if ref := want.ImageName(b.services[name].spec); !strings.Contains(ref, "@") {
			out = append(out, ref)
		}
	}
	return distinct(out)
}

// resolveImages finds the services whose images stand for something else by now. Where the registry has not said what for, the
// service is applied, and shows it then.
func (b *builder) resolveImages() {
	if !b.how.resolves() {
		return
	}
	for _, name := range b.order {
		d := b.deployments[name]
		ref := b.want.ImageName(d.spec)
		if b.imageSteps[ref] != "" || strings.Contains(ref, "@") {
			continue // what is built now, nobody has so far; a digest stands for itself
		}
		d.resolve, d.digest = resolveAlways, b.have.registry[ref]
		if d.have == nil || mentions(d.changes, d.path("image")) {
			continue
		}
		name, runs, _ := strings.Cut(d.have.Image, "@")
		switch {
		case d.digest == "" && len(d.changes) == 0:
			d.changes, d.open = []Change{{Path: d.path("image"), From: withDigest(name, runs), To: "what its registry has now"}}, true
		case d.digest != "" && d.digest != runs:
			d.changes = append(d.changes, Change{Path: d.path("image"), From: withDigest(ref, runs), To: withDigest(ref, d.digest)})
			slices.SortStableFunc(d.changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
		}
	}
}

// pushable says whether a reference names a registry of its own: the first part of it has a dot or a port, or is localhost.
func pushable(ref string) bool {
	host, _, ok := strings.Cut(ref, "/")
	return ok && (strings.ContainsAny(host, ".:") || host == "localhost")
}
