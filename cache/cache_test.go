package cache

import (
	"bytes"
	"os"
	"strings"
	"testing"
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
