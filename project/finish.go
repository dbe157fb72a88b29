package project

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

func asError[T error](err error, target *T) bool { return errors.As(err, target) }

// begun is the Project with what is known without the files' model.
func (l *loading) begun() *Project {
	p := &Project{
		Name:         l.name,
		Target:       l.o.Target,
		First:        l.first,
		Instance:     l.instance,
		WorkingDir:   l.where.dir,
		Files:        l.where.files,
		EnvFiles:     l.where.envFiles,
		Environment:  l.where.env,
		Warnings:     slices.Clone(l.where.warnings),
		Separator:    "-",
		Remotes:      l.where.remotes.sources(),
		allResources: l.o.AllResources,
		lockDir:      l.where.lockDir(),
		places:       l.places,
	}
	p.Environment["COMPOSE_PROJECT_NAME"] = l.name
	if l.o.Compatibility || truth(l.where.env["COMPOSE_COMPATIBILITY"]) {
		p.Separator = "_"
	}
	return p
}

// writeSSH puts the SSH keys of builds into the form ID=PATH, in order: as pairs compose-go has them in any order, and writes
// what is no JSON.
func writeSSH(of *types.Project) {
	for _, s := range of.Services {
		if s.Build == nil {
			continue
		}
		for i, key := range s.Build.SSH {
			if key.Path != "" {
				s.Build.SSH[i] = types.SSHKey{ID: key.ID + "=" + key.Path}
			}
		}
		slices.SortFunc(s.Build.SSH, func(a, b types.SSHKey) int { return strings.Compare(a.ID, b.ID) })
	}
}

// finish checks the model, chooses the services, resolves what lies in further
// files and makes the Project.
func (l *loading) finish(m *model) (*Project, Errors) {
	p := l.begun()
	p.raw = m.dict
	if len(p.Remotes) > 0 {
		errs, warnings := l.places.escapes()
		if len(errs) > 0 {
			return nil, errs
		}
		p.Warnings = append(p.Warnings, warnings...)
	}
	if m.project == nil {
		p.sketch(l.where.profiles)
		return p, nil // NoInterpolate: nothing in it can be judged
	}
	writeSSH(m.project)
	enabled, errs := l.runnable(m.project)
	if len(errs) == 0 {
		enabled, errs = l.enable(enabled)
	}
	if len(errs) == 0 {
		enabled, errs = l.tests(enabled)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	errs = l.check(enabled)
	selected := enabled
	if len(errs) == 0 {
		selected, errs = l.only(enabled)
	}
	if len(errs) == 0 {
		l.unresolved = selected
		selected, errs = l.resolveFiles(selected)
	}
	if selected == nil {
		return nil, errs
	}
	warnings, ignored := l.warn(&model{dict: m.dict, project: selected})
	p.Warnings = append(p.Warnings, warnings...)
	errs = append(errs, ignored...)
	p.fill(selected)
	contentWarnings, contentErrs := l.content(p)
	p.Warnings = append(p.Warnings, contentWarnings...)
	if errs = append(errs, contentErrs...); len(errs) > 0 {
		return nil, errs
	}
	p.Warnings = l.sortedWarnings(p.Warnings)
	l.inputs, l.allInputs = l.inputsOf(l.unresolved, p.Model)
	p.Beside = readPaths(l.inputs) // what was found is better than nothing
	if l.allInputs {
		p.inputs, p.known = l.withLooked(l.inputs)
	}
	return p, nil
}

// sortedWarnings puts warnings in the order of files and lines.
func (l *loading) sortedWarnings(ws []Warning) []Warning {
	es := make(Errors, len(ws))
	for i := range ws {
		e := Error(ws[i])
		es[i] = &e
	}
	out := make([]Warning, 0, len(ws))
	for _, e := range es.sorted(l.places) {
		out = append(out, Warning(*e))
	}
	return out
}

// bind copies the services out of compose-go's project.
func (p *Project) bind(m *types.Project) {
	p.Model = m
	p.Services = maps.Clone(map[string]Service(m.Services))
	p.Inactive = maps.Clone(map[string]Service(m.DisabledServices))
}

// fill copies all the maps that others work with out of it.
func (p *Project) fill(m *types.Project) {
	p.bind(m)
	used := m
	if !p.allResources {
		used = m.WithoutUnnecessaryResources()
	}
	p.Networks = used.Networks
	p.Volumes = used.Volumes
	p.Configs = used.Configs
	p.Secrets = used.Secrets
	for _, s := range m.Services {
		// Which the model does not count as a use.
		if spec := s.CredentialSpec; spec != nil && spec.Config != "" {
			if c, declared := m.Configs[spec.Config]; declared {
				p.Configs[spec.Config] = c
			}
		}
	}
}

// enable activates the services that the user named, with their profiles.
func (l *loading) enable(m *types.Project) (*types.Project, Errors) {
	return l.activate(m, l.o.Services)
}

// activate makes services active that belong to profiles which are not.
func (l *loading) activate(m *types.Project, names []string) (*types.Project, Errors) {
	if len(names) == 0 {
		return m, nil
	}
	var errs Errors
	known := slices.Concat(m.ServiceNames(), m.DisabledServiceNames(), l.jobNames(m))
	for _, name := range names {
		if slices.Contains(known, name) {
			continue
		}
		hint := didYouMean(name, known)
		if _, job := m.AllJobs()[name]; job {
			hint = "it is a job: `muster run --rm " + name + "` runs it"
		}
		errs = append(errs, &Error{Problem: "no service " + quote(name), Hint: hint})
	}
	if len(errs) > 0 {
		return nil, errs
	}
	enabled, err := m.WithServicesEnabled(names...)
	if err != nil {
		return nil, Errors{l.reworded(err)}
	}
	return enabled, nil
}

// only leaves the named services and what they depend on.
func (l *loading) only(m *types.Project) (*types.Project, Errors) {
	if len(l.o.Services) == 0 {
		return m, nil
	}
	policy := types.IncludeDependencies
	if l.o.NoDeps {
		policy = types.IgnoreDependencies
	}
	selected, err := m.WithSelectedServices(l.o.Services, policy)
	if err != nil {
		return nil, Errors{l.reworded(err)}
	}
	return selected, nil
}
