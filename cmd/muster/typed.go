package main

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// typed is the command line without --dry-run: what to type to have it done.
func (p *program) typed() string { return commandLine(without(p.args, []string{"dry-run"})) }

// typedInstead is the command line with another command and without the
// flags that this one does not have.
func (p *program) typedInstead(command, other string, flags []string) string {
	args := without(p.args, append(flags, "dry-run"))
	if i := p.commandAt(args); i < len(args) && args[i] == command {
		args[i] = other
	}
	return commandLine(args)
}

// commandAt is the place of the command's name: behind the global flags and their values.
func (p *program) commandAt(args []string) int {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(globals).define(set)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !strings.HasPrefix(arg, "-") {
			return i
		}
		name, isLong := strings.CutPrefix(arg, "--")
		f := set.Lookup(name)
		if !isLong && len(arg) == 2 {
			f = set.ShorthandLookup(arg[1:])
		}
		// The next word is its value, unless it has it already or needs none.
		if f != nil && f.NoOptDefVal == "" {
			i++
		}
	}
	return len(args)
}

// without leaves switches out, with and without "=true" behind them.
func without(args, switches []string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
		name, isLong := strings.CutPrefix(arg, "--")
		name, _, _ = strings.Cut(name, "=")
		return isLong && slices.Contains(switches, name)
	})
}

// commandLine is how to type it in a shell.
func commandLine(args []string) string {
	words := []string{"muster"}
	for _, arg := range args {
		if arg == "" || strings.ContainsAny(arg, " \t\n'\"$\\*?;&|<>()") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}
