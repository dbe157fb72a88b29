// Package healthcheck finds out when a container is ready, as soon as it is.
//
// An engine looks only once an interval, 30 s by default. This package takes the
// first of: the engine's verdict, a success of the container's own check run
// at once after start and then with a short growing pause, and the exit of
// the container. All waits of a run share one stream of events and nothing polls.
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
	// Probe runs test, in the form of [Status.Test], in a container, as the
	// engine would, and says how it ended. An error means that it could not be
	// run; running out of ctx's time is one. It must not return before the command
	// has ended or ctx has, since that is what keeps probes from piling up.
	Probe(ctx context.Context, name string, test []string) (ProbeResult, error)
	// Tail gives a container's last lines of output, oldest first.
	Tail(ctx context.Context, name string, lines int) ([]string, error)
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
	// LastProbe is the output of the engine's latest run of Test.
	LastProbe string
}

// ProbeResult is how one run of a check ended.
type ProbeResult struct {
	ExitCode int
	Output   string // at most 4 KiB of it
}

// Failure says why a container cannot come to what was waited for.
type Failure struct {
	Name      string
	Reason    string // "exited with code 1", "unhealthy", "not healthy within 30s", "has no health check"
	ExitCode  int    // of the container where it exited
	OOMKilled bool
	Probe     string   // output of the last check
	Log       []string // last lines of the container
	Advice    string   // what to do about it; empty where nothing general can be said
}

// Error gives the container and the reason.
func (f *Failure) Error() string { return f.Name + " " + f.Reason }

// Hint is what to do about it.
func (f *Failure) Hint() string { return f.Advice }
