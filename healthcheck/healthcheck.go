// Package healthcheck finds out when a container is ready, as soon as it is.
//
// An engine looks only once an interval, 30 s by default. This package takes the
// first of: the engine's verdict, a success of the container's own check run
// at once after start and then with a short growing pause, and the exit of
// the container. Where somebody says otherwise what a container is ready by, a [Check]
// takes the place of its own. All waits of a run share one stream of events and nothing polls.
package healthcheck

import (
	"context"
	"errors"
	"time"
)

// ErrNoContainer is returned (wrapped) by [Engine.Look] for a container that
// does not exist.
var ErrNoContainer = errors.New("no such container")

// Engine is what waiting needs of a container engine.
type Engine interface {
	// Watch streams what happens to the project's containers until ctx
	// ends or the stream breaks; then the channel is closed. When it returns, events are being
	// collected: nothing that happens afterwards is missed.
	Watch(ctx context.Context) (<-chan Event, error)
	// Look says how a container is now, or [ErrNoContainer]. Any other error
	// is taken for a passing one and Look is called again.
	Look(ctx context.Context, name string) (Status, error)
	// Probe asks a container one thing, a TCP, HTTP or Exec [Check], and says how it
	// ended. An error means that it could not be
	// asked; running out of ctx's time is one, and [*CannotCheck] says that it never can be. It must
	// not return before the command has ended or ctx has, since that is what keeps probes from piling up.
	Probe(ctx context.Context, name string, c Check) (ProbeResult, error)
	// Lines hands over a container's lines of output, oldest first, until they end, each
	// returns an error, which it passes on, or ctx ends.
	Lines(ctx context.Context, name string, o Excerpt, each func(line string) error) error
}

// Excerpt says which lines of output are wanted. The zero value is all so far.
type Excerpt struct {
	Last   int       // so many of the last lines; 0 is all
	Since  time.Time // by the engine's clock; zero is from the beginning
	Follow bool      // also those to come, until the container stops
}

// Event is something that happened to a container.
type Event struct {
	Name string // of the container; with What rename, the one that it had
	// What is start, kill (somebody sent it a signal), die, oom, health, pause, unpause, destroy, rename or resync
	// (events may have been lost: look again).
	What     string
	Health   string // with What health: healthy or unhealthy
	ExitCode int    // with What die
	// At is when, by the engine's clock, which [Status.StartedAt] goes by too; zero where it
	// does not tell to better than a second.
	At time.Time
}

// Status is how a container is.
type Status struct {
	Running    bool
	Paused     bool
	Restarting bool
	Exited     bool // ran and ended; false for one that never ran
	ExitCode   int
	OOMKilled  bool
	// Restarts says that the engine will start it again by itself.
	Restarts  bool
	Health    string        // empty, starting, healthy, unhealthy
	Test      []string      // CMD …, CMD-SHELL …; empty or NONE: no health check
	Timeout   time.Duration // of one run of Test; 0 is the engine's 30 s
	StartedAt time.Time
	EndedAt   time.Time // of its last run, or of the one before where it runs; zero where none has
	// LastProbe is the output of the engine's latest run of Test.
	LastProbe string
}

// Since parts what it prints in this run from what it printed before; zero in its first run. Neither end is exact: engines write
// down a start when it is over, when a quick program has printed already, and give the last lines of a run times after its end.
// Between the two nothing is printed, and it takes an engine longer than either.
func (s Status) Since() time.Time {
	if s.EndedAt.IsZero() || s.EndedAt.After(s.StartedAt) {
		return s.EndedAt
	}
	return s.EndedAt.Add(s.StartedAt.Sub(s.EndedAt) / 2)
}

// ProbeResult is how one run of a check ended.
type ProbeResult struct {
	ExitCode int    // 0: it succeeded; of checks without a command, 1 that it did not
	Output   string // at most 4 KiB of it
}

// Attempt is where a wait has got to.
type Attempt struct {
	// What is being tried: "health check", "port 5432"; empty where nothing is and Output
	// says how the container is.
	What   string
	Try    int    // how many times so far
	Output string // of the last one
}

// Failure says why a container cannot come to what was waited for.
type Failure struct {
	Name      string
	Reason    string // "exited with code 1", "unhealthy", "not healthy within 30s", "has no health check"
	Ended     bool   // the container has ended, and that is why
	ExitCode  int    // of the container where it exited
	OOMKilled bool
	Asked     string   // what the last check of ours asked, where it was not the container's own
	Probe     string   // output of the last check
	Log       []string // last lines of the container
	Unread    error    // why there are no last lines, where the engine did not give them
	Advice    string   // what to do about it; empty where nothing general can be said
}

// Error gives the container and the reason.
func (f *Failure) Error() string { return f.Name + " " + f.Reason }

// Hint is what to do about it.
func (f *Failure) Hint() string { return f.Advice }
