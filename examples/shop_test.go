package examples

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
)

// newShop is the shop with an image of its own name, so that the build
// belongs to the test too.
func newShop(t *testing.T) *stack {
	t.Helper()
	s := newStack(t, "shop", "SHOP_PORT")
	if s.onPodman() {
		t.Skip("its nginx asks the name server that Docker has at 127.0.0.11")
	}
	name := s.project + "-web"
	t.Cleanup(func() {
		_, err := s.engine.ImageRemove(context.Background(), name, image.RemoveOptions{})
		if err != nil && !errdefs.IsNotFound(err) {
			t.Errorf("cleaning up: %v", err)
		}
	})
	// Cleanups run in reverse; this one has to come before the image goes.
	t.Cleanup(func() { s.try("down", "-v", "-t", "1") })
	return s.with("WEB_IMAGE="+name, "WEB_TARGET=prebuilt")
}

// total is the number of orders that the database has.
func (s *stack) total() int {
	s.t.Helper()
	body, _ := s.get("/orders")
	var book struct{ Total, Taken int }
	if err := json.Unmarshal([]byte(body), &book); err != nil {
		s.t.Fatalf("%v in %s", err, body)
	}
	if book.Total != book.Taken {
		s.t.Errorf("%d orders in the database, %d in the cache", book.Total, book.Taken)
	}
	return book.Total
}

// TestShop is the life of a stack as its user sees it.
func TestShop(t *testing.T) {
	t.Parallel()
	s := newShop(t)

	s.muster("up", "-d", "--wait")
	s.post("/orders", url.Values{"item": {"tea"}})
	if n := s.total(); n != 1 {
		t.Fatalf("%d orders, want 1", n)
	}

	// Again: nothing to do.
	before := s.containers()
	s.wantPlan(0)
	s.muster("up", "-d", "--wait")
	s.wantReplaced(before)

	// One environment value differs: just web is replaced, and the data is there.
	changed := s.with("LOG_LEVEL=debug")
	if plan := changed.wantPlan(2); !strings.Contains(plan, "environment.LOG_LEVEL") ||
		!strings.Contains(plan, "info → debug") || strings.Contains(plan, "~ db") {
		t.Errorf("the plan does not say what changes, or says too much:\n%s", plan)
	}
	s.wantReplaced(before) // a plan changes nothing
	changed.muster("up", "-d", "--wait")
	s.wantReplaced(before, "web-1")
	changed.wantPlan(0)
	if page, _ := s.get("/"); !strings.Contains(page, "LOG_LEVEL debug") || !strings.Contains(page, "#1 tea") {
		t.Errorf("the page has not the new log level or not the old order:\n%s", page)
	}

	// Three of web: nginx finds them all.
	before = s.containers()
	changed.muster("up", "-d", "--wait", "--scale", "web=3")
	s.wantReplaced(before, "web-2", "web-3")
	s.collect(3, func() string { _, by := s.get("/orders"); return by })
	s.post("/orders", url.Values{"item": {"cake"}})
	if n := s.total(); n != 2 {
		t.Errorf("%d orders, want 2", n)
	}

	// Down without -v keeps the data; a new up finds it.
	before = s.containers()
	s.wantProcesses(before)
	s.muster("down")
	s.muster("up", "-d", "--wait")
	if n := s.total(); n != 2 {
		t.Errorf("%d orders after down and up, want 2", n)
	}

	s.muster("down", "-v")
	s.wantGone(before)
}

// wantProcesses fails unless processes of running containers can be found:
// else finding none afterwards would say nothing.
func (s *stack) wantProcesses(containers map[string]string) {
	s.t.Helper()
	if processes(s.t, containers["db-1"]) == 0 {
		s.t.Error("no process of db-1 is to be seen while it runs")
	}
}
