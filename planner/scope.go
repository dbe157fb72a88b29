package planner

import (
	"cmp"
	"sort"

	"github.com/musterhq/muster/project"
)

// ScopeOf says what [Build] needs to know of the engine for this project: the
// images of its services, and its networks and volumes by name, since they may
// exist without the project's label.
func ScopeOf(want *project.Project) Scope {
	want = withHookResources(want)
	scope := Scope{Project: want.Name}
	for name, s := range want.Services {
		s.Name = name
		if s.Provider != nil {
			continue
		}
		scope.Images = append(scope.Images, want.ImageName(s))
		if policy, _, err := project.PullPolicy(s); err == nil && policy == project.PullRefresh {
			scope.Aged = append(scope.Aged, want.ImageName(s))
		}
		for _, base := range want.Bases(s) {
			scope.Images = append(scope.Images, want.ImageName(base))
		}
		for _, h := range s.PreStart {
			if h.Image != "" {
				scope.Images = append(scope.Images, h.Image)
			}
		}
		for _, v := range s.Volumes {
			if v.Type == "image" {
				scope.Images = append(scope.Images, volumeImage(want, v.Source))
			}
		}
	}
	for key, n := range want.Networks {
		scope.Networks = append(scope.Networks, networkName(want, key, n))
	}
	for key, v := range want.Volumes {
		scope.Volumes = append(scope.Volumes, volumeName(want, key, v))
	}
	for key, c := range want.Configs {
		scope.Objects = append(scope.Objects, cmp.Or(c.Name, key))
	}
	for key, c := range want.Secrets {
		scope.Objects = append(scope.Objects, cmp.Or(c.Name, key))
	}
	scope.Objects = distinct(scope.Objects)
	scope.Images, scope.Aged = distinct(scope.Images), distinct(scope.Aged)
	scope.Networks = distinct(scope.Networks)
	scope.Volumes = distinct(scope.Volumes)
	return scope
}

// volumeImage is the image behind a mount of type image, whose source may be a service.
func volumeImage(want *project.Project, source string) string {
	if s, ok := want.Services[source]; ok {
		s.Name = source
		return want.ImageName(s)
	}
	return source
}

// distinct sorts and drops doubles.
func distinct(names []string) []string {
	sort.Strings(names)
	out := names[:0]
	for i, n := range names {
		if i == 0 || n != names[i-1] {
			out = append(out, n)
		}
	}
	return out
}

// keys are the keys of a map, sorted.
func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
