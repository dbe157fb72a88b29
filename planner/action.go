package planner

import (
	"strings"
	"time"

	"github.com/musterhq/muster/project"
)

// Action is one thing that an engine can be asked to do. The set is closed: an
// engine handles each of these types and no other.
type Action interface {
	// Resource is what it acts on.
	Resource() Ref
	action()
}

// Ref names a resource on the engine.
type Ref struct {
	Kind    Kind   `json:"kind"`
	Name    string `json:"name"`              // on the engine
	Service string `json:"service,omitempty"` // that it belongs to, for containers and built images
}

// Kind is a sort of resource.
type Kind string

// The sorts of resource.
const (
	KindContainer Kind = "container"
	KindNetwork   Kind = "network"
	KindVolume    Kind = "volume"
	KindImage     Kind = "image"
	KindProvider  Kind = "provider"
	KindModel     Kind = "model"
)

// CreateNetwork makes a network. "Already there" is success.
type CreateNetwork struct {
	Name   string            `json:"name"`
	Spec   project.Network   `json:"spec"`
	Labels map[string]string `json:"labels"`
}

// RemoveNetwork removes a network; "not there" is success, "in use" is not.
type RemoveNetwork struct {
	Name string `json:"name"`
}

// CreateVolume makes a volume. "Already there" is success.
type CreateVolume struct {
	Name   string            `json:"name"`
	Spec   project.Volume    `json:"spec"`
	Labels map[string]string `json:"labels"`
}

// CopyVolume makes one volume have what another one has, owners, modes and times included, and makes sure of it by
// reading both. What the target has besides stays. Nothing may have either of them mounted and running meanwhile; a container
// of another project that has the source is refused.
type CopyVolume struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Image is for the containers that an engine may have to make for it; they are never started.
	Image string `json:"image"`
}

// FillVolume gives a new volume what a snapshot has that lies in a file, and makes sure of its digest.
type FillVolume struct {
	Name     string `json:"name"`
	Snapshot string `json:"snapshot"` // its name, for people
	File     string `json:"file"`
	Sum      string `json:"sum"` // "sha256:…" of the file
	// ForExchange: a [BeginFill] came before, and an [ExchangeVolume] follows. An engine that cannot go on with that fills it in no other way.
	ForExchange bool `json:"forExchange,omitempty"`
	// Image is for the container that an engine may have to make for it; it is never started.
	Image string `json:"image"`
}

// BeginFill lets an engine begin with the [FillVolume] of the same volume, whose end that waits for. An engine that cannot do it so that an
// [ExchangeVolume] may follow says so now, as long as nothing has changed but what runs.
type BeginFill struct {
	Name     string `json:"name"`
	Snapshot string `json:"snapshot"` // its name, for people
	File     string `json:"file"`
	Sum      string `json:"sum"` // "sha256:…" of the file
}

// MoveVolume makes a new volume have what another one has; that one may be empty then. To do it once more changes nothing. What the target
// has is not kept. Nothing may have either of them mounted and running meanwhile.
type MoveVolume struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Image is for the containers that an engine may have to make for it; they are never started.
	Image string `json:"image"`
}

// ExchangeVolume gives a volume what another one has, in one step: interrupted anywhere it has the one or the other, whole. What it had goes with the
// other volume. To do it once more changes nothing. Nothing may have either of them mounted and running meanwhile.
type ExchangeVolume struct {
	Name string `json:"name"`
	From string `json:"from"`
}

// RemoveVolume removes a volume and its data.
type RemoveVolume struct {
	Name string `json:"name"`
}

// PullImage fetches an image from its registry.
type PullImage struct {
	Ref      string `json:"ref"`
	Platform string `json:"platform,omitempty"`
	// Services are those that run it.
	Services []string `json:"services"`
	// Optional: when the pull fails but the image is there, that is enough.
	Optional bool `json:"optional,omitempty"`
}

// PushImage sends an image to its registry. What the registry has is not sent again.
type PushImage struct {
	Ref string `json:"ref"`
	// Services are those that it is of.
	Services []string `json:"services"`
}

// BuildImage builds a service's image and tags it.
type BuildImage struct {
	Ref     string            `json:"ref"`
	Service string            `json:"service"`
	Spec    project.Service   `json:"-"` // its Build section is what counts
	Labels  map[string]string `json:"labels,omitempty"`
	// Secrets are those of the build, with Target their ID in the Dockerfile.
	Secrets []File `json:"secrets,omitempty"`
	// Bases are those of Spec's additional contexts that are images of services, and on the engine.
	Bases []string `json:"-"`
	// Push: the builder sends it to its registries, and the engine does not get it.
	Push bool `json:"push,omitempty"`
}

// RemoveImage removes an image; "not there" is success.
type RemoveImage struct {
	Ref string `json:"ref"`
}

// CreateContainer makes a container and does not start it. A container of the
// same name with the same labels is success; one with others is a conflict.
type CreateContainer struct {
	Name   string `json:"name"`
	Number int    `json:"number,omitempty"` // replica, from 1; 0 for one that is none
	// Spec is the service, with service: references in network_mode, ipc, pid and
	// volumes_from already resolved to container names.
	Spec project.Service `json:"-"`
	// Image is the reference to create from.
	Image  string            `json:"image"`
	Labels map[string]string `json:"labels"`
	// Networks maps the keys of Spec.Networks to names on the engine; Volumes
	// does the same for named volumes.
	Networks map[string]string `json:"networks,omitempty"`
	Volumes  map[string]string `json:"volumes,omitempty"`
	// As is the name that it will get by RenameContainer once it has proven
	// itself; empty where Name is final. What others find it by, such as network aliases, follows As.
	As string `json:"as,omitempty"`
	// Files are the configs and secrets to put in.
	Files []File `json:"files,omitempty"`
	// Inherit names the container whose anonymous volumes this one takes over;
	// empty for none.
	Inherit string `json:"inherit,omitempty"`
	// Injections are variables whose values are known only when it is made.
	Injections []Injection `json:"injections,omitempty"`
	// AutoRemove has the engine remove it, with its anonymous volumes, when it has ended.
	AutoRemove bool `json:"auto_remove,omitempty"`
	// Interactive connects its standard input with whoever attaches first, and ends it with that.
	Interactive bool `json:"interactive,omitempty"`
	// Columns and Rows are the size of its terminal from its beginning on; 0 where nobody knows.
	Columns int `json:"-"`
	Rows    int `json:"-"`
}

// File is a config or a secret on its way into a container.
type File struct {
	Key     string `json:"key"`              // "configs.NAME" or "secrets.NAME"
	Target  string `json:"target"`           // absolute path in the container
	Source  string `json:"source,omitempty"` // path on this machine; empty when Content counts
	Content Hidden `json:"content,omitempty"`
	UID     string `json:"uid,omitempty"`
	GID     string `json:"gid,omitempty"`
	Mode    uint32 `json:"mode,omitempty"` // permission bits; 0 is 0444
}

// Hidden is text that must not be printed; its JSON and string forms say so.
type Hidden string

// String never shows the text.
func (h Hidden) String() string { return "(hidden)" }

// MarshalText never shows the text.
func (h Hidden) MarshalText() ([]byte, error) { return []byte("(hidden)"), nil }

// StartContainer starts a container that exists. "Already running" is success; one that
// is paused goes on.
type StartContainer struct {
	Name    string `json:"name"`
	Service string `json:"service"`
}

// StopContainer stops a container. "Not running" and "not there" are success.
type StopContainer struct {
	Name    string `json:"name"`
	Service string `json:"service"`
	// Grace is the time between the stop signal and the kill; nil leaves it to
	// the container's own setting.
	Grace *time.Duration `json:"grace,omitempty"`
	// Signal overrides the container's stop signal.
	Signal string `json:"signal,omitempty"`
}

// KillContainer sends a signal to a running container and does not wait for what comes
// of it. "Not running" and "not there" are success.
type KillContainer struct {
	Name    string `json:"name"`
	Service string `json:"service"`
	Signal  string `json:"signal"` // such as SIGHUP
}

// PauseContainer halts a running container's processes. "Paused" is success.
type PauseContainer struct {
	Name    string `json:"name"`
	Service string `json:"service"`
}

// UnpauseContainer lets a paused container go on. "Not paused" is success.
type UnpauseContainer struct {
	Name    string `json:"name"`
	Service string `json:"service"`
}

// RestartContainer stops a container and starts it again.
type RestartContainer struct {
	Name    string         `json:"name"`
	Service string         `json:"service"`
	Grace   *time.Duration `json:"grace,omitempty"`
}

// RemoveContainer removes a container, running or not. "Not there" is success.
type RemoveContainer struct {
	Name    string `json:"name"`
	Service string `json:"service"`
	// Volumes removes its anonymous volumes with it.
	Volumes bool `json:"volumes,omitempty"`
	// Inherited names those of them that it may have got from its predecessor: an engine takes only those for its own with which it was made first. What
	// another container has stays.
	Inherited []string `json:"inherited,omitempty"`
}

// RenameContainer gives a container its name. "Already so" is success.
type RenameContainer struct {
	Name    string `json:"name"` // now
	To      string `json:"to"`
	Service string `json:"service"`
}

// Await waits until a container has come to a condition, or fails when it
// no longer can.
type Await struct {
	Name      string        `json:"name"`
	Service   string        `json:"service"`
	Condition Condition     `json:"condition"`
	Timeout   time.Duration `json:"timeout,omitempty"` // 0: as long as it takes
	// Ready is what the container is ready by, in the place of its health check; nil for that. It counts with
	// Healthy, Ready and Stable.
	Ready *project.Ready `json:"ready,omitempty"`
	// For is the service that waits, where the wait is its own: it has a bound of its own,
	// or it goes on without. Empty is for all that wait so.
	For string `json:"for,omitempty"`
	// Optional: whoever waits goes on although it fails, or although what it needs has failed.
	Optional bool `json:"optional,omitempty"`
	// Monitor is how long a container must keep running to count as good, with conditions Stable and Steady.
	Monitor time.Duration `json:"monitor,omitempty"`
	// OrCompleted: with Stable and Ready, an exit with code 0 is as good. It is set for
	// services that the engine does not start again, since they may be meant to end.
	OrCompleted bool `json:"or_completed,omitempty"`
}

// Probe is one way to find out that a service is ready.
type Probe = project.Probe

// Delay lets time pass between two batches of a rollout. No engine is asked for it.
type Delay struct {
	Service string `json:"service"`
	// Behind is the last container of the batch before, by its final name.
	Behind string        `json:"behind"`
	For    time.Duration `json:"for"`
}

// Condition is what an Await waits for.
type Condition string

// The conditions. Ready is healthy where there is a health check and
// running where there is none, which is what --wait wants.
const (
	IsRunning   Condition = "running"
	IsHealthy   Condition = "healthy"
	IsReady     Condition = "ready"
	IsStable    Condition = "stable"    // ready, or without a health check still running after Monitor
	IsSteady    Condition = "steady"    // for all of Monitor neither ended nor unhealthy
	IsCompleted Condition = "completed" // exited with 0
)

// RunHook runs a command in a running container (post_start, pre_stop).
type RunHook struct {
	Name    string              `json:"name"` // of the container
	Service string              `json:"service"`
	When    string              `json:"when"`  // post_start or pre_stop
	Index   int                 `json:"index"` // in the service's list of hooks
	Hook    project.ServiceHook `json:"hook"`
}

// RunProvider lets the program of a provider bring its resource up. The variables that it
// gives are for the containers whose [Injection] names it. Running it again does no harm.
type RunProvider struct {
	Project string              `json:"project"`
	Service string              `json:"service"` // the provider's key in the file
	Type    string              `json:"type"`    // names the program
	Options map[string][]string `json:"options,omitempty"`
	// Spec is the service that it stands for, for programs that ask.
	Spec project.Service `json:"-"`
}

// StopProvider lets the program of a provider take its resource down.
type StopProvider struct {
	Project string              `json:"project"`
	Service string              `json:"service"`
	Type    string              `json:"type"`
	Options map[string][]string `json:"options,omitempty"`
	// Keep: the resource is stopped and not given up. A program that does not know how does nothing.
	Keep bool            `json:"keep,omitempty"`
	Spec project.Service `json:"-"`
}

// ConfigureModel makes a model ready: pulls it where it is missing, sets how it is run, and finds
// out where it is reached.
type ConfigureModel struct {
	Key          string   `json:"key"` // in the file's models
	Model        string   `json:"model"`
	ContextSize  int      `json:"context_size,omitempty"` // in tokens; 0 is the model's own
	RuntimeFlags []string `json:"runtime_flags,omitempty"`
}

// Injection says what variables a container gets from something that is no container, once that is up.
type Injection struct {
	// Source is "providers.NAME" or "models.NAME".
	Source string `json:"source"`
	// Model, ModelVar and URLVar are for models: the reference, and the variables for it and for the address.
	Model    string `json:"model,omitempty"`
	ModelVar string `json:"model_var,omitempty"`
	URLVar   string `json:"url_var,omitempty"`
}

// EnvName makes a key of the file the beginning of a variable's name: "my-db" gives MY_DB. docker compose leaves
// the dash of a provider, and no shell can read such a name.
func EnvName(key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(key))
}

// UpdateContainer changes limits or the restart policy in place. Limits that Settings does not
// have are left as they are, but for that of processes, which is lifted.
type UpdateContainer struct {
	Name     string   `json:"name"`
	Service  string   `json:"service"`
	Settings Settings `json:"settings"`
}

// ConnectNetwork puts a container into a network with the service's full
// endpoint settings (aliases, addresses, MAC, priorities).
type ConnectNetwork struct {
	Name    string `json:"name"` // of the container
	Service string `json:"service"`
	Network string `json:"network"` // its name on the engine
	Key     string `json:"key"`     // in Spec.Networks
	// As is the name that it has in the end, where that is another one: others find it by that.
	As   string          `json:"as,omitempty"`
	Spec project.Service `json:"-"`
}

// DisconnectNetwork takes a container off a network. "Not in it" is success.
type DisconnectNetwork struct {
	Name    string `json:"name"`
	Service string `json:"service"`
	Network string `json:"network"`
}

func (a CreateNetwork) Resource() Ref     { return Ref{KindNetwork, a.Name, ""} }
func (a RemoveNetwork) Resource() Ref     { return Ref{KindNetwork, a.Name, ""} }
func (a CreateVolume) Resource() Ref      { return Ref{KindVolume, a.Name, ""} }
func (a CopyVolume) Resource() Ref        { return Ref{KindVolume, a.To, ""} }
func (a BeginFill) Resource() Ref         { return Ref{KindVolume, a.Name, ""} }
func (a FillVolume) Resource() Ref        { return Ref{KindVolume, a.Name, ""} }
func (a MoveVolume) Resource() Ref        { return Ref{KindVolume, a.To, ""} }
func (a ExchangeVolume) Resource() Ref    { return Ref{KindVolume, a.Name, ""} }
func (a RemoveVolume) Resource() Ref      { return Ref{KindVolume, a.Name, ""} }
func (a PullImage) Resource() Ref         { return Ref{KindImage, a.Ref, ""} }
func (a PushImage) Resource() Ref         { return Ref{KindImage, a.Ref, ""} }
func (a BuildImage) Resource() Ref        { return Ref{KindImage, a.Ref, a.Service} }
func (a RemoveImage) Resource() Ref       { return Ref{KindImage, a.Ref, ""} }
func (a CreateContainer) Resource() Ref   { return Ref{KindContainer, a.Name, a.Spec.Name} }
func (a StartContainer) Resource() Ref    { return Ref{KindContainer, a.Name, a.Service} }
func (a StopContainer) Resource() Ref     { return Ref{KindContainer, a.Name, a.Service} }
func (a KillContainer) Resource() Ref     { return Ref{KindContainer, a.Name, a.Service} }
func (a PauseContainer) Resource() Ref    { return Ref{KindContainer, a.Name, a.Service} }
func (a UnpauseContainer) Resource() Ref  { return Ref{KindContainer, a.Name, a.Service} }
func (a RestartContainer) Resource() Ref  { return Ref{KindContainer, a.Name, a.Service} }
func (a RemoveContainer) Resource() Ref   { return Ref{KindContainer, a.Name, a.Service} }
func (a RenameContainer) Resource() Ref   { return Ref{KindContainer, a.Name, a.Service} }
func (a Await) Resource() Ref             { return Ref{KindContainer, a.Name, a.Service} }
func (a RunHook) Resource() Ref           { return Ref{KindContainer, a.Name, a.Service} }
func (a Delay) Resource() Ref             { return Ref{KindService, a.Service, a.Service} }
func (a RunProvider) Resource() Ref       { return Ref{KindProvider, a.Service, a.Service} }
func (a StopProvider) Resource() Ref      { return Ref{KindProvider, a.Service, a.Service} }
func (a ConfigureModel) Resource() Ref    { return Ref{KindModel, a.Model, ""} }
func (a UpdateContainer) Resource() Ref   { return Ref{KindContainer, a.Name, a.Service} }
func (a ConnectNetwork) Resource() Ref    { return Ref{KindContainer, a.Name, a.Service} }
func (a DisconnectNetwork) Resource() Ref { return Ref{KindContainer, a.Name, a.Service} }

func (CreateNetwork) action()     {}
func (RemoveNetwork) action()     {}
func (CreateVolume) action()      {}
func (CopyVolume) action()        {}
func (BeginFill) action()         {}
func (FillVolume) action()        {}
func (MoveVolume) action()        {}
func (ExchangeVolume) action()    {}
func (RemoveVolume) action()      {}
func (PullImage) action()         {}
func (PushImage) action()         {}
func (BuildImage) action()        {}
func (RemoveImage) action()       {}
func (CreateContainer) action()   {}
func (StartContainer) action()    {}
func (StopContainer) action()     {}
func (KillContainer) action()     {}
func (PauseContainer) action()    {}
func (UnpauseContainer) action()  {}
func (RestartContainer) action()  {}
func (RemoveContainer) action()   {}
func (RenameContainer) action()   {}
func (Await) action()             {}
func (RunHook) action()           {}
func (Delay) action()             {}
func (RunProvider) action()       {}
func (StopProvider) action()      {}
func (ConfigureModel) action()    {}
func (UpdateContainer) action()   {}
func (ConnectNetwork) action()    {}
func (DisconnectNetwork) action() {}
