package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

// copier moves files between this machine and containers; see [docker.Engine.CopyTo] and the others there.
type copier interface {
	CopyTo(ctx context.Context, container, from, to string, in io.Reader, o docker.CopyOptions) error
	CopyFrom(ctx context.Context, container, from, to string, out io.Writer, o docker.CopyOptions) error
	Export(ctx context.Context, container string, out io.Writer) error
	Commit(ctx context.Context, container string, o docker.CommitOptions) (id string, err error)
}

type copyOptions struct {
	all, archive, follow bool
	index                int
}

func (p *program) cpCommand() *cobra.Command {
	var o copyOptions
	cmd := &cobra.Command{
		Use: "cp SERVICE:PATH PATH|- | PATH|- SERVICE:PATH", GroupID: groupExist,
		Short: "Copy files into containers, or out of one",
		Example: `  muster cp web:/var/log/app.log .    # out of the first container
  muster cp ./conf.d proxy:/etc/nginx # into all containers of the service
  muster cp db:/backup - | tar t      # as a tar archive`,
		Args:              needs(2, "a source and a target"),
		ValidArgsFunction: p.copyArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 {
				return &usageError{problem: "cp wants one source and one target", hint: "Usage: " + useLine(cmd)}
			}
			return p.copy(cmd.Context(), o, args[0], args[1])
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.IntVar(&o.index, "index", 0, "Only container number `N` of the service")
		f.BoolVarP(&o.archive, "archive", "a", false, "Keep users and groups")
		f.BoolVarP(&o.follow, "follow-link", "L", false, "Copy what a link at the source points to")
		f.BoolVar(&o.all, "all", false, "Also those containers that run made")
	})
	return cmd
}

// copyArgs completes services, with a colon behind; paths are the shell's to complete.
func (p *program) copyArgs(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	names, _ := p.serviceArgs(cmd, nil, typed)
	for i := range names {
		names[i] += ":"
	}
	return names, cobra.ShellCompDirectiveNoSpace
}

// serviceAndPath parts SERVICE:PATH; a path of this machine has no service.
func serviceAndPath(arg string) (service, path string) {
	service, path, found := strings.Cut(arg, ":")
	if !found || arg == docker.Stdio || filepath.IsAbs(arg) || strings.HasPrefix(arg, ".") || filepath.VolumeName(arg) != "" {
		return "", arg
	}
	return service, path
}

// copy is the command.
func (p *program) copy(ctx context.Context, o copyOptions, source, target string) error {
	from, fromPath := serviceAndPath(source)
	to, toPath := serviceAndPath(target)
	const emptyHint = "a variable of the script may be unset; . is this folder"
	switch {
	case source == "":
		return &usageError{problem: "the source is empty", hint: emptyHint}
	case target == "":
		return &usageError{problem: "the target is empty", hint: emptyHint}
	case from != "" && to != "":
		return &usageError{problem: "copying between services is not supported", hint: "copy to this machine first, or through a pipe: SERVICE:PATH - and - SERVICE:PATH"}
	case from == "" && to == "":
		return &usageError{problem: "neither " + source + " nor " + target + " is in a container", hint: "write SERVICE:PATH for one of them"}
	}
	on, seen, err := p.observed(ctx, nil)
	if err != nil {
		return err
	}
	defer on.Close()
	l, err := p.look(seen.files)
	if err != nil {
		return err
	}
	containers, err := copyTargets(seen, from+to, o, from != "")
	if err != nil {
		return err
	}
	if fromPath == docker.Stdio && len(containers) > 1 {
		return &usageError{problem: "an archive on stdin can be unpacked once only", hint: "say in which container with --index"}
	}
	options := docker.CopyOptions{Owners: o.archive, FollowLink: o.follow}
	for _, c := range containers {
		what := fmt.Sprintf("copy %s to %s:%s", fromPath, c.Name, toPath)
		act := func() error { return on.CopyTo(ctx, c.Name, fromPath, toPath, p.in, options) }
		if from != "" {
			what = fmt.Sprintf("copy %s:%s to %s", c.Name, fromPath, toPath)
			act = func() error { return on.CopyFrom(ctx, c.Name, fromPath, toPath, p.out, options) }
		}
		if err := p.told(l, c.Name, what, "Copying", "Copied", act); err != nil {
			return err
		}
	}
	return nil
}

// copyTargets are the containers that are copied from or to: out of one, into all.
func copyTargets(seen observed, service string, o copyOptions, one bool) ([]planner.Container, error) {
	if o.index > 0 || one {
		c, err := pick(seen.have, service, o.index, false)
		return []planner.Container{c}, err
	}
	var out []planner.Container
	for _, c := range seen.have.Containers {
		if c.Service == service && (!c.OneOff || o.all) {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, &usageError{problem: fmt.Sprintf("no container found for service %q", service), hint: "`muster ps -a` lists those that there are"}
	}
	return out, nil
}

// told does something to a container and says so, in docker compose's words. A dry run only says it.
func (p *program) told(l look, id, what, doing, done string, act func() error) error {
	say := func(status, word string) {
		switch l.mode {
		case "quiet":
		case "json":
			(&jsonDisplay{w: l.status}).print(progressLine{ID: id, Status: status, Text: what, Details: word})
		default:
			fmt.Fprintf(l.status, " %s %s %s\n", id, what, word)
		}
	}
	if p.globals.dryRun {
		say("Done", "(not done: --dry-run)")
		return nil
	}
	say("Working", doing)
	if err := act(); err != nil {
		return err
	}
	if done != "" {
		say("Done", done)
	}
	return nil
}
