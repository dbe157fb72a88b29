package examples

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/enginetest"
)

// TestHello: what a config says is part of what a service is.
func TestHello(t *testing.T) {
	enginetest.SameOnAny(t, "TestShop")
	t.Parallel()
	s := newStack(t, "hello", "HELLO_PORT")
	s.muster("up", "-d", "--wait")
	if text, _ := s.get("/"); !strings.HasPrefix(text, "Hello, world! This is ") {
		t.Errorf("got %q", text)
	}
	before := s.containers()
	s.wantPlan(0)
	you := s.with("NAME=you")
	you.wantPlan(2)
	you.muster("up", "-d", "--wait")
	s.wantReplaced(before, "web-1")
	if text, _ := s.get("/"); !strings.HasPrefix(text, "Hello, you! This is ") {
		t.Errorf("got %q", text)
	}
	s.muster("down")
	s.wantGone(before)
}

// TestJobs: they run once, in order, and again when something about them changes.
func TestJobs(t *testing.T) {
	enginetest.SameOnAny(t, "TestShop, and script shop of cmd/muster")
	t.Parallel()
	s := newStack(t, "jobs", "JOBS_PORT")
	s.muster("up", "-d", "--wait")
	if text, _ := s.get("/"); text != "<h1>Made by a job</h1>\n" {
		t.Errorf("got %q", text)
	}
	before := s.containers()
	s.wantPlan(0)
	s.muster("up", "-d", "--wait")
	s.wantReplaced(before)
	s.with("TITLE=Made again").muster("up", "-d", "--wait")
	if text, _ := s.get("/"); text != "<h1>Made again</h1>\n" {
		t.Errorf("got %q", text)
	}
	s.muster("down", "-v")
	s.wantGone(before)
}

// TestFailedJob: what needs it is not started, and the user is told why.
func TestFailedJob(t *testing.T) {
	enginetest.SameOnAny(t, "scripts shop and failing of cmd/muster")
	t.Parallel()
	s := newStack(t, "jobs", "JOBS_PORT").with("EXPECT=nonsense")
	code, _, stderr := s.try("up", "-d")
	if code != 1 || !strings.Contains(stderr, "check") || !strings.Contains(stderr, "exit") {
		t.Errorf("exit code %d, want 1 and why:\n%s", code, stderr)
	}
	if response, err := http.Get(s.url("/")); err == nil {
		_ = response.Body.Close()
		t.Errorf("serve answers although its check failed: %s", response.Status)
	}
}

// TestRolling: every replica is replaced.
func TestRolling(t *testing.T) {
	enginetest.SameOnAny(t, "TestRollingTraffic/good")
	t.Parallel()
	s := newStack(t, "rolling", "ROLLING_PORT")
	answer := func() string { text, _ := s.get("/"); return text }
	s.muster("up", "-d", "--wait")
	for _, text := range s.collect(3, answer) {
		if !strings.HasPrefix(text, "version 1 from ") {
			t.Errorf("got %q", text)
		}
	}
	before := s.containers()
	s.with("VERSION=2").muster("up", "-d", "--wait")
	s.wantReplaced(before, "app-1", "app-2", "app-3")
	for _, text := range s.collect(3, answer) {
		if !strings.HasPrefix(text, "version 2 from ") {
			t.Errorf("got %q", text)
		}
	}
	s.muster("down")
	s.wantGone(before)
}

// TestTests: the tests of an example pass in a copy beside the stack that is up; one that fails is told with its artifacts, and nothing is left.
func TestTests(t *testing.T) {
	enginetest.SameOnAny(t, "script test of cmd/muster")
	t.Parallel()
	s := newStack(t, "tests", "TESTS_PORT")
	out := t.TempDir()
	s = s.with("XDG_STATE_HOME=" + filepath.Join(out, "state"))
	s.muster("up", "-d", "--wait")
	before := s.containers()
	s.muster("test", "--junit", filepath.Join(out, "junit.xml"))
	if text, err := os.ReadFile(filepath.Join(out, "junit.xml")); err != nil || !strings.Contains(string(text), `tests="3" failures="0" errors="0" skipped="0"`) {
		t.Errorf("three cases should have passed: %v\n%s", err, text)
	}
	code, stdout, stderr := s.with("GREETING=bye").try("test", "--artifacts", filepath.Join(out, "artifacts"))
	if code != 1 || !strings.Contains(stdout, "says hello: got bye, want hello") || !strings.Contains(stdout, "- missing  skipped") {
		t.Errorf("exit code %d, want 1 and why:\n%s\n%s", code, stdout, stderr)
	}
	if text, err := os.ReadFile(filepath.Join(out, "artifacts", "greets", "out", "page.html")); err != nil || string(text) != "bye\n" {
		t.Errorf("the artifact is %q, %v", text, err)
	}
	s.wantReplaced(before)
	if left := s.muster("ls", "--instances", "--format", "json"); strings.Contains(left, s.project) {
		t.Errorf("left behind: %s", left)
	}
}
