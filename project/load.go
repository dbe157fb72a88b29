package project

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
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
	// Instance is the --instance value: the name of a copy of the stack, [AutoInstance] or [FirstInstance]; empty leaves it to
	// MUSTER_INSTANCE and then to the files.
	Instance string
	// HostPorts chooses the host ports of an instance, for those that the files fix; nil is [DerivedPorts].
	HostPorts func(of Copy, fixed []HostPort) ([]int, error)
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
	// Jobs lets Services name jobs as well: those become services.
	Jobs bool
	// Tests are services that are run as tests; they become active beside the others. Those that the files mark as tests are
	// left out, unless they are among these or named by Services, or all of them are wanted.
	Tests    []string
	AllTests bool
	// NoDeps leaves out what Services depend on.
	NoDeps bool
	// Environ is the process environment as KEY=VALUE; nil is os.Environ.
	Environ []string
	// Compatibility joins container names with _ (--compatibility, COMPOSE_COMPATIBILITY).
	Compatibility bool
	// AllResources keeps networks, volumes, configs and secrets that no active service uses.
	AllResources bool
	// Attached says that muster stays with the containers, and keeps what no engine does: see [Row].
	Attached bool
	// Strict turns warnings about ignored keys into errors.
	Strict bool
	// Target is the --target value: one of [Targets]; empty leaves it to MUSTER_TARGET and then to the files.
	Target string
	// Fallback is the kind of engine where none of them says.
	Fallback string
	// TolerateMissing makes a missing file of a config, a secret or a build
	// context a warning, and its digest empty: for commands that only look
	// (config, plan). Without it such a file is an error.
	TolerateMissing bool
	// Confirm is asked before a Compose file from a git repository or a registry is fetched for the
	// first time, and before another version of it is used. Nil refuses what the variable
	// MUSTER_ALLOW_REMOTE does not allow.
	Confirm func(RemoteSource) (bool, error)
	// RefreshRemotes takes the newest version of remote files, and not the one that was agreed to
	// or locked.
	RefreshRemotes bool
	// NoContent leaves the content of configs and secrets and the folders of builds unread, for
	// commands that make no container: [Project.Content] stays empty.
	NoContent bool
	// NoInterpolate, NoNormalize, NoPathResolution, NoEnvResolution and NoConsistency are
	// config's switches; a project loaded with them is for printing only.
	NoInterpolate, NoNormalize, NoPathResolution, NoEnvResolution, NoConsistency bool
}

// ErrNoFile is returned (wrapped) when no Compose file is found.
var ErrNoFile = errors.New("no compose file found")

// Load reads, merges, checks and resolves. What is wrong in the files comes
// back as [Errors], all of it at once; [ErrNoFile] says that there is no file.
// Files are read and nothing else happens, but that copies of remote files and what a
// project came to are kept in the user's cache.
func Load(ctx context.Context, o Options) (*Project, error) {
	l, err := begin(ctx, o)
	if err != nil {
		return nil, err
	}
	return l.load(ctx)
}

// begin finds the files and reads them.
func begin(ctx context.Context, o Options) (*loading, error) {
	where, err := locate(ctx, o)
	if err != nil {
		return nil, err
	}
	if len(where.files) == 0 {
		return nil, where.noFile()
	}
	src, err := where.read(o.Stdin)
	if err != nil {
		return nil, err
	}
	name, first, instance, err := where.named(src)
	if err != nil {
		return nil, err
	}
	if o.Target, err = where.target(src); err != nil {
		return nil, err
	}
	return &loading{o: o, where: where, src: src, name: name, first: first, instance: instance, places: newPlaces(where, src)}, nil
}

// Name finds the project's name without reading more than it must: -p, then
// COMPOSE_PROJECT_NAME, then the files' top-level name, then the folder's. It
// serves the commands that work from labels; without a file and without a
// name given the error is [ErrNoFile], wrapped.
func Name(ctx context.Context, o Options) (string, error) {
	where, err := locate(ctx, o)
	if where.givenName() != "" {
		name, _, _, err := where.named(nil)
		return name, err
	}
	if err != nil {
		return "", err
	}
	if len(where.files) == 0 {
		return "", where.noFile()
	}
	src, err := where.read(o.Stdin)
	if err != nil {
		return "", err
	}
	name, _, _, err := where.named(src)
	return name, err
}

// loading is one call of [Load] on its way.
type loading struct {
	o      Options
	where  *location
	src    []*document
	name   string // with that of the instance
	places *places
	// first is the name of the project's first copy, instance that of the copy which is meant; empty for the first one.
	first, instance string
	// unset is true once interpolation met a variable without a value.
	unset bool
	// lenient leaves the schema out, once its findings are told.
	lenient bool
	// unresolved is the model before the files of variables and labels were put into it.
	unresolved *types.Project
	// left are the tests that were left out.
	left []string
	// inputs are what was looked at beside what [begin] reads; allInputs says that those are all.
	inputs    []input
	allInputs bool
	// asked are the files that compose-go was sent to by include and extends, as they are written.
	asked []string
}

// load asks compose-go for the model first, because good files are the rule and
// shall cost no second look. Only files that have mistakes are gone through node by
// node, to name all of them.
func (l *loading) load(ctx context.Context) (*Project, error) {
	before := newMemory(l)
	if p := before.recall(l); p != nil {
		return l.asInstance(p)
	}
	m, err := l.compose(ctx, l.src)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, l.diagnose(ctx, err)
	}
	p, errs := l.finish(m)
	if len(errs) > 0 {
		return nil, errs.sorted(l.places)
	}
	before.keep(l, p)
	return l.asInstance(p)
}

// sorted puts errors in the order of files and lines and drops repetitions.
func (es Errors) sorted(ps *places) Errors {
	rank := func(e *Error) int { return ps.rank(e.File) }
	slices.SortStableFunc(es, func(a, b *Error) int {
		if c := rank(a) - rank(b); c != 0 {
			return c
		}
		if c := a.Line - b.Line; c != 0 {
			return c
		}
		if c := a.Column - b.Column; c != 0 {
			return c
		}
		if a.Path != b.Path {
			return compareText(a.Path, b.Path)
		}
		return compareText(a.Problem, b.Problem)
	})
	return slices.CompactFunc(es, func(a, b *Error) bool { return *a == *b })
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
