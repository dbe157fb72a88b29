package project

import (
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
)

// runnable makes services of those jobs that are to be run: a job has all that a service says about its container. The others
// stay what they are.
func (l *loading) runnable(m *types.Project) (*types.Project, Errors) {
	if !l.o.Jobs {
		return m, nil
	}
	out := *m
	out.Services, out.DisabledServices = maps.Clone(m.Services), maps.Clone(m.DisabledServices)
	out.Jobs, out.DisabledJobs = maps.Clone(m.Jobs), maps.Clone(m.DisabledJobs)
	jobs := m.AllJobs()
	var errs Errors
	for _, name := range l.o.Services {
		job, known := jobs[name]
		if _, taken := m.AllServices()[name]; !known || taken {
			continue // the checks tell of both
		}
		errs = append(errs, l.unrunnable(name, job, jobs)...)
		s := Service{Name: name, Profiles: job.Profiles, ContainerSpec: job.ContainerSpec, WorkloadSpec: job.WorkloadSpec, Extensions: job.Extensions}
		if _, active := m.Jobs[name]; active {
			out.Services = with(out.Services, name, s)
		} else {
			out.DisabledServices = with(out.DisabledServices, name, s)
		}
		delete(out.Jobs, name)
		delete(out.DisabledJobs, name)
		l.places.jobs = append(l.places.jobs, name)
	}
	return &out, errs
}

func with(services types.Services, name string, s Service) types.Services {
	if services == nil {
		services = types.Services{}
	}
	services[name] = s
	return services
}

// unrunnable says why a job cannot be run by hand.
func (l *loading) unrunnable(name string, job types.JobConfig, jobs types.Jobs) Errors {
	var errs Errors
	add := func(problem, hint string, path ...string) {
		e := l.places.find(path...).at()
		e.Path, e.Problem, e.Hint = dotted(path), problem, hint
		errs = append(errs, e)
	}
	if t := job.Triggers; t != nil && t.Manual != nil && !*t.Manual {
		add("the job is not to be run by hand", "take `manual: false` out to run it", "jobs", name, "triggers", "manual")
	}
	for _, dep := range sortedKeys(job.DependsOn) {
		if _, isJob := jobs[dep]; isJob {
			add(quote(dep)+" is a job, and no job is run for another one", "run it first, with `muster run --rm "+dep+"`, and take it out here", "jobs", name, "depends_on", dep)
		}
	}
	return errs
}

// jobNames are those of the jobs that can be named.
func (l *loading) jobNames(m *types.Project) []string {
	if !l.o.Jobs {
		return nil
	}
	return slices.Sorted(maps.Keys(m.AllJobs()))
}
