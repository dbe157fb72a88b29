package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// loading says what a command wants of the files, beyond the global flags.
type loading struct {
	services []string // that the user named
	jobs     bool     // those may be jobs
	noDeps   bool
	// tests are services that are run as tests; allTests are those that are marked so.
	tests    []string
	allTests bool
	// onlyLook takes the services of every profile, for commands that do not
	// bring anything up.
	onlyLook bool
	// quiet leaves the warnings out.
	quiet bool
	// attached says that the command stays with the containers.
	attached bool
	// mayMiss lets files that go into containers be missing.
	mayMiss bool
}

// loadOptions are the project's options that the global flags ask for.
func (p *program) loadOptions(l loading) project.Options {
	g := p.globals
	return project.Options{
		Files: g.files, Stdin: p.in, Name: g.name, Instance: g.instance, Target: g.target, Fallback: p.fallbackTarget(), HostPorts: p.hostPorts(l.onlyLook), Dir: g.dir, EnvFiles: g.envFiles,
		Profiles: g.profiles, AllProfiles: l.onlyLook, Services: l.services, Jobs: l.jobs, NoDeps: l.noDeps,
		Tests: l.tests, AllTests: l.allTests,
		Environ: p.environ, Compatibility: g.compatibility, AllResources: g.allResources, Strict: g.strict,
		TolerateMissing: l.mayMiss || l.onlyLook, NoContent: l.onlyLook,
		Confirm: p.confirmRemote(), Attached: l.attached,
	}
}

// load reads the files and prints what they are warned about.
func (p *program) load(ctx context.Context, l loading) (*project.Project, error) {
	want, err := project.Load(ctx, p.loadOptions(l))
	if err != nil {
		return nil, err
	}
	if !l.quiet {
		p.printWarnings(want)
	}
	if err := p.aim(want.Target); err != nil {
		return nil, err
	}
	p.leased(want)
	return want, nil
}

// printWarnings prints what the files are warned about, each with its place.
func (p *program) printWarnings(want *project.Project) {
	for _, w := range want.Warnings {
		e := project.Error(w)
		p.warn(e.Error())
	}
}

// target is the project that a command works on. Files are missing where it is known
// from its containers' labels alone.
type target struct {
	name  string
	files *project.Project // nil: labels only
	// guess is what to answer where nothing is found: the name is only the
	// folder's, and the user may be in the wrong one.
	guess error
}

// scope is what must be observed of it.
func (t target) scope() planner.Scope {
	if t.files != nil {
		return planner.ScopeOf(t.files)
	}
	return planner.Scope{Project: t.name}
}

// target finds the project for a command that also works without its files:
// -p alone is a name, as with docker compose, and so is the folder's where it has
// no file. Files with mistakes do not keep anybody from stopping what runs.
func (p *program) target(ctx context.Context, l loading) (target, error) {
	l.onlyLook = true
	if p.globals.name != "" && len(p.globals.files) == 0 {
		return p.named(ctx, l)
	}
	files, err := p.load(ctx, l)
	if err == nil {
		return target{name: files.Name, files: files}, nil
	}
	var mistakes project.Errors
	switch {
	case errors.Is(err, project.ErrNoFile) && len(p.globals.files) == 0:
		return p.byFolder(ctx, l, err)
	case errors.As(err, &mistakes) && len(l.services) == 0:
		t, nameErr := p.named(ctx, l)
		if nameErr != nil {
			return target{}, err
		}
		p.warn(fmt.Sprintf("%s in the files; going by what runs (`muster config -q` shows them)", count(len(mistakes), "problem")))
		return t, nil
	}
	return target{}, err
}

// byFolder is a target that goes by the folder's name, or by the environment's.
func (p *program) byFolder(ctx context.Context, l loading, noFile error) (target, error) {
	if t, err := p.named(ctx, l); err == nil {
		return t, nil
	}
	name, err := project.FolderName(ctx, p.loadOptions(l))
	if err != nil {
		return target{}, noFile
	}
	return target{name: name, guess: noFile}, nil
}

// named is a target that is known by its name only.
func (p *program) named(ctx context.Context, l loading) (target, error) {
	if err := p.aimByName(ctx); err != nil {
		return target{}, err
	}
	name, err := project.Name(ctx, p.loadOptions(l))
	if err != nil {
		return target{}, err
	}
	return target{name: name}, nil
}

// observed is a target and what exists of it.
type observed struct {
	target
	have planner.State
}

// observe looks at the engine, and refuses services that are neither declared nor there.
func observe(ctx context.Context, on observer, t target, services []string) (observed, error) {
	have, err := on.Observe(ctx, t.scope())
	if err != nil {
		return observed{}, err
	}
	if t.guess != nil && len(have.Containers)+len(have.Networks)+len(have.Volumes)+len(have.Deployed) == 0 {
		return observed{}, t.guess
	}
	o := observed{target: t, have: have}
	known := o.services()
	for _, name := range services {
		if !slices.Contains(known, name) {
			return observed{}, noSuchService(name, known)
		}
	}
	return o, nil
}

// services are the names of all that is declared or has a container, sorted.
func (o observed) services() []string {
	var names []string
	if o.files != nil {
		names = serviceNames(o.files)
	}
	for _, c := range o.have.Containers {
		if c.Service != "" && !slices.Contains(names, c.Service) {
			names = append(names, c.Service)
		}
	}
	for _, d := range o.have.Deployed {
		if !slices.Contains(names, d.Service) {
			names = append(names, d.Service)
		}
	}
	slices.Sort(names)
	return names
}

// serviceNames lists a project's active services, sorted.
func serviceNames(of *project.Project) []string {
	names := make([]string, 0, len(of.Services))
	for name := range of.Services {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// noSuchService is the answer to a name that nothing has.
func noSuchService(name string, known []string) error {
	const few = 12 // to be read at a glance
	var hint string
	switch near := project.Nearest(name, known); {
	case near != "":
		hint = fmt.Sprintf("did you mean %q?", near)
	case len(known) == 0:
		hint = "this project has no services"
	case len(known) <= few:
		hint = "there are " + strings.Join(known, ", ")
	default:
		hint = "`muster config --services` lists those in the files, `muster ps -a` those with containers"
	}
	return &usageError{problem: fmt.Sprintf("no such service: %s", name), hint: hint}
}

// setting is a variable of the environment, or of the env files where the files have been loaded.
func (p *program) setting(of *project.Project, key string) string {
	if value := p.getenv(key); value != "" || of == nil {
		return value
	}
	return of.Environment[key]
}

// count writes a number with its noun: "1 problem", "3 problems".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
