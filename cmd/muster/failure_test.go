package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// rollout replaces three replicas of web; mailer needs the last.
func rollout() planner.Plan {
	var plan planner.Plan
	plan.Project = "shop"
	for _, n := range []string{"1", "2", "3"} {
		name := "shop-web-" + n
		group := "replace " + name
		plan.Steps = append(plan.Steps,
			planner.Step{ID: planner.StepID("await " + name), Group: group, Action: planner.Await{Name: name + ".next", Service: "web", Condition: planner.IsHealthy}},
			planner.Step{ID: planner.StepID("rename " + name), Group: group, Action: planner.RenameContainer{Name: name + ".next", To: name, Service: "web"}},
		)
	}
	plan.Steps = append(plan.Steps,
		planner.Step{ID: "start mailer", Action: planner.StartContainer{Name: "shop-mailer-1", Service: "mailer"}},
		planner.Step{ID: "remove config", Action: planner.RemoveObject{Kind: planner.KindConfig, Name: "shop_settings-1"}})
	return plan
}

func TestRunFailureText(t *testing.T) {
	plan := rollout()
	b := newBoard(plan, planner.State{}, "up", time.Time{})
	end := func(id planner.StepID, state runner.StepState, err error) {
		b.take(runner.Event{Step: b.steps[id].step, State: state, Err: err})
	}
	end("await shop-web-1", runner.Done, nil)
	end("rename shop-web-1", runner.Done, nil)
	failure := &runner.StepError{
		Step: b.steps["await shop-web-2"].step,
		Cause: &healthcheck.Failure{Name: "shop-web-2.next", Reason: "not healthy within 30s", Probe: "GET /healthz: 500\n",
			OOMKilled: true, Log: []string{"one", "FATAL: column orders.currency does not exist"}},
		Undone: []planner.Action{planner.RemoveContainer{Name: "shop-web-2.next", Service: "web"}},
		Rollout: &runner.RolloutEnd{
			Rollout:  planner.Rollout{Service: "web", Groups: []string{"replace shop-web-1", "replace shop-web-2", "replace shop-web-3"}},
			Replaced: 1, Failed: 1, Left: 1,
		},
	}
	end("await shop-web-2", runner.Failed, failure)
	for _, id := range []planner.StepID{"rename shop-web-2", "await shop-web-3", "rename shop-web-3", "start mailer", "remove config"} {
		end(id, runner.Skipped, failure)
	}
	text := func(errs runner.Errors) string {
		return (&runFailure{cause: errs, board: b, again: "muster up"}).text()
	}
	want := `web: the new version did not become healthy within 30s; the old one keeps serving.

  shop-web-2 (new)  the engine killed it because it was out of memory; health check: "GET /healthz: 500"
    │ one
    │ FATAL: column orders.currency does not exist

web: of 3 replicas 1 was tried and taken back, 1 was replaced, 1 was not begun. mailer was not started because it needs web.
Mend web and run ` + "`muster up`" + ` again.`
	if diff := cmp.Diff(want, text(runner.Errors{failure})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	failure.UndoErr = errors.New("the engine is gone")
	want = "web: the new version did not become healthy within 30s; the old one may be down."
	got, _, _ := strings.Cut(text(runner.Errors{failure}), "\n")
	if got != want || !strings.Contains(text(runner.Errors{failure}), "\n  taking it back failed as well: the engine is gone") {
		t.Errorf("got %s", text(runner.Errors{failure}))
	}
}

// What is the matter with many services for the same reason is said once.
func TestRunFailureToldOnce(t *testing.T) {
	var errs runner.Errors
	for service, cause := range map[string]string{"a": "network shop_default has no address left", "b": "no disk", "c": "network shop_default has no address left"} {
		errs = append(errs, &runner.StepError{Step: planner.Step{Action: planner.StartContainer{Name: "shop-" + service + "-1", Service: service}}, Cause: errors.New(cause)})
	}
	slices.SortFunc(errs, func(a, b *runner.StepError) int {
		return strings.Compare(a.Step.Action.Resource().Name, b.Step.Action.Resource().Name)
	})
	got := (&runFailure{cause: errs, board: &board{}, again: "muster up"}).text()
	want := "a and c: network shop_default has no address left\n\nb: no disk\n\nMend a, b and c and run `muster up` again."
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("anything"), 1},
		{&exitError{code: 7}, 7},
		{&exitError{code: exitChanges}, 2},
		{errInterrupted, 130},
		{&runFailure{cause: errInterrupted, board: &board{}}, 130},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		host, ip      string
		port, target  int
		protocol, app string
		want          string
	}{
		{"localhost", "", 8080, 80, "tcp", "", "http://localhost:8080"},
		{"localhost", "0.0.0.0", 5432, 5432, "tcp", "", "localhost:5432"},
		{"localhost", "127.0.0.1", 8443, 8443, "tcp", "", "https://localhost:8443"},
		{"localhost", "192.0.2.7", 3000, 3000, "tcp", "", "http://192.0.2.7:3000"},
		{"localhost", "2001:db8::1", 80, 80, "tcp", "", "http://[2001:db8::1]:80"},
		{"example.com", "", 53, 53, "udp", "", "example.com:53/udp"},
		{"localhost", "", 7000, 7000, "tcp", "http", "http://localhost:7000"},
		{"localhost", "", 8080, 80, "tcp", "grpc", "localhost:8080"},
	} {
		if got := addressOf(c.host, c.ip, c.port, c.target, c.protocol, c.app); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	for engine, want := range map[string]string{
		"unix:///var/run/docker.sock": "localhost", "ssh://me@example.com": "example.com", "tcp://192.0.2.1:2376": "192.0.2.1", "": "localhost",
	} {
		if got := runner.HostName(engine); got != want {
			t.Errorf("%s: got %s, want %s", engine, got, want)
		}
	}
}
