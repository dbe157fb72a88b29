package release

import (
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Only the very question is answered, and only by a released binary.
func TestAnswer(t *testing.T) {
	for _, number := range []string{"", "v1.2.3"} {
		program := filepath.Join(t.TempDir(), "asker")
		build := exec.Command("go", "build", "-ldflags", "-X github.com/musterhq/muster/cmd/muster/release.Number="+number, "-o", program, "./testdata/asker")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, c := range []struct {
			args   []string
			answer bool
		}{
			{[]string{"version"}, true}, {[]string{"--version"}, true}, {[]string{"-v"}, true},
			{nil, false}, {[]string{"up"}, false}, {[]string{"version", "--format", "json"}, false}, {[]string{"-f", "x", "version"}, false},
		} {
			want := "main\n"
			if c.answer && number != "" {
				want = "muster version " + number + "\n"
			}
			if got, err := exec.Command(program, c.args...).Output(); err != nil || string(got) != want {
				t.Errorf("%q of %q: %q, %v", c.args, number, got, err)
			}
		}
	}
}

// Another import would be set up first, and with it all that is before it.
func TestImports(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "release.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range file.Imports {
		if i.Path.Value != `"os"` {
			t.Errorf("imports %s", i.Path.Value)
		}
	}
}
