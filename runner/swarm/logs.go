package swarm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"

	"github.com/musterhq/muster/runner/docker"
)

const (
	keptLines = 10
	// logPatience is how long the last lines of a task may take: its node may be gone.
	logPatience = 5 * time.Second
)

// Logs reads the output of a task's container, wherever that runs. name is that of the container, as Observe gives it.
func (e *Engine) Logs(ctx context.Context, name string, o docker.LogOptions) (*docker.LogStream, error) {
	c, err := e.Client(ctx)
	if err != nil {
		return nil, err
	}
	body, err := c.TaskLogs(ctx, taskID(name), o.Request())
	if err != nil {
		return nil, e.explain(ctx, err, "read the logs of task", name)
	}
	return docker.ReadLogs(body), nil
}

// taskID is the end of the name of a task's container.
func taskID(name string) string { return name[strings.LastIndex(name, ".")+1:] }

// lastLines are the last ones of a task.
func (e *Engine) lastLines(ctx context.Context, t swarm.Task) ([]string, error) {
	if t.Status.ContainerStatus == nil || t.Status.ContainerStatus.ContainerID == "" {
		return nil, nil // it never ran
	}
	ctx, cancel := context.WithTimeout(ctx, logPatience)
	defer cancel()
	stream, err := e.Logs(ctx, t.ID, docker.LogOptions{Tail: keptLines})
	if err != nil {
		return nil, err
	}
	var out []string
	err = stream.Each(ctx, func(line docker.LogLine) error {
		out = append(out, string(line.Text))
		return nil
	})
	if len(out) > 0 {
		err = nil
	}
	return out[max(0, len(out)-keptLines):], err
}

// ErrElsewhere says that a container is on a node that this connection does not reach.
var ErrElsewhere = errors.New("on another node")

// Container finds the container of a task for what only its own node can do, such as exec. name is that of the container, as Observe
// gives it. One on another node is an error that says how to get there.
func (e *Engine) Container(ctx context.Context, name string) (id string, err error) {
	c, err := e.Client(ctx)
	if err != nil {
		return "", err
	}
	t, _, err := c.TaskInspectWithRaw(ctx, taskID(name))
	if cerrdefs.IsNotFound(err) {
		return "", docker.Refused("task "+name+" is not there any more", "`muster ps` shows those that are", err)
	}
	if err != nil {
		return "", e.explain(ctx, err, "inspect task", name)
	}
	if t.Status.ContainerStatus == nil || t.Status.ContainerStatus.ContainerID == "" || ended(t) {
		return "", docker.Refused(fmt.Sprintf("%s does not run: it is %s", name, t.Status.State), "`muster ps` shows those that do", nil)
	}
	here, err := e.here(ctx, c)
	if err != nil {
		return "", err
	}
	if here == t.NodeID {
		return t.Status.ContainerStatus.ContainerID, nil
	}
	nodes, err := c.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return "", e.explain(ctx, err, "list the nodes for", name)
	}
	node, at := nodeNameOf(nodes, t.NodeID), ""
	if i := slices.IndexFunc(nodes, func(n swarm.Node) bool { return n.ID == t.NodeID }); i >= 0 {
		at = nodes[i].Status.Addr
	}
	return "", docker.Refused(fmt.Sprintf("%s runs on %s, and only that node's own engine reaches into it", name, node),
		fmt.Sprintf("connect to that node (such as with -H ssh://%s) and run `docker exec -it %s …`, or choose a replica on this node", at, name), ErrElsewhere)
}
