package planner

import (
	"maps"
	"sort"
	"strings"
	"time"

	"github.com/musterhq/muster/project"
)

// Images plans what has to be done to images whether they are there or not: build
// them anew because that was asked for, or pull them because their policy says so. What comes out
// cannot be known before, so it is run first, the engine is observed again, and [Build] sees the new content. It
// is empty where no image has to be refreshed; Build itself fetches those that are missing.
func Images(want *project.Project, have State, how Policy) (Plan, error) {
	b := newBuilder(want, have, how)
	b.choose()
	if len(b.problems) == 0 && !have.Converges { // else the nodes fetch them
		b.refreshImages()
		b.imageItems()
	}
	return b.finish()
}

func (b *builder) refreshImages() {
	for _, name := range b.order {
		b.refresh(b.services[name])
	}
}

// refresh adds the step that renews a service's image, if one is due.
func (b *builder) refresh(s *service) {
	if s.scale == 0 {
		return
	}
	ref := b.want.ImageName(s.spec)
	policy, every := b.pullPolicy(s)
	have := b.image(ref)
	buildable := s.spec.Build != nil
	why, build := b.buildReason(s, policy, have)
	switch {
	case build:
		b.buildImage(s, ref, why)
	case buildable && (s.spec.Image == "" || have == nil):
		// There is nothing to pull, or it is missing and Build makes it.
	case policy == project.PullAlways:
		b.pullImage(s, ref, Change{Path: s.path("pull_policy"), To: policy}, buildable)
	case policy == project.PullRefresh && have != nil:
		did, age := "pulled ", b.how.Now.Sub(have.Fetched)
		if have.Fetched.IsZero() {
			did, age = "created ", b.how.Now.Sub(have.Created)
		}
		if age >= every {
			b.pullImage(s, ref, Change{Path: s.path("pull_policy"), From: did + ago(age) + " ago", To: b.policyText(s)}, true)
		}
	}
}

// policyText is the pull policy that counts as people wrote it.
func (b *builder) policyText(s *service) string {
	switch {
	case b.how.Pull != "":
		return b.how.Pull
	case s.spec.PullPolicy == project.PullRefresh && s.spec.PullRefreshAfter != "":
		return "refresh after " + s.spec.PullRefreshAfter
	}
	return s.spec.PullPolicy
}

func ago(d time.Duration) string {
	if d > 48*time.Hour {
		return plural(int(d/(24*time.Hour)), "day")
	}
	return duration(d.Round(time.Minute))
}

// pullPolicy is the policy that counts, and the period of those that have one.
func (b *builder) pullPolicy(s *service) (string, time.Duration) {
	spec := s.spec
	if b.how.Pull != "" {
		spec.PullPolicy = b.how.Pull
	}
	policy, every, err := project.PullPolicy(spec)
	if err != nil {
		b.fail(s.ref(), "write always, never, missing, build, daily, weekly or every_<time>", "%s: %v", s.name, err)
		return project.PullMissing, 0
	}
	return policy, every
}

// planImages fetches or builds the images that are missing and needed for a new container.
func (b *builder) planImages() {
	for _, name := range b.order {
		s := b.services[name]
		needed := false
		for _, r := range s.replicas {
			needed = needed || r.verb == create || r.verb == replace
		}
		for _, m := range b.migrations { // volumes may be reached through it
			needed = needed || b.copyImage(m) == b.want.ImageName(s.spec)
		}
		if !needed {
			continue
		}
		b.provide(s)
		for _, h := range s.spec.PreStart {
			if h.Image != "" && h.Image != b.want.ImageName(s.spec) && b.image(h.Image) == nil {
				b.pullImage(s, h.Image, Change{Path: s.path("pre_start"), To: h.Image + " is missing"}, false)
			}
		}
		for _, v := range s.spec.Volumes {
			if v.Type != "image" {
				continue
			}
			if of := b.services[v.Source]; of != nil {
				b.provide(of)
			} else if b.image(v.Source) == nil && b.imageSteps[v.Source] == "" {
				b.pullImage(s, v.Source, Change{Path: s.path("volumes." + v.Target), To: v.Source + " is missing"}, false)
			}
		}
	}
}

// provide makes sure that a service's image will be there.
func (b *builder) provide(s *service) {
	ref := b.want.ImageName(s.spec)
	if b.image(ref) != nil {
		return
	}
	policy, _ := b.pullPolicy(s)
	why := Change{Path: s.path("image"), To: ref + " is missing"}
	switch {
	case s.spec.Build != nil && !b.how.NoBuild:
		b.buildImage(s, ref, why)
	case s.spec.Image == "":
		b.fail(s.ref(), "leave out --no-build, or run `muster build "+s.name+"`", "%s: image %s is missing and must not be built", s.name, ref)
	case policy == project.PullNever:
		b.fail(s.ref(), "pull it with `docker pull "+ref+"`, or change pull_policy", "%s: image %s is missing and must not be pulled (pull_policy never)", s.name, ref)
	default:
		b.pullImage(s, ref, why, false)
	}
}

// imageItems tells what the plan does to images.
func (b *builder) imageItems() {
	for _, step := range b.graph.steps {
		item := Item{Verdict: Create, Changes: nil}
		switch a := step.Action.(type) {
		case PullImage:
			item.Ref, item.Summary = Ref{Kind: KindImage, Name: a.Ref}, "pull, for "+strings.Join(a.Services, ", ")
		case BuildImage:
			item.Ref, item.Summary = Ref{Kind: KindImage, Name: a.Ref}, "build, for "+strings.Join(b.usersOf(a.Ref, a.Service), ", ")
			if a.Push {
				item.Summary = "build and push, for " + a.Service
			}
		default:
			continue
		}
		if b.image(item.Ref.Name) != nil {
			item.Verdict, item.Changes = Modify, step.Because
		}
		b.items = append(b.items, item)
	}
}

// usersOf are the services of the plan that run an image; where none does, it is built for another build, and has its owner.
func (b *builder) usersOf(ref, owner string) []string {
	var out []string
	for _, name := range keys(b.services) {
		if b.want.ImageName(b.services[name].spec) == ref {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		out = []string{owner}
	}
	return out
}

// pullImage adds one step for an image, however many services run it.
func (b *builder) pullImage(s *service, ref string, why Change, optional bool) {
	if id := b.imageSteps[ref]; id != "" {
		step := b.graph.byID[id]
		if pull, ok := step.Action.(PullImage); ok && !contains(pull.Services, s.name) {
			pull.Services = append(pull.Services, s.name)
			sort.Strings(pull.Services)
			pull.Optional = pull.Optional && optional
			step.Action = pull
			step.Because = append(step.Because, why)
		}
		return
	}
	b.imageSteps[ref] = b.graph.add(Step{
		Action:  PullImage{Ref: ref, Platform: s.spec.Platform, Services: []string{s.name}, Optional: optional},
		Because: []Change{why},
	})
}

func (b *builder) buildImage(s *service, ref string, why Change) {
	if b.imageSteps[ref] != "" {
		return
	}
	// Claimed first: contexts that name each other must not go round in circles.
	labels := map[string]string{LabelProject: b.want.Name, LabelService: s.name, LabelVersion: composeVersion}
	if in := b.inputs(s); in != nil {
		labels[LabelInputs] = in.label()
	}
	spec, bases := b.resolveContexts(s.spec)
	id := b.graph.add(Step{
		Action:  BuildImage{Ref: ref, Service: s.name, Spec: spec, Secrets: b.buildSecrets(s.spec), Labels: labels, Bases: bases},
		Because: []Change{why},
	})
	b.imageSteps[ref] = id
	for _, base := range b.baseServices(s) {
		baseRef := b.want.ImageName(base.spec)
		policy, _ := b.pullPolicy(base)
		why, build := b.buildReason(base, policy, b.image(baseRef))
		if b.how.Build {
			why.To = "context of " + s.name
		}
		if build {
			b.buildImage(base, baseRef, why)
		} else {
			b.provide(base)
		}
		step := b.graph.byID[id]
		step.Needs = append(step.Needs, b.imageSteps[b.want.ImageName(base.spec)])
	}
}

// contextOf is the service that a build has as a context, one that this plan does not run too; nil where the context is none.
func (b *builder) contextOf(where string) *service {
	name, ok := strings.CutPrefix(where, "service:")
	if !ok {
		return nil
	}
	if s := b.services[name]; s != nil {
		return s
	}
	if spec, ok := b.want.Declared(name); ok {
		return &service{name: name, spec: spec}
	}
	return nil
}

// resolveContexts replaces the services among a build's contexts by their images, and names those contexts.
func (b *builder) resolveContexts(s project.Service) (_ project.Service, bases []string) {
	build := *s.Build
	build.AdditionalContexts = maps.Clone(build.AdditionalContexts)
	for _, name := range keys(build.AdditionalContexts) {
		if base := b.contextOf(build.AdditionalContexts[name]); base != nil {
			build.AdditionalContexts[name] = "docker-image://" + b.want.ImageName(base.spec)
			bases = append(bases, name)
		}
	}
	s.Build = &build
	return s, bases
}

// buildSecrets are the secrets that a service's build may ask for, by their ID.
func (b *builder) buildSecrets(s project.Service) []File {
	var out []File
	for _, ref := range s.Build.Secrets {
		c, used := b.want.Secrets[ref.Source]
		if !used { // by a service that runs
			c = b.want.Model.Secrets[ref.Source]
		}
		f := File{Key: "secrets." + ref.Source, Target: ref.Target, Source: c.File, Content: Hidden(b.contentOf(c.Content, c.Environment))}
		if f.Target == "" {
			f.Target = ref.Source
		}
		out = append(out, f)
	}
	return out
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
