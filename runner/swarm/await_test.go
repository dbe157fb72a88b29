package swarm

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/swarm"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// seen is a service of that image with its tasks: "1 node1 v2 running" is a task in place 1 of version 2, and "!" before the state
// says that it shall end.
func seen(update swarm.UpdateState, mode swarm.ServiceMode, tasks ...string) sight {
	template := func(image string) swarm.TaskSpec {
		return swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: image, Healthcheck: &container.HealthConfig{Test: []string{"CMD", "true"}}}}
	}
	s := swarm.Service{ID: "s", Spec: swarm.ServiceSpec{Annotations: swarm.Annotations{Name: "p_web"}, Mode: mode, TaskTemplate: template("v2")}}
	if update != "" {
		s.UpdateStatus = &swarm.UpdateStatus{State: update, Message: "the swarm's words"}
	}
	if mode.ReplicatedJob != nil {
		s.JobStatus = &swarm.JobStatus{}
	}
	out := sight{services: []swarm.Service{s}, tasks: map[string][]swarm.Task{}}
	for i, line := range tasks {
		var image, state string
		t := swarm.Task{ID: fmt.Sprint(i), ServiceID: "s", DesiredState: swarm.TaskStateRunning, Meta: swarm.Meta{CreatedAt: time.Unix(int64(i), 0)}}
		if _, err := fmt.Sscan(line, &t.Slot, &t.NodeID, &image, &state); err != nil {
			panic(err)
		}
		if state[0] == '!' {
			state, t.DesiredState = state[1:], swarm.TaskStateShutdown
		}
		t.Spec, t.Status.State, t.Status.Timestamp = template(image), swarm.TaskState(state), time.Unix(int64(i), 0)
		if state == "failed" {
			t.Status.Err = "task: non-zero exit (7)"
			t.Status.ContainerStatus = &swarm.ContainerStatus{ExitCode: 7}
		}
		if mode.ReplicatedJob != nil {
			t.JobIteration = &swarm.Version{}
		}
		out.tasks["s"] = append(out.tasks["s"], t)
	}
	return out
}

// nodes are there and take containers.
func nodes(ids ...string) []swarm.Node {
	var out []swarm.Node
	for _, id := range ids {
		out = append(out, swarm.Node{ID: id, Spec: swarm.NodeSpec{Availability: swarm.NodeAvailabilityActive}, Status: swarm.NodeStatus{State: swarm.NodeStateReady}})
	}
	return out
}

func replicas(n uint64) swarm.ServiceMode {
	return swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &n}}
}

func jobOf(n uint64) swarm.ServiceMode {
	return swarm.ServiceMode{ReplicatedJob: &swarm.ReplicatedJob{MaxConcurrent: &n, TotalCompletions: &n}}
}

func TestJudge(t *testing.T) {
	everywhere := swarm.ServiceMode{Global: &swarm.GlobalService{}}
	for name, c := range map[string]struct {
		looks     []sight
		condition planner.Condition
		want      string // done, wait or the failure
	}{
		"all run":                {looks: []sight{seen("", replicas(2), "1 node1 v2 running", "2 node2 v2 running")}, want: "done"},
		"not heard of":           {looks: []sight{seen("", replicas(2), "1 node1 v2 running", "2 node4 v2 running")}, want: "wait"},
		"one starts":             {looks: []sight{seen("", replicas(2), "1 node1 v2 running", "2 node2 v2 starting")}, want: "wait"},
		"none wanted":            {looks: []sight{seen("", replicas(0))}, want: "done"},
		"none wanted, one there": {looks: []sight{seen("", replicas(0), "1 node1 v1 running")}, want: "wait"},
		"old ones are left":      {looks: []sight{seen("", replicas(1), "1 node1 v1 running", "1 node2 v2 running")}, want: "wait"},
		"old ones end":           {looks: []sight{seen("", replicas(1), "1 node1 v1 !running", "1 node2 v2 running")}, want: "done"},
		"an update goes on":      {looks: []sight{seen(swarm.UpdateStateUpdating, replicas(1), "1 node2 v2 running")}, want: "wait"},
		"paused": {looks: []sight{seen(swarm.UpdateStatePaused, replicas(1), "1 node1 v2 !failed")},
			want: "p_web was stopped in the middle of its update: web.1 on node1 exited with code 7"},
		"rolled back": {looks: []sight{seen(swarm.UpdateStateUpdating, replicas(1), "1 node1 v2 failed"), seen(swarm.UpdateStateRollbackCompleted, replicas(1), "1 node1 v2 running")},
			want: "p_web did not work in its new version, and is back at the one before: web.1 on node1 exited with code 7"},
		"rolled back long ago": {looks: []sight{seen(swarm.UpdateStateRollbackCompleted, replicas(1), "1 node1 v2 running")}, want: "done"},
		"failed twice":         {looks: []sight{seen("", replicas(1), "1 node1 v2 !failed", "1 node1 v2 !failed", "1 node1 v2 ready")}, want: "wait"},
		"failed three times": {looks: []sight{seen("", replicas(1), "1 node1 v2 !failed", "1 node1 v2 !failed", "1 node1 v2 !failed", "1 node1 v2 ready")},
			want: "web.1 on node1 exited with code 7, 3 times"},
		"failed three times, forgotten": {looks: []sight{
			seen("", replicas(1), "1 node1 v2 !failed", "1 node1 v2 !failed", "1 node1 v2 !failed", "1 node1 v2 running"),
			seen("", replicas(1), "1 node1 v2 ready")},
			want: "done"},
		"failed in version 1":   {looks: []sight{seen("", replicas(1), "1 node1 v1 !failed", "1 node1 v1 !failed", "1 node1 v1 !failed", "1 node1 v2 ready")}, want: "wait"},
		"not started again":     {looks: []sight{seen("", replicas(1), "1 node1 v2 !failed")}, want: "web.1 on node1 exited with code 7"},
		"on each node":          {looks: []sight{seen("", everywhere, "0 node1 v2 running", "0 node2 v2 running")}, want: "done"},
		"on no node so far":     {looks: []sight{seen("", everywhere)}, want: "wait"},
		"job done":              {looks: []sight{seen("", jobOf(2), "0 node1 v2 complete", "1 node2 v2 complete")}, condition: planner.IsCompleted, want: "done"},
		"job half done":         {looks: []sight{seen("", jobOf(2), "0 node1 v2 complete", "1 node2 v2 running")}, condition: planner.IsCompleted, want: "wait"},
		"job on three nodes":    {looks: []sight{seen("", jobOf(1), "0 node1 v2 !failed", "0 node2 v2 !failed", "0 node3 v2 !failed", "0 node1 v2 ready")}, condition: planner.IsCompleted, want: "web on node3 exited with code 7, 3 times"},
		"job that runs, by now": {looks: []sight{seen("", jobOf(1), "0 node1 v2 running")}, condition: planner.IsRunning, want: "done"},
	} {
		if c.condition == "" {
			c.condition = planner.IsReady
		}
		j := newJudge(planner.AwaitService{Name: "p_web", Service: "web", Condition: c.condition}, func(runner.Progress) {})
		got := "wait"
		for _, look := range c.looks {
			done, _, err := j.decide(look, nodes("node1", "node2", "node3"))
			var sick *healthcheck.Failure
			switch {
			case errors.As(err, &sick):
				got = sick.Error()
			case err != nil:
				got = err.Error()
			case done:
				got = "done"
			}
			if got != "wait" {
				break
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// A program without a health check has to run for a moment: that it began says nothing.
func TestJudgeWantsItSteady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		look := seen("", replicas(1), "1 node1 v2 running")
		look.services[0].Spec.TaskTemplate.ContainerSpec.Healthcheck = nil
		look.tasks["s"][0].Spec.ContainerSpec.Healthcheck = nil
		j := newJudge(planner.AwaitService{Name: "p_web", Service: "web", Condition: planner.IsReady}, func(runner.Progress) {})
		done, again, err := j.decide(look, nodes("node1"))
		if done || again != steady || err != nil {
			t.Fatal(done, again, err)
		}
		time.Sleep(again)
		if done, _, err := j.decide(look, nodes("node1")); !done || err != nil {
			t.Error(done, err)
		}
	})
}

// What is still missing when the time is up is said.
func TestJudgeIsLate(t *testing.T) {
	look := seen("", replicas(2), "1 node1 v2 running", "2 node2 v2 pending")
	look.tasks["s"][1].Status.Err = "no suitable node (insufficient resources on 3 nodes)"
	var told []string
	j := newJudge(planner.AwaitService{Name: "p_web", Service: "web", Condition: planner.IsReady, Timeout: 3 * time.Second},
		func(p runner.Progress) { told = append(told, fmt.Sprintf("%d/%d %s", p.Current, p.Total, p.Text)) })
	if done, _, err := j.decide(look, nodes("node1")); done || err != nil {
		t.Fatal(done, err)
	}
	const want = "p_web not ready within 3s; web.2 on node2 is pending: no suitable node (insufficient resources on 3 nodes)"
	if got := j.late().Error(); got != want {
		t.Error(got)
	}
	if got := strings.Join(told, "\n"); got != "1/2 web.1 on node1 running\n1/2 web.2 on node2 pending: no suitable node (insufficient resources on 3 nodes)" {
		t.Error(got)
	}
}

// A container that no node takes is waited for as long as it may be that one does.
func TestJudgeGivesUpWithoutANode(t *testing.T) {
	const words = "no suitable node (scheduling constraints not satisfied on 3 nodes)"
	waiting := func(tasks ...string) sight {
		look := seen("", replicas(1), tasks...)
		for i, task := range look.tasks["s"] {
			if task.Status.State == swarm.TaskStatePending {
				look.tasks["s"][i].Status.Err, look.tasks["s"][i].NodeID = words, ""
			}
		}
		return look
	}
	for name, c := range map[string]struct {
		first, second sight
		timeout       time.Duration
		unheard       bool   // there is a node that the managers have not heard of
		want          string // empty: it waits on
	}{
		"no node":              {first: waiting("1 - v2 pending"), second: waiting("1 - v2 pending"), want: "web.1 has had no node for 30s: " + words},
		"an update has none":   {first: waiting("1 node1 v1 running", "1 - v2 pending"), second: waiting("1 node1 v1 running", "1 - v2 pending"), want: "web.1 has had no node for 30s: " + words},
		"it had one meanwhile": {first: waiting("1 node1 v2 starting"), second: waiting("1 - v2 pending")},
		"the old one ends":     {first: waiting("1 node1 v1 !running", "1 - v2 pending"), second: waiting("1 node1 v1 !running", "1 - v2 pending")},
		"the old one was lost": {first: waiting("1 node2 v1 !running", "1 - v2 pending"), second: waiting("1 node2 v1 !running", "1 - v2 pending"), want: "web.1 has had no node for 30s: " + words},
		"a limit of its own":   {first: waiting("1 - v2 pending"), second: waiting("1 - v2 pending"), timeout: time.Hour},
		"a node may come back": {first: waiting("1 - v2 pending"), second: waiting("1 - v2 pending"), unheard: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var lines []string
				there := nodes("node1", "node3")
				if c.unheard {
					there[1].Status.State = swarm.NodeStateUnknown
				}
				j := newJudge(planner.AwaitService{Name: "p_web", Service: "web", Condition: planner.IsReady, Timeout: c.timeout}, func(p runner.Progress) {
					if p.Line != "" {
						lines = append(lines, p.Line)
					}
				})
				done, again, err := j.decide(c.first, there)
				if done || err != nil || again > noted || len(lines) > 0 {
					t.Fatal(done, again, err, lines)
				}
				time.Sleep(noted)
				if done, _, err = j.decide(c.second, there); done || err != nil {
					t.Fatal(done, err)
				}
				if told := strings.Join(lines, "\n"); (told == "web.1 has no node so far: "+words) != (c.want != "" || c.timeout > 0) {
					t.Errorf("it is told %q", told)
				}
				time.Sleep(placing - noted)
				_, _, err = j.decide(c.second, there)
				var sick *healthcheck.Failure
				switch {
				case errors.As(err, &sick) && sick.Error() == c.want && strings.Contains(sick.Advice, "placement.constraints"):
				case err == nil && c.want == "":
				default:
					t.Errorf("%v, want %q", err, c.want)
				}
			})
		})
	}
}

func TestPlaceAdvice(t *testing.T) {
	for said, want := range map[string]string{
		"no suitable node (insufficient resources on 3 nodes)":                    "reservations",
		"no suitable node (host-mode port already in use on 3 nodes)":             "mode host",
		"no suitable node (max replicas per node limit exceed)":                   "max_replicas_per_node",
		"no suitable node (unsupported platform on 3 nodes)":                      "build the image",
		"no suitable node (missing plugin on 3 nodes)":                            "plugin",
		"no suitable node (3 nodes not available for new tasks)":                  "docker node ls",
		"no suitable node (scheduling constraints not satisfied on 2 nodes; ...)": "constraints",
	} {
		if got := placeAdvice(said); !strings.Contains(got, want) {
			t.Errorf("%s: %s", said, got)
		}
	}
}

// What a node that was restarted has not reported yet is not believed: of its own containers the engine knows better.
func TestCorrect(t *testing.T) {
	look := seen("", replicas(3), "1 node1 v2 running", "2 node1 v2 running", "3 node2 v2 running", "1 node1 v1 !failed")
	for i := range look.tasks["s"] {
		look.tasks["s"][i].Status.ContainerStatus = &swarm.ContainerStatus{ContainerID: fmt.Sprintf("c%d", i), PID: 7}
	}
	if !look.runOn("node1") || look.runOn("node3") {
		t.Error("which nodes run any?")
	}
	look.correct("node1", map[string]bool{"c1": true})
	var got []string
	for _, task := range look.tasks["s"] {
		status, _ := statusOf(task)
		got = append(got, string(status))
	}
	if want := "created running running exited"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
