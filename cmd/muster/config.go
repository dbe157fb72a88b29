package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/project"
)

type configOptions struct {
	format, hash, output                                string
	models                                              bool
	services, volumes, networks, images, profiles       bool
	variables, environment, support, quiet              bool
	noInterpolate, noNormalize, noPaths, noEnv, noCheck bool
	lockRemotes, refreshRemotes                         bool
	resolveDigests, lockDigests                         bool
}

func (p *program) configCommand() *cobra.Command {
	var o configOptions
	cmd := &cobra.Command{
		Use: "config [SERVICE...]", GroupID: groupLook, Aliases: []string{"convert"},
		Short: "Print what the files come to",
		Example: `  muster config               # the whole model, merged and resolved
  muster config -q            # only say what is wrong
  muster config --services    # the names of the services`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return p.config(cmd.Context(), o, services)
		},
	}
	addFlags(cmd, "What to print", func(f *pflag.FlagSet) {
		f.BoolVarP(&o.quiet, "quiet", "q", false, "Nothing: only check the files")
		f.BoolVar(&o.services, "services", false, "The services, a line each")
		f.BoolVar(&o.volumes, "volumes", false, "The volumes")
		f.BoolVar(&o.networks, "networks", false, "The networks")
		f.BoolVar(&o.images, "images", false, "The images")
		f.BoolVar(&o.models, "models", false, "The models")
		f.BoolVar(&o.profiles, "profiles", false, "The profiles")
		f.StringVar(&o.hash, "hash", "", "The hash of each of `SERVICES`, or of all with \"*\"")
		f.BoolVar(&o.variables, "variables", false, "The variables that the files use, with their defaults")
		f.BoolVar(&o.environment, "environment", false, "The variables that the files see")
		f.BoolVar(&o.support, "support", false, "What becomes of each Compose key")
	})
	addFlags(cmd, "How", func(f *pflag.FlagSet) {
		f.StringVar(&o.format, "format", "", "`FORMAT`: yaml or json")
		f.StringVarP(&o.output, "output", "o", "", "Write to `FILE`")
		f.BoolVar(&o.resolveDigests, "resolve-image-digests", false, "Write the digest of each image behind its name")
		f.BoolVar(&o.lockDigests, "lock-image-digests", false, "Only the images with their digests, as a file to merge over the others")
		f.BoolVar(&o.refreshRemotes, "refresh-remotes", false, "Take the newest version of files from git and registries")
		f.BoolVar(&o.lockRemotes, "lock-remotes", false, "The same, and note the versions in muster.lock for everybody")
		f.BoolVar(&o.noInterpolate, "no-interpolate", false, "Leave variables as they are")
		f.BoolVar(&o.noNormalize, "no-normalize", false, "Do not fill in defaults")
		f.BoolVar(&o.noPaths, "no-path-resolution", false, "Leave paths as they are")
		f.BoolVar(&o.noEnv, "no-env-resolution", false, "Do not read services' env files")
		f.BoolVar(&o.noCheck, "no-consistency", false, "Do not check that all names lead somewhere")
	})
	return cmd
}

// config is the command.
func (p *program) config(ctx context.Context, o configOptions, services []string) error {
	if o.support {
		return p.printSupport(ctx, o.format)
	}
	lo := p.loadOptions(loading{services: services, mayMiss: true})
	lo.AllProfiles = o.profiles || o.variables
	lo.NoInterpolate, lo.NoNormalize, lo.NoPathResolution = o.noInterpolate && o.hash == "" || o.variables, o.noNormalize, o.noPaths
	lo.NoEnvResolution, lo.NoConsistency = o.noEnv, o.noCheck
	lo.RefreshRemotes = o.refreshRemotes || o.lockRemotes
	want, err := project.Load(ctx, lo)
	if err != nil {
		return err
	}
	p.printWarnings(want)
	if o.lockRemotes {
		return p.lockRemotes(want)
	}
	if o.resolveDigests || o.lockDigests {
		if err := p.pinImages(ctx, want); err != nil {
			return err
		}
	}
	text, err := p.configText(want, o)
	if err != nil || o.quiet {
		return err
	}
	if o.output != "" {
		return os.WriteFile(o.output, []byte(text), 0o600)
	}
	_, err = fmt.Fprint(p.out, text)
	return err
}

// configText is what is asked for.
func (p *program) configText(want *project.Project, o configOptions) (string, error) {
	switch {
	case o.quiet:
		return "", nil
	case o.services:
		return lines(serviceNames(want)), nil
	case o.volumes:
		return lines(slices.Sorted(maps.Keys(want.Volumes))), nil
	case o.networks:
		return lines(slices.Sorted(maps.Keys(want.Networks))), nil
	case o.images:
		return lines(want.Images()), nil
	case o.models:
		return lines(models(want)), nil
	case o.profiles:
		return lines(want.Profiles()), nil
	case o.hash != "":
		return hashes(want, o.hash)
	case o.variables:
		return variables(want, o.format)
	case o.environment:
		return lines(want.EnvironmentList()), nil
	}
	return modelText(want, o)
}

// models are the AI models that the files name, each once, sorted.
func models(want *project.Project) []string {
	var out []string
	if want.Model != nil {
		for _, m := range want.Model.Models {
			out = append(out, m.Model)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// modelText is the whole model.
func modelText(want *project.Project, o configOptions) (string, error) {
	format := o.format
	switch format {
	case "", "yaml", "json":
	default:
		return "", &usageError{problem: fmt.Sprintf("unsupported format %q", format), hint: "there are yaml and json"}
	}
	write := want.Marshal
	if o.lockDigests {
		write = want.MarshalImages
	}
	text, err := write(format)
	if format == "json" {
		text = append(text, '\n')
	}
	return string(text), err
}

// variables are what the files are interpolated with, as a table or in JSON by their names, in docker compose's form.
func variables(want *project.Project, format string) (string, error) {
	var b strings.Builder
	if format == "json" {
		byName := map[string]project.Variable{}
		for _, v := range want.Variables() {
			byName[v.Name] = v
		}
		err := encodeIndented(&b, byName)
		return b.String(), err
	}
	tabs := tabwriter.NewWriter(&b, 20, 1, 3, ' ', 0)
	fmt.Fprintln(tabs, "NAME\tREQUIRED\tDEFAULT VALUE\tALTERNATE VALUE")
	for _, v := range want.Variables() {
		fmt.Fprintf(tabs, "%s\t%t\t%s\t%s\n", v.Name, v.Required, v.Default, v.Alternate)
	}
	err := tabs.Flush()
	return b.String(), err
}

func lines(of []string) string {
	if len(of) == 0 {
		return ""
	}
	return strings.Join(of, "\n") + "\n"
}

// hashes are the services' configuration hashes, which are docker compose's.
func hashes(want *project.Project, which string) (string, error) {
	names := serviceNames(want)
	if which != "*" {
		names = strings.Split(which, ",")
		if err := checkNames(want, names); err != nil {
			return "", err
		}
	}
	var out []string
	for _, name := range names {
		hashes, err := project.ServiceHashes(want.Services[name])
		if err != nil {
			return "", err
		}
		out = append(out, name+" "+hashes[0])
	}
	return lines(out), nil
}

// printSupport prints what becomes of each key.
func (p *program) printSupport(ctx context.Context, format string) error {
	if format == "json" {
		return encodeIndented(p.out, project.SupportTable())
	}
	target, err := project.FindTarget(ctx, p.loadOptions(loading{}))
	if err != nil {
		return err
	}
	rows := project.SupportOn(target)
	counts := map[project.Support]int{}
	tabs := tabwriter.NewWriter(p.out, 8, 1, 2, ' ', 0)
	fmt.Fprintln(tabs, "KEY\t"+strings.ToUpper(target))
	for _, r := range rows {
		counts[r.Support]++
		fmt.Fprintf(tabs, "%s\t%s\n", r.Key, r.Words())
	}
	if err := tabs.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "\n%d keys: %d honoured, %d only informing, %d warned about, %d refused\n", len(rows),
		counts[project.Honoured], counts[project.Informing], counts[project.Warned], counts[project.Refused])
	return err
}
