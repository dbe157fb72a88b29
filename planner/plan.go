package planner

import "time"

// Plan is what to do, and why. Steps come after what they need. An empty
// plan has no steps; its Items still say what was found.
type Plan struct {
	Project string
	Steps   []Step
	// Items tell the same for each service, network and volume, unchanged
	// ones included, sorted by kind and name: it is what people read.
	Items []Item
	// Warnings are what the user should know before saying yes, such as
	// orphans that stay.
	Warnings []string
	// Rollouts say how containers are replaced, a service each, in the order in which services depend on each other.
	Rollouts []Rollout
}

// StepID names a step within its plan: the verb and the resource, such as
// "start shop-web-1". It is the same for the same input.
type StepID string

// Step is one action with its place in the graph.
type Step struct {
	ID     StepID
	Action Action
	Needs  []StepID // sorted
	// After are steps that have to be over first, however they ended, with what had to be taken back taken back.
	After   []StepID // sorted
	Because []Change // why; empty only where an item says it all
	Impact  Impact
	// Undo is done, in order, when a later step of the same Group fails: it brings back
	// what was before.
	Undo []Action
	// Group ties the steps of one replacement together ("replace shop-web-1").
	// When one of them fails, the undos of those that are done run, latest first.
	Group string
	// Rollout is the service whose rollout the step is part of. One that fails is stopped before such a step.
	Rollout string
}

// Change is one field that differs.
type Change struct {
	Path string // such as "services.web.environment.LOG_LEVEL"
	From string // as printed; empty where there was nothing
	To   string // empty where it goes
	// Secret says that From and To must be printed as (hidden).
	Secret bool
	// Drift says that not the file changed but the engine's side.
	Drift bool
}

// Impact is how much a step disturbs what runs.
type Impact int

// The impacts, from harmless to grave.
const (
	NoImpact Impact = iota
	InPlace
	Restart
	Replace
	DataLoss
)

// Item is what a plan does to one service, network or volume.
type Item struct {
	Ref     Ref // Kind "service" for services, with Name the key in the file
	Verdict Verdict
	// Summary is the rest of the headline: "replace 3 of 3, one at a time".
	Summary string
	Changes []Change
	// Containers is how many a service has when the plan is done.
	Containers int
	// After are the waits before it: "db healthy", "migrate completed".
	After  []string
	Impact Impact
}

// KindService is the kind of an [Item] about a service; the engine knows
// none.
const KindService Kind = "service"

// Verdict is what becomes of an item.
type Verdict string

// The verdicts and, in the comments, their signs in the text form.
const (
	Unchanged Verdict = "unchanged" // not printed
	Create    Verdict = "create"    // +
	Modify    Verdict = "change"    // ~
	Mend      Verdict = "drift"     // !
	Remove    Verdict = "remove"    // -
)

// Policy is what the user asked for beyond the files. The zero value is a
// plain `up`.
type Policy struct {
	// Services are those that the user named; empty is all. What they depend
	// on is brought up too, and replaced where it differs; RecreateAlways and RenewAnonVolumes
	// are for the named ones only, unless AlwaysRecreateDeps.
	Services []string
	// NoDeps leaves the named services' dependencies alone.
	NoDeps bool
	// Recreate says when a container is replaced.
	Recreate           Recreate
	AlwaysRecreateDeps bool
	// RemoveOrphans removes containers of services that the files no longer
	// have; IgnoreOrphans does not even warn.
	RemoveOrphans, IgnoreOrphans bool
	// IgnoreDrift leaves alone what somebody changed on the engine's side, such as limits, networks,
	// names and containers that were stopped.
	IgnoreDrift bool
	// Thorough looks for limits and restart policies that were changed on the engine's side. No list has them, so
	// each container is inspected; see [Unsure].
	Thorough bool
	// RenewAnonVolumes gives replaced containers fresh anonymous volumes.
	RenewAnonVolumes bool
	// MigrateVolumes carries the data of a volume whose definition has changed over to a new one, and keeps the old
	// one under a dated name. Without it such a volume is an error.
	MigrateVolumes bool
	// Restore has the volumes, by their keys, that get what a snapshot has. What they have is lost.
	Restore map[string]Restore
	// Scale overrides the number of replicas, by service.
	Scale map[string]int
	// Timeout overrides the grace of every stop.
	Timeout *time.Duration
	// NoStart creates only.
	NoStart bool
	// Wait adds, for every service, the wait until it is ready (completed, for
	// services that another awaits so); WaitTimeout bounds it, 0 for ever.
	Wait        bool
	WaitTimeout time.Duration
	// Build builds every image that has a build section; NoBuild none.
	Build, NoBuild bool
	// Changed builds every image for whose build something has changed, too. Inputs, by service, are those
	// of the builds that this goes for, and of those whose files say the same of themselves.
	Changed bool
	Inputs  map[string]Inputs
	// Pull overrides the services' pull_policy: always, missing, never, build or empty.
	Pull string
	// Resolve says when an engine that keeps services resolves references of images to digests: always, changed or never;
	// empty is changed.
	Resolve string
	// Now decides pull policies with a period and dates; the planner has no clock.
	Now time.Time
	// DefaultMonitor is how long a new container without health check is watched before the old
	// one goes, where the file has no monitor; 0 is one second.
	DefaultMonitor time.Duration

	// For Teardown: Volumes removes named volumes too, Images is "", "local" or "all".
	Volumes bool
	Images  string
}

// Restore is what a volume gets from a snapshot.
type Restore struct {
	Snapshot string // its name, for people
	File     string // on this machine
	Sum      string // "sha256:…" of the file
	Size     int64  // bytes, unpacked; 0 where that is not known
	// Exchange says that the engine can give the volume, in one step, what another one has. Otherwise it is made anew.
	Exchange bool
}

// Recreate says when a container is replaced.
type Recreate int

// The policies.
const (
	RecreateChanged Recreate = iota // when it differs
	RecreateAlways                  // --force-recreate
	RecreateNever                   // --no-recreate
)
