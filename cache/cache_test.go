package cache

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// No entry is for another program.
func TestProgram(t *testing.T) {
	identity, err := Program()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(identity, program) {
		t.Errorf("%s", identity)
	}
	// The build's ID, which the identity counts on, is among the first bytes.
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text[:32<<10], []byte(`Go build ID: "`)) && !bytes.Contains(text[:32<<10], []byte("Go\x00\x00")) {
		t.Error("no build ID")
	}
}

// What was written the longest ago makes room for what is new.
func TestKeepForgets(t *testing.T) {
	dir := t.TempDir()
	const most = 3
	for i, name := range []string{"a", "b", "c", "d", "b"} {
		if err := Keep(dir, name, []byte(name), most); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(int64(i), 0)
		if err := os.Chtimes(in(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "b c d" {
		t.Errorf("there are %s", got)
	}
}

func BenchmarkKeep(b *testing.B) {
	dir := b.TempDir()
	for i := 0; b.Loop(); i++ {
		if err := Keep(dir, strconv.Itoa(i), nil, 64); err != nil {
			b.Fatal(err)
		}
	}
}
