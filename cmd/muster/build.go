package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
)

// buildChecker looks at Dockerfiles without building.
type buildChecker interface {
	CheckBuild(ctx context.Context, a planner.BuildImage) (docker.BuildCheck, error)
}

type buildOptions struct {
	args                                                     []string
	builder, memory, provenance, sbom, ssh                   string
	check, noCache, print, pull, push, quiet, withDependents bool
}

func (p *program) buildCommand() *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use: "build [SERVICE...]", GroupID: groupMore,
		Short: "Build images",
		Example: `  muster build                         # all that the files say how to build
  muster build --no-cache --pull web   # one, from scratch
  muster build --build-arg VERSION=2 web`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			return p.build(cmd.Context(), o, services)
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringArrayVar(&o.args, "build-arg", nil, "Set an argument: `KEY=VALUE`, or KEY to pass a variable on")
		f.BoolVar(&o.noCache, "no-cache", false, "Build every step anew")
		f.BoolVar(&o.pull, "pull", false, "Look for newer versions of the images after FROM")
		f.BoolVar(&o.push, "push", false, "Push the images then")
		f.BoolVar(&o.withDependents, "with-dependencies", false, "Also build what the named services need")
		f.BoolVar(&o.check, "check", false, "Look for mistakes in the Dockerfiles and build nothing")
		f.BoolVar(&o.print, "print", false, "Print the builds as a file for buildx bake, and build nothing")
		f.StringVar(&o.ssh, "ssh", "", "Let the build use an agent or keys: default, or `ID=PATH`")
		f.StringVar(&o.provenance, "provenance", "", "Add a provenance attestation (`KIND`)")
		f.StringVar(&o.sbom, "sbom", "", "Add an SBOM attestation (`KIND`)")
		f.StringVar(&o.builder, "builder", "", "`NAME` of a builder of buildx; default is the engine's own")
		f.StringVarP(&o.memory, "memory", "m", "", "`SIZE` that a classic builder may take; BuildKit has no limit of its own")
		f.BoolVarP(&o.quiet, "quiet", "q", false, "Print nothing")
		defineOld(f, "compress", "force-rm", "no-rm", "parallel")
	})
	return cmd
}

// build is the command.
func (p *program) build(ctx context.Context, o buildOptions, services []string) error {
	p.globals.at.builder = cmp.Or(o.builder, p.globals.at.builder)
	want, all, err := p.loadBuilds(ctx, services, !o.withDependents)
	if err != nil {
		return err
	}
	if err := p.adjustBuilds(want, o); err != nil {
		return err
	}
	how, err := withInputs(want, planner.Policy{Services: all, NoDeps: !o.withDependents, Now: p.now()})
	if err != nil {
		return err
	}
	plan := func(have planner.State) (planner.Plan, error) { return planner.Builds(want, have, how, o.push) }
	switch {
	case o.print:
		all, err := plan(planner.State{})
		if err != nil {
			return err
		}
		return p.printBake(all, o)
	case o.check:
		return p.checkBuilds(ctx, want, services, plan)
	}
	return p.supply(ctx, supply{want: want, goal: "built", again: "muster build", quiet: o.quiet, plan: plan})
}

// loadBuilds reads the files for the named services, and for those whose images their builds have as contexts.
func (p *program) loadBuilds(ctx context.Context, services []string, noDeps bool) (*project.Project, []string, error) {
	for {
		want, err := p.load(ctx, loading{services: services, noDeps: noDeps, mayMiss: true, quiet: true})
		if err != nil {
			return nil, nil, err
		}
		more := slices.DeleteFunc(contextsOf(want), func(name string) bool { return slices.Contains(services, name) })
		if len(services) == 0 || len(more) == 0 {
			p.printWarnings(want)
			return want, services, nil
		}
		services = append(slices.Clone(services), more...)
	}
}

// contextsOf are the services that builds have as contexts, and that have not been loaded.
func contextsOf(want *project.Project) []string {
	var out []string
	for _, name := range serviceNames(want) {
		s := want.Services[name]
		if s.Build == nil {
			continue
		}
		for _, where := range s.Build.AdditionalContexts {
			other, is := strings.CutPrefix(where, "service:")
			if _, loaded := want.Services[other]; is && !loaded && !slices.Contains(out, other) {
				out = append(out, other)
			}
		}
	}
	slices.Sort(out)
	return out
}

// adjustBuilds gives the services' build sections what the flags say.
func (p *program) adjustBuilds(want *project.Project, o buildOptions) error {
	if o.memory != "" {
		if _, err := units.RAMInBytes(o.memory); err != nil {
			return &usageError{problem: fmt.Sprintf("invalid --memory %q", o.memory), hint: "write a size such as 512m"}
		}
		p.warn("--memory is ignored: BuildKit has no limit of its own")
	}
	for name, s := range want.Services {
		if s.Build == nil {
			continue
		}
		b := *s.Build
		b.NoCache, b.Pull = b.NoCache || o.noCache, b.Pull || o.pull
		b.Args = maps.Clone(b.Args)
		if b.Args == nil {
			b.Args = types.MappingWithEquals{}
		}
		maps.Copy(b.Args, p.keyValues(want, o.args))
		if o.provenance != "" {
			b.Provenance = o.provenance
		}
		if o.sbom != "" {
			b.SBOM = o.sbom
		}
		if o.ssh != "" {
			b.SSH = append(types.SSHConfig{{ID: o.ssh}}, b.SSH...)
		}
		s.Build = &b
		want.Services[name] = s
	}
	return nil
}

// checkBuilds looks at the Dockerfile of each build that was asked for; no services are all.
func (p *program) checkBuilds(ctx context.Context, want *project.Project, services []string, plan func(planner.State) (planner.Plan, error)) error {
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer on.Close()
	have, err := on.Observe(ctx, planner.ScopeOf(want))
	if err != nil {
		return err
	}
	all, err := plan(have)
	if err != nil {
		return err
	}
	found := 0
	for _, step := range all.Steps {
		a, ok := step.Action.(planner.BuildImage)
		if !ok || len(services) > 0 && !slices.Contains(services, a.Service) {
			continue
		}
		check, err := on.CheckBuild(ctx, a)
		if err != nil {
			return err
		}
		found += check.Warnings
		fmt.Fprintf(p.out, "%s: %s\n", a.Service, cmp.Or(strings.TrimSpace(check.Text), "no warnings found"))
	}
	if found > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}
