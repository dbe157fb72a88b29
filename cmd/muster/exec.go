package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
)

type execOptions struct {
	detach, noTerminal, terminal, privileged bool
	interactive                              bool
	environment                              []string
	index                                    int
	user, workdir, detachKeys                string
}

func (p *program) execCommand() *cobra.Command {
	var o execOptions
	cmd := &cobra.Command{
		Use: "exec SERVICE COMMAND [ARG...]", GroupID: groupMain,
		Short: "Run a command in a container that runs",
		Example: `  muster exec web sh                        # a shell
  muster exec -T db psql -U shop < dump.sql # with what a file has
  muster exec --index 2 -e DEBUG=1 web env  # in the second container`,
		Args:              needs(2, "a service and a command"),
		ValidArgsFunction: p.firstServiceArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := refusePairs(cmd, []pair{{"tty", "no-tty"}}); err != nil {
				return err
			}
			return p.exec(cmd.Context(), o, args[0], args[1:])
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the service is the command's
	cmd.Flags().SetNormalizeFunc(legacySpelling)
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.detach, "detach", "d", false, "Leave the command running in the background")
		f.BoolVarP(&o.noTerminal, "no-tty", "T", false, "No terminal, also where stdin and stdout are one")
		f.StringArrayVarP(&o.environment, "env", "e", nil, "Set a variable: `KEY=VALUE`, or KEY to pass it on")
		f.IntVar(&o.index, "index", 0, "In container number `N` of the service")
		f.StringVarP(&o.user, "user", "u", "", "Run as this `USER`")
		f.StringVarP(&o.workdir, "workdir", "w", "", "Run in this `FOLDER` of the container")
		f.BoolVar(&o.privileged, "privileged", false, "Give the command all rights")
		f.StringVar(&o.detachKeys, "detach-keys", "", "`KEYS` that leave the command to itself, such as ctrl-p,ctrl-q")
		defineOldTerminal(f, &o.interactive, &o.terminal)
	})
	return cmd
}

// defineOldTerminal adds what is the default since long, for those who still type it.
func defineOldTerminal(f *pflag.FlagSet, interactive, terminal *bool) {
	f.BoolVarP(interactive, "interactive", "i", true, "Connect stdin")
	f.BoolVarP(terminal, "tty", "t", true, "")
	_ = f.MarkHidden("tty")
}

// legacySpelling accepts the spellings that docker compose once had.
func legacySpelling(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "no-TTY":
		name = "no-tty"
	case "volumes":
		name = "volume"
	case "labels":
		name = "label"
	}
	return pflag.NormalizedName(name)
}

// needs refuses command lines with fewer arguments.
func needs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return &usageError{
			problem: fmt.Sprintf("%s wants %s", cmd.Name(), what),
			hint:    "Usage: " + useLine(cmd),
		}
	}
}

// wantsTerminal says whether a process gets a terminal: where the user has one, unless told otherwise.
func (p *program) wantsTerminal(noTerminal, terminal bool) bool {
	return !noTerminal && terminal && p.console != nil && p.outScreen != nil
}

// exec is the command.
func (p *program) exec(ctx context.Context, o execOptions, service string, command []string) error {
	on, c, err := p.oneContainer(ctx, service, o.index, true)
	if err != nil {
		return err
	}
	defer on.Close()
	if p.globals.dryRun {
		fmt.Fprintf(p.out, "%s: would run %s in %s\n", c.project.name, strings.Join(command, " "), c.Name)
		return nil
	}
	keysText, keys, err := detaching(on, o.detachKeys)
	if err != nil {
		return err
	}
	process := docker.ExecOptions{
		Command: command, Environment: p.passedOn(o.environment, c.project.files), User: o.user, WorkingDir: o.workdir, Privileged: o.privileged,
		Terminal: p.wantsTerminal(o.noTerminal, o.terminal), Input: o.interactive, DetachKeys: keysText,
	}
	if o.detach {
		return on.ExecDetached(ctx, c.Name, process)
	}
	if process.Terminal {
		process.Columns, process.Rows = p.console.Size()
	}
	with, err := on.Exec(ctx, c.Name, process)
	if err != nil {
		return err
	}
	defer with.Close()
	switch err := p.converse(ctx, with, conversation{input: o.interactive, keys: keys}); {
	case errors.Is(err, errDetached):
		return &exitError{code: exitFailed, cause: err}
	case err != nil:
		return err
	}
	code, err := with.ExitCode(ctx)
	if err == nil && code != 0 {
		err = &exitError{code: code}
	}
	return err
}

// passedOn gives variables that were named without a value the one that they have here, or in the env files where the
// files have been loaded. Those that have none are left out, as docker does.
func (p *program) passedOn(variables []string, of *project.Project) []string {
	var out []string
	for _, v := range variables {
		if !strings.Contains(v, "=") {
			value, known := p.lookupenv(v)
			if !known && of != nil {
				value, known = of.Environment[v]
			}
			if !known {
				continue
			}
			v += "=" + value
		}
		out = append(out, v)
	}
	return out
}
