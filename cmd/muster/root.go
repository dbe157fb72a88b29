package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/project"
)

// Groups of commands, in the order of the help.
const (
	groupMain  = "main"
	groupLook  = "look"
	groupExist = "exist"
	groupMore  = "more"

	orderOfHelp = "order" // annotation of a command
)

// rootCommand is muster itself with all its commands. Those that none of the arguments names, and so cannot be run by them, are left without the global
// flags: a thousand of them, which take longer than all the rest. With nil for the arguments all are complete.
func (p *program) rootCommand(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "muster",
		Short: "Bring a stack of containers to the state that a Compose file declares",
		Example: `  muster plan          # what would change, and why
  muster up -d         # bring the stack up in the background
  muster logs -f web   # follow the output of a service`,
		SilenceErrors:    true,
		SilenceUsage:     true,
		TraverseChildren: true, // global flags may stand before the command
		Args:             p.unknownCommand,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			p.command = cmd.Name()
			p.globals.at.builder = p.getenv("BUILDX_BUILDER")
			var err error
			if p.profiled, err = p.globals.profilesOf.begin(); err != nil {
				return err
			}
			// A bad setting is refused by every command, and not in the middle of one.
			if _, err := p.parallelism(); err != nil {
				return err
			}
			if _, err := p.probeEngineOnly(); err != nil {
				return err
			}
			_, err = p.look(nil)
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	if p.called != "" && p.called != root.Use {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: p.called}
	}
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	p.globals.define(root.Flags())
	version := root.Flags().BoolP("version", "v", false, "Print the version")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *version {
			return p.printVersion(versionOptions{})
		}
		return cmd.Help()
	}
	root.AddGroup(
		&cobra.Group{ID: groupMain, Title: "Every day"},
		&cobra.Group{ID: groupLook, Title: "Look"},
		&cobra.Group{ID: groupExist, Title: "Containers that exist"},
		&cobra.Group{ID: groupMore, Title: "More"},
	)
	all := p.commands()
	for _, extra := range extras {
		all = append(all, extra(p))
	}
	for i, cmd := range all {
		cmd.Annotations = map[string]string{orderOfHelp: fmt.Sprintf("%02d", i)}
		root.AddCommand(cmd)
	}
	root.SetHelpCommandGroupID(groupMore)
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = func(_ *cobra.Command, words []string) error { return p.knownTopic(root, words) }
	}
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetCompletionCommandGroupID(groupMore)
	root.SetHelpFunc(printHelp)
	root.SetUsageFunc(func(cmd *cobra.Command) error { printHelp(cmd, nil); return nil })
	root.SetFlagErrorFunc(flagError)
	for _, cmd := range root.Commands() {
		if args != nil && !slices.ContainsFunc(args, func(word string) bool { return word == cmd.Name() || cmd.HasAlias(word) }) {
			continue
		}
		p.globals.shareWith(cmd.Flags(), root.Flags())
		for _, sub := range cmd.Commands() {
			p.globals.shareWith(sub.Flags(), root.Flags())
		}
	}
	return root
}

// extras are commands of special builds.
var extras []func(p *program) *cobra.Command

// commands are all that muster knows, in the order of the help.
func (p *program) commands() []*cobra.Command {
	return append([]*cobra.Command{
		p.upCommand(), p.watchCommand(), p.planCommand(), p.applyCommand(), p.rollbackCommand(), p.testCommand(), p.downCommand(),
		p.psCommand(), p.logsCommand(), p.lsCommand(), p.timelineCommand(), p.configCommand(), p.historyCommand(),
		p.startCommand(), p.stopCommand(), p.restartCommand(), p.killCommand(), p.rmCommand(), p.waitCommand(),
		p.createCommand(), p.scaleCommand(),
		p.versionCommand(),
	}, p.containerCommands()...)
}

// containerCommands are those that look into containers, or work with what is in them.
func (p *program) containerCommands() []*cobra.Command {
	return []*cobra.Command{
		p.execCommand(), p.runCommand(), p.buildCommand(), p.pullCommand(), p.pushCommand(), p.publishCommand(), p.doctorCommand(),
		p.vizCommand(), p.generateCommand(), p.alphaCommand(),
		p.topCommand(), p.statsCommand(), p.portCommand(), p.envCommand(), p.openCommand(), p.gcCommand(), p.imagesCommand(), p.volumesCommand(), p.volumeCommand(), p.eventsCommand(),
		p.pauseCommand(), p.unpauseCommand(), p.cpCommand(), p.attachCommand(), p.exportCommand(), p.commitCommand(),
		p.faultCommand(), p.faultAgentCommand(), p.faultGuardCommand(), p.volumeAgentCommand(),
	}
}

// unknownCommand refuses what is no command, and names the near one.
func (p *program) unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	hint := "`muster help` lists the commands"
	near := project.Nearest(args[0], names)
	if i := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, args[0]) }); near == "" && i >= 0 {
		near = names[i]
	}
	if near != "" {
		hint = "did you mean `" + cmd.CommandPath() + " " + near + "`?"
	}
	return &usageError{problem: fmt.Sprintf("unknown command %q", args[0]), hint: hint}
}

// knownTopic refuses help about a command that there is not, which cobra's own answers with that of all of them.
func (p *program) knownTopic(root *cobra.Command, words []string) error {
	of, left, err := root.Find(words)
	if err != nil || !of.HasAvailableSubCommands() {
		return err
	}
	return p.unknownCommand(of, left)
}

// flagError says which flag is wrong, and names the near one.
func flagError(cmd *cobra.Command, err error) error {
	usage := &usageError{problem: err.Error(), hint: "`" + cmd.CommandPath() + " --help` lists the flags"}
	name, found := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !found {
		return usage
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := project.Nearest(name, names); near != "" {
		usage.hint = "did you mean --" + near + "?"
	}
	if format := cmd.Flags().Lookup("format"); name == "json" && format != nil && strings.Contains(format.Usage, "json") { // as of plan and events
		usage.hint = "did you mean --format json?"
	}
	return usage
}

// usageError is a command line that makes no sense.
type usageError struct{ problem, hint string }

func (e *usageError) Error() string { return e.problem }

// Hint says what to type instead.
func (e *usageError) Hint() string { return e.hint }

// firstServiceArg completes the name of one service; what follows is nobody's to complete but the shell's.
func (p *program) firstServiceArg(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return p.serviceArgs(cmd, args, typed)
}

// serviceArgs completes the names of services, each once.
func (p *program) serviceArgs(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	want, err := p.load(cmd.Context(), loading{onlyLook: true})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, name := range serviceNames(want) {
		if strings.HasPrefix(name, typed) && !slices.Contains(args, name) {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
