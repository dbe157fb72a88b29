package main

import (
	"context"
	"time"

	"github.com/musterhq/muster/fault"
	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker"
)

// engine is what a command gets when it opens one; each function below it asks
// for the part that it uses.
type engine interface {
	runner.Engine
	logReader
	attacher
	projectLister
	runner.Digester
	projectHolder
	talker
	inquirer
	copier
	syncer
	buildChecker
	examiner
	describer
	volumeReader
	agency
	// Health answers waits for one project's containers.
	Health(project string) healthcheck.Engine
	// Host is the name under which published ports are reached.
	Host() string
	Close() error
}

// observer says what exists.
type observer interface {
	Observe(ctx context.Context, scope planner.Scope) (planner.State, error)
}

// closeObserver can look at one container, too.
type closeObserver interface {
	observer
	runner.Inspector
	runner.Digester
}

// survey answers with what a plan has to know: what exists, and of the containers whose
// labels leave it open how they are set now.
func survey(ctx context.Context, on closeObserver, want *project.Project, how planner.Policy) (planner.State, error) {
	return surveyScope(ctx, on, planner.ScopeOf(want), want, how)
}

func surveyScope(ctx context.Context, on closeObserver, scope planner.Scope, want *project.Project, how planner.Policy) (planner.State, error) {
	have, err := on.Observe(ctx, scope)
	if err != nil {
		return have, err
	}
	if err := runner.LookUp(ctx, on, &have, planner.Lookups(want, have, how)); err != nil {
		return have, err
	}
	return have, runner.Inspect(ctx, on, &have, planner.Unsure(want, have, how))
}

// projectLister finds what any project has.
type projectLister interface {
	// Projects lists every project, sorted by name.
	Projects(ctx context.Context) ([]docker.Listed, error)
	// Instances lists those that are copies of stacks, also where only networks and volumes of them exist.
	Instances(ctx context.Context) ([]docker.Listed, error)
	// ID tells the engine from all others, whatever address it is reached at.
	ID(ctx context.Context) (string, error)
}

// agency has muster's own program run on the engine's side.
type agency interface {
	// NetworkAgent starts it in the network of a container; it ends when its input does.
	NetworkAgent(ctx context.Context, container string, args []string) (fault.Agent, error)
	// RemoveAgents removes the images for it that nothing uses, but keep, and says how many those were.
	RemoveAgents(ctx context.Context, keep string) (int, error)
}

// inquirer answers what people ask and plans do not need.
type inquirer interface {
	// Processes lists those of a running container.
	Processes(ctx context.Context, container string) (docker.Processes, error)
	// ImageDetails looks at images by ID or reference; those that are not there are left out.
	ImageDetails(ctx context.Context, ids []string) (map[string]docker.ImageDetail, error)
	// VolumeDetails lists a project's volumes, sorted by name.
	VolumeDetails(ctx context.Context, project string) ([]docker.VolumeDetail, error)
	// Happenings tells what happens to a project's containers.
	Happenings(ctx context.Context, project string, o docker.HappeningsOptions, each func(docker.Event) error) error
	// Usages tells what a container uses, once or again and again.
	Usages(ctx context.Context, container string, follow bool, each func(docker.Usage) error) error
	// PSFormat is that of docker's configuration; empty where it has none.
	PSFormat() string
}

// logReader reads what containers print.
type logReader interface {
	// Logs hands over a container's output, oldest first, until it ends or,
	// when following, until the container stops. The chunk is only valid during the
	// call.
	Logs(ctx context.Context, container string, o logOptions, each func(logChunk) error) error
}

// attacher connects to what containers print.
type attacher interface {
	// AttachAhead connects to one that is about to start, and misses nothing; it fails where the engine's logs cannot go on from there.
	AttachAhead(ctx context.Context, container string) (output, error)
	// Attach connects from now on.
	Attach(ctx context.Context, container string) (output, error)
}

// output is a connection to what a container prints. Whoever does not read from it holds the container back.
type output interface {
	// Each hands it over until it ends, each fails or ctx ends, and closes the connection. The chunk is only valid during
	// the call, and its time is when it came here.
	Each(ctx context.Context, each func(logChunk) error) error
	Close() error
}

// logOptions say which output to read. The zero value is all that there is.
type logOptions struct {
	follow bool
	// since and until are times or periods before now ("10m"), in the forms
	// that the docker command takes; empty is no bound.
	since, until string
	tail         int // last lines only; 0: all, less: none
}

// logChunk is a line, or a piece of a line that is too long to come at once.
type logChunk struct {
	at     time.Time // when the engine got it
	stderr bool
	text   []byte // without the line's end
	// more says that the line goes on in the next chunk.
	more bool
}
