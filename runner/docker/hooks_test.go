package docker

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

const hookedFile = `
services:
  web:
    image: ${IMAGE}
    command: [sleep, "1000"]
    stop_grace_period: 0s
    environment: {VERSION: "NUMBER"}
    healthcheck: CHECK
    volumes: [log:/log]
    post_start: [{command: [sh, -c, "echo + $$VERSION >> /log/said"]}]
    pre_stop: [{command: [sh, -c, "echo - $$VERSION >> /log/said"]}]
volumes: {log: }
`

// On an engine, the hooks run whatever starts a container and whatever stops it.
func TestHooksOnEveryPath(t *testing.T) {
	r := newRig(t)
	if r.isPodman() {
		t.Skip("one of the ways is a health check that fails, which Podman runs by systemd only")
	}
	dir := t.TempDir()
	load := func(file string, as ...string) *project.Project {
		writeFile(t, filepath.Join(dir, "compose.yaml"), []byte(strings.NewReplacer(as...).Replace(file)))
		return r.load(dir)
	}
	carryOut := func(build func(*project.Project, planner.State, planner.Policy) (planner.Plan, error), p *project.Project, how planner.Policy) error {
		t.Helper()
		have, err := r.Observe(r.ctx, planner.ScopeOf(p))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := build(p, have, how)
		if err != nil {
			t.Fatal(err)
		}
		return runner.Run(r.ctx, r, plan, runner.Options{Health: r.Stack})
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	heard := 0
	says := func(what string, want ...string) {
		t.Helper()
		r.do(r.shell("reader", "cat /log/said", func(a *planner.CreateContainer) {
			a.Spec.NetworkMode = "none"
			a.Spec.Volumes = []types.ServiceVolumeConfig{{Type: "volume", Source: r.project + "_log", Target: "/log"}}
		}), planner.StartContainer{Name: r.name("reader")})
		var all []string
		for _, line := range r.output(r.name("reader")) {
			all = append(all, strings.TrimPrefix(line, "out "))
		}
		r.do(planner.RemoveContainer{Name: r.name("reader")})
		if diff := cmp.Diff(want, all[heard:]); diff != "" {
			t.Errorf("%s (- wanted, + heard):\n%s", what, diff)
		}
		heard = len(all)
	}

	one, two := load(hookedFile, "NUMBER", "1", "CHECK", "{}"), load(hookedFile, "NUMBER", "2", "CHECK", "{}")
	bad := load(hookedFile, "NUMBER", "3", "CHECK", "{test: exit 1, interval: 1s, retries: 1}")
	other := load("services: {other: {image: $IMAGE, command: ['true']}}")
	must(carryOut(planner.Build, one, planner.Policy{}))
	says("up", "+ 1")
	must(carryOut(planner.Restarts, one, planner.Policy{}))
	says("restart", "- 1", "+ 1")
	must(carryOut(planner.Stop, one, planner.Policy{}))
	says("stop", "- 1")
	must(carryOut(planner.Start, one, planner.Policy{}))
	says("start", "+ 1")
	must(carryOut(planner.Build, one, planner.Policy{Scale: map[string]int{"web": 2}}))
	says("scale up", "+ 1")
	must(carryOut(planner.Build, one, planner.Policy{}))
	says("scale down", "- 1")
	must(carryOut(planner.Build, two, planner.Policy{}))
	says("replace", "- 1", "+ 2")
	if err := carryOut(planner.Build, bad, planner.Policy{}); err == nil {
		t.Error("what is never healthy has come up")
	}
	says("replace and take back", "- 2", "+ 3", "- 3", "+ 2")
	must(carryOut(planner.Build, other, planner.Policy{RemoveOrphans: true}))
	says("removed as an orphan", "- 2")
	must(carryOut(planner.Build, two, planner.Policy{RemoveOrphans: true}))
	says("up", "+ 2")
	must(carryOut(func(_ *project.Project, have planner.State, how planner.Policy) (planner.Plan, error) {
		return planner.Teardown(nil, have, how)
	}, two, planner.Policy{}))
	says("down, without a file", "- 2")
}
