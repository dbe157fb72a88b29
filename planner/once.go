package planner

import (
	"slices"
	"strings"

	"github.com/musterhq/muster/project"
)

// LabelSlug is the random text that docker compose tells one-off containers apart by.
const LabelSlug = "com.docker.compose.slug"

// Once is one container that runs a single command as a service would, beside those that the service has.
type Once struct {
	// Service is the service as it is to be run: with the command, variables and mounts of the command line. Its
	// ports are published as they stand here.
	Service project.Service
	// Name is the container's; Slug is random text that tells it from others. The caller
	// makes them up, since the planner has no randomness.
	Name, Slug string
	// Aliases lets it answer to the service's names in its networks, and have its addresses.
	Aliases bool
	// Remove has the engine remove it, with its anonymous volumes, when it has ended.
	Remove bool
	// Interactive connects its standard input with whoever attaches first, and ends it with that.
	Interactive bool
	// Columns and Rows are the size of its terminal from its beginning on; 0 where nobody knows.
	Columns, Rows int
}

// RunOnce plans one container of a service, with all that it needs: what the service depends on is brought up, and
// waited for, as [Build] does. The last steps are the start of the container, which needs all others that concern it, and its
// post_start hooks.
// Containers that the service has are left alone, and so are jobs that it depends on and that are done.
func RunOnce(want *project.Project, have State, how Policy, once Once) (Plan, error) {
	want, how = once.within(want, how)
	b := newBuilder(want, have, how)
	b.once = &once
	return b.build()
}

// PreviewOnce is [Preview] for [RunOnce].
func PreviewOnce(want *project.Project, have State, how Policy, once Once) (Plan, error) {
	want, how = once.within(want, how)
	b := newBuilder(want, have, how)
	b.once, b.ahead = &once, true
	return b.build()
}

// ImagesOnce is [Images] for [RunOnce].
func ImagesOnce(want *project.Project, have State, how Policy, once Once) (Plan, error) {
	want, how = once.within(want, how)
	return Images(want, have, how)
}

// within is the project with the service as it is to be run, and the policy that concerns it only.
func (o Once) within(want *project.Project, how Policy) (*project.Project, Policy) {
	out := *want
	out.Services = map[string]project.Service{}
	for name, s := range want.Services {
		out.Services[name] = s
	}
	one := 1
	s := o.Service
	s.Scale, s.ContainerName, s.Restart = &one, "", "no"
	if s.Deploy != nil {
		deploy := *s.Deploy
		deploy.RestartPolicy, deploy.Replicas = nil, nil
		s.Deploy = &deploy
	}
	if !o.Aliases {
		s.Networks = anonymous(s.Networks)
		s.MacAddress = ""
	}
	for _, v := range s.Volumes { // the command line may name one that no service has
		if v.Type == "volume" && want.Model != nil {
			out.Volumes = complete(out.Volumes, want.Model.Volumes, v.Source)
		}
	}
	out.Services[s.Name] = s
	how.Services = []string{s.Name}
	return &out, how
}

// anonymous are networks in which a container has neither the names nor the addresses of its service.
func anonymous(networks map[string]*project.ServiceNetwork) map[string]*project.ServiceNetwork {
	if len(networks) == 0 {
		return networks
	}
	no := false
	out := make(map[string]*project.ServiceNetwork, len(networks))
	for key, n := range networks {
		bare := &project.ServiceNetwork{UseServiceNameAlias: &no}
		if n != nil {
			bare.DriverOpts, bare.GatewayPriority, bare.InterfaceName, bare.Priority = n.DriverOpts, n.GatewayPriority, n.InterfaceName, n.Priority
		}
		out[key] = bare
	}
	return out
}

// emitOnce writes the steps of the container, if the plan is for one. It is made when all that it depends on is as it wants it, so
// that nothing is left behind when something is not.
func (b *builder) emitOnce() {
	if b.once == nil {
		return
	}
	once, s := *b.once, b.services[b.once.Service.Name]
	gates := &gate{b: b, of: s}
	why := []Change{{Path: s.path("run"), To: ranText(s.spec)}}
	a := CreateContainer{
		Name: once.Name, Spec: b.resolve(s.spec), Image: b.want.ImageName(s.spec), Labels: b.onceLabels(s, once),
		Files: b.files(s.spec), Injections: b.injections(s.spec), AutoRemove: once.Remove, Interactive: once.Interactive,
		Columns: once.Columns, Rows: once.Rows,
	}
	b.nameResources(&a)
	made := b.graph.add(Step{Action: a, Needs: append(b.resources(s, nil), gates.needs()...), Because: why})
	started := b.graph.add(Step{Action: StartContainer{Name: once.Name, Service: s.name}, Needs: []StepID{made}, Because: why})
	b.hooks("post_start", s.spec.PostStart, once.Name, s.name, []StepID{started}, "")
	summary := "run " + ranText(s.spec)
	if once.Remove {
		summary += ", then remove the container"
	}
	b.items = append(b.items, Item{Ref: s.ref(), Verdict: Create, Summary: summary, After: gates.after, Containers: 1})
}

// ranText is what a service runs, as far as the file says.
func ranText(s project.Service) string {
	words := append(slices.Clone([]string(s.Entrypoint)), s.Command...)
	if len(words) == 0 {
		return "the image's own command"
	}
	return strings.Join(words, " ")
}

// onceLabels are those of a service's container, without what would let it be taken for one of the replicas.
func (b *builder) onceLabels(s *service, once Once) map[string]string {
	labels := b.containerLabels(s, 0, "")
	delete(labels, LabelNumber)
	delete(labels, LabelSpec)
	labels[LabelOneOff] = "True"
	labels[LabelSlug] = once.Slug
	return labels
}
