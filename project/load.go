package project

import (
	"context"
	"errors"
	"io"
)

// Options say what to load. The zero value finds the files from the current
// folder upward, as docker compose does.
type Options struct {
	// Files are the -f values; "-" is standard input. Empty: COMPOSE_FILE,
	// else discovery with the override file.
	Files []string
	// Stdin is read for the file "-".
	Stdin io.Reader
	// Name is the -p value.
	Name string
	// Dir is the --project-directory value.
	Dir string
	// Cwd is the folder to start from; empty is the process's.
	Cwd string
	// EnvFiles are the --env-file values.
	EnvFiles []string
	// Profiles are the --profile values.
	Profiles []string
	// AllProfiles makes every service active, for commands that only look.
	AllProfiles bool
	// Services are those that the user named: they and what they depend on
	// stay, and their profiles are activated. Empty is all.
	Services []string
	// NoDeps leaves out what Services depend on.
	NoDeps bool
	// Environ is the process environment as KEY=VALUE; nil is os.Environ.
	Environ []string
	// Compatibility joins container names with _ (--compatibility).
	Compatibility bool
	// Strict turns warnings about ignored keys into errors.
	Strict bool
	// Target is the kind of engine the support table is asked for; empty is "docker".
	Target string
	// NoInterpolate, NoNormalize, NoPathResolution, NoEnvResolution and NoConsistency are
	// config's switches; a project loaded with them is for printing only.
	NoInterpolate, NoNormalize, NoPathResolution, NoEnvResolution, NoConsistency bool
}

// Load reads, merges, checks and resolves. What is wrong in the files comes
// back as [Errors], all of it at once; [ErrNoFile] says that there is no file.
func Load(ctx context.Context, o Options) (*Project, error) {
	return nil, errors.New("not built yet")
}

// Name finds the project's name without reading more than it must: -p, then
// COMPOSE_PROJECT_NAME, then the files' top-level name, then the folder's. It
// serves the commands that work from labels.
func Name(ctx context.Context, o Options) (string, error) {
	return "", errors.New("not built yet")
}

// ErrNoFile is returned (wrapped) when no Compose file is found.
var ErrNoFile = errors.New("no compose file found")
