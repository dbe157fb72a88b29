package swarm

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

// errNoManager says that an engine cannot be asked for services.
var errNoManager = errors.New("the engine manages no swarm")

// explain adds to the engine's own words what to do where it is no manager.
func (e *Engine) explain(ctx context.Context, err error, act, thing string) error {
	if err == nil {
		return nil
	}
	text := docker.Said(err)
	switch {
	case cerrdefs.IsUnavailable(err) && strings.Contains(text, "not a swarm manager"), strings.Contains(text, "This node is not a swarm manager"):
		hint := "`docker swarm init` makes a swarm of this engine; -H, -c or DOCKER_HOST choose the manager of another one"
		if strings.Contains(text, "Worker nodes") {
			hint = "it is a worker: choose a manager with -H, -c or DOCKER_HOST"
		}
		return docker.Refused("the engine at "+e.Host()+" manages no swarm", hint, errors.Join(errNoManager, err))
	case strings.Contains(text, "does not have a leader"), strings.Contains(text, "context deadline exceeded") && strings.Contains(text, "rpc error"):
		return docker.Refused("the swarm has no leader: too few of its managers are reached", "start those that are down; `docker node ls` shows them once most are back", err)
	}
	return e.Explain(ctx, err, act, thing)
}

func ofStack(project string) filters.Args {
	return filters.NewArgs(filters.Arg("label", labelStack+"="+project))
}

// Observe answers with what the swarm has of a project. It takes one call each for services, tasks, nodes, networks, configs,
// secrets, volumes (those of the manager) and images (none when the scope names none), one for the services of others that may be in
// the networks, all at the same time, and one for each of the
// nodes' own networks that a service is in.
func (e *Engine) Observe(ctx context.Context, scope planner.Scope) (planner.State, error) {
	state := planner.State{Converges: true}
	c, err := e.Client(ctx)
	if err != nil {
		return state, err
	}
	if state.Engine, err = e.Info(ctx); err != nil {
		return state, err
	}
	outer := ctx // the group's ends with it
	group, ctx := errgroup.WithContext(ctx)
	var (
		seen     sight
		nodes    []swarm.Node
		networks []network.Summary
		all      []swarm.Service
		here     string
	)
	group.Go(func() (err error) {
		here, err = e.here(ctx, c)
		return err
	})
	group.Go(func() (err error) {
		seen, err = e.look(ctx, c, scope.Project)
		return err
	})
	group.Go(func() (err error) {
		nodes, err = c.NodeList(ctx, swarm.NodeListOptions{})
		return e.explain(ctx, err, "list the nodes for", scope.Project)
	})
	group.Go(func() (err error) {
		networks, err = c.NetworkList(ctx, network.ListOptions{})
		return e.explain(ctx, err, "list the networks of", scope.Project)
	})
	group.Go(func() (err error) {
		all, err = c.ServiceList(ctx, swarm.ServiceListOptions{})
		return e.explain(ctx, err, "list all services beside those of", scope.Project)
	})
	group.Go(func() (err error) {
		state.Objects, err = e.objects(ctx, c, scope)
		return err
	})
	group.Go(func() (err error) {
		state.Volumes, err = e.volumes(ctx, c, scope)
		return err
	})
	group.Go(func() (err error) {
		state.Images, err = e.Images(ctx, scope.Images)
		return err
	})
	if err := group.Wait(); err != nil {
		return state, err
	}
	state.Networks = networksOf(networks, all, scope)
	state.Nodes = nodesFrom(nodes, here)
	names := namesOf(networks)
	for _, s := range seen.services {
		e.nameOwn(outer, c, s.Spec, names)
		state.Deployed = append(state.Deployed, deployed(s, seen.tasks[s.ID], scope.Project, names, nodes))
		state.Containers = append(state.Containers, containers(s, seen.tasks[s.ID], scope.Project, nodes)...)
	}
	slices.SortFunc(state.Deployed, func(a, b planner.Deployed) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(state.Containers, func(a, b planner.Container) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), a.Number-b.Number, strings.Compare(a.Name, b.Name))
	})
	return state, nil
}

// namesOf are the names of networks by ID.
func namesOf(networks []network.Summary) map[string]string {
	names := map[string]string{}
	for _, n := range networks {
		names[n.ID] = n.Name
	}
	return names
}

// nameOwn adds the names of the nodes' own networks that a service is in, such as host: no list has them.
func (e *Engine) nameOwn(ctx context.Context, c *client.Client, spec swarm.ServiceSpec, names map[string]string) {
	for _, n := range spec.TaskTemplate.Networks {
		if names[n.Target] != "" || ofNodes(n.Target) {
			continue
		}
		names[n.Target] = n.Target
		if there, err := c.NetworkInspect(ctx, n.Target, network.InspectOptions{}); err == nil {
			names[n.Target] = there.Name
		}
	}
}

// sight is what services of a stack there are, and their tasks by the ID of the service.
type sight struct {
	services []swarm.Service
	tasks    map[string][]swarm.Task
}

// look takes two calls, and one more for what runs on the node that is connected to.
func (e *Engine) look(ctx context.Context, c *client.Client, project string) (sight, error) {
	out := sight{tasks: map[string][]swarm.Task{}}
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		out.services, err = c.ServiceList(inner, swarm.ServiceListOptions{Filters: ofStack(project), Status: true})
		return e.explain(inner, err, "list the services of", project)
	})
	group.Go(func() error {
		tasks, err := c.TaskList(inner, swarm.TaskListOptions{Filters: ofStack(project)})
		for _, t := range tasks {
			out.tasks[t.ServiceID] = append(out.tasks[t.ServiceID], t)
		}
		return e.explain(inner, err, "list the tasks of", project)
	})
	if err := group.Wait(); err != nil {
		return out, err
	}
	return out, e.doubt(ctx, c, project, out)
}

// doubt corrects what a swarm says of the node that is connected to. When its engine was restarted, the swarm takes the containers
// that went down with it for running, until the node has told it otherwise. It takes a call where there are any.
func (e *Engine) doubt(ctx context.Context, c *client.Client, project string, seen sight) error {
	here, err := e.here(ctx, c)
	if err != nil || !seen.runOn(here) {
		return err
	}
	running, err := e.runHere(ctx, c, project)
	if err == nil {
		seen.correct(here, running)
	}
	return err
}

// runOn says whether any task is said to run on a node.
func (s sight) runOn(node string) bool {
	for _, tasks := range s.tasks {
		if slices.ContainsFunc(tasks, func(t swarm.Task) bool { return t.NodeID == node && t.Status.State == swarm.TaskStateRunning }) {
			return true
		}
	}
	return false
}

// correct takes the tasks of a node that are said to run for starting where their containers, by ID, do not.
func (s sight) correct(node string, running map[string]bool) {
	for _, tasks := range s.tasks {
		for i, t := range tasks {
			status := t.Status.ContainerStatus
			if t.NodeID == node && t.Status.State == swarm.TaskStateRunning && status != nil && !running[status.ContainerID] {
				tasks[i].Status.State, tasks[i].Status.ContainerStatus = swarm.TaskStateStarting, nil
				tasks[i].Status.Err = "its container has ended, which the node has not reported so far"
			}
		}
	}
}

// runHere are the IDs of a stack's containers that run on the node that is connected to.
func (e *Engine) runHere(ctx context.Context, c *client.Client, project string) (map[string]bool, error) {
	list, err := c.ContainerList(ctx, container.ListOptions{Filters: ofStack(project)})
	if err != nil {
		return nil, e.explain(ctx, err, "list the node's containers of", project)
	}
	out := map[string]bool{}
	for _, each := range list {
		out[each.ID] = true
	}
	return out, nil
}

// service finds one by its name on the engine.
func (s sight) service(name string) (swarm.Service, bool) {
	i := slices.IndexFunc(s.services, func(each swarm.Service) bool { return each.Spec.Name == name })
	if i < 0 {
		return swarm.Service{}, false
	}
	return s.services[i], true
}

// deployed is a service as the planner knows it.
func deployed(s swarm.Service, tasks []swarm.Task, project string, networks map[string]string, nodes []swarm.Node) planner.Deployed {
	out := planner.Deployed{
		Name:     s.Spec.Name,
		Service:  strings.TrimPrefix(s.Spec.Name, project+"_"),
		Mode:     modeOf(s.Spec.Mode),
		Replicas: wanted(s),
		Labels:   s.Spec.Labels,
		Drift:    driftOf(s.Spec, networks),
	}
	for _, n := range s.Spec.TaskTemplate.Networks {
		out.Networks = append(out.Networks, cmp.Or(networks[n.Target], n.Target))
	}
	slices.Sort(out.Networks)
	if c := s.Spec.TaskTemplate.ContainerSpec; c != nil {
		out.Image = c.Image
		for _, r := range c.Configs {
			out.Objects = append(out.Objects, r.ConfigName)
		}
		for _, r := range c.Secrets {
			out.Objects = append(out.Objects, r.SecretName)
		}
		slices.Sort(out.Objects)
		out.Objects = slices.Compact(out.Objects)
	}
	for _, t := range tasks {
		if s.JobStatus != nil && (t.JobIteration == nil || *t.JobIteration != s.JobStatus.JobIteration) {
			continue
		}
		switch {
		case counts(t, nodes):
			out.Running++
		case t.Status.State == swarm.TaskStateComplete && out.Mode.Job():
			out.Completed++
		}
	}
	if u := s.UpdateStatus; u != nil {
		out.Update, out.Message = updateOf(u.State), u.Message
	}
	return out
}

// wanted is how many containers of a service there shall be at a time; of a job, how many shall end well.
func wanted(s swarm.Service) int {
	switch {
	case s.Spec.Mode.Replicated != nil && s.Spec.Mode.Replicated.Replicas != nil:
		return int(*s.Spec.Mode.Replicated.Replicas) //nolint:gosec // nobody has so many
	case s.Spec.Mode.ReplicatedJob != nil && s.Spec.Mode.ReplicatedJob.TotalCompletions != nil:
		return int(*s.Spec.Mode.ReplicatedJob.TotalCompletions) //nolint:gosec // nobody has so many
	case s.ServiceStatus != nil:
		return int(s.ServiceStatus.DesiredTasks) //nolint:gosec // nobody has so many
	}
	return 0
}

func modeOf(m swarm.ServiceMode) planner.Mode {
	switch {
	case m.Global != nil:
		return planner.Global
	case m.GlobalJob != nil:
		return planner.GlobalJob
	case m.ReplicatedJob != nil:
		return planner.ReplicatedJob
	}
	return planner.Replicated
}

func updateOf(state swarm.UpdateState) planner.Update {
	switch state {
	case swarm.UpdateStateUpdating:
		return planner.Updating
	case swarm.UpdateStateCompleted:
		return planner.Updated
	case swarm.UpdateStatePaused, swarm.UpdateStateRollbackPaused:
		return planner.UpdatePaused
	case swarm.UpdateStateRollbackStarted:
		return planner.RollingBack
	case swarm.UpdateStateRollbackCompleted:
		return planner.RolledBack
	}
	return ""
}

// networksOf are the stack's networks and those that the scope names, of those that the whole swarm has. One that a node has of
// its own counts only where it is named.
func networksOf(listed []network.Summary, services []swarm.Service, scope planner.Scope) []planner.Network {
	var out []planner.Network
	for _, n := range listed {
		named := slices.Contains(scope.Networks, n.Name) || slices.Contains(scope.Networks, n.ID)
		if named && (n.Scope == "swarm" || ofNodes(n.Name)) || n.Scope == "swarm" && n.Labels[labelStack] == scope.Project {
			out = append(out, planner.Network{ID: n.ID, Name: n.Name, Driver: n.Driver, Labels: n.Labels, Others: othersIn(n, services, scope.Project)})
		}
	}
	slices.SortFunc(out, func(a, b planner.Network) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	return out
}

// othersIn are the services of other stacks, and of none, that are in a network.
func othersIn(n network.Summary, services []swarm.Service, project string) []string {
	var out []string
	for _, s := range services {
		in := slices.ContainsFunc(s.Spec.TaskTemplate.Networks, func(a swarm.NetworkAttachmentConfig) bool { return a.Target == n.ID || a.Target == n.Name })
		if in && s.Spec.Labels[labelStack] != project {
			out = append(out, s.Spec.Name)
		}
	}
	slices.Sort(out)
	return out
}

func nodesFrom(listed []swarm.Node, here string) []planner.Node {
	var out []planner.Node
	for _, n := range listed {
		out = append(out, planner.Node{
			Name: nodeName(n), Labels: n.Spec.Labels, Manager: n.Spec.Role == swarm.NodeRoleManager, Ready: takes(n), Here: n.ID == here,
		})
	}
	slices.SortFunc(out, func(a, b planner.Node) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// here is the ID of the node that is connected to.
func (e *Engine) here(ctx context.Context, c *client.Client) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.node == "" {
		info, err := c.Info(ctx)
		if err != nil {
			return "", e.explain(ctx, err, "ask the engine for", "its node")
		}
		e.node = info.Swarm.NodeID
	}
	return e.node, nil
}

func nodeName(n swarm.Node) string { return cmp.Or(n.Spec.Name, n.Description.Hostname, n.ID) }

// takes says whether a node takes containers.
func takes(n swarm.Node) bool {
	return n.Status.State == swarm.NodeStateReady && n.Spec.Availability == swarm.NodeAvailabilityActive
}

// objects lists the configs and secrets of the stack and those that the scope names. The engine cannot be asked for "this label or
// this name".
func (e *Engine) objects(ctx context.Context, c *client.Client, scope planner.Scope) ([]planner.Object, error) {
	all := filters.Args{}
	if len(scope.Objects) == 0 {
		all = ofStack(scope.Project)
	}
	ours := func(a swarm.Annotations) bool {
		return a.Labels[labelStack] == scope.Project || slices.Contains(scope.Objects, a.Name)
	}
	var out []planner.Object
	configs, err := c.ConfigList(ctx, swarm.ConfigListOptions{Filters: all})
	if err != nil {
		return nil, e.explain(ctx, err, "list the configs of", scope.Project)
	}
	for _, o := range configs {
		if ours(o.Spec.Annotations) {
			out = append(out, planner.Object{
				Kind: planner.KindConfig, Name: o.Spec.Name, Labels: o.Spec.Labels, Digest: digest.FromBytes(o.Spec.Data).String(),
			})
		}
	}
	secrets, err := c.SecretList(ctx, swarm.SecretListOptions{Filters: all})
	if err != nil {
		return nil, e.explain(ctx, err, "list the secrets of", scope.Project)
	}
	for _, o := range secrets {
		if ours(o.Spec.Annotations) {
			out = append(out, planner.Object{Kind: planner.KindSecret, Name: o.Spec.Name, Labels: o.Spec.Labels})
		}
	}
	slices.SortFunc(out, func(a, b planner.Object) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// volumes lists those of the stack that the manager itself has, and those that the scope names. Other nodes have theirs.
func (e *Engine) volumes(ctx context.Context, c *client.Client, scope planner.Scope) ([]planner.Volume, error) {
	options := volume.ListOptions{}
	if len(scope.Volumes) == 0 {
		options.Filters = ofStack(scope.Project)
	}
	listed, err := c.VolumeList(ctx, options)
	if err != nil {
		return nil, e.explain(ctx, err, "list the volumes of", scope.Project)
	}
	var out []planner.Volume
	for _, v := range listed.Volumes {
		if v.Labels[labelStack] == scope.Project || slices.Contains(scope.Volumes, v.Name) {
			out = append(out, planner.Volume{Name: v.Name, Driver: v.Driver, Labels: v.Labels})
		}
	}
	slices.SortFunc(out, func(a, b planner.Volume) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
