package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/musterhq/muster/planner"
)

// compose runs docker compose on the file.
func (o *onFile) compose(peer string, args ...string) {
	o.t.Helper()
	cmd := exec.Command(peer, append([]string{"-p", o.project}, args...)...)
	cmd.Dir = o.dir
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+o.host, "DOCKER_CONFIG="+o.t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		o.t.Fatalf("docker compose %v: %v: %s", args, err, out)
	}
}

// container looks at one.
func (o *onFile) container(name string) planner.Container {
	o.t.Helper()
	on, err := openEngine(o.t.Context(), address{host: o.host})
	if err != nil {
		o.t.Fatal(err)
	}
	defer on.Close()
	c, err := on.Inspect(o.t.Context(), o.project+"-"+name)
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

// apply does things to the engine, as if by hand.
func (o *onFile) apply(actions ...planner.Action) {
	o.t.Helper()
	on, err := openEngine(o.t.Context(), address{host: o.host})
	if err != nil {
		o.t.Fatal(err)
	}
	defer on.Close()
	for _, a := range actions {
		if err := on.Apply(o.t.Context(), a, nil); err != nil {
			o.t.Fatal(err)
		}
	}
}

// A stack of docker compose is taken over as it is. When its file changes afterwards, the plan says what has changed since docker
// compose made it; what needs no other container is changed in place.
func TestEngineAdoptsAndChanges(t *testing.T) {
	host, peer := testEngine(t), os.Getenv("MUSTER_PEER_COMPOSE")
	if peer == "" {
		t.Skip("MUSTER_PEER_COMPOSE names no docker compose to adopt from")
	}
	o := newOnFile(t, host)
	file := func(level, memory string) {
		o.write("services: {web: {image: \"${TESTAPP_IMAGE}\", command: [run], environment: {LEVEL: " + level + ", PASSWORD: a}, mem_limit: " + memory + "}}")
	}
	file("info", "64m")
	o.compose(peer, "up", "-d")
	first := o.container("web-1")
	if plan := o.run("plan"); !strings.Contains(plan, "up to date") {
		t.Errorf("plan of what docker compose made says:\n%s", plan)
	}
	file("info", "96m")
	if plan := o.run("plan"); !strings.Contains(plan, "in place") || !strings.Contains(plan, "mem_limit  ") || strings.Contains(plan, "environment") {
		t.Errorf("plan of another limit says:\n%s", plan)
	}
	o.run("up", "-d")
	if now := o.container("web-1"); now.ID != first.ID || now.Settings.Memory != 96<<20 {
		t.Errorf("another limit: %.12s with %d, was %.12s", now.ID, now.Settings.Memory, first.ID)
	}
	if plan := o.run("plan"); !strings.Contains(plan, "up to date") {
		t.Errorf("after the change of a limit plan says:\n%s", plan)
	}
	file("debug", "128m")
	plan := o.run("plan")
	for _, want := range []string{"environment.LEVEL  info → debug", "mem_limit          96M → 128M"} {
		if !strings.Contains(plan, want) {
			t.Errorf("plan lacks %q:\n%s", want, plan)
		}
	}
	if strings.Contains(plan, "PASSWORD") || strings.Contains(plan, "config-hash") || strings.Contains(plan, "image") {
		t.Errorf("plan names more than has changed:\n%s", plan)
	}
	o.run("up", "-d")
	if plan := o.run("plan"); !strings.Contains(plan, "up to date") {
		t.Errorf("at the end plan says:\n%s", plan)
	}
}

// A container that somebody took off its network and put back gets its names and addresses back, without a restart.
func TestEngineEndpointDrift(t *testing.T) {
	t.Parallel()
	o := newOnFile(t, testEngine(t))
	pid := os.Getpid()
	subnet := fmt.Sprintf("10.%d.%d", 160+pid>>8&31, pid&255)
	o.write("services: {web: {image: \"${TESTAPP_IMAGE}\", command: [run], networks: {front: {aliases: [www], ipv4_address: " + subnet + ".77}}}}\nnetworks: {front: {ipam: {config: [{subnet: " + subnet + ".0/24}]}}}")
	o.run("up", "-d")
	before := o.container("web-1")
	name, network := o.project+"-web-1", o.project+"_front"
	o.apply(planner.DisconnectNetwork{Name: name, Network: network}, planner.ConnectNetwork{Name: name, Network: network, Key: "front"})
	lost := o.container("web-1").Endpoints[0]
	if lost.IPv4 == subnet+".77" {
		t.Fatalf("nothing was lost: %+v", lost)
	}
	plan := o.run("plan")
	for _, want := range []string{"drift: ", "networks.front.ipv4_address", "networks.front.aliases + www"} {
		if !strings.Contains(plan, want) {
			t.Errorf("plan lacks %q:\n%s", want, plan)
		}
	}
	o.run("up", "-d", "--drift")
	after := o.container("web-1")
	e, was := after.Endpoints[0], before.Endpoints[0]
	if e.IPv4 != was.IPv4 || strings.Join(e.Aliases, " ") != strings.Join(was.Aliases, " ") || after.ID != before.ID {
		t.Errorf("it was %+v, and is %+v", was, e)
	}
	if plan := o.run("plan"); !strings.Contains(plan, "up to date") {
		t.Errorf("at the end plan says:\n%s", plan)
	}
}

// A MAC address is lost where a container leaves its network, and engines take one with the creation only.
func TestEngineHardwareAddressDrift(t *testing.T) {
	t.Parallel()
	o := newOnFile(t, testEngine(t))
	o.write("services: {web: {image: \"${TESTAPP_IMAGE}\", command: [run], networks: {front: {mac_address: \"02:42:AC:11:7B:63\"}}}}\nnetworks: {front: {}}")
	o.run("up", "-d")
	name, network := o.project+"-web-1", o.project+"_front"
	o.apply(planner.DisconnectNetwork{Name: name, Network: network}, planner.ConnectNetwork{Name: name, Network: network, Key: "front"})
	if strings.EqualFold(o.container("web-1").Endpoints[0].MAC, "02:42:AC:11:7B:63") {
		t.Skip("this engine, such as Docker 20.10, gives it back by itself")
	}
	if plan := o.run("plan"); !strings.Contains(plan, "replace") || !strings.Contains(plan, "networks.front.mac_address") {
		t.Errorf("plan says:\n%s", plan)
	}
	o.run("up", "-d")
	if e := o.container("web-1").Endpoints[0]; !strings.EqualFold(e.MAC, "02:42:AC:11:7B:63") {
		t.Errorf("it has %s", e.MAC)
	}
	if plan := o.run("plan"); !strings.Contains(plan, "up to date") {
		t.Errorf("at the end plan says:\n%s", plan)
	}
}

// The file changes networks and names there: the container runs on, and there is no next plan. It can also be started again after.
func TestEngineNetworksInPlace(t *testing.T) {
	t.Parallel()
	o := newOnFile(t, testEngine(t))
	web := func(networks string) {
		o.write("services: {web: {image: \"${TESTAPP_IMAGE}\", command: [run], networks: " + networks + "}, other: {image: \"${TESTAPP_IMAGE}\", command: [run], networks: [a, b, c]}}\nnetworks: {a: {}, b: {}, c: {}}")
	}
	web("{a: {aliases: [one]}, b: {}}")
	o.run("up", "-d")
	first := o.container("web-1")
	for _, networks := range []string{"{a: {aliases: [two]}, c: {}}", "{c: {aliases: [three]}}", "{a: {aliases: [one]}, b: {}}"} {
		web(networks)
		o.run("up", "-d")
		if plan := o.run("plan"); !strings.Contains(plan, "up to date") {
			t.Errorf("after %s plan says:\n%s", networks, plan)
		}
		o.run("restart", "web")
		now := o.container("web-1")
		if now.ID != first.ID || now.Status != planner.Running || len(now.Endpoints) != strings.Count(networks, "{")-1 {
			t.Errorf("with %s it is %s %.12s in %+v, and was %.12s", networks, now.Status, now.ID, now.Endpoints, first.ID)
		}
	}
}
