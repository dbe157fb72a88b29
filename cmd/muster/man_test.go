package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The build for manual pages writes one for each command, with its own flags and the global ones. Others have no such command.
func TestMan(t *testing.T) {
	folder := t.TempDir()
	if out, err := exec.Command("go", "run", "-tags", "man", ".", "man", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for page, words := range map[string][]string{
		"muster.1":            {"muster-up(1)"},
		"muster-up.1":         {"Bring the stack, or some of its services", "--detach", "--project-name"},
		"muster-fault-kill.1": nil,
	} {
		text, err := os.ReadFile(filepath.Join(folder, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range words {
			if !strings.Contains(strings.ReplaceAll(string(text), `\-`, "-"), w) {
				t.Errorf("%s says nothing of %s", page, w)
			}
		}
	}
	p := &program{}
	for _, cmd := range p.rootCommand(nil).Commands() {
		if cmd.Name() == "man" {
			t.Error("this build has the command as well")
		}
	}
}
