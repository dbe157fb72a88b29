package swarm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker"
)

const (
	// attempts is how often a container may fail in its place before there is nothing more to wait for.
	attempts = 3
	// steady is how long a container without a health check has to run to count.
	steady = time.Second
	// undecided is how long a swarm may take to see that containers have to be replaced for a change that is none of what they
	// are like, such as the ports that they have on their nodes.
	undecided = 500 * time.Millisecond
	// unborn is how long a service may be without any task, before none is what there shall be.
	unborn = 2 * time.Second
)

// awaitService waits until a service has come to a condition, or no longer can. The error is a [*healthcheck.Failure].
func (e *Engine) awaitService(ctx context.Context, c *client.Client, a planner.AwaitService, report func(runner.Progress)) error {
	there, _, err := c.ServiceInspectWithRaw(ctx, a.Name, swarm.ServiceInspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return docker.Refused("service "+a.Name+" is not there any more", "somebody has removed it; run `muster up` again", err)
	}
	if err != nil {
		return e.explain(ctx, err, "wait for service", a.Name)
	}
	wait := ctx
	if a.Timeout > 0 {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, a.Timeout)
		defer cancel()
	}
	j := newJudge(a, report)
	err = e.watch(wait, c, there.Spec.Labels[labelStack], j.decide)
	var verdict *healthcheck.Failure
	switch {
	case err == nil:
		return nil
	case errors.As(err, &verdict):
	case wait.Err() != nil && ctx.Err() == nil:
		verdict = j.late()
	default:
		return err
	}
	if j.culprit != nil {
		verdict.Log, verdict.Unread = e.lastLines(ctx, *j.culprit)
	}
	return verdict
}

// judge follows one service.
type judge struct {
	action planner.AwaitService
	report func(runner.Progress)
	begun  time.Time
	// looks and version say how often it was looked at, and of which specification current knows.
	looks   int
	version uint64
	current map[string]bool // whether a task is of that specification, by ID
	// rolledBack says that it was so before.
	rolledBack bool
	failures   map[string]map[string]bool // IDs of the tasks that failed, by slot
	since      time.Time                  // when all was well; zero while it is not
	told       map[string]string          // what was last said of each slot
	good, want int                        // how many containers are as they shall be, and how many shall be
	culprit    *swarm.Task                // the last one that failed
	nodes      []swarm.Node
	nowhere    map[string]time.Time // since when there is no node for a place, by slot
	lines      map[string]string    // what was last said of each place in a line of its own
}

func newJudge(a planner.AwaitService, report func(runner.Progress)) *judge {
	return &judge{action: a, report: report, begun: time.Now(), failures: map[string]map[string]bool{}, told: map[string]string{}, lines: map[string]string{}}
}

// decide is what comes of one look.
func (j *judge) decide(now sight, nodes []swarm.Node) (bool, time.Duration, error) {
	s, there := now.service(j.action.Name)
	if !there {
		return false, 0, docker.Refused("service "+j.action.Name+" is not there any more", "somebody has removed it; run `muster up` again", nil)
	}
	j.nodes = nodes
	tasks := j.ofCurrent(s, now.tasks[s.ID])
	j.note(s, tasks)
	j.blame(s, now.tasks[s.ID])
	complete := j.complete(s, tasks, now.tasks[s.ID])
	j.tell(s, tasks)
	j.looks++
	settled, err := j.updated(s)
	if err != nil {
		return false, 0, err
	}
	if settled {
		if err := j.hopeless(s, tasks); err != nil {
			return false, 0, err
		}
	}
	again, err := j.unplaced(s, now.tasks[s.ID])
	if err != nil {
		return false, 0, err
	}
	if !settled || !complete {
		j.since = time.Time{}
		return false, again, nil
	}
	return j.lasting(s)
}

// lasting says whether it is well long enough: the first moment of a program that fails is as good as that of one that works.
func (j *judge) lasting(s swarm.Service) (bool, time.Duration, error) {
	var need time.Duration
	if j.action.Condition == planner.IsReady && !modeOf(s.Spec.Mode).Job() && !checked(swarm.Task{Spec: s.Spec.TaskTemplate}) {
		need = steady
	} else if s.UpdateStatus == nil && s.PreviousSpec != nil && s.JobStatus == nil {
		need = undecided
	}
	if j.since.IsZero() {
		j.since = time.Now()
	}
	left := need - time.Since(j.since)
	return left <= 0, left, nil
}

// updated says whether no update goes on; one that was given up is a failure.
func (j *judge) updated(s swarm.Service) (bool, error) {
	u := s.UpdateStatus
	if u == nil {
		return true, nil
	}
	switch updateOf(u.State) {
	case planner.Updating:
		return false, nil
	case planner.RollingBack:
		j.say(j.action.Service, "rolling back: "+u.Message)
		return false, nil
	case planner.UpdatePaused:
		return false, j.gaveUp("was stopped in the middle of its update", u.Message, "correct what is wrong and run `muster up` again, which carries on; `muster rollback` goes back")
	case planner.RolledBack:
		// Of one that was so before, it is how it shall be.
		if j.looks == 1 {
			j.rolledBack = true
		}
		if !j.rolledBack {
			return false, j.gaveUp("did not work in its new version, and is back at the one before", u.Message, "correct what is wrong and run `muster up` again")
		}
	}
	return true, nil
}

// gaveUp is the failure of an update, with the task that was the reason.
func (j *judge) gaveUp(what, message, advice string) error {
	f := &healthcheck.Failure{Name: j.action.Name, Reason: what, Advice: advice}
	if j.culprit != nil {
		one := j.failureOf(*j.culprit)
		f.Reason += ": " + one.Name + " " + one.Reason
		f.Ended, f.ExitCode, f.Probe = one.Ended, one.ExitCode, one.Probe
	} else if message != "" {
		f.Reason += ": " + message
	}
	return f
}

// ofCurrent are the tasks of the service as it is now.
func (j *judge) ofCurrent(s swarm.Service, tasks []swarm.Task) []swarm.Task {
	if j.current == nil || j.version != s.Version.Index {
		j.version, j.current = s.Version.Index, map[string]bool{}
	}
	var out []swarm.Task
	for _, t := range tasks {
		fits, known := j.current[t.ID]
		if !known {
			fits = sameTask(t.Spec, s.Spec.TaskTemplate, nil)
			if s.JobStatus != nil {
				fits = t.JobIteration != nil && *t.JobIteration == s.JobStatus.JobIteration
			}
			j.current[t.ID] = fits
		}
		if fits {
			out = append(out, t)
		}
	}
	return out
}

// changedAt is when a service began to change the last time; zero for one that never did.
func changedAt(s swarm.Service) time.Time {
	switch {
	case s.UpdateStatus != nil && s.UpdateStatus.StartedAt != nil:
		return *s.UpdateStatus.StartedAt
	case s.PreviousSpec != nil:
		return s.UpdatedAt // it is about to
	}
	return time.Time{}
}

// note counts failures. A swarm forgets the oldest tasks, and during an update those of the new version once it goes back.
func (j *judge) note(s swarm.Service, tasks []swarm.Task) {
	since := changedAt(s)
	for _, t := range tasks {
		if t.CreatedAt.Before(since) {
			continue // it was so before, with the same specification
		}
		if !failed(t) || s.UpdateStatus != nil && updateOf(s.UpdateStatus.State) == planner.RollingBack {
			continue
		}
		if j.failures[slot(s, t)] == nil {
			j.failures[slot(s, t)] = map[string]bool{}
		}
		j.failures[slot(s, t)][t.ID] = true
	}
}

// blame finds the task that failed last since the service began to change, of whatever version: once the swarm goes back, those of
// the new one are of another specification than the service.
func (j *judge) blame(s swarm.Service, tasks []swarm.Task) {
	since := changedAt(s)
	for _, t := range tasks {
		if failed(t) && !t.CreatedAt.Before(since) && (j.culprit == nil || t.Status.Timestamp.After(j.culprit.Status.Timestamp)) {
			j.culprit = &t
		}
	}
}

// hopeless is the failure of a place in which nothing will run any more: too many tries, or none left.
func (j *judge) hopeless(s swarm.Service, tasks []swarm.Task) error {
	bySlot := map[string][]swarm.Task{}
	for _, t := range tasks {
		bySlot[slot(s, t)] = append(bySlot[slot(s, t)], t)
	}
	for _, key := range slices.Sorted(maps.Keys(bySlot)) {
		last := bySlot[key][0]
		over := true
		for _, t := range bySlot[key] {
			over = over && !wantedToRun(t)
			if newer(t, last) {
				last = t
			}
		}
		n := len(j.failures[key])
		if n == 0 || n < attempts && !over || last.Status.State == swarm.TaskStateRunning {
			continue
		}
		f := j.failureOf(j.worst(bySlot[key]))
		if n > 1 {
			f.Reason += fmt.Sprintf(", %d times", n)
		}
		return f
	}
	return nil
}

// worst is the last task of a place that failed.
func (j *judge) worst(tasks []swarm.Task) swarm.Task {
	var out *swarm.Task
	for _, t := range tasks {
		if failed(t) && (out == nil || t.Status.Timestamp.After(out.Status.Timestamp)) {
			out = &t
		}
	}
	if out == nil { // the swarm may have forgotten it
		out = j.culprit
	}
	if out == nil {
		out = &tasks[0]
	}
	j.culprit = out
	return *out
}

// complete says whether all that is wanted is there, and nothing of before is.
func (j *judge) complete(s swarm.Service, current, all []swarm.Task) bool {
	mode, n := modeOf(s.Spec.Mode), wanted(s)
	good := 0
	for _, t := range latest(s, current, j.nodes) {
		done := t.Status.State == swarm.TaskStateComplete && (mode.Job() || !restarts(s))
		if done || counts(t, j.nodes) && j.action.Condition != planner.IsCompleted {
			good++
		}
	}
	j.good, j.want = good, n
	for _, t := range all {
		if !j.current[t.ID] && wantedToRun(t) && !ended(t) && s.JobStatus == nil {
			return false
		}
	}
	return good >= n && (!mode.Everywhere() || len(current) > 0 || time.Since(j.begun) > unborn)
}

// restarts says whether what has ended well is started again.
func restarts(s swarm.Service) bool {
	p := s.Spec.TaskTemplate.RestartPolicy
	return p == nil || p.Condition == "" || p.Condition == swarm.RestartPolicyConditionAny
}

// tell reports each place whose state has changed.
func (j *judge) tell(s swarm.Service, tasks []swarm.Task) {
	for _, t := range latest(s, tasks, j.nodes) {
		text := string(t.Status.State)
		if t.Status.Err != "" {
			text += ": " + t.Status.Err
		}
		j.say(j.place(t), text)
	}
}

func (j *judge) say(id, text string) {
	if j.told[id] == text {
		return
	}
	j.told[id] = text
	j.report(runner.Progress{ID: id, Text: id + " " + text, Current: int64(j.good), Total: int64(j.want)})
}

// place names a task for people: "web.2 on node3".
func (j *judge) place(t swarm.Task) string {
	name := j.action.Service
	if t.Slot != 0 {
		name += "." + strconv.Itoa(t.Slot)
	}
	if t.NodeID == "" {
		return name
	}
	return name + " on " + nodeNameOf(j.nodes, t.NodeID)
}

// failureOf is why a task failed.
func (j *judge) failureOf(t swarm.Task) *healthcheck.Failure {
	f := &healthcheck.Failure{Name: j.place(t), Reason: strings.TrimPrefix(t.Status.Err, "task: ")}
	status := t.Status.ContainerStatus
	switch {
	case t.Status.State == swarm.TaskStateFailed && strings.Contains(t.Status.Err, "unhealthy container"):
		f.Reason = "is unhealthy"
	case t.Status.State == swarm.TaskStateFailed && status != nil && status.ExitCode != 0:
		f.Reason, f.Ended, f.ExitCode = fmt.Sprintf("exited with code %d", status.ExitCode), true, status.ExitCode
	case t.Status.State == swarm.TaskStateRejected && strings.Contains(t.Status.Err, "No such image"):
		f.Reason = "cannot start: " + t.Status.Err
		f.Advice = "push it to a registry that the nodes reach, or load it on each node"
	case t.Status.State == swarm.TaskStateRejected && strings.Contains(t.Status.Err, "bind source path does not exist"):
		f.Reason = "cannot start: " + t.Status.Err
		f.Advice = "make the folder on the node, or say with deploy.placement.constraints which nodes have it"
	case t.Status.State == swarm.TaskStateRejected:
		f.Reason = "cannot start: " + t.Status.Err
	case t.Status.State == swarm.TaskStateOrphaned:
		f.Reason = "was lost with its node"
	}
	if f.Reason == "" {
		f.Reason = "failed"
	}
	return f
}

// late is the failure of a wait that took too long: it says what is still missing.
func (j *judge) late() *healthcheck.Failure {
	what := "ready"
	switch j.action.Condition {
	case planner.IsRunning:
		what = "running"
	case planner.IsCompleted:
		what = "completed"
	}
	f := &healthcheck.Failure{Name: j.action.Name, Reason: fmt.Sprintf("not %s within %v", what, j.action.Timeout)}
	for _, id := range slices.Sorted(maps.Keys(j.told)) {
		if text := j.told[id]; !strings.HasPrefix(text, "running") && !strings.HasPrefix(text, "complete") {
			f.Reason += fmt.Sprintf("; %s is %s", id, text)
		}
	}
	return f
}
