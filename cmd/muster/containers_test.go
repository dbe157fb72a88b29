package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
)

// askedFor is an engine that notes which services were asked for; empty is all of the project.
type askedFor struct {
	memoryEngine
	services *[]string
}

func (a askedFor) Observe(ctx context.Context, scope planner.Scope) (planner.State, error) {
	*a.services = append(*a.services, scope.Service)
	return a.memoryEngine.Observe(ctx, scope)
}

// Of a single service nothing but its containers is asked for, unless it has none.
func TestContainersOfServices(t *testing.T) {
	e, programOn := inMemory(t, "services: {web: {image: web:1}, db: {image: db:1}, late: {image: db:1, scale: 0}}\n", "{"+shopImages+"}")
	var services []string
	muster := func(line string) (said string, code int) {
		var out bytes.Buffer
		p := programOn(askedFor{e, &services}, &out)
		services = nil
		code = run(t.Context(), p, strings.Fields(line))
		return out.String(), code
	}
	if said, code := muster("up -d"); code != 0 {
		t.Fatal(said)
	}
	for _, command := range []string{"top --format json", "images --format json", "stats --no-stream --format json"} {
		for _, c := range []struct {
			services  string
			asked     []string
			has, lost string // what it says, and what it does not
			code      int
		}{
			{"", []string{""}, "shop-web-1", "", 0},
			{"web", []string{"web"}, "shop-web-1", "shop-db-1", 0},
			{"web db", []string{""}, "shop-db-1", "shop-late", 0},
			{"late", []string{"late", ""}, "", "shop-", 0},
			{"dbb", []string{"dbb", ""}, "no such service: dbb\n  did you mean \"db\"?", "shop-", 1},
		} {
			said, code := muster(command + " " + c.services)
			if diff := cmp.Diff(c.asked, services); diff != "" {
				t.Errorf("%s %s asked for\n%s", command, c.services, diff)
			}
			if code != c.code || !strings.Contains(said, c.has) || c.lost != "" && strings.Contains(said, c.lost) {
				t.Errorf("%s %s: %d\n%s", command, c.services, code, said)
			}
		}
	}
	// Those that change a service's containers apart from others, twice: at first, and when nobody else can change anything.
	for _, c := range []struct {
		line  string
		asked []string
		web   string // the state of its container
		code  int
	}{
		{"pause web", []string{"web", "web"}, "paused", 0},
		{"unpause web", []string{"web", "web"}, "running", 0},
		{"stop web", []string{"web", "web"}, "exited", 0},
		{"stop web", []string{"web"}, "exited", 0},
		{"start web", []string{"", ""}, "running", 0},
		{"kill web", []string{"web"}, "exited", 0},
		{"restart web", []string{"", ""}, "running", 0},
		{"stop late", []string{"late", ""}, "running", 0},
		{"stop webb", []string{"webb", ""}, "running", 1},
		{"stop web db", []string{"", ""}, "exited", 0},
	} {
		said, code := muster(c.line)
		if diff := cmp.Diff(c.asked, services); diff != "" || code != c.code {
			t.Errorf("%s: %d, asked for\n%s%s", c.line, code, diff, said)
		}
		if state, _ := muster("ps -a --format {{.State}} web"); strings.TrimSpace(state) != c.web {
			t.Errorf("after %s: %s", c.line, state)
		}
	}
}
