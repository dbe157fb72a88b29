package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/versions"
)

// TestShared: a base is built once for those that have it as a context, and a changed file builds and replaces what it concerns.
func TestShared(t *testing.T) {
	t.Parallel()
	s := newStack(t, "shared", "SHARED_PORT")
	t.Cleanup(func() { s.try("down", "--rmi", "local", "-t", "1") })
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("shared")); err != nil {
		t.Fatal(err)
	}
	own := *s
	own.dir = dir
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, _, stderr := own.try("up", "-d", "--wait")
	ping, err := s.engine.Ping(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if versions.LessThan(ping.APIVersion, "1.42") { // its BuildKit knows no further contexts
		if want := "services.page.build.additional_contexts needs engine API 1.42"; code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d, want 1 and %q:\n%s", code, want, stderr)
		}
		return
	}
	if s.onPodman() {
		if want := "services.page.build.additional_contexts: this engine has no BuildKit"; code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d, want 1 and %q:\n%s", code, want, stderr)
		}
		return
	}
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if n := strings.Count(stderr, "Image "+s.project+"-base  Built"); n != 1 {
		t.Errorf("the base was built %d times:\n%s", n, stderr)
	}
	if text, _ := own.get("/"); text != "<h1>Built on one base</h1>\nHello from page\n" {
		t.Errorf("got %q", text)
	}
	before := own.containers()
	own.wantPlan(0)

	write("page/title", "Another title\n")
	if plan := own.wantPlan(2); !strings.Contains(plan, "context changed: page/title") {
		t.Errorf("the plan does not say what changed:\n%s", plan)
	}
	own.muster("up", "-d", "--wait")
	own.wantReplaced(before, "page-1")
	if text, _ := own.get("/"); !strings.HasPrefix(text, "<h1>Another title</h1>\n") {
		t.Errorf("got %q", text)
	}

	write("base/greet", "#!/bin/sh\necho \"Welcome to $1\"\n")
	before = own.containers()
	own.muster("up", "-d", "--wait")
	own.wantReplaced(before, "clock-1", "page-1")
	if text, _ := own.get("/"); !strings.HasSuffix(text, "Welcome to page\n") {
		t.Errorf("got %q", text)
	}

	// What is in no image is built, since nobody knows before, and replaces nothing.
	write("clock/README.md", "Nothing of this is in the image.\n")
	before = own.containers()
	own.muster("up", "-d", "--wait")
	own.wantReplaced(before)
	own.wantPlan(0)
}
