package swarm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker"
)

// What a plan needs.
var _ runner.Engine = (*Engine)(nil)

// rig is a swarm with a stack of the test's own, removed when it ends.
type rig struct {
	*Engine
	t      *testing.T
	ctx    context.Context
	client *client.Client
	name   string
	dir    string

	mu    sync.Mutex
	told  []string
	steps []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	if os.Getenv("MUSTER_TEST_SWARM") != "" {
		t.Parallel()
	}
	return aloneRig(t, t.TempDir())
}

// aloneRig is for a test that no other one may run beside.
func aloneRig(t *testing.T, config string) *rig {
	t.Helper()
	host := os.Getenv("MUSTER_TEST_SWARM")
	if host == "" {
		t.Skip("no MUSTER_TEST_SWARM (the DOCKER_HOST value of a manager) to test with")
	}
	manager, err := docker.Open(docker.Options{Host: host, ConfigDir: config})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	r := &rig{Engine: Open(manager), t: t, ctx: ctx, name: "mt" + strings.ToLower(rand.Text()[:8]), dir: t.TempDir()}
	if r.client, err = r.Client(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		r.clean()
		_ = manager.Close()
	})
	return r
}

func (r *rig) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	state, err := r.Observe(ctx, planner.Scope{Project: r.name})
	if err != nil {
		r.t.Error(err)
		return
	}
	for _, s := range state.Deployed {
		if err := r.Apply(ctx, planner.RemoveService{Name: s.Name, Service: s.Service}, nil); err != nil {
			r.t.Error(err)
		}
	}
	for _, o := range state.Objects {
		if err := r.Apply(ctx, planner.RemoveObject{Kind: o.Kind, Name: o.Name}, nil); err != nil {
			r.t.Error(err)
		}
	}
	for _, n := range state.Networks {
		if err := r.Apply(ctx, planner.RemoveNetwork{Name: n.Name}, nil); err != nil {
			r.t.Error(err)
		}
	}
}

func busybox() string {
	if v := os.Getenv("BUSYBOX_IMAGE"); v != "" {
		return v
	}
	return "muster.local/busybox:1"
}

// load reads a Compose file; IMAGE in it is one with a shell.
func (r *rig) load(text string) *project.Project {
	r.t.Helper()
	file := filepath.Join(r.dir, "compose.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "IMAGE", busybox())), 0o600); err != nil {
		r.t.Fatal(err)
	}
	p, err := project.Load(r.ctx, project.Options{Dir: r.dir, Name: r.name, Files: []string{file}, Target: project.TargetSwarm})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) state() planner.State {
	r.t.Helper()
	state, err := r.Observe(r.ctx, planner.Scope{Project: r.name})
	if err != nil {
		r.t.Fatal(err)
	}
	return state
}

// plan is what there is to do for a file.
func (r *rig) plan(text string) planner.Plan {
	r.t.Helper()
	return r.planWith(text, planner.Policy{})
}

func (r *rig) planWith(text string, how planner.Policy) planner.Plan {
	r.t.Helper()
	want := r.load(text)
	have, err := r.Observe(r.ctx, planner.ScopeOf(want))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := runner.LookUp(r.ctx, r, &have, planner.Lookups(want, have, how)); err != nil {
		r.t.Fatal(err)
	}
	plan, err := planner.Build(want, have, how)
	if err != nil {
		r.t.Fatal(err)
	}
	return plan
}

// up brings a file about.
func (r *rig) up(text string) error {
	r.t.Helper()
	return r.run(r.plan(text))
}

func (r *rig) run(plan planner.Plan) error {
	return runner.Run(r.ctx, r, plan, runner.Options{Events: func(e runner.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if e.State == runner.Working {
			r.told = append(r.told, e.Progress.ID+": "+e.Progress.Text+e.Progress.Line)
		}
		if e.State == runner.Done {
			r.steps = append(r.steps, string(e.Step.ID))
		}
	}})
}

// must brings a file about, and then there is nothing left to do.
func (r *rig) must(text string) {
	r.t.Helper()
	if err := r.up(text); err != nil {
		r.t.Fatalf("%v\n%s", err, strings.Join(r.told, "\n"))
	}
	if plan := r.plan(text); len(plan.Steps) > 0 {
		r.t.Errorf("not all is done: %s", stepIDs(plan))
		for _, s := range plan.Steps {
			r.t.Logf("%s because %v", s.ID, s.Because)
		}
	}
}

func stepIDs(plan planner.Plan) string {
	var out []string
	for _, s := range plan.Steps {
		out = append(out, string(s.ID))
	}
	return strings.Join(out, ", ")
}

// docker runs a command of docker's on the manager, and gives what it prints.
func (r *rig) docker(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.ctx, os.Getenv("MUSTER_TEST_DOCKER"), args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+os.Getenv("MUSTER_TEST_SWARM"))
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// tasks are the IDs of those that run, sorted.
func (r *rig) tasks(service string) []string {
	r.t.Helper()
	var out []string
	for _, c := range r.state().Containers {
		if c.Service == service && c.Status == planner.Running {
			out = append(out, taskID(c.Name))
		}
	}
	slices.Sort(out)
	return out
}

const shop = `
services:
  web:
    image: IMAGE
    command: ["sh", "-c", "echo hello from web; cat /app.conf /run/secrets/key; exec sleep 600"]
    init: true
    depends_on: {db: {condition: service_healthy}, seed: {condition: service_completed_successfully}}
    configs: [{source: app, target: /app.conf}]
    secrets: [key]
    labels: {tier: front}
    deploy: {replicas: 3, endpoint_mode: dnsrr, update_config: {parallelism: 3, monitor: 1s}, labels: {team: shop}}
  seed:
    image: IMAGE
    command: ["sh", "-c", "echo seeded"]
  db:
    image: IMAGE
    command: ["sh", "-c", "touch /ready; exec sleep 600"]
    init: true
    healthcheck: {test: [CMD, test, -e, /ready], interval: 300ms, retries: 3}
    volumes: [data:/data]
    deploy: {endpoint_mode: dnsrr}
configs: {app: {content: "greeting=VALUE\n"}}
secrets: {key: {file: ./key.txt}}
volumes: {data: }
`

// A whole stack comes up in order, changes where the file does, and goes.
func TestSwarmStack(t *testing.T) {
	r := newRig(t)
	if err := os.WriteFile(filepath.Join(r.dir, "key.txt"), []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := strings.ReplaceAll(shop, "VALUE", "one")
	r.must(first)
	at := func(step string) int { return slices.Index(r.steps, step) }
	name := func(s string) string { return r.name + "_" + s }
	if a, b, c := at("await service "+name("db")+" ready"), at("await service "+name("seed")+" completed"), at("apply service "+name("web")); a < 0 || b < 0 || c < a || c < b {
		t.Errorf("not in order: %s", strings.Join(r.steps, ", "))
	}
	state := r.state()
	web := state.Deployed[slices.IndexFunc(state.Deployed, func(d planner.Deployed) bool { return d.Service == "web" })]
	if web.Running != 3 || web.Replicas != 3 || web.Mode != planner.Replicated || len(web.Objects) != 2 || len(web.Drift) > 0 {
		t.Errorf("web is %+v", web)
	}
	nodes := map[string]bool{}
	for _, c := range state.Containers {
		if c.Service == "web" {
			nodes[c.Node] = true
		}
	}
	if len(nodes) != 3 || len(state.Nodes) != 3 {
		t.Errorf("web is on %v of %v", nodes, state.Nodes)
	}
	if got := r.docker("stack", "services", "--format", "{{.Name}} {{.Mode}} {{.Replicas}}", r.name); !strings.Contains(got, name("web")+" replicated 3/3") ||
		!strings.Contains(got, name("seed")+" replicated job 0/1 (1/1 completed)") {
		t.Errorf("docker stack services: %s", got)
	}
	for _, c := range state.Containers {
		if c.Service == "web" {
			if got := r.printed(c.Name); got != "hello from web\ngreeting=one\nsesame" {
				t.Errorf("%s on %s prints %q", c.Name, c.Node, got)
			}
		}
	}
	before := r.tasks("db")
	r.must(strings.ReplaceAll(shop, "VALUE", "two"))
	for _, c := range r.state().Containers {
		if c.Service == "web" && c.Status == planner.Running && !strings.Contains(r.printed(c.Name), "greeting=two") {
			t.Errorf("%s was not replaced", c.Name)
		}
	}
	if after := r.tasks("db"); !slices.Equal(before, after) {
		t.Errorf("db was replaced: %v, %v", before, after)
	}
	if n := len(r.state().Objects); n != 2 {
		t.Errorf("%d configs and secrets are left: %v", n, r.state().Objects)
	}
	down, err := planner.Teardown(nil, r.state(), planner.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.run(down); err != nil {
		t.Fatal(err)
	}
	if s := r.state(); len(s.Deployed)+len(s.Containers)+len(s.Objects)+len(s.Networks) > 0 {
		t.Errorf("there is still %+v", s)
	}
}

// printed is what a container printed, whatever node it is on.
func (r *rig) printed(name string) string {
	r.t.Helper()
	stream, err := r.Logs(r.ctx, name, docker.LogOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	if err := stream.Each(r.ctx, func(line docker.LogLine) error {
		out = append(out, string(line.Text))
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	return strings.Join(out, "\n")
}

// What a container dies of, or why there is none, ends the wait.
func TestSwarmFailures(t *testing.T) {
	for name, c := range map[string]struct {
		file, reason, log string
		code              int
	}{
		"job": {file: `
services:
  web: {image: IMAGE, command: [sleep, "600"], init: true, depends_on: {job: {condition: service_completed_successfully}}}
  job: {image: IMAGE, command: ["sh", "-c", "echo no table; exit 3"]}
`, reason: "exited with code 3", log: "no table", code: 3},
		"again and again": {file: `
services:
  web:
    image: IMAGE
    command: ["sh", "-c", "echo no config; exit 4"]
    deploy: {restart_policy: {delay: 100ms}}
`, reason: "exited with code 4, 3 times", log: "no config", code: 4},
		"no image": {file: `
services:
  web: {image: "muster.local/nothing:1", deploy: {restart_policy: {delay: 100ms}}}
`, reason: "No such image"},
		"no node": {file: `
services:
  web: {image: IMAGE, deploy: {placement: {constraints: [node.labels.none == of them]}}}
`, reason: "has had no node for 30s: no suitable node (scheduling constraints not satisfied on 3 nodes)"},
		"unhealthy": {file: `
services:
  web:
    image: IMAGE
    command: [sleep, "600"]
    init: true
    healthcheck: {test: ["CMD", "false"], interval: 100ms, retries: 1}
    deploy: {restart_policy: {condition: none}}
`, reason: "is unhealthy"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			err := r.up(c.file)
			var sick *healthcheck.Failure
			if !errors.As(err, &sick) {
				t.Fatalf("%v\n%s", err, strings.Join(r.told, "\n"))
			}
			if !strings.Contains(sick.Reason, c.reason) || sick.ExitCode != c.code || !strings.Contains(strings.Join(sick.Log, "\n"), c.log) {
				t.Errorf("%s %s, code %d, log %q (%v)", sick.Name, sick.Reason, sick.ExitCode, sick.Log, sick.Unread)
			}
		})
	}
}

// A bad version is taken back by the swarm, and told as a failure with its reason.
func TestSwarmRollsBack(t *testing.T) {
	r := newRig(t)
	file := func(command string) string {
		return fmt.Sprintf(`
services:
  web:
    image: IMAGE
    command: ["sh", "-c", %q]
    init: true
    deploy: {replicas: 2, endpoint_mode: dnsrr, update_config: {failure_action: rollback, monitor: 2s, order: start-first}, rollback_config: {parallelism: 0, monitor: 500ms}}
`, command)
	}
	good := file("exec sleep 600")
	r.must(good)
	err := r.up(file("echo bad version; exit 5"))
	var sick *healthcheck.Failure
	if !errors.As(err, &sick) || !strings.Contains(sick.Reason, "is back at") || sick.ExitCode != 5 || !slices.Contains(sick.Log, "bad version") {
		t.Fatalf("%v: %+v\n%s", err, sick, strings.Join(r.told, "\n"))
	}
	if after := r.tasks("web"); len(after) != 2 {
		t.Errorf("after going back there run %v", after)
	}
	if plan := r.plan(good); len(plan.Steps) > 0 {
		t.Errorf("it is not what it was: %s", stepIDs(plan))
	}
}

// A stack that docker has deployed is taken over: what runs is not touched.
func TestSwarmAdopts(t *testing.T) {
	r := newRig(t)
	archive, err := txtar.ParseFile("testdata/stack.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if err := os.WriteFile(filepath.Join(r.dir, f.Name), []byte(strings.ReplaceAll(string(f.Data), "IMAGE", busybox())), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "stack.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r.docker("stack", "deploy", "--detach=true", "--resolve-image=never", "-c", "stack.yaml", r.name)
	r.settled()
	specs := func() map[string]swarm.ServiceSpec {
		seen, err := r.look(r.ctx, r.client, r.name)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]swarm.ServiceSpec{}
		for _, s := range seen.services {
			s.Spec.Labels = declaredLabels(s.Spec.Labels)
			keyed := s.Spec.TaskTemplate.ContainerSpec
			for _, r := range keyed.Secrets {
				r.SecretID, r.SecretName = "", "" // nobody can know whether it is still the same, so it is made anew
			}
			slices.SortFunc(keyed.Secrets, func(a, b *swarm.SecretReference) int { return strings.Compare(secretKey(a), secretKey(b)) })
			out[s.Spec.Name] = s.Spec
		}
		return out
	}
	before, tasks := specs(), r.tasks("web")
	r.must(string(text))
	if diff := cmp.Diff(before, specs()); diff != "" {
		t.Error(diff)
	}
	if after := r.tasks("web"); !slices.Equal(tasks, after) || len(after) != 2 {
		t.Errorf("before %v, after %v", tasks, after)
	}
	// And back: docker finds nothing to replace.
	r.docker("stack", "deploy", "--detach=true", "--resolve-image=never", "-c", "stack.yaml", r.name)
	r.settled()
	if after := r.tasks("web"); !slices.Equal(tasks, after) {
		t.Errorf("before %v, after docker's %v", tasks, after)
		t.Log(r.docker("service", "ps", "--no-trunc", "--format", "{{.ID}} {{.Node}} {{.CurrentState}} {{.Error}}", r.name+"_web"))
	}
}

// settled waits until all services of the stack are what they shall be.
func (r *rig) settled() {
	r.t.Helper()
	for _, s := range r.state().Deployed {
		if err := r.Apply(r.ctx, planner.AwaitService{Name: s.Name, Service: s.Service, Condition: planner.IsRunning}, nil); err != nil {
			r.t.Fatal(err)
		}
	}
}

// A network that is defined anew is made anew where that is asked for, unless somebody else is in it.
func TestSwarmNetworkChanges(t *testing.T) {
	r := newRig(t)
	const file = `
services:
  web: {image: IMAGE, command: [sleep, "600"], init: true, stop_signal: SIGKILL, networks: [back], deploy: {endpoint_mode: dnsrr}, depends_on: [db]}
  db: {image: IMAGE, command: [sleep, "600"], init: true, stop_signal: SIGKILL, networks: [back], deploy: {endpoint_mode: dnsrr}}
networks: {back: {labels: {tier: "1"}}}
`
	r.must(file)
	changed := strings.ReplaceAll(file, `tier: "1"`, `tier: "2"`)
	build := func(how planner.Policy) (planner.Plan, error) { return planner.Build(r.load(changed), r.state(), how) }
	if _, err := build(planner.Policy{}); err == nil || !strings.Contains(err.Error(), "no service can go on meanwhile") {
		t.Fatalf("it is not refused: %v", err)
	}
	r.docker("service", "create", "--detach=true", "--no-resolve-image", "--name", r.name+"guest", "--endpoint-mode", "dnsrr", "--replicas", "0", "--network", r.name+"_back", busybox())
	_, err := build(planner.Policy{Recreate: planner.RecreateAlways})
	r.docker("service", "rm", r.name+"guest")
	if err == nil || !strings.Contains(err.Error(), "services of others are in it: "+r.name+"guest") {
		t.Fatalf("it is not refused: %v", err)
	}
	plan, err := build(planner.Policy{Recreate: planner.RecreateAlways})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.run(plan); err != nil {
		t.Fatal(err)
	}
	r.must(changed)
	there, err := r.client.NetworkInspect(r.ctx, r.name+"_back", network.InspectOptions{})
	if err != nil || there.Labels["tier"] != "2" {
		t.Errorf("the network is %v: %v", there.Labels, err)
	}
}

// What somebody has changed by hand is noticed, by the names of the file, and mended.
func TestSwarmDrift(t *testing.T) {
	r := newRig(t)
	const file = `
services:
  web:
    image: IMAGE
    command: [sleep, "600"]
    init: true
    environment: {MODE: fast, API_TOKEN: one}
    deploy: {replicas: 1, endpoint_mode: dnsrr, resources: {limits: {memory: 64m}}, update_config: {monitor: 100ms}}
`
	r.must(file)
	r.docker("service", "update", "--detach=true", "--no-resolve-image", "--env-add", "MODE=slow", "--env-add", "API_TOKEN=two", "--limit-memory", "32m", "--replicas", "2", "--label-add", "by=hand",
		"--args", "sleep 500", r.name+"_web")
	var got []string
	for _, c := range r.state().Deployed[0].Drift {
		if c.Secret {
			c.From, c.To = "(hidden)", "(hidden)"
		}
		got = append(got, fmt.Sprintf("%s: %s → %s", c.Path, c.From, c.To))
	}
	want := []string{
		"command: sleep 600 → sleep 500",
		"deploy.labels.by:  → hand",
		"deploy.replicas: 1 → 2",
		"deploy.resources.limits.memory: 64MiB → 32MiB",
		"environment.API_TOKEN: (hidden) → (hidden)",
		"environment.MODE: fast → slow",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r.must(file)
	if d := r.state().Deployed[0]; len(d.Drift) > 0 || d.Replicas != 1 {
		t.Errorf("%+v", d)
	}
}

// Whatever a file says of a service, the swarm keeps it as it was meant, and applying it again changes nothing.
func TestSwarmKeepsKeys(t *testing.T) {
	r := newRig(t)
	archive, err := txtar.ParseFile("testdata/keys.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"default", "front", "back"} {
		r.do(planner.CreateNetwork{Name: r.name + "_" + n, Labels: map[string]string{planner.LabelProject: r.name}})
	}
	r.do(planner.CreateObject{Project: r.name, Kind: planner.KindConfig, Name: r.name + "_app", Key: "configs.app", Content: "x"},
		planner.CreateObject{Project: r.name, Kind: planner.KindSecret, Name: r.name + "_key", Key: "secrets.key", Content: "x"})
	done := 0
	for _, f := range archive.Files {
		name, isCase := strings.CutSuffix(f.Name, ".yaml")
		if !isCase || slices.ContainsFunc(archive.Files, func(g txtar.File) bool { return g.Name == name+".txt" && strings.Contains(string(g.Data), "refused:") }) {
			continue
		}
		a := applied(loaded(t, string(f.Data)))
		a.Project, a.Name, a.Image, a.Replicas, a.Resolve = r.name, r.name+"_"+strings.ReplaceAll(name, "_", "-"), busybox(), 0, "never"
		a.Networks = map[string]string{"default": r.name + "_default", "front": r.name + "_front", "back": r.name + "_back"}
		a.Objects = map[string]string{"configs.app": r.name + "_app", "secrets.key": r.name + "_key"}
		if a.Mode.Everywhere() || a.Mode.Job() { // they would run at once
			if a.Spec.Deploy.Placement.Constraints == nil {
				a.Spec.Deploy.Placement.Constraints = []string{"node.labels.none == of them"}
			}
			a.Replicas = 2
		}
		if err := r.Apply(r.ctx, a, nil); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r.do(a)
		again, _, err := r.client.ServiceInspectWithRaw(r.ctx, a.Name, swarm.ServiceInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if again.PreviousSpec != nil {
			t.Errorf("%s: applied twice, it was changed", name)
		}
		done++
	}
	for _, d := range r.state().Deployed {
		for _, c := range d.Drift {
			t.Errorf("%s: %s: %s → %s", d.Service, c.Path, c.From, c.To)
		}
	}
	if done < 40 {
		t.Errorf("only %d were tried", done)
	}
}

func (r *rig) do(actions ...planner.Action) {
	r.t.Helper()
	for _, a := range actions {
		if err := r.Apply(r.ctx, a, nil); err != nil {
			r.t.Fatalf("%T %s: %v", a, a.Resource().Name, err)
		}
	}
}
