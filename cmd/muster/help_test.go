package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Each command's help is one screen with what people need first: a sentence, three
// examples, and the flags, each with its words and under a heading.
func TestHelp(t *testing.T) {
	p := &program{}
	var out bytes.Buffer
	p.out, p.err = &out, &out
	root := p.rootCommand(nil)
	all := root.Commands()
	for _, cmd := range root.Commands() {
		if !cmd.Hidden {
			all = append(all, cmd.Commands()...)
		}
	}
	for _, cmd := range all {
		if cmd.GroupID == "" || cmd.Name() == "completion" || cmd.Name() == "help" {
			continue
		}
		t.Run(cmd.Name(), func(t *testing.T) {
			out.Reset()
			if err := cmd.Help(); err != nil {
				t.Fatal(err)
			}
			text := out.String()
			if n := strings.Count(text, "\n"); n > 50 {
				t.Errorf("%d lines are more than a screen", n)
			}
			for line := range strings.Lines(text) {
				if n := len([]rune(line)); n > 121 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
			if n := strings.Count(cmd.Example, "\n") + 1; n != 3 {
				t.Errorf("%d examples, want 3", n)
			}
			for line := range strings.Lines(cmd.Example) {
				checkExample(t, root, line)
			}
			cmd.Flags().VisitAll(func(f *pflag.Flag) {
				if f.Hidden || f.Name == "help" || f.Annotations[flagGlobal] != nil {
					return
				}
				if f.Usage == "" || f.Annotations[flagGroup] == nil || strings.HasSuffix(f.Usage, ".") {
					t.Errorf("--%s: usage %q, heading %v", f.Name, f.Usage, f.Annotations[flagGroup])
				}
			})
		})
	}
}

// checkExample makes sure that an example's command and flags exist.
func checkExample(t *testing.T, root *cobra.Command, line string) {
	t.Helper()
	line, _, _ = strings.Cut(line, "#")
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "muster" {
		t.Errorf("example %q", line)
		return
	}
	cmd, rest, err := root.Find(words[1:])
	if err != nil || cmd == root {
		t.Errorf("example %q: no such command", line)
		return
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("example %q: %v", line, err)
	}
}
