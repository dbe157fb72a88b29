package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

//go:generate go test -run TestCommandsPage -update .

// peerCommand is a command of docker compose, with its flags.
type peerCommand struct {
	name  string
	flags []peerFlag
}

type peerFlag struct {
	name, short string
	hidden      bool
}

// peerCommands reads testdata/peer/commands.txt.
func peerCommands(t *testing.T) []peerCommand {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "peer", "commands.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out []peerCommand
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, flags, _ := strings.Cut(strings.TrimSpace(line), ":")
		c := peerCommand{name: name}
		for _, f := range strings.Fields(flags) {
			bare, hidden := strings.CutPrefix(f, "~")
			long, short, _ := strings.Cut(bare, "/")
			c.flags = append(c.flags, peerFlag{long, short, hidden})
		}
		out = append(out, c)
	}
	return out
}

// lacking says why muster does not have a command, or "COMMAND --FLAG", of docker compose. What is not here has to be there.
func lacking() map[string]string {
	const (
		bridge = "left out: conversion by images that docker publishes; kompose does it without an engine"
	)
	return map[string]string{
		"bridge": bridge, "bridge convert": bridge, "bridge transformations": bridge, "bridge transformations create": bridge,
		"bridge transformations list": bridge,
	}
}

// idle are flags that are accepted and do nothing, with the reason; the others that docker compose hides do nothing there either.
func idle() map[string]string {
	return map[string]string{
		"build --memory": "BuildKit has no such limit",
	}
}

// find is muster's command of that name; nil where it has none.
func find(root *cobra.Command, name string) *cobra.Command {
	if name == "(root)" {
		return root
	}
	cmd, rest, err := root.Find(strings.Fields(name))
	if err != nil || len(rest) > 0 || cmd == root {
		return nil
	}
	return cmd
}

// hasFlag says whether a command takes a flag, by both of its spellings.
func hasFlag(cmd *cobra.Command, f peerFlag) bool {
	own := cmd.Flags().Lookup(f.name)
	if own == nil {
		own = cmd.PersistentFlags().Lookup(f.name)
	}
	return own != nil && (f.short == "" || own.Shorthand == f.short)
}

// TestCommandsPage keeps docs/commands.md what the commands are.
func TestCommandsPage(t *testing.T) {
	p := &program{}
	root := p.rootCommand(nil)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	var b strings.Builder
	fmt.Fprintf(&b, "# Commands\n\nMade from the commands themselves by `go generate ./cmd/muster`.\n\n")
	peerTable(t, &b, root)
	differenceTable(&b)
	fmt.Fprintf(&b, "\n## All commands\n\n")
	for _, cmd := range append([]*cobra.Command{root}, root.Commands()...) {
		if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
			continue
		}
		var help bytes.Buffer
		cmd.SetOut(&help)
		printHelp(cmd, nil)
		fmt.Fprintf(&b, "### %s\n\n```text\n%s```\n\n", cmd.CommandPath(), help.String())
		if cmd == root {
			continue
		}
		for _, sub := range cmd.Commands() {
			help.Reset()
			sub.SetOut(&help)
			printHelp(sub, nil)
			fmt.Fprintf(&b, "#### %s\n\n```text\n%s```\n\n", sub.CommandPath(), help.String())
		}
	}
	want := strings.TrimRight(b.String(), "\n") + "\n"
	file := filepath.Join("..", "..", "docs", "commands.md")
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/commands.md is not what the commands are; run `go generate ./cmd/muster` (- commands, + page):\n%s", diff)
	}
}

// peerTable holds the commands against docker compose's. What is missing needs a reason, and a reason something that is missing.
func peerTable(t *testing.T, b *strings.Builder, root *cobra.Command) {
	t.Helper()
	reasons, used := lacking(), map[string]bool{}
	why := func(what string) string {
		used[what] = true
		if reasons[what] == "" {
			t.Errorf("docker compose has %q, muster has not, and nothing says why", what)
		}
		return reasons[what]
	}
	fmt.Fprintf(b, "## Beside docker compose\n\nEach command and flag of docker compose, and what muster has of it. Flags that docker compose hides count too.\n\n")
	fmt.Fprintf(b, "| docker compose | flags | | more in muster |\n|---|---|---|---|\n")
	commands, done, flags, have := 0, 0, 0, 0
	var rows []string
	for _, c := range peerCommands(t) {
		commands++
		cmd := find(root, c.name)
		if cmd == nil {
			rows = append(rows, fmt.Sprintf("| `%s` | - | %s | |\n", c.name, why(c.name)))
			continue
		}
		done++
		var missing []string
		mine := 0
		for _, f := range c.flags {
			flags++
			if hasFlag(cmd, f) {
				have++
				mine++
				continue
			}
			missing = append(missing, fmt.Sprintf("`--%s`: %s", f.name, why(c.name+" --"+f.name)))
		}
		for _, f := range c.flags {
			if reason := idle()[c.name+" --"+f.name]; reason != "" {
				missing = append(missing, fmt.Sprintf("`--%s` does nothing: %s", f.name, reason))
			}
		}
		status := "done"
		if len(missing) > 0 {
			status = strings.Join(missing, "; ")
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %d of %d | %s | %s |\n", c.name, mine, len(c.flags), status, moreFlags(cmd, c)))
	}
	for _, row := range rows {
		b.WriteString(row)
	}
	fmt.Fprintf(b, "\n%d of %d commands, and of those %d of %d flags. Only muster has %s.\n", done, commands, have, flags, onlyOurs(t, root))
	for what := range reasons {
		if !used[what] {
			t.Errorf("it is said why muster has no %q, and it has", what)
		}
	}
}

// differenceTable says where the lines on stderr are not docker compose's; TestPeerMessages holds it against docker compose itself.
func differenceTable(b *strings.Builder) {
	fmt.Fprintf(b, "\n### Messages\n\nWith `--progress plain` and `json`, what is said on stderr is what docker compose 2.40.3 says, line by line, but for these. "+
		"The keys in JSON are docker compose 5's.\n\n| line | only in | why |\n|---|---|---|\n")
	for _, d := range differences() {
		whose := "docker compose"
		if d.muster {
			whose = "muster"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", strings.ReplaceAll(d.line, "|", "\\|"), whose, d.why)
	}
}

// moreFlags are those that docker compose's command has not.
func moreFlags(cmd *cobra.Command, c peerCommand) string {
	var out []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		known := slices.ContainsFunc(c.flags, func(p peerFlag) bool { return p.name == f.Name })
		global := f.Annotations[flagGlobal] != nil && cmd.HasParent()
		if !known && !global && !f.Hidden && f.Name != "help" {
			out = append(out, "`--"+f.Name+"`")
		}
	})
	return strings.Join(out, ", ")
}

// onlyOurs are the commands that docker compose has not.
func onlyOurs(t *testing.T, root *cobra.Command) string {
	theirs := map[string]bool{"help": true, "completion": true}
	for _, c := range peerCommands(t) {
		theirs[c.name] = true
	}
	ours := map[string]bool{}
	for _, cmd := range root.Commands() {
		if !theirs[cmd.Name()] && !cmd.Hidden {
			ours["`"+cmd.Name()+"`"] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(ours)), ", ")
}
