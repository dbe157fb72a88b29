package heap

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// After the first collection the next ones come as usual.
func TestUsualAgain(t *testing.T) {
	if os.Getenv("GOGC") != "" {
		t.Skip("GOGC is set")
	}
	for {
		runtime.GC()
		now := debug.SetGCPercent(usual)
		if now == usual {
			return
		}
		debug.SetGCPercent(now)
		runtime.Gosched() // it is set once the collector's goroutine has come to it
	}
}

// What leaves garbage is set up after this package, and after what answers early.
func TestOrder(t *testing.T) {
	program := filepath.Join(t.TempDir(), "muster")
	build := exec.Command("go", "build", "-o", program, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program, "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var out strings.Builder
	cmd.Stderr = &out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	at := func(pkg string) int {
		i := strings.Index(out.String(), "init "+pkg+" @")
		if i < 0 {
			t.Fatalf("%s is not set up, or has nothing to set up:\n%s", pkg, out.String())
		}
		return i
	}
	last := at("github.com/santhosh-tekuri/jsonschema/v6")
	for _, early := range []string{"github.com/musterhq/muster/cmd/muster/heap", "github.com/musterhq/muster/cmd/muster/again", "github.com/musterhq/muster/cmd/muster/release", "github.com/musterhq/muster/cmd/muster/warm"} {
		if at(early) > last {
			t.Errorf("%s is set up late", early)
		}
	}
	if at("github.com/musterhq/muster/cmd/muster/warm") < at("github.com/musterhq/muster/cmd/muster/again") {
		t.Error("what answers early is set up after memory that it does not need")
	}
	if at("github.com/musterhq/muster/cmd/muster/again") > at("github.com/distribution/reference") {
		t.Error("what answers early is set up after the patterns of image names")
	}
}
