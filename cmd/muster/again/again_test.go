package again

import (
	"go/build"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What is imported is set up first, and what comes late by its path lets nearly all of the program be set up before. Of the standard library these come
// with os, or early, and the others import no more than that; what else there is in one of them, such as a table of text/tabwriter, comes late.
func TestImports(t *testing.T) {
	early := []string{
		"bytes", "cmp", "crypto/sha256", "encoding/json", "errors", "hash", "io", "maps", "os", "slices", "strconv", "strings", "syscall", "time", "unicode/utf8", "unsafe",
		"github.com/docker/go-units", "github.com/musterhq/muster/cache", "github.com/musterhq/muster/cmd/muster/listing",
		"github.com/musterhq/muster/runner/docker/entry",
	}
	for _, dir := range []string{".", "../listing", "../../../runner/docker/entry", "../../../cache"} {
		p, err := build.ImportDir(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range p.Imports {
			if !slices.Contains(early, i) {
				t.Errorf("%s imports %s", p.Name, i)
			}
		}
	}
}

// Whatever becomes of an input, it comes to something else.
func TestDigest(t *testing.T) {
	dir := t.TempDir()
	file, gone := filepath.Join(dir, "file"), filepath.Join(dir, "gone")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inputs := []Input{{Path: file, Read: true}, {Path: gone}}
	write(file, "1")
	seen := map[string]string{digest(note{inputs: inputs}): "at first"}
	differs := func(what string) {
		t.Helper()
		sum := digest(note{inputs: inputs})
		if other, ok := seen[sum]; ok || sum == "" {
			t.Errorf("%s is %q as %s", what, sum, other)
		}
		seen[sum] = what
	}
	write(file, "2")
	differs("other content")
	write(gone, "")
	differs("a file that was not there")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	differs("another mode")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	differs("no file")
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	if sum := digest(note{inputs: inputs}); sum != "" {
		t.Errorf("a folder that is to be read comes to %q", sum)
	}
}

// The folder is that of the user's caches.
func TestFolder(t *testing.T) {
	for _, c := range []struct {
		environ, want string
	}{
		{"HOME=/home/a", "/home/a/.cache/muster"},
		{"HOME=/home/a XDG_CACHE_HOME=/c", "/c/muster"},
		{"XDG_CACHE_HOME=/c HOME=/home/a", "/c/muster"},
		{"XDG_CACHE_HOME=c HOME=/home/a", "/home/a/.cache/muster"},
		{"XDG_CACHE_HOME=/c MUSTER_NO_CACHE=1", ""},
		{"HOME=a", ""}, {"", ""},
	} {
		if got := folder(strings.Fields(c.environ)); got != c.want {
			t.Errorf("%s: %q, want %q", c.environ, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	whole := note{
		inputs: []Input{{"/a", true}, {"/b", false}}, given: "g", socket: "/s", words: []string{"shop"},
		questions: []question{{"GET", "/networks", "x\ny"}}, said: "up to date\n", view: "{}",
	}
	f.Add(whole.text())
	f.Add("1\n4\ntrue2\n/a")
	f.Add("99999999999\n")
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := parse(text)
		if !ok {
			return
		}
		again, ok := parse(n.text())
		if !ok || again.text() != n.text() {
			t.Errorf("%q is %+v, and then %+v", text, n, again)
		}
	})
}

// A note comes back as it was, and one that is cut anywhere is none.
func TestNote(t *testing.T) {
	whole := note{
		inputs: []Input{{"/a\n", true}, {"/b", false}}, given: "g", socket: "/s", words: []string{"shop", ""},
		questions: []question{{"GET", "/networks", "x\ny"}}, said: "up to date\n", view: "{}",
	}.text()
	n, ok := parse(whole)
	if !ok || n.text() != whole || len(n.inputs) != 2 || n.inputs[0] != (Input{"/a\n", true}) || n.said != "up to date\n" || n.view != "{}" {
		t.Errorf("%v %+v", ok, n)
	}
	for cut := range whole {
		if n, ok := parse(whole[:cut]); ok {
			t.Errorf("cut after %d: %+v", cut, n)
		}
	}
	if _, ok := parse(whole + "x"); ok {
		t.Error("more than a note is one")
	}
}
