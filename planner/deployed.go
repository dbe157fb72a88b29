package planner

import (
	"time"

	"github.com/musterhq/muster/project"
)

// The sorts of resource that only an engine has which converges by itself. Its services are of [KindService].
const (
	KindConfig Kind = "config"
	KindSecret Kind = "secret"
)

// Deployed is a service as an engine keeps it that converges by itself: the engine makes as many containers of it as are wanted,
// wherever there is room, and replaces them when the service changes.
type Deployed struct {
	Name    string // on the engine
	Service string // its key in the file
	Mode    Mode
	// Replicas is how many are wanted: with the global modes, how many nodes there are for it.
	Replicas int
	// Running is how many of those run, and are healthy where there is a health check; Completed how many of a job's runs have
	// ended well.
	Running, Completed int
	Image              string            // the reference that it runs, with a digest where it was resolved
	Labels             map[string]string // of the service, and not of its containers
	// Objects are the names of the configs and secrets that it uses, and Networks those of the networks that it is in.
	Objects  []string `json:",omitempty"`
	Networks []string `json:",omitempty"`
	Update   Update   `json:",omitempty"`
	// Message is the engine's own for Update.
	Message string `json:",omitempty"`
	// Drift is what somebody has changed since it was applied: paths within the service.
	Drift []Change `json:",omitempty"`
}

// Mode says how many containers of a service there are, in the words of the Compose Specification, deploy.mode.
type Mode string

// The modes. Containers of the jobs end.
const (
	Replicated    Mode = "replicated"
	Global        Mode = "global"
	ReplicatedJob Mode = "replicated-job"
	GlobalJob     Mode = "global-job"
)

// Job says whether the containers of the mode are meant to end.
func (m Mode) Job() bool { return m == ReplicatedJob || m == GlobalJob }

// Everywhere says whether there is a container on each node.
func (m Mode) Everywhere() bool { return m == Global || m == GlobalJob }

// Update is how far an engine is with the replacement of a service's containers.
type Update string

// The states of an update; of a service that was never updated it is empty.
const (
	Updating     Update = "updating"
	Updated      Update = "updated"
	UpdatePaused Update = "paused" // some of the new containers did not work
	RollingBack  Update = "rolling back"
	RolledBack   Update = "rolled back"
)

// Object is a config or a secret as an engine keeps it. It cannot be changed.
type Object struct {
	Kind   Kind
	Name   string
	Labels map[string]string
	// Digest is that of its content, "sha256:…"; empty where the engine does not say, as of secrets.
	Digest string `json:",omitempty"`
}

// Node is one of the machines of an engine that has several.
type Node struct {
	Name    string
	Labels  map[string]string `json:",omitempty"`
	Manager bool              `json:",omitempty"`
	// Ready: it takes containers.
	Ready bool
	// Here: it is the one that muster is connected to.
	Here bool `json:",omitempty"`
}

// ApplyService makes a service what it shall be: creates it, or changes it so that the engine replaces its containers as the
// service's update_config says. It does not wait for that. "Already so" is success.
type ApplyService struct {
	Project string `json:"project"`
	Name    string `json:"name"` // on the engine
	Service string `json:"service"`
	Mode    Mode   `json:"mode"`
	// Replicas is how many containers there shall be; with the global modes it says nothing.
	Replicas int             `json:"replicas"`
	Spec     project.Service `json:"-"`
	Image    string          `json:"image"`
	// Labels are those of the service: those of deploy.labels, and muster's own. Its containers' are in Spec.
	Labels map[string]string `json:"labels"`
	// Networks maps the keys of Spec.Networks to names on the engine, Volumes does the same for named volumes, and Objects
	// for configs and secrets, by "configs.KEY" and "secrets.KEY".
	Networks map[string]string `json:"networks,omitempty"`
	Volumes  map[string]string `json:"volumes,omitempty"`
	Objects  map[string]string `json:"objects,omitempty"`
	// Definitions are the named volumes that it may be the first to have, by their keys: the engine makes them where its
	// containers come to run.
	Definitions map[string]project.Volume `json:"-"`
	// Again replaces its containers, and runs a job again, although nothing differs.
	Again bool `json:"again,omitempty"`
	// Resolve says when the image's reference is resolved to a digest: always, changed (with a new service or another
	// reference) or never.
	Resolve string `json:"resolve,omitempty"`
	// Digest is what the reference stands for, as the plan has seen it; empty where it was not looked up.
	Digest string `json:"digest,omitempty"`
}

// RemoveService removes a service and its containers, and returns when they are gone. "Not there" is success.
type RemoveService struct {
	Name    string `json:"name"`
	Service string `json:"service"`
}

// AwaitService waits until a service has come to a condition, or fails when it no longer can: its update was paused or
// rolled back, or its containers fail again and again. IsRunning and IsReady are met when no update goes on and all
// containers that are wanted run, healthy ones where there is a health check; IsCompleted when a job is done.
type AwaitService struct {
	Name      string        `json:"name"`
	Service   string        `json:"service"`
	Condition Condition     `json:"condition"`
	Timeout   time.Duration `json:"timeout,omitempty"` // 0: as long as it takes
	// For and Optional are those of [Await].
	For      string `json:"for,omitempty"`
	Optional bool   `json:"optional,omitempty"`
}

// CreateObject gives the engine a config or a secret to keep. "Already there" is success.
type CreateObject struct {
	Project string            `json:"project"`
	Kind    Kind              `json:"kind"`
	Name    string            `json:"name"`
	Key     string            `json:"key"`              // "configs.NAME" or "secrets.NAME"
	Source  string            `json:"source,omitempty"` // path on this machine; empty when Content counts
	Content Hidden            `json:"content,omitempty"`
	Labels  map[string]string `json:"labels"`
	// Driver gives the content of a secret, with Options; Template is the driver that fills the content in for each container.
	Driver   string            `json:"driver,omitempty"`
	Options  map[string]string `json:"options,omitempty"`
	Template string            `json:"template,omitempty"`
}

// RemoveObject removes a config or a secret. "Not there" is success, and so is "in use": then it stays.
type RemoveObject struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
}

func (a ApplyService) Resource() Ref  { return Ref{KindService, a.Name, a.Service} }
func (a RemoveService) Resource() Ref { return Ref{KindService, a.Name, a.Service} }
func (a AwaitService) Resource() Ref  { return Ref{KindService, a.Name, a.Service} }
func (a CreateObject) Resource() Ref  { return Ref{a.Kind, a.Name, ""} }
func (a RemoveObject) Resource() Ref  { return Ref{a.Kind, a.Name, ""} }

func (ApplyService) action()  {}
func (RemoveService) action() {}
func (AwaitService) action()  {}
func (CreateObject) action()  {}
func (RemoveObject) action()  {}
