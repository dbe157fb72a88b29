// Package project turns Compose files into the state that a user wants.
//
// It finds and reads the files, merges and interpolates them through
// compose-go, and answers with a Project, or with every mistake that it found,
// each with its file, line and column. It never talks to an engine.
//
// The way of [Load]: locate.go finds the files and the environment, compose.go asks
// compose-go for the model, check*.go looks for what no schema sees, files.go reads
// what the model names, warn.go holds it against the support table of support_rows.go.
// When compose-go refuses the files, diagnose.go goes through their nodes: syntax.go, tree.go,
// values.go and schema.go find the mistakes, which are cut out so that what is left can be
// loaded and checked too. place.go says where in the files a piece of the model was written.
package project

import (
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// Project is what the files declare, resolved: variables are replaced, files
// merged, profiles chosen, paths absolute and default names filled in.
type Project struct {
	// Name is the project's name; everything on the engine is found by it.
	Name string
	// Target is the kind of engine that it is for, one of [Targets].
	Target string
	// Instance is the name of this copy of the stack, and First the project's name of the first one; for that, Instance is empty.
	Instance, First string
	// Expires is the time from which on anybody may remove this instance; zero is never. The files do not have it.
	Expires time.Time
	// WorkingDir is the absolute folder that relative paths start from.
	WorkingDir string
	// Files are the Compose files in the order of merging, absolute; "-" is
	// standard input.
	Files []string
	// Beside are the files that were read beside those: included and extended ones, those of variables and labels, and
	// those whose content goes into containers; sorted, absolute.
	Beside []string
	// EnvFiles are the files given by --env-file, absolute.
	EnvFiles []string
	// Services are the active ones, by name.
	Services map[string]Service
	// Inactive are the services that no active profile asks for, by name.
	Inactive map[string]Service
	// Networks, Volumes, Configs and Secrets are those that an active service
	// uses, by their key in the file.
	Networks map[string]Network
	Volumes  map[string]Volume
	Configs  map[string]Config
	Secrets  map[string]Secret
	// Content has the digest of everything that goes into a container but
	// does not stand in the model: the content of configs and secrets,
	// by "configs.KEY" and "secrets.KEY", as "sha256:…", for secrets as "scrypt:…" (see
	// digest.go). It is read while loading, so that the planner needs no file.
	Content map[string]string
	// Environment is what interpolation saw: the process environment over the env files.
	Environment map[string]string
	// Remotes are the Compose files that came from git repositories and registries, with the
	// versions that were used.
	Remotes []RemoteSource
	// Warnings are what the user should know although nothing is wrong.
	Warnings []Warning
	// Separator stands between the parts of a container's name: "-", or "_" with
	// --compatibility.
	Separator string
	// Model is compose-go's own project, all services of it; config prints it. It is nil when
	// loaded with NoInterpolate.
	Model *types.Project
	// inputs are all paths that the load has looked at; known says that those are all.
	inputs []input
	known  bool
	// allResources says that what no service uses counts, too.
	allResources bool
	// raw is the model before it is bound to types, for printing what was not
	// interpolated.
	raw map[string]any
	// lockDir is where the lock file lies, or would.
	lockDir string
	// places finds values in the files; nil for a project that comes from elsewhere.
	places *places
}

// At begins an error about a value of the model, with its place in the files: where it is written, or what is nearest above it.
// Parts of the path name keys, and elements of lists by their text, source, target or name.
func (p *Project) At(path ...string) *Error {
	if p.places == nil {
		return &Error{Path: dotted(path)}
	}
	e := p.places.find(path...).at()
	e.Path = dotted(p.places.written(path))
	return e
}

// Declared is a service of the files, active or not.
func (p *Project) Declared(name string) (Service, bool) {
	s, ok := p.Services[name]
	if !ok {
		s, ok = p.Inactive[name]
	}
	s.Name = name
	return s, ok
}

// Bases are the services whose images the build of a service has as contexts, those that their builds have included, each once.
func (p *Project) Bases(s Service) []Service {
	var out []Service
	seen := map[string]bool{}
	var add func(of Service)
	add = func(of Service) {
		if of.Build == nil {
			return
		}
		for _, context := range sortedKeys(of.Build.AdditionalContexts) {
			name, is := strings.CutPrefix(of.Build.AdditionalContexts[context], "service:")
			base, declared := p.Declared(name)
			if !is || !declared || seen[name] {
				continue
			}
			seen[name] = true
			out = append(out, base)
			add(base)
		}
	}
	add(s)
	return out
}

// Warning is something that works but not as a reader of the file would
// expect, such as a key that the target ignores. It has the fields of an
// [Error], since --strict makes one of it.
type Warning Error
