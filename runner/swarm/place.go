package swarm

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/runner"
)

const (
	// placing is how long there may be no node for a container, where the wait has no limit of its own. A swarm tries for ever, since
	// a node may come or get free; somebody who looks on wants to know that he has to do something about it.
	placing = 30 * time.Second
	// noted is how long there may be none before that is worth a line of its own: an old container may be about to leave.
	noted = 2 * time.Second
)

// unplaced is the failure of a place for which there is no node, and will not be by waiting; else when to look again.
func (j *judge) unplaced(s swarm.Service, tasks []swarm.Task) (again time.Duration, err error) {
	before := j.nowhere
	j.nowhere = map[string]time.Time{}
	if j.leaving(tasks) || slices.ContainsFunc(j.nodes, unheard) {
		return 0, nil
	}
	for _, t := range latest(s, tasks, j.nodes) {
		if t.Status.State != swarm.TaskStatePending || t.Status.Err == "" {
			continue
		}
		since, known := before[slot(s, t)]
		if !known {
			since = time.Now()
		}
		j.nowhere[slot(s, t)] = since
		left, err := j.waitForNode(t, time.Since(since))
		if err != nil {
			return 0, err
		}
		if again == 0 || left > 0 && left < again {
			again = left
		}
	}
	return again, nil
}

// waitForNode says what comes of a container that no node has taken for some time: a line, in the end the failure, and when the
// next of them is due.
func (j *judge) waitForNode(t swarm.Task, waited time.Duration) (next time.Duration, err error) {
	if waited < noted {
		return noted - waited, nil
	}
	if text := "has no node so far: " + t.Status.Err; j.lines[j.place(t)] != text {
		j.lines[j.place(t)] = text
		j.report(runner.Progress{ID: j.place(t), Text: j.place(t) + " " + text, Line: j.place(t) + " " + text, Current: int64(j.good), Total: int64(j.want)})
	}
	switch {
	case j.action.Timeout > 0: // it says how long
		return 0, nil
	case waited >= placing:
		return 0, &healthcheck.Failure{Name: j.place(t), Reason: fmt.Sprintf("has had no node for %v: %s", placing, t.Status.Err), Advice: placeAdvice(t.Status.Err)}
	}
	return placing - waited, nil
}

// leaving says whether a container of the service is on its way out of a node, where it gives back what it had.
func (j *judge) leaving(tasks []swarm.Task) bool {
	return slices.ContainsFunc(tasks, func(t swarm.Task) bool { return !wantedToRun(t) && !ended(t) && nodeUp(j.nodes, t.NodeID) })
}

// unheard says whether the managers have not heard of a node since they began: it may well be there, and takes nothing so far.
func unheard(n swarm.Node) bool { return n.Status.State == swarm.NodeStateUnknown }

// placeAdvice is what to do about the scheduler's reasons, of which it may give several.
func placeAdvice(said string) string {
	for _, row := range [][2]string{
		{"constraints not satisfied", "correct deploy.placement.constraints, or give a node the label: `docker node update --label-add KEY=VALUE NODE`"},
		{"insufficient resources", "ask for less in deploy.resources.reservations, stop something else, or add a node"},
		{"port already in use", "a port of mode host is there once a node: have no more replicas than nodes, publish another one, or stop what has it; with update_config.order: start-first the new container wants it beside the old one"},
		{"max replicas per node", "add a node, or allow more with deploy.placement.max_replicas_per_node"},
		{"unsupported platform", "build the image for what the nodes are: `docker node inspect NODE` shows it"},
		{"missing plugin", "install the plugin on the nodes that shall run it"},
	} {
		if strings.Contains(said, row[0]) {
			return row[1]
		}
	}
	return "`docker node ls` shows which nodes are down or take no containers; --wait-timeout waits longer"
}
