package swarm

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/go-units"

	"github.com/musterhq/muster/planner"
)

// slot names the place of a task in its service: a number or, where there is one on each node, the node.
func slot(s swarm.Service, t swarm.Task) string {
	if modeOf(s.Spec.Mode).Everywhere() {
		return t.NodeID
	}
	return strconv.Itoa(t.Slot)
}

// wantedToRun says whether the swarm wants a task to run, and not to end.
func wantedToRun(t swarm.Task) bool {
	switch t.DesiredState {
	case swarm.TaskStateShutdown, swarm.TaskStateRemove, swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateOrphaned:
		return false
	}
	return true
}

// counts says whether a task runs, as far as anybody knows: a node that is not there, or has not come back to a manager that was
// restarted, may have lost what it had.
func counts(t swarm.Task, nodes []swarm.Node) bool {
	return t.Status.State == swarm.TaskStateRunning && wantedToRun(t) && nodeUp(nodes, t.NodeID)
}

// ended says whether a task has come to its end, one way or the other.
func ended(t swarm.Task) bool {
	switch t.Status.State {
	case swarm.TaskStateComplete, swarm.TaskStateShutdown, swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateRemove, swarm.TaskStateOrphaned:
		return true
	}
	return false
}

// failed says whether a task came to a bad end by itself.
func failed(t swarm.Task) bool {
	return t.Status.State == swarm.TaskStateFailed || t.Status.State == swarm.TaskStateRejected || t.Status.State == swarm.TaskStateOrphaned
}

// latest are the tasks that stand for the service's containers: one for each place, the newest, and of those one that is wanted to
// run rather than one that is not.
func latest(s swarm.Service, tasks []swarm.Task, nodes []swarm.Node) []swarm.Task {
	bySlot := map[string]swarm.Task{}
	for _, t := range tasks {
		if s.JobStatus != nil && (t.JobIteration == nil || *t.JobIteration != s.JobStatus.JobIteration) {
			continue
		}
		before, known := bySlot[slot(s, t)]
		if !known || newer(t, before) {
			bySlot[slot(s, t)] = t
		}
	}
	everywhere := modeOf(s.Spec.Mode).Everywhere()
	var out []swarm.Task
	for _, key := range slices.Sorted(maps.Keys(bySlot)) {
		t := bySlot[key]
		if !wantedToRun(t) && (t.DesiredState == swarm.TaskStateRemove || !everywhere && t.Slot > wanted(s) || everywhere && !nodeTakes(nodes, t.NodeID)) {
			continue // nobody wants that place any more
		}
		out = append(out, t)
	}
	return out
}

func newer(t, than swarm.Task) bool {
	if a, b := wantedToRun(t), wantedToRun(than); a != b {
		return a
	}
	return t.CreatedAt.After(than.CreatedAt)
}

func nodeTakes(nodes []swarm.Node, id string) bool {
	return slices.ContainsFunc(nodes, func(n swarm.Node) bool { return n.ID == id && takes(n) })
}

// containers are a service's tasks as containers.
func containers(s swarm.Service, tasks []swarm.Task, project string, nodes []swarm.Node) []planner.Container {
	var out []planner.Container
	for i, t := range latest(s, tasks, nodes) {
		n := number(s, t)
		if modeOf(s.Spec.Mode).Everywhere() {
			n = i + 1
		}
		out = append(out, containerOf(s, t, project, n, nodes))
	}
	return out
}

// number is that of a task among those of its service, from 1; 0 where there is one on each node.
func number(s swarm.Service, t swarm.Task) int {
	if s.JobStatus != nil && !modeOf(s.Spec.Mode).Everywhere() {
		return t.Slot + 1 // those of jobs begin with 0
	}
	return t.Slot
}

func containerOf(s swarm.Service, t swarm.Task, project string, number int, nodes []swarm.Node) planner.Container {
	service := strings.TrimPrefix(s.Spec.Name, project+"_")
	labels := map[string]string{}
	c := planner.Container{
		Name:    taskName(s, t),
		Service: service,
		Number:  number,
		Created: t.CreatedAt.UTC(),
		Node:    nodeNameOf(nodes, t.NodeID),
	}
	if spec := t.Spec.ContainerSpec; spec != nil {
		maps.Copy(labels, spec.Labels)
		c.Image = withoutDigest(spec.Image)
		c.Command = strings.Join(append(slices.Clone(spec.Command), spec.Args...), " ")
	}
	labels[planner.LabelProject], labels[planner.LabelService] = project, service
	labels[planner.LabelNumber], labels[planner.LabelOneOff] = strconv.Itoa(number), "False"
	c.Labels = labels
	if status := t.Status.ContainerStatus; status != nil {
		c.ID, c.ExitCode = status.ContainerID, status.ExitCode
	}
	c.Status, c.Health = statusOf(t)
	c.Since = since(t, c)
	for _, p := range ports(s, t) {
		port := planner.Port{HostIP: "0.0.0.0", Published: int(p.PublishedPort), Target: int(p.TargetPort), Protocol: string(p.Protocol)}
		if !slices.Contains(c.Ports, port) { // an engine tells of IPv4 and IPv6
			c.Ports = append(c.Ports, port)
		}
	}
	return c
}

// taskName is what docker calls the task's container: the first of a job goes by its node, as it has the number 0.
func taskName(s swarm.Service, t swarm.Task) string {
	place := t.NodeID
	if t.Slot != 0 {
		place = strconv.Itoa(t.Slot)
	}
	return s.Spec.Name + "." + place + "." + t.ID
}

func nodeNameOf(nodes []swarm.Node, id string) string {
	i := slices.IndexFunc(nodes, func(n swarm.Node) bool { return n.ID == id })
	if i < 0 {
		return id
	}
	return nodeName(nodes[i])
}

// withoutDigest is a reference as people wrote it.
func withoutDigest(image string) string {
	if name, _, found := strings.Cut(image, "@"); found && strings.Contains(name[strings.LastIndex(name, "/")+1:], ":") {
		return name
	}
	return image
}

// checked says whether a task has a health check in its service; that of an image is not known.
func checked(t swarm.Task) bool {
	c := t.Spec.ContainerSpec
	return c != nil && c.Healthcheck != nil && len(c.Healthcheck.Test) > 0 && c.Healthcheck.Test[0] != "NONE"
}

// statusOf is what a container is doing, in the engine's words. A task with a health check runs for the swarm only once it is healthy.
func statusOf(t swarm.Task) (planner.Status, planner.Health) {
	switch t.Status.State {
	case swarm.TaskStateStarting:
		if t.Status.ContainerStatus != nil && t.Status.ContainerStatus.PID != 0 {
			return planner.Running, planner.Starting
		}
		return planner.Created, planner.NoHealth
	case swarm.TaskStateRunning:
		if checked(t) {
			return planner.Running, planner.Healthy
		}
		return planner.Running, planner.NoHealth
	case swarm.TaskStateComplete, swarm.TaskStateFailed, swarm.TaskStateShutdown:
		return planner.Exited, planner.NoHealth
	case swarm.TaskStateRejected, swarm.TaskStateOrphaned:
		return planner.Dead, planner.NoHealth
	case swarm.TaskStateRemove:
		return planner.Removing, planner.NoHealth
	}
	return planner.Created, planner.NoHealth
}

// since is how long, and what keeps it: "Up 2 hours (healthy)", "Pending: no suitable node".
func since(t swarm.Task, c planner.Container) string {
	ago := units.HumanDuration(time.Since(t.Status.Timestamp))
	switch c.Status {
	case planner.Running:
		if c.Health == planner.Starting {
			return "Up " + ago + " (health: starting)"
		}
		if c.Health == planner.Healthy {
			return "Up " + ago + " (healthy)"
		}
		return "Up " + ago
	case planner.Exited:
		return fmt.Sprintf("Exited (%d) %s ago", c.ExitCode, ago)
	}
	text := word(t.Status.State)
	if t.Status.Err != "" {
		return text + ": " + t.Status.Err
	}
	return text
}

func word(state swarm.TaskState) string {
	if state == "" {
		return ""
	}
	return strings.ToUpper(string(state[:1])) + string(state[1:])
}

// ports are those that a task has on its node, and those of the service on every node.
func ports(s swarm.Service, t swarm.Task) []swarm.PortConfig {
	if t.Status.State != swarm.TaskStateRunning {
		return nil
	}
	out := slices.Clone(t.Status.PortStatus.Ports)
	for _, p := range s.Endpoint.Ports {
		if p.PublishMode != swarm.PortConfigPublishModeHost {
			out = append(out, p)
		}
	}
	return out
}

// grace is the time that a task has to end.
func grace(c *swarm.ContainerSpec) time.Duration {
	if c == nil || c.StopGracePeriod == nil {
		return 10 * time.Second
	}
	return *c.StopGracePeriod
}
