package instance_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/instance"
	"github.com/musterhq/muster/project"
)

var (
	web = project.HostPort{Service: "web", Published: 8080, Target: 80, Protocol: "tcp"}
	db  = project.HostPort{Service: "db", HostIP: "127.0.0.1", Published: 5432, Target: 5432, Protocol: "tcp"}
	now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
)

func copyNamed(name string) project.Copy {
	return project.Copy{Project: "shop-" + name, First: "shop", Name: name, Dir: "/src/" + name}
}

func all(project.HostPort, int) bool { return true }

func TestPortsStayTheSame(t *testing.T) {
	r := instance.Registry(t.TempDir())
	first, err := r.Ports(copyNamed("two"), now, []project.HostPort{web, db}, all)
	if err != nil {
		t.Fatal(err)
	}
	// Another order, another port beside them, and somebody who listens there now: it is the copy itself.
	later := project.HostPort{Service: "web", Published: 8443, Target: 443, Protocol: "tcp"}
	nobody := func(_ project.HostPort, port int) bool { return !slices.Contains(first, port) }
	again, err := r.Ports(copyNamed("two"), now, []project.HostPort{later, db, web}, nobody)
	if err != nil {
		t.Fatal(err)
	}
	if again[1] != first[1] || again[2] != first[0] || slices.Contains(first, again[0]) {
		t.Errorf("first %v, then %v", first, again)
	}
	seen, err := r.Peek(copyNamed("two"), []project.HostPort{web, db})
	if err != nil || !slices.Equal(seen, first) {
		t.Errorf("peek: %v, %v", seen, err)
	}
	list, err := r.List()
	if err != nil || len(list) != 1 || list[0].Dir != "/src/two" || !list[0].Used.Equal(now) || list[0].Ports[web] != first[0] {
		t.Errorf("%+v, %v", list, err)
	}
	if err := r.Forget("shop-two"); err != nil {
		t.Fatal(err)
	}
	if list, err := r.List(); err != nil || len(list) != 0 {
		t.Errorf("after it was forgotten: %v, %v", list, err)
	}
}

// A port where somebody listens is left out, also on one address only.
func TestPortsThatAreFree(t *testing.T) {
	r := instance.Registry(t.TempDir())
	derived, err := project.DerivedPorts(copyNamed("two"), []project.HostPort{db})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: derived[0]})
	if err != nil {
		t.Skip("the port is taken: ", err)
	}
	defer func() { _ = l.Close() }()
	got, err := r.Ports(copyNamed("two"), now, []project.HostPort{db}, instance.Listening)
	if err != nil || got[0] == derived[0] {
		t.Errorf("got %v, %v although somebody listens at %d", got, err, derived[0])
	}
}

// Many that choose at the same time get ports of their own, whatever theirs would be by calculation.
func TestPortsOfManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	taken := map[int]string{}
	var group sync.WaitGroup
	for n := range 40 {
		group.Go(func() {
			of := copyNamed(strings.Repeat("x", n+1))
			ports, err := instance.Registry(dir).Ports(of, now, []project.HostPort{web, db}, func(_ project.HostPort, port int) bool { return port%5 == 0 })
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			for _, port := range ports {
				if other := taken[port]; other != "" {
					t.Errorf("%d for %s and %s", port, other, of.Name)
				}
				taken[port] = of.Name
			}
		})
	}
	group.Wait()
	if len(taken) != 80 {
		t.Errorf("%d ports", len(taken))
	}
}

// A list that cannot be read is not written over: it may be from a newer muster.
func TestUnreadableList(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "instances.json")
	if err := os.WriteFile(file, []byte("{half"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := instance.Registry(dir)
	if _, err := r.Ports(copyNamed("two"), now, []project.HostPort{web}, all); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("got %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "{half" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := r.Peek(copyNamed("two"), []project.HostPort{web}); err != nil {
		t.Error("who only looks is not kept from it: ", err)
	}
}

func TestNoFolder(t *testing.T) {
	ports, err := instance.Registry("").Ports(copyNamed("two"), now, []project.HostPort{web}, all)
	if err != nil || len(ports) != 1 {
		t.Error(ports, err)
	}
	if err := instance.Registry("").Forget("shop-two"); err != nil {
		t.Error(err)
	}
}
