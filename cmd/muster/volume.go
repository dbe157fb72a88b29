package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/lock"
	"github.com/musterhq/muster/snapshot"
)

func (p *program) volumeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "volume COMMAND", GroupID: groupMore,
		Short: "Keep what volumes have, and put it back: snapshots",
		Example: `  muster volume snapshot seeded       # keep what all volumes of the stack have
  muster volume restore seeded        # and put it back
  muster up -d --from-snapshot seeded # or begin with it`,
		Args: p.unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddGroup(&cobra.Group{ID: groupMore, Title: "Commands"})
	for i, sub := range []*cobra.Command{
		p.volumeSnapshotCommand(), p.volumeRestoreCommand(), p.volumeListCommand(), p.volumeRmCommand(), p.volumeExportCommand(), p.volumeImportCommand(),
	} {
		sub.GroupID = groupMore
		sub.Annotations = map[string]string{orderOfHelp: fmt.Sprintf("%02d", i)}
		cmd.AddCommand(sub)
	}
	return cmd
}

// snapshots is where those of a stack are kept. Its instances share them.
func (p *program) snapshots(ctx context.Context) (snapshot.Folder, error) {
	t, err := p.target(ctx, loading{quiet: true})
	if err != nil {
		return "", err
	}
	if t.files != nil {
		return p.snapshotsOf(t.files.First)
	}
	return p.snapshotsOf(t.name)
}

func (p *program) snapshotsOf(stack string) (snapshot.Folder, error) {
	dir, err := p.stateDir()
	if err != nil {
		return "", err
	}
	return snapshot.Folder(filepath.Join(dir, "snapshots", stack)), nil
}

// snapshotArgs completes names of snapshots.
func (p *program) snapshotArgs(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if folder, err := p.snapshots(cmd.Context()); err == nil {
		all, _ := folder.List()
		for _, s := range all {
			names = append(names, s.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (p *program) volumeListCommand() *cobra.Command {
	var o volumesOptions
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short: "List the snapshots of the stack, with what they take",
		Example: `  muster volume list
  muster volume list -q              # names only
  muster volume list --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.volumeList(cmd.Context(), o) },
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.quiet, "quiet", "q", false, "Print names only")
		f.StringVar(&o.format, "format", "table", "`FORMAT`: table or json")
	})
	return cmd
}

// snapshotRow is a snapshot as it is listed.
type snapshotRow struct {
	Name, Taken, Volumes, Size, Stored, Project string
}

func (p *program) volumeList(ctx context.Context, o volumesOptions) error {
	if err := checkFormat(o.format, "table", "json"); err != nil {
		return err
	}
	folder, err := p.snapshots(ctx)
	if err != nil {
		return err
	}
	all, bad := folder.List() // those that can be read are listed, and what is wrong with the others is told
	rows := []snapshotRow{}
	for _, s := range all {
		if o.quiet {
			fmt.Fprintln(p.out, s.Name)
		}
		var keys []string
		for _, v := range s.Volumes {
			keys = append(keys, v.Key)
		}
		rows = append(rows, snapshotRow{s.Name, when(s.Taken), strings.Join(keys, ", "), sizeText(s.Size()),
			sizeText(s.Stored()), s.Project})
	}
	switch {
	case o.quiet:
		return bad
	case o.format == "json":
		if all == nil {
			all = []snapshot.Snapshot{}
		}
		return errors.Join(encodeIndented(p.out, all), bad)
	case len(rows) == 0 && bad != nil:
		return bad
	case len(rows) == 0:
		fmt.Fprintf(p.err, "there are no snapshots in %s; `muster volume snapshot NAME` makes one\n", string(folder))
		return nil
	}
	return errors.Join(printColumns(p.out, broad, `table {{.Name}}\t{{.Taken}}\t{{.Volumes}}\t{{.Size}}\t{{.Stored}}\t{{.Project}}`,
		map[string]string{"Name": "NAME", "Taken": "TAKEN", "Volumes": "VOLUMES", "Size": "SIZE", "Stored": "STORED", "Project": "OF"}, asAny(rows)), bad)
}

func (p *program) volumeRmCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rm NAME...",
		Short: "Remove snapshots; volumes are not touched",
		Example: `  muster volume rm seeded
  muster volume rm monday tuesday
  muster volume list                 # what there is`,
		Args: needs(1, "the name of a snapshot"), ValidArgsFunction: p.snapshotArgs,
		RunE: func(cmd *cobra.Command, names []string) error {
			folder, err := p.snapshots(cmd.Context())
			if err != nil {
				return err
			}
			for _, name := range names { // nothing goes where one is not there
				if err := folder.Has(name); err != nil {
					return err
				}
			}
			for _, name := range names {
				if p.globals.dryRun {
					fmt.Fprintf(p.out, "would remove %s\n", name)
					continue
				}
				if err := folder.Remove(name); err != nil {
					return err
				}
				fmt.Fprintln(p.out, name)
			}
			return nil
		},
	}
}

func (p *program) volumeExportCommand() *cobra.Command {
	output := ""
	cmd := &cobra.Command{
		Use:   "export NAME",
		Short: "Write a snapshot as one file, to be imported elsewhere",
		Example: `  muster volume export seeded -o seeded.tar
  muster volume export seeded | ssh box muster volume import -
  muster --instance pr-7 volume export seeded -o seeded.tar`,
		Args: exactly(1, "the name of a snapshot"), ValidArgsFunction: p.snapshotArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if output == "" && p.outScreen != nil {
				return &usageError{problem: "a snapshot is nothing to read on a terminal", hint: "say -o FILE, or pipe it on"}
			}
			folder, err := p.snapshots(cmd.Context())
			if err != nil {
				return err
			}
			if output == "" {
				return folder.Export(args[0], p.out)
			}
			return writeWhole(output, func(w io.Writer) error { return folder.Export(args[0], w) })
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVarP(&output, "output", "o", "", "Write to `FILE` and not to stdout")
	})
	return cmd
}

func (p *program) volumeImportCommand() *cobra.Command {
	var name string
	var replace bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take over a snapshot that was exported",
		Example: `  muster volume import seeded.tar
  muster volume import --name monday seeded.tar
  muster volume import --replace - < seeded.tar`,
		Args: exactly(1, "one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := p.snapshots(cmd.Context())
			if err != nil {
				return err
			}
			from := p.in
			if args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer file.Close()
				from = file
			}
			s, err := folder.Import(from, name, replace)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.err, "%s of %s: %s\n", s.Name, when(s.Taken), sizesText(s))
			return nil
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&name, "name", "", "Keep it as `NAME`")
		f.BoolVar(&replace, "replace", false, "In the place of one that has the name")
	})
	return cmd
}

// sizesText says how much a snapshot has: "2 volumes, 140MB, 12.3MB packed".
func sizesText(s snapshot.Snapshot) string {
	return fmt.Sprintf("%s, %s, %s packed", count(len(s.Volumes), "volume"),
		sizeText(s.Size()), sizeText(s.Stored()))
}

// taken begins a snapshot's description.
func (p *program) taken(name, stack, project string, at time.Time) snapshot.Snapshot {
	return snapshot.Snapshot{Name: name, Stack: stack, Project: project, Taken: at.UTC(), By: lock.User()}
}
