package planner

import (
	"slices"

	"github.com/musterhq/muster/project"
)

// Pulls plans to fetch the images of services, whether they are there or not: of those that how names, with what they depend on
// unless how.NoDeps. how.Pull is missing or always, or leaves it to the services. An image that is only
// built has nothing to fetch; ignoreBuildable also leaves those that can be built. Those are optional otherwise: that
// they cannot be fetched is no failure where they are there.
func Pulls(want *project.Project, have State, how Policy, ignoreBuildable bool) (Plan, error) {
	b := newBuilder(want, have, how)
	b.choose()
	for _, name := range b.order {
		s := b.services[name]
		ref := b.want.ImageName(s.spec)
		policy, _ := b.pullPolicy(s)
		buildable := s.spec.Build != nil
		why := Change{Path: s.path("image"), To: "asked for"}
		skip := ""
		switch {
		case s.spec.Image == "":
			skip = "it is built, and has no image to pull"
		case buildable && ignoreBuildable:
			skip = "it can be built"
		case policy == project.PullNever || policy == project.PullBuild:
			skip = "its pull_policy is " + policy
		case b.image(ref) != nil && (b.how.Pull == project.PullMissing || b.how.Pull == "" && s.spec.PullPolicy != "" && policy == project.PullMissing):
			skip = "its image is there"
		}
		if skip != "" {
			b.items = append(b.items, Item{Ref: s.ref(), Verdict: Unchanged, Summary: skip})
			continue
		}
		b.pullImage(s, ref, why, buildable)
	}
	b.imageItems()
	return b.finish()
}

// Builds plans to build the images of services that have a build section, whether they are there or not. Images that
// another build has as its context come first. With push those that have a name are sent to their registries then, or by a builder
// outside of the engine instead of being brought to the engine.
func Builds(want *project.Project, have State, how Policy, push bool) (Plan, error) {
	how.Build = true
	b := newBuilder(want, have, how)
	b.choose()
	for _, name := range b.order {
		if s := b.services[name]; s.spec.Build != nil {
			b.buildImage(s, b.want.ImageName(s.spec), Change{Path: s.path("build"), To: "asked for"})
		}
	}
	for _, name := range b.order {
		s := b.services[name]
		switch {
		case !push || s.spec.Build == nil || s.spec.Image == "":
		case have.Engine.Builder != "":
			b.pushBuilt(s)
		default:
			for _, ref := range pushed(s.spec) {
				b.pushImage(s, ref)
			}
		}
	}
	b.imageItems()
	return b.finish()
}

// pushBuilt has the builder send a service's image to its registry. Builds that have it as a context find it there.
func (b *builder) pushBuilt(s *service) {
	ref := b.want.ImageName(s.spec)
	for _, step := range b.graph.steps {
		a, ok := step.Action.(BuildImage)
		if !ok {
			continue
		}
		a.Push = a.Push || a.Ref == ref
		a.Bases = slices.DeleteFunc(slices.Clone(a.Bases), func(name string) bool {
			return a.Spec.Build.AdditionalContexts[name] == "docker-image://"+ref
		})
		step.Action = a
	}
}

// Pushes plans to send the images that services build to their registries, with their further tags. One without a name of its
// own, or that is not built here, has nothing to send.
func Pushes(want *project.Project, have State, how Policy) (Plan, error) {
	b := newBuilder(want, have, how)
	b.choose()
	for _, name := range b.order {
		s := b.services[name]
		if s.spec.Build == nil || s.spec.Image == "" {
			b.items = append(b.items, Item{Ref: s.ref(), Verdict: Unchanged, Summary: "it builds no image with a name"})
			continue
		}
		for _, ref := range pushed(s.spec) {
			b.pushImage(s, ref)
		}
	}
	return b.finish()
}

// pushed are an image's names.
func pushed(s project.Service) []string {
	refs := []string{s.Image}
	for _, t := range s.Build.Tags {
		if !slices.Contains(refs, t) {
			refs = append(refs, t)
		}
	}
	return refs
}

func (b *builder) pushImage(s *service, ref string) {
	id := idOf(PushImage{Ref: ref})
	if step := b.graph.byID[id]; step != nil {
		a := step.Action.(PushImage)
		a.Services = append(a.Services, s.name)
		step.Action = a
		return
	}
	b.graph.add(Step{
		Action: PushImage{Ref: ref, Services: []string{s.name}}, Because: []Change{{Path: s.path("image"), To: "asked for"}},
		Needs: []StepID{b.imageSteps[b.want.ImageName(s.spec)]},
	})
	b.items = append(b.items, Item{Ref: Ref{Kind: KindImage, Name: ref}, Verdict: Modify, Summary: "push, for " + s.name})
}
