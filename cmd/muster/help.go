package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	flagGroup  = "muster-group"  // annotation of a flag: the heading that it stands under
	flagGlobal = "muster-global" // annotation of a flag: it belongs to muster and not to the command
)

// addFlags defines flags of a command under a heading of its help.
func addFlags(cmd *cobra.Command, heading string, define func(*pflag.FlagSet)) {
	set := pflag.NewFlagSet(heading, pflag.ContinueOnError)
	set.SortFlags = false
	define(set)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[flagGroup] = []string{heading}
	})
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(set)
}

// printHelp prints the one screen that a command has.
func printHelp(cmd *cobra.Command, _ []string) {
	w := cmd.OutOrStdout()
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(w, "%s\n\nUsage:  %s\n", text, useLine(cmd))
	if cmd.Example != "" {
		fmt.Fprintf(w, "\n%s\n", cmd.Example)
	}
	for _, group := range cmd.Groups() {
		printCommands(w, cmd, group)
	}
	if len(cmd.Groups()) == 0 && cmd.HasAvailableSubCommands() { // cobra's own completion groups nothing
		printCommands(w, cmd, &cobra.Group{Title: "Commands"})
	}
	printFlags(w, cmd)
	if cmd.HasParent() {
		fmt.Fprintf(w, "\nGlobal flags (-f, -p, --profile, …) may stand here too: %s --help\n", cmd.Root().CommandPath())
		return
	}
	fmt.Fprintf(w, "\n`%s COMMAND --help` says more about one.\n", cmd.CommandPath())
}

// useLine is how to write the command.
func useLine(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return cmd.CommandPath() + " [GLOBAL FLAGS] COMMAND"
	}
	before, after, _ := strings.Cut(cmd.Use, " ")
	line := cmd.Parent().CommandPath() + " " + before + " [FLAGS]"
	if after != "" {
		line += " " + after
	}
	return line
}

// printCommands lists one group of commands, in the order of their definition.
func printCommands(w io.Writer, cmd *cobra.Command, group *cobra.Group) {
	fmt.Fprintf(w, "\n%s:\n", group.Title)
	subs := slices.Clone(cmd.Commands())
	slices.SortStableFunc(subs, func(a, b *cobra.Command) int {
		return cmp.Compare(a.Annotations[orderOfHelp], b.Annotations[orderOfHelp])
	})
	for _, sub := range subs {
		if sub.GroupID == group.ID && sub.IsAvailableCommand() {
			fmt.Fprintf(w, "  %-12s%s\n", sub.Name(), sub.Short)
		}
	}
}

// printFlags lists the flags under their headings, in the order of their definition.
func printFlags(w io.Writer, cmd *cobra.Command) {
	var headings []string
	lines := map[string][]string{}
	width := 0
	cmd.Flags().SortFlags = false
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			width = max(width, len(flagName(f)))
		}
	})
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || f.Annotations[flagGlobal] != nil && cmd.HasParent() {
			return
		}
		heading := "Flags"
		if h := f.Annotations[flagGroup]; h != nil {
			heading = h[0]
		}
		if lines[heading] == nil {
			headings = append(headings, heading)
		}
		_, usage := pflag.UnquoteUsage(f)
		lines[heading] = append(lines[heading], fmt.Sprintf("  %-*s  %s", width, flagName(f), usage))
	})
	for _, heading := range headings {
		fmt.Fprintf(w, "\n%s:\n%s\n", heading, strings.Join(lines[heading], "\n"))
	}
}

// flagName is a flag as it is typed: "-t, --timeout SECONDS".
func flagName(f *pflag.Flag) string {
	name := "    --" + f.Name
	if f.Shorthand != "" && f.ShorthandDeprecated == "" {
		name = "-" + f.Shorthand + ", --" + f.Name
	}
	value, _ := pflag.UnquoteUsage(f)
	if value != "" {
		name += " " + value
	}
	return name
}
