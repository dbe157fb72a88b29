package examples

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/hack/registry"
)

// withoutIPVS is the shop where the kernel has no IPVS, as on the machines that these tests run on: no address stands for a whole service,
// and a port is that of one node. The proxy is on the node that the test is on.
const withoutIPVS = `services:
  proxy:
    ports: !override
      - {target: 80, published: "${SHOP_PORT}", mode: host}
    deploy: {endpoint_mode: dnsrr, placement: {constraints: ["node.role == manager"]}}
  web: {deploy: {endpoint_mode: dnsrr}}
  db: {deploy: {endpoint_mode: dnsrr}}
  cache: {deploy: {endpoint_mode: dnsrr}}
`

// newSwarmShop is the shop on a swarm of three nodes, with a registry that all of them reach.
func newSwarmShop(t *testing.T) *stack {
	t.Helper()
	host := os.Getenv("MUSTER_TEST_SWARM")
	if host == "" {
		t.Skip("set MUSTER_TEST_SWARM to the DOCKER_HOST of a manager; hack/with-engine swarm does")
	}
	engine, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	info, err := engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "without-ipvs.yaml")
	if err := os.WriteFile(file, []byte(withoutIPVS), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &stack{t: t, program: "muster", dir: "shop", project: "test-shop-" + strings.ToLower(rand.Text()[:8]), port: freePort(t), engine: engine}
	s.env = []string{
		"DOCKER_HOST=" + host, "SHOP_PORT=" + s.port, "COMPOSE_DISABLE_ENV_FILE=1", "COMPOSE_FILE=compose.yaml:swarm.yaml:" + file,
		"WEB_IMAGE=" + registry.Start(t, registry.Options{Address: info.Swarm.NodeAddr}) + "/shop-web", "WEB_TARGET=prebuilt",
	}
	t.Cleanup(func() {
		defer func() { _ = engine.Close() }()
		if code, _, stderr := s.try("down", "-v", "--remove-orphans"); code != 0 {
			t.Errorf("cleaning up: exit code %d\n%s", code, stderr)
		}
	})
	return s
}

// label gives a node a label for as long as the test lasts.
func (s *stack) label(node, key, value string) {
	s.t.Helper()
	change := func(ctx context.Context, to func(labels map[string]string)) error {
		list, err := s.engine.NodeList(ctx, swarm.NodeListOptions{Filters: filters.NewArgs(filters.Arg("name", node))})
		if err != nil || len(list) == 0 {
			return err
		}
		spec := list[0].Spec
		spec.Labels = maps.Clone(spec.Labels)
		if spec.Labels == nil {
			spec.Labels = map[string]string{}
		}
		to(spec.Labels)
		return s.engine.NodeUpdate(ctx, list[0].ID, list[0].Version, spec)
	}
	if err := change(s.t.Context(), func(l map[string]string) { l[key] = value }); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := change(context.Background(), func(l map[string]string) { delete(l, key) }); err != nil {
			s.t.Errorf("cleaning up: %v", err)
		}
	})
}

// hackSwarm takes a node from the swarm, or gives it back.
func (s *stack) hackSwarm(args ...string) {
	s.t.Helper()
	if out, err := exec.Command(filepath.Join("..", "hack", "swarm"), args...).CombinedOutput(); err != nil {
		s.t.Fatalf("hack/swarm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// running are the nodes that the service's containers run on.
func (s *stack) running(service string) []string {
	s.t.Helper()
	return strings.Fields(s.muster("ps", "--status", "running", "--format", "{{.Node}}", service))
}

// hung is when to give up what a swarm does by itself: on an idle machine the longest takes half a minute, and a failed up that is
// tried again may take as long.
const hung = 5 * time.Minute

// eventually waits for what a swarm does by itself.
func (s *stack) eventually(what string, holds func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(hung)
	for tick := time.Tick(500 * time.Millisecond); !holds(); <-tick {
		if time.Now().After(deadline) {
			s.t.Fatalf("in %v it did not come so far that %s", hung, what)
		}
	}
}

// TestSwarmShop is the life of a stack on three nodes: a new version, one that does not work, a node that is gone, a manager that
// is restarted in the middle of a change.
func TestSwarmShop(t *testing.T) {
	s := newSwarmShop(t)
	s.label("node2", "shop.data", "true")
	s.muster("up", "-d")
	s.wantPlan(0)
	s.post("/orders", url.Values{"item": {"tea"}})
	if n := s.total(); n != 1 {
		t.Fatalf("%d orders, want 1", n)
	}
	if on := s.running("db"); len(on) != 1 || on[0] != "node2" {
		t.Errorf("db runs on %v, want node2", on)
	}
	if on := s.running("web"); len(on) != 3 {
		t.Errorf("web runs on %v, want three", on)
	}

	// A new version, and no request fails.
	changed := s.with("LOG_LEVEL=debug")
	if plan := changed.wantPlan(2); !strings.Contains(plan, "environment.LOG_LEVEL  info → debug") || strings.Contains(plan, "~ db") {
		t.Errorf("the plan does not say what changes, or says too much:\n%s", plan)
	}
	client := startTraffic(s.url("/"))
	client.until(50)
	begun := time.Now()
	changed.muster("up", "-d")
	t.Logf("the new version took %s", time.Since(begun).Round(100*time.Millisecond))
	client.until(50)
	client.stop()
	t.Logf("%d requests, %d failed", client.sent, len(client.failures))
	if len(client.failures) > 0 {
		t.Errorf("%d of %d requests failed, over %s; the first: %s", len(client.failures), client.sent, client.last.Sub(client.first), client.failures[0])
	}
	changed.wantPlan(0)

	// One that does not work goes back by itself, and the plan says so again.
	bad := s.with("LOG_LEVEL=debug", "DATABASE=nowhere")
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte("services: {web: {command: [\"nonsense\"], deploy: {restart_policy: {max_attempts: 1}}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad.env = append(bad.env, "COMPOSE_FILE="+composeFiles(s.env)+":"+file)
	code, _, stderr := bad.try("up", "-d")
	if code != 1 || !strings.Contains(stderr, "is back at the one before") || !strings.Contains(stderr, "nonsense") {
		t.Errorf("exit code %d, want 1, that the swarm is back at the version before, and why:\n%s", code, stderr)
	}
	changed.wantPlan(0)
	if n := s.total(); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}

	// A node is gone: what ran there runs elsewhere. Then it is the one with the data: that comes back with it.
	s.hackSwarm("kill", "3")
	s.eventually("web runs on two nodes", func() bool {
		on := s.running("web")
		return len(on) == 3 && !strings.Contains(strings.Join(on, " "), "node3")
	})
	s.hackSwarm("start", "3")
	s.hackSwarm("kill", "2")
	s.hackSwarm("start", "2")
	s.eventually("the order is there again", func() bool {
		_, err := fetch(http.DefaultClient, s.url("/orders"))
		return err == nil && s.total() == 1
	})
	changed.muster("up", "-d")
	changed.wantPlan(0)

	// The manager is restarted in the middle of a change: another up carries on.
	next := s.with("LOG_LEVEL=warn")
	broken := make(chan int, 1)
	go func() {
		code, _, _ := next.try("up", "-d")
		broken <- code
	}()
	s.eventually("the change has begun", func() bool {
		return strings.Contains(s.updateOf("web"), "updating")
	})
	s.hackSwarm("kill", "1")
	if code := <-broken; code == 0 {
		t.Error("the change went well although the manager was gone")
	}
	s.hackSwarm("start", "1")
	// What was lost with the manager may have been the new version's, so that the swarm went back: then it is one up more.
	s.eventually("up goes well", func() bool {
		code, _, stderr := next.try("up", "-d")
		if code != 0 {
			t.Log(stderr)
		}
		return code == 0
	})
	next.wantPlan(0)
	s.eventually("the order is there", func() bool {
		return strings.Contains(s.fetchedOn("1", s.url("/orders")), `"total":1`)
	})
	next.wantPlan(0)
}

// fetchVariable has the address that [TestFetch] asks for.
const fetchVariable = "MUSTER_TEST_FETCH"

// TestFetch is no test of its own: it asks in the network of a node that was begun anew, in which this process is not.
func TestFetch(t *testing.T) {
	where := os.Getenv(fetchVariable)
	if where == "" {
		t.Skip("it is for TestSwarmShop")
	}
	text, err := fetch(&http.Client{Timeout: 5 * time.Second}, where)
	t.Log(text, err)
}

// fetchedOn is what a node gets from an address, and whatever else is printed.
func (s *stack) fetchedOn(node, where string) string {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	command := exec.Command(filepath.Join("..", "hack", "swarm"), "exec", node, self, "-test.run=^TestFetch$", "-test.v")
	command.Env = append(os.Environ(), fetchVariable+"="+where)
	out, _ := command.CombinedOutput() // what is missing in it tells
	return string(out)
}

// composeFiles is the value of COMPOSE_FILE.
func composeFiles(env []string) string {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "COMPOSE_FILE="); ok {
			return value
		}
	}
	return ""
}

// updateOf is how far the engine is with the update of a service.
func (s *stack) updateOf(service string) string {
	got, _, err := s.engine.ServiceInspectWithRaw(s.t.Context(), s.project+"_"+service, swarm.ServiceInspectOptions{})
	if err != nil || got.UpdateStatus == nil {
		return ""
	}
	return string(got.UpdateStatus.State)
}
