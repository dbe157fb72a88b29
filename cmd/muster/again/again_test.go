package again

import (
	"go/build"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/musterhq/muster/cmd/muster/ask"
)

// What is imported is set up first, and what comes late by its path lets nearly all of the program be set up before. What ask imports comes with os, or before
// it. Of the others' standard library these come with os, or early, and the others import no more than that; what else there is in one of them, such as a table of
// text/tabwriter, comes late.
func TestImports(t *testing.T) {
	first := []string{"errors", "hash", "hash/fnv", "io", "os", "slices", "strconv", "syscall", "time", "unsafe", "github.com/musterhq/muster/cache"}
	early := []string{
		"bytes", "cmp", "crypto/sha256", "encoding/json", "errors", "hash", "io", "maps", "os", "runtime", "slices", "strconv", "strings", "sync", "syscall", "time", "unicode/utf8", "unsafe",
		"github.com/docker/go-units", "github.com/musterhq/muster/cache", "github.com/musterhq/muster/cmd/muster/ask", "github.com/musterhq/muster/cmd/muster/listing",
		"github.com/musterhq/muster/cmd/muster/again", "github.com/musterhq/muster/runner/docker/entry",
	}
	for dir, may := range map[string][]string{"../ask": first, "../warm": early, "../../../cache": first, ".": early, "../listing": early, "../../../runner/docker/entry": early} {
		p, err := build.ImportDir(dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range p.Imports {
			if !slices.Contains(may, i) {
				t.Errorf("%s imports %s", p.Name, i)
			}
		}
	}
}

// The command is part of what a note goes by, since its name is short.
func TestDigestOfCommand(t *testing.T) {
	before := digest(ask.Note{})
	defer func(of []string) { ask.Begun.Whole.Of = of }(ask.Begun.Whole.Of)
	ask.Begun.Whole.Of = []string{"muster", "up"}
	if digest(ask.Note{}) == before {
		t.Error("the command does not count")
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
	inputs := []ask.Input{{Path: file, Read: true}, {Path: gone}}
	write(file, "1")
	seen := map[string]string{digest(ask.Note{Inputs: inputs}): "at first"}
	differs := func(what string) {
		t.Helper()
		sum := digest(ask.Note{Inputs: inputs})
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
	if sum := digest(ask.Note{Inputs: inputs}); sum != "" {
		t.Errorf("a folder that is to be read comes to %q", sum)
	}
}
