package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/project/remote"
)

type publishOptions struct {
	format                                    string
	app, digests, withEnv, yes, anyConnection bool
}

func (p *program) publishCommand() *cobra.Command {
	var o publishOptions
	cmd := &cobra.Command{
		Use: "publish REPOSITORY[:TAG]", GroupID: groupMore,
		Short: "Publish the files in a registry, for others to run",
		Long: `Publish the Compose files as an artifact in a registry. Others run it with
` + "`muster -f oci://REPOSITORY:TAG up`" + `, or name it in an include.

The files go as they are written, variables and all. Values, env files and
mounts of the host are shown and asked about first: whoever can read the
repository will read them. Images that are built here are pushed before.`,
		Example: `  muster publish registry.example.com/shop:1.4
  muster publish --resolve-image-digests registry.example.com/shop:1.4
  muster --dry-run publish registry.example.com/shop:1.4  # only say what would go`,
		Args: needs(1, "a repository"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{problem: "publish wants one repository", hint: "Usage: " + useLine(cmd)}
			}
			return p.publish(cmd.Context(), o, args[0])
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.BoolVar(&o.withEnv, "with-env", false, "Publish values of variables and env files too")
		f.BoolVar(&o.digests, "resolve-image-digests", false, "Publish the digest of each image too")
		f.BoolVar(&o.app, "app", false, "Publish the images too, beside the files, with their digests")
		f.StringVar(&o.format, "oci-version", "", "`VERSION` of the OCI image format: 1.0 or 1.1; else what the registry takes")
		f.BoolVarP(&o.yes, "yes", "y", false, "Do not ask")
		f.BoolVar(&o.anyConnection, "insecure-registry", false, "Use HTTP, or HTTPS without a valid certificate")
		_ = f.MarkHidden("insecure-registry")
	})
	return cmd
}

// publish is the command.
func (p *program) publish(ctx context.Context, o publishOptions, repository string) error {
	switch o.format {
	case "", "1.0", "1.1":
	default:
		return &usageError{problem: fmt.Sprintf("there is no version %q of the OCI image specification for this", o.format), hint: "there are 1.0 and 1.1"}
	}
	to, err := remote.Parse("oci://" + strings.TrimPrefix(repository, "oci://"))
	if err == nil && to.Fixed() != "" {
		err = &remote.Problem{Text: "names a digest, which is what publishing finds out", Hint: "write REPOSITORY:TAG"}
	}
	if err != nil {
		return remoteProblem(repository, err)
	}
	want, publication, err := project.Publish(ctx, p.loadOptions(loading{}), project.Publishing{EnvFiles: o.withEnv})
	if err != nil {
		return err
	}
	p.printWarnings(want)
	if err := p.agreePublic(to, publication, o); err != nil {
		return err
	}
	if err := p.publishImages(ctx, want, publication, o); err != nil {
		return err
	}
	l, err := p.look(want)
	if err != nil {
		return err
	}
	how := remote.Publishing{Format: o.format, Insecure: o.anyConnection, Program: "muster " + versionNumber()}
	if o.app {
		how.Images = want.Images()
	}
	var digest string
	place := to.Location + ":" + to.Version
	err = p.told(l, place, "publishing", "", "", func() error {
		digest, err = remote.Publish(ctx, to, publication.Files, how)
		return err
	})
	if err != nil {
		return remoteProblem(place, err)
	}
	if p.globals.dryRun {
		for _, f := range publication.Files {
			fmt.Fprintf(p.out, "%s\t%d bytes\n", f.Name, len(f.Text))
		}
		return nil
	}
	return p.told(l, place, "published", digest, "", func() error { return nil })
}

// remoteProblem names the place that something is wrong with.
func remoteProblem(place string, err error) error {
	var problem *remote.Problem
	if errors.As(err, &problem) {
		return &usageError{problem: fmt.Sprintf("%q %s", place, problem.Text), hint: problem.Hint}
	}
	return err
}

// agreePublic shows what everybody who can read the repository will read, refuses what was not asked for, and asks about the rest.
func (p *program) agreePublic(to remote.Reference, of *project.Publication, o publishOptions) error {
	if unasked := append(findings(of.Values), findings(of.EnvFiles)...); !o.withEnv && len(unasked) > 0 {
		return &usageError{
			problem: fmt.Sprintf("not published: whoever can read %s would read these values and files of variables:\n%s", to.Location, strings.Join(unasked, "\n")),
			hint:    "write ${NAME} for what each user sets, or publish them with --with-env",
		}
	}
	for _, b := range of.Behind {
		e := project.Error(b)
		text := fmt.Sprintf("%s is not published, and %s", e.Problem, e.Hint)
		if e.File != "" { // .env is named nowhere
			text = placeOf(e) + ": " + text
		}
		p.warn(text)
	}
	var parts []string
	for _, about := range []struct {
		what string
		of   []project.Finding
	}{
		{"what looks like a credential", of.Credentials}, {"values of variables", of.Values}, {"env files", of.EnvFiles}, {"mounts of the host", of.Mounts},
	} {
		if lines := findings(about.of); len(lines) > 0 {
			parts = append(parts, about.what+":\n"+strings.Join(lines, "\n"))
		}
	}
	if len(parts) == 0 || o.yes || p.globals.dryRun {
		return nil
	}
	if p.screen == nil {
		return &usageError{problem: "not published: the files have " + strings.Join(parts, "\nand "), hint: "say --yes to publish them"}
	}
	return p.confirm(fmt.Sprintf("Whoever can read %s will read %s\nPublish it?", to.Location, strings.Join(parts, "\nand ")))
}

// findings are lines, each a place with what is there.
func findings(of []project.Finding) []string {
	out := make([]string, 0, len(of))
	for _, f := range of {
		e := project.Error(f)
		out = append(out, fmt.Sprintf("  %s (%s)", placeOf(e), e.Problem))
	}
	return out
}

// placeOf is where an error is, in the file and in the model.
func placeOf(e project.Error) string { return e.Place() + "  " + e.Path }

// publishImages pushes the images that are built here, and adds the digests of all where that is asked for. Without either no
// engine is needed.
func (p *program) publishImages(ctx context.Context, want *project.Project, of *project.Publication, o publishOptions) error {
	builds := slices.ContainsFunc(slices.Collect(maps.Values(want.Services)), func(s project.Service) bool { return s.Build != nil })
	if builds {
		err := p.supply(ctx, supply{
			want: want, goal: "pushed", again: "muster publish", forgive: true,
			plan: func(have planner.State) (planner.Plan, error) {
				return planner.Pushes(want, have, planner.Policy{Now: p.now()})
			},
		})
		if err != nil {
			return err
		}
	}
	if !o.digests && !o.app || p.globals.dryRun {
		return nil
	}
	if err := p.pinImages(ctx, want); err != nil {
		return err
	}
	text, err := want.MarshalImages("yaml")
	if err != nil {
		return err
	}
	of.Files = append(of.Files, remote.File{Name: "image-digests.yaml", Text: text})
	return nil
}
