package swarm

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hack/registry"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// These have the swarm for themselves, since they take parts of it away, and come in the order of the file: with the first
// manager goes the network that the test itself is in.

// An image is resolved to its digest when it is applied, and each node gets that one, with the login of who applied it.
func TestSwarmResolvesImages(t *testing.T) {
	config := t.TempDir()
	r := aloneRig(t, config)
	host := registry.Start(t, registry.Options{Address: r.address(1), Login: true})
	login := base64.StdEncoding.EncodeToString([]byte(registry.User + ":" + registry.Password))
	if err := os.WriteFile(filepath.Join(config, "config.json"), fmt.Appendf(nil, `{"auths": {%q: {"auth": %q}}}`, host, login), 0o600); err != nil {
		t.Fatal(err)
	}
	r = aloneRig(t, config) // which reads it
	image := host + "/app:1"
	push := func(of string) {
		r.docker("tag", of, image)
		r.docker("--config", config, "push", "--quiet", image)
		r.docker("rmi", image)
	}
	push(busybox())
	file := fmt.Sprintf(`
services:
  web:
    image: %s
    command: [sleep, "600"]
    init: true
    environment: {N: NUMBER}
    deploy: {replicas: 3, endpoint_mode: dnsrr, update_config: {parallelism: 3, monitor: 100ms}, placement: {max_replicas_per_node: 1}}
`, image)
	one := strings.ReplaceAll(file, "NUMBER", "one")
	r.must(one)
	before := r.state().Deployed[0].Image
	if !strings.HasPrefix(before, image+"@sha256:") {
		t.Errorf("it runs %s", before)
	}
	// Another change does not bring another image, unless that is asked for.
	r.docker("build", "--quiet", "--tag", r.name, "-f", r.write("Dockerfile", "FROM "+busybox()+"\nLABEL new=yes\n"), r.dir)
	push(r.name)
	r.must(strings.ReplaceAll(file, "NUMBER", "two"))
	if after := r.state().Deployed[0].Image; after != before {
		t.Errorf("it was %s and is %s", before, after)
	}
	two := strings.ReplaceAll(file, "NUMBER", "two")
	if never := r.planWith(two, planner.Policy{Resolve: "never"}); len(never.Steps) > 0 {
		t.Errorf("where nothing is looked up there is something to do: %s", stepIDs(never))
	}
	always := planner.Policy{Resolve: "always"}
	moved := r.planWith(two, always)
	short := func(ref string) string { _, sum, _ := strings.Cut(ref, "@"); return image + " (" + sum[:19] + "…)" }
	now, err := r.Digest(r.ctx, image)
	if err != nil {
		t.Fatal(err)
	}
	want := "~ web      replace all 3 at once, stop-first\n    image  " + short(before) + " → " + short("@"+now) + "\n"
	if text := moved.Text(planner.TextOptions{}); !strings.Contains(text, want) {
		t.Errorf("the plan is\n%s\nwant\n%s", text, want)
	}
	if err := r.run(moved); err != nil {
		t.Fatal(err)
	}
	if after := r.state().Deployed[0].Image; after != image+"@"+now {
		t.Errorf("it was %s and is %s", before, after)
	}
	if again := r.planWith(two, always); len(again.Steps) > 0 {
		t.Errorf("looked up once more there is something to do: %s", stepIDs(again))
	}
	// A new service takes the tag as it is where nothing is looked up.
	tag := r.planWith(strings.ReplaceAll(two, "web:", "worker:"), planner.Policy{Resolve: "never"})
	if err := r.run(tag); err != nil {
		t.Fatal(err)
	}
	for _, d := range r.state().Deployed {
		if d.Service == "worker" && d.Image != image {
			t.Errorf("worker runs %s, want it as it is written", d.Image)
		}
	}
	r.do(planner.RemoveService{Name: r.name + "_worker", Service: "worker"})
	// A registry that does not answer is no reason to fail where the nodes have the image.
	lost := strings.ReplaceAll(one, image, busybox())
	r.must(lost)
	if told := strings.Join(r.told, "\n"); !strings.Contains(told, "is not resolved to a digest") {
		t.Error(told)
	}
}

func (r *rig) write(name, text string) string {
	r.t.Helper()
	file := filepath.Join(r.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return file
}

// hack runs hack/swarm.
func (r *rig) hack(args ...string) string {
	r.t.Helper()
	out, err := exec.CommandContext(r.ctx, "../../hack/swarm", args...).Output()
	if err != nil {
		r.t.Fatalf("hack/swarm %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

func (r *rig) address(node int) string {
	r.t.Helper()
	address := r.hack("address", fmt.Sprint(node))
	if net.ParseIP(address) == nil {
		r.t.Fatalf("%q is no address", address)
	}
	return address
}

// nodesReady waits until so many nodes take containers.
func (r *rig) nodesReady(n int) {
	r.t.Helper()
	for r.ctx.Err() == nil {
		ready := 0
		state, _ := r.Observe(r.ctx, planner.Scope{Project: r.name}) // a manager that was restarted has no leader at first
		for _, node := range state.Nodes {
			if node.Ready {
				ready++
			}
		}
		if ready == n {
			return
		}
	}
	r.t.Fatalf("not %d nodes are ready", n)
}

// A node that dies costs what ran on it until that runs elsewhere; what is bound to it, and its data, is there again with it.
func TestSwarmNodeLost(t *testing.T) {
	r := aloneRig(t, t.TempDir())
	const file = `
services:
  web:
    image: IMAGE
    command: [sleep, "600"]
    init: true
    deploy: {replicas: 6, endpoint_mode: dnsrr, restart_policy: {delay: 100ms}}
  db:
    image: IMAGE
    command: ["sh", "-c", "date +%s%N >>/data/starts; cat /data/starts; exec sleep 600"]
    init: true
    volumes: [data:/data]
    deploy: {endpoint_mode: dnsrr, placement: {constraints: [node.hostname == node3]}, restart_policy: {delay: 100ms}}
volumes: {data: }
`
	r.must(file)
	on := func(service string) []string {
		var out []string
		for _, c := range r.state().Containers {
			if c.Service == service && c.Status == planner.Running {
				out = append(out, c.Node)
			}
		}
		slices.Sort(out)
		return out
	}
	if got := on("db"); !slices.Equal(got, []string{"node3"}) || !slices.Contains(on("web"), "node3") {
		t.Fatalf("db is on %v, web on %v", got, on("web"))
	}
	r.hack("kill", "3")
	t.Cleanup(func() { _ = exec.CommandContext(context.Background(), "../../hack/swarm", "up").Run() })
	r.nodesReady(2)
	r.do(planner.AwaitService{Name: r.name + "_web", Service: "web", Condition: planner.IsReady})
	if got := on("web"); len(got) != 6 || slices.Contains(got, "node3") {
		t.Errorf("web is on %v", got)
	}
	if got := stepIDs(r.plan(file)); got != "await service "+r.name+"_db ready" {
		t.Errorf("without the node there is something to do but to wait: %s", got)
	}
	if got := on("db"); len(got) > 0 {
		t.Errorf("db is on %v", got)
	}
	r.hack("start", "3")
	r.do(planner.AwaitService{Name: r.name + "_db", Service: "db", Condition: planner.IsReady, Timeout: 2 * time.Minute})
	for _, c := range r.state().Containers {
		if c.Service != "db" {
			continue
		}
		if lines := strings.Fields(r.printed(c.Name)); c.Node != "node3" || len(lines) != 2 {
			t.Errorf("db on %s has %d lines of data", c.Node, len(lines))
		}
	}
	r.nodesReady(3)
	if plan := r.plan(file); len(plan.Steps) > 0 {
		t.Errorf("with all nodes back there is something to do: %s", stepIDs(plan))
	}
}

// A manager that goes in the middle of a run fails it, and once it is back the next run finishes what was begun.
func TestSwarmManagerRestarts(t *testing.T) {
	r := aloneRig(t, t.TempDir())
	const file = `
services:
  web:
    image: IMAGE
    command: [sleep, "600"]
    init: true
    depends_on: {db: {condition: service_healthy}}
    deploy: {replicas: 2, endpoint_mode: dnsrr}
  db:
    image: IMAGE
    command: [sleep, "600"]
    init: true
    healthcheck: {test: [CMD, test, -e, /proc/1], interval: 2s, start_period: 1s}
    deploy: {endpoint_mode: dnsrr, restart_policy: {delay: 100ms}}
`
	killed := false
	err := runner.Run(r.ctx, r, r.plan(file), runner.Options{Events: func(e runner.Event) {
		if a, ok := e.Step.Action.(planner.AwaitService); ok && a.Service == "db" && e.State == runner.Working && !killed {
			killed = true
			r.hack("kill", "1")
		}
	}})
	t.Cleanup(func() { _ = exec.CommandContext(context.Background(), "../../hack/swarm", "up").Run() })
	if err == nil || !killed {
		t.Fatalf("killed %t: %v", killed, err)
	}
	r.hack("start", "1")
	r.nodesReady(3)
	r.must(file)
}
