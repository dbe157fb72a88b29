package swarm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker"
)

// Apply does one action. What is a matter of one node, such as pulling an image, is done on the manager.
func (e *Engine) Apply(ctx context.Context, a planner.Action, report func(runner.Progress)) error {
	c, err := e.Client(ctx)
	if err != nil {
		return err
	}
	if report == nil {
		report = func(runner.Progress) {}
	}
	switch a := a.(type) {
	case planner.ApplyService:
		return e.applyService(ctx, c, a, report)
	case planner.RemoveService:
		return e.removeService(ctx, c, a, report)
	case planner.AwaitService:
		return e.awaitService(ctx, c, a, report)
	case planner.CreateObject:
		return e.createObject(ctx, c, a)
	case planner.RemoveObject:
		return e.removeObject(ctx, c, a)
	case planner.CreateNetwork:
		return e.createNetwork(ctx, c, a, report)
	case planner.RemoveNetwork:
		return e.removeNetwork(ctx, c, a)
	}
	return e.Engine.Apply(ctx, a, report)
}

// tries is how often a change is begun anew that somebody else's was in the way of.
const tries = 5

// applyService creates a service, or changes it where it differs.
func (e *Engine) applyService(ctx context.Context, c *client.Client, a planner.ApplyService, report func(runner.Progress)) error {
	if refused := e.refusals(ctx, a); refused != nil {
		return refused
	}
	refs, err := e.references(ctx, c, a)
	if err != nil {
		return err
	}
	listed, err := c.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return e.explain(ctx, err, "list the networks for service", a.Name)
	}
	networks := namesOf(listed)
	auth, err := e.Credentials(a.Image)
	if err != nil {
		return err
	}
	resolve := &resolver{engine: e, client: c, action: a, auth: auth, report: report}
	for try := 1; ; try++ {
		err := e.applyOnce(ctx, c, specOf(a, refs), resolve, networks)
		if try < tries && err != nil && ctx.Err() == nil && (strings.Contains(err.Error(), "update out of sequence") || cerrdefs.IsConflict(err)) {
			continue // it was changed, or made, between the look and the change
		}
		return e.explainService(ctx, err, a)
	}
}

// refusals is what a swarm has nothing for.
func (e *Engine) refusals(ctx context.Context, a planner.ApplyService) error {
	info, err := e.Info(ctx)
	if err != nil {
		return err
	}
	c := checker{service: a.Spec, api: info.API, folder: a.Labels[planner.LabelWorkingDir]}
	c.service.Name = a.Service
	c.check()
	var problems []error
	for _, r := range c.found {
		if !r.Minor {
			problems = append(problems, docker.Refused(r.Path()+": "+r.Why, r.Hint, nil))
		}
	}
	return errors.Join(problems...)
}

// applyOnce looks and changes.
func (e *Engine) applyOnce(ctx context.Context, c *client.Client, spec swarm.ServiceSpec, resolve *resolver, networks map[string]string) error {
	a := resolve.action
	there, _, err := c.ServiceInspectWithRaw(ctx, a.Name, swarm.ServiceInspectOptions{})
	switch {
	case cerrdefs.IsNotFound(err):
		if err := resolve.image(ctx, &spec, nil); err != nil {
			return err
		}
		spec.Labels[labelApplied] = stamp(normal(spec, networks))
		made, err := c.ServiceCreate(ctx, spec, swarm.ServiceCreateOptions{EncodedRegistryAuth: resolve.auth})
		for _, warning := range made.Warnings {
			resolve.report(runner.Progress{Line: warning})
		}
		return err
	case err != nil:
		return err
	}
	if err := resolve.image(ctx, &spec, &there.Spec); err != nil {
		return err
	}
	settle(&spec, there.Spec)
	e.nameOwn(ctx, c, there.Spec, networks)
	spec.TaskTemplate.ForceUpdate = there.Spec.TaskTemplate.ForceUpdate
	if a.Again {
		spec.TaskTemplate.ForceUpdate++
	}
	normalSpec := normal(spec, networks)
	spec.Labels[labelApplied] = stamp(normalSpec)
	paused := there.UpdateStatus != nil && updateOf(there.UpdateStatus.State) == planner.UpdatePaused
	if !a.Again && !paused && same(normalSpec, normal(there.Spec, networks)) && there.Spec.Labels[labelApplied] == spec.Labels[labelApplied] {
		return nil
	}
	done, err := c.ServiceUpdate(ctx, there.ID, there.Version, spec, swarm.ServiceUpdateOptions{EncodedRegistryAuth: resolve.auth, RegistryAuthFrom: swarm.RegistryAuthFromSpec})
	for _, warning := range done.Warnings {
		resolve.report(runner.Progress{Line: warning})
	}
	return err
}

// settle writes what means the same as it is there already: containers would be replaced for the way in which something is written.
func settle(spec *swarm.ServiceSpec, there swarm.ServiceSpec) {
	ours, theirs := spec.TaskTemplate.ContainerSpec, there.TaskTemplate.ContainerSpec
	if ours == nil || theirs == nil {
		return
	}
	if slices.Equal(sorted(ours.Hosts), sorted(theirs.Hosts)) {
		ours.Hosts = theirs.Hosts
	}
	for _, s := range ours.Secrets {
		for _, t := range theirs.Secrets {
			if s.File != nil && t.File != nil && s.SecretName == t.SecretName && strings.TrimPrefix(t.File.Name, secretsFolder) == s.File.Name {
				s.File.Name = t.File.Name
			}
		}
	}
	// docker puts those that it mounts twice in any order.
	ours.Secrets = inOrderOf(theirs.Secrets, ours.Secrets, secretKey)
	ours.Configs = inOrderOf(theirs.Configs, ours.Configs, configKey)
}

// inOrderOf gives a list the order of another one, where that has the same.
func inOrderOf[T any](other, list []*T, key func(*T) string) []*T {
	at := map[string]int{}
	for i, each := range other {
		at[key(each)] = i + 1
	}
	for _, each := range list {
		if at[key(each)] == 0 {
			return list
		}
	}
	slices.SortStableFunc(list, func(a, b *T) int { return at[key(a)] - at[key(b)] })
	return list
}

// secretKey and configKey tell references apart.
func secretKey(r *swarm.SecretReference) string {
	if r.File == nil {
		return r.SecretName
	}
	return fmt.Sprint(r.SecretName, " ", *r.File)
}

func configKey(r *swarm.ConfigReference) string {
	if r.File == nil {
		return r.ConfigName
	}
	return fmt.Sprint(r.ConfigName, " ", *r.File)
}

// explainService says what to do about the reasons for which a service is refused.
func (e *Engine) explainService(ctx context.Context, err error, a planner.ApplyService) error {
	if err == nil {
		return nil
	}
	text := docker.Said(err)
	switch {
	case strings.Contains(text, "service mode change is not allowed"):
		return docker.Refused(fmt.Sprintf("service %s is there in another mode, which cannot be changed", a.Name),
			"remove it with `docker service rm "+a.Name+"`, and run `muster up` again", err)
	case strings.Contains(text, "is already in use by service"):
		return docker.Refused("service "+a.Name+" cannot be made: "+said(text), "publish another port, or stop the other service", err)
	case strings.Contains(text, "network") && strings.Contains(text, "not found"):
		return docker.Refused("service "+a.Name+" cannot be made: "+said(text), "the network was removed meanwhile; run `muster up` again", err)
	}
	return e.explain(ctx, err, "apply service", a.Name)
}

// said takes the preamble of a call between managers off.
func said(text string) string {
	if _, rest, found := strings.Cut(text, " desc = "); found {
		return rest
	}
	return text
}

// references finds the IDs of the configs and secrets that a service uses, with one call each.
func (e *Engine) references(ctx context.Context, c *client.Client, a planner.ApplyService) (map[objectName]string, error) {
	refs := map[objectName]string{}
	w := writer{service: a.Spec, action: a}
	names := func(kind planner.Kind) filters.Args {
		out := filters.NewArgs()
		for _, r := range w.configs() {
			if kind == planner.KindConfig {
				out.Add("name", r.ConfigName)
			}
		}
		for _, r := range w.secrets() {
			if kind == planner.KindSecret {
				out.Add("name", r.SecretName)
			}
		}
		return out
	}
	if wantedNames := names(planner.KindConfig); wantedNames.Len() > 0 {
		found, err := c.ConfigList(ctx, swarm.ConfigListOptions{Filters: wantedNames})
		if err != nil {
			return nil, e.explain(ctx, err, "look up the configs of service", a.Name)
		}
		for _, o := range found {
			refs[objectName{planner.KindConfig, o.Spec.Name}] = o.ID
		}
	}
	if wantedNames := names(planner.KindSecret); wantedNames.Len() > 0 {
		found, err := c.SecretList(ctx, swarm.SecretListOptions{Filters: wantedNames})
		if err != nil {
			return nil, e.explain(ctx, err, "look up the secrets of service", a.Name)
		}
		for _, o := range found {
			refs[objectName{planner.KindSecret, o.Spec.Name}] = o.ID
		}
	}
	for _, r := range w.configs() {
		if refs[objectName{planner.KindConfig, r.ConfigName}] == "" {
			return nil, missing(planner.KindConfig, r.ConfigName)
		}
	}
	for _, r := range w.secrets() {
		if refs[objectName{planner.KindSecret, r.SecretName}] == "" {
			return nil, missing(planner.KindSecret, r.SecretName)
		}
	}
	return refs, nil
}

func missing(kind planner.Kind, name string) error {
	return docker.Refused(fmt.Sprintf("%s %s is not there", kind, name),
		fmt.Sprintf("make it with `docker %s create %s FILE`, or give its content in the file instead of external: true", kind, name), nil)
}

// resolver puts the digest of an image in the place of its tag, so that all nodes run the same.
type resolver struct {
	engine *Engine
	client *client.Client
	action planner.ApplyService
	auth   string
	report func(runner.Progress)
	// once it has been done, what came of it.
	done      bool
	resolved  string
	platforms []swarm.Platform
}

// image resolves the image of spec, or leaves it as the service has it.
func (r *resolver) image(ctx context.Context, spec *swarm.ServiceSpec, there *swarm.ServiceSpec) error {
	container := spec.TaskTemplate.ContainerSpec
	if there != nil && r.action.Resolve != "always" && there.Labels[labelImage] == r.action.Image && there.TaskTemplate.ContainerSpec != nil {
		container.Image = there.TaskTemplate.ContainerSpec.Image
		if p := there.TaskTemplate.Placement; p != nil && len(spec.TaskTemplate.Placement.Platforms) == 0 {
			spec.TaskTemplate.Placement.Platforms = p.Platforms
		}
		return nil
	}
	container.Image = tagged(container.Image)
	if r.action.Resolve == "never" {
		return nil
	}
	if !r.done {
		r.done, r.resolved = true, container.Image
		if err := r.ask(ctx); err != nil {
			if ctx.Err() != nil {
				return err
			}
			r.report(runner.Progress{Line: fmt.Sprintf("image %s is not resolved to a digest, each node takes what it has or gets by that name: %s", r.action.Image, docker.Said(err))})
		}
	}
	container.Image = r.resolved
	if len(spec.TaskTemplate.Placement.Platforms) == 0 {
		spec.TaskTemplate.Placement.Platforms = r.platforms
	}
	return nil
}

// ask asks the registry, through the manager.
func (r *resolver) ask(ctx context.Context) error {
	ref := r.action.Image
	if r.action.Digest != "" {
		ref = tagged(ref) + "@" + r.action.Digest // and not what it stands for since the plan was made
		r.resolved = ref
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return err
	}
	found, err := r.client.DistributionInspect(ctx, ref, r.auth)
	if err != nil {
		return err
	}
	if _, digested := named.(reference.Digested); !digested {
		with, err := reference.WithDigest(reference.TagNameOnly(named), found.Descriptor.Digest)
		if err != nil {
			return err
		}
		r.resolved = reference.FamiliarString(with)
	}
	for _, p := range found.Platforms {
		r.platforms = append(r.platforms, swarm.Platform{OS: p.OS, Architecture: architecture(p.Architecture)})
	}
	return nil
}

// architecture leaves those open that nodes name in another way than images do.
func architecture(arch string) string {
	if arch == "arm" {
		return ""
	}
	return arch
}

// tagged adds the tag that is meant where none is written.
func tagged(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return image
	}
	return reference.FamiliarString(reference.TagNameOnly(named))
}

// removeService removes a service and waits until its tasks have ended. What was on a node that is down counts as gone.
func (e *Engine) removeService(ctx context.Context, c *client.Client, a planner.RemoveService, report func(runner.Progress)) error {
	there, _, err := c.ServiceInspectWithRaw(ctx, a.Name, swarm.ServiceInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return e.explain(ctx, err, "remove service", a.Name)
	}
	project := there.Spec.Labels[labelStack]
	if err := c.ServiceRemove(ctx, there.ID); err != nil && !cerrdefs.IsNotFound(err) {
		return e.explain(ctx, err, "remove service", a.Name)
	}
	wait, cancel := context.WithTimeout(ctx, grace(there.Spec.TaskTemplate.ContainerSpec)+patience)
	defer cancel()
	var left []swarm.Task
	err = e.watch(wait, c, project, func(now sight, nodes []swarm.Node) (bool, time.Duration, error) {
		left = left[:0]
		for _, t := range now.tasks[there.ID] {
			if !ended(t) && nodeUp(nodes, t.NodeID) {
				left = append(left, t)
			}
		}
		if len(left) > 0 {
			report(runner.Progress{Text: fmt.Sprintf("%d left", len(left)), Current: int64(len(left))})
		}
		return len(left) == 0, 0, nil
	})
	if err != nil && wait.Err() != nil && ctx.Err() == nil {
		return docker.Refused(fmt.Sprintf("service %s is removed, but %d of its containers have not ended", a.Name, len(left)),
			"the node that they are on may be in trouble: `docker node ls` shows it", err)
	}
	return err
}

// nodeUp says whether a node can report what became of its tasks. A task without a node has nothing to end.
func nodeUp(nodes []swarm.Node, id string) bool {
	return slices.ContainsFunc(nodes, func(n swarm.Node) bool { return n.ID == id && n.Status.State == swarm.NodeStateReady })
}

// stackLabels are the labels of something with that of its stack.
func stackLabels(labels map[string]string, project string) map[string]string {
	out := maps.Clone(labels)
	if out == nil {
		out = map[string]string{}
	}
	out[labelStack] = project
	return out
}
