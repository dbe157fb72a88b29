package stacktest

import (
	"os"
	"os/exec"
	"slices"
	"time"
)

// Option says how a stack is brought up; see [Up].
type Option func(*options)

type options struct {
	files, environ, profiles, services []string
	published                          []published
	snapshot, logs, muster             string
	wait                               time.Duration
	skip                               bool
	open                               func() (engine, error)
}

// published is a port that the files do not publish.
type published struct {
	service string
	port    int
}

func optionsOf(file string, given []Option) options {
	o := options{files: []string{file}, environ: os.Environ()}
	o.muster, _ = exec.LookPath("muster")
	for _, option := range given {
		option(&o)
	}
	if o.open == nil {
		o.open = func() (engine, error) { return openDocker(o.muster) }
	}
	return o
}

// Files adds Compose files that are merged into the first one, as -f does.
func Files(more ...string) Option {
	return func(o *options) { o.files = append(o.files, more...) }
}

// Env sets variables, as KEY=VALUE, for what is substituted in the files. They win over those of the test's process.
func Env(variables ...string) Option {
	return func(o *options) { o.environ = append(slices.Clone(o.environ), variables...) }
}

// Profiles activates the services of profiles.
func Profiles(names ...string) Option {
	return func(o *options) { o.profiles = append(o.profiles, names...) }
}

// Services brings up only these, and what they depend on.
func Services(names ...string) Option {
	return func(o *options) { o.services = append(o.services, names...) }
}

// Publish makes a TCP port of a service reachable that the files do not publish, at a port that the engine chooses.
func Publish(service string, port int) Option {
	return func(o *options) { o.published = append(o.published, published{service, port}) }
}

// FromSnapshot lets the volumes begin with what a snapshot has; `muster volume snapshot` takes one.
func FromSnapshot(name string) Option {
	return func(o *options) { o.snapshot = name }
}

// WaitTimeout bounds how long the services may take to become ready. Without it they have until shortly before the end that go test -timeout sets.
func WaitTimeout(d time.Duration) Option {
	return func(o *options) { o.wait = d }
}

// LogsTo has all that the services have printed written to folder/TEST/CONTAINER.log when a test fails, beside the last lines in the
// test's own log.
func LogsTo(folder string) Option {
	return func(o *options) { o.logs = folder }
}

// Muster says where muster is, for what is done on the engine's side: faults of the ways between services, and quick restores. Without it, it is the one
// that PATH finds.
func Muster(path string) Option {
	return func(o *options) { o.muster = path }
}

// SkipWithoutEngine skips the test where no engine answers, instead of letting it fail.
func SkipWithoutEngine() Option {
	return func(o *options) { o.skip = true }
}
