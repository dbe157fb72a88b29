// Package planner compares what is wanted with what exists and says what to
// do about it: a graph of steps, each with its reason.
//
// It is pure. It has no context, clock, IO, log or randomness, so that the
// same input gives the same plan, a plan can be shown instead of run, and
// every story about it is a text file.
package planner

import (
	"time"

	"github.com/musterhq/muster/project"
)

// State is what exists on the engine and concerns one project. Engines
// list every slice sorted by name.
type State struct {
	Engine     EngineInfo
	Containers []Container
	Networks   []Network
	Volumes    []Volume
	Images     []Image

	// Converges: the engine keeps services by itself, so that services are planned and not containers. Containers are then the
	// latest ones of each replica, wherever they run.
	Converges bool       `json:",omitempty"`
	Deployed  []Deployed `json:",omitempty"`
	Objects   []Object   `json:",omitempty"`
	Nodes     []Node     `json:",omitempty"`
	// Registry is what images stand for in their registries, by reference: those of [Lookups] that were found.
	Registry map[string]string `json:",omitempty"`
}

// EngineInfo is what the engine can do, as far as a plan depends on it.
type EngineInfo struct {
	API  string `json:",omitempty"` // such as "1.51"
	Name string `json:",omitempty"` // such as "docker 28.5.2" or "podman 5.8.0"
	OS   string `json:",omitempty"` // "linux" or "windows"
	Arch string `json:",omitempty"` // in Go's words: "amd64"
	// Builder is the name of a builder outside of the engine that builds for it; empty where it builds itself.
	Builder string `json:",omitempty"`
	// LateNetworks says that a container can be created before its networks are, which have to be there when it starts, and that a
	// network can be removed while containers are in it that do not run.
	LateNetworks bool `json:",omitempty"`
}

// Scope says what [State] has to cover.
type Scope struct {
	Project string
	// ContainersOnly says that no more is wanted than containers, and Service, if not empty, no others than this service's; an engine may answer with more.
	ContainersOnly bool
	Service        string
	// Images are references to look up; those that are not there are missing in State.Images.
	Images []string
	// Aged are those of Images that are pulled again after a time, so that Image.Fetched has to be known.
	Aged []string
	// Networks, Volumes and Objects are names on the engine to include although they
	// may not carry the project's label: external ones and those made by hand.
	Networks []string
	Volumes  []string
	Objects  []string
}

// Container is one container of the project, stopped ones included.
type Container struct {
	ID      string
	Name    string
	Service string
	Number  int    // replica, from 1; 0 on one-offs
	OneOff  bool   // made by run
	Image   string // the reference it was created from
	ImageID string // the content it runs
	// Joined are the containers whose namespaces it uses, by the key that says so: network_mode, and of containers that
	// were inspected ipc and pid. They are named by ID or, where it was made so, by name.
	Joined map[string]string `json:",omitempty"`
	Status Status
	Health Health
	// ExitCode is that of the last run; meaningful when Status is Exited.
	ExitCode int
	Created  time.Time
	// Since is the engine's own words for how long, such as "Up 2 hours (healthy)".
	Since     string
	Command   string
	Labels    map[string]string
	Endpoints []Endpoint
	Mounts    []Mount
	Ports     []Port
	// Node is the one that it runs on, of an engine that has several.
	Node string `json:",omitempty"`
	// Settings are known of containers that were inspected; nil of others.
	Settings *Settings `json:",omitempty"`
	// Made is how a container without a record was made, as a canonical spec without networks and Settings, and Meant how it
	// would be made now, written the same way; nil where nobody has looked. See [Doubt].
	Made  []byte `json:"-"`
	Meant []byte `json:"-"`
}

// Status is the engine's word for what a container is doing.
type Status string

// The states that an engine knows.
const (
	Created    Status = "created"
	Running    Status = "running"
	Paused     Status = "paused"
	Restarting Status = "restarting"
	Exited     Status = "exited"
	Dead       Status = "dead"
	Removing   Status = "removing"
)

// Health is the engine's verdict on a container that has a health check.
type Health string

// The verdicts; a container without a health check has NoHealth.
const (
	NoHealth  Health = ""
	Starting  Health = "starting"
	Healthy   Health = "healthy"
	Unhealthy Health = "unhealthy"
)

// Endpoint is a container's place in a network.
type Endpoint struct {
	Network   string // the network's name on the engine
	NetworkID string `json:",omitempty"` // empty until the container has run once, on some engines
	// Aliases are the names that it is found by there; nil where nobody has looked, as no list has them.
	Aliases []string `json:",omitempty"`
	IPv4    string   `json:",omitempty"`
	IPv6    string   `json:",omitempty"`
	MAC     string   `json:",omitempty"`
	// Fixed are the addresses that were asked for; nil where none were, or the engine does not say.
	Fixed *FixedAddresses `json:",omitempty"`
	// Priority is that of the network as the container's way out.
	Priority int               `json:",omitempty"`
	Options  map[string]string `json:",omitempty"` // for the network's driver; nil as Aliases
}

// FixedAddresses are addresses that the engine did not choose.
type FixedAddresses struct{ IPv4, IPv6 string }

// Mount is a file tree that a container has from outside.
type Mount struct {
	Type     string // bind, volume, tmpfs, image, npipe
	Name     string `json:",omitempty"` // of the volume
	Source   string `json:",omitempty"` // on the host
	Target   string
	ReadOnly bool `json:",omitempty"`
}

// Port is one published or exposed port.
type Port struct {
	HostIP    string `json:",omitempty"`
	Published int    `json:",omitempty"` // 0: exposed only
	Target    int
	Protocol  string // tcp, udp, sctp
}

// Network is a network on the engine.
type Network struct {
	ID     string
	Name   string
	Driver string
	Labels map[string]string
	// Made is how it is defined, as far as the engine says; nil where it does not.
	Made *project.Network `json:"-"`
	// Others are the services of other projects that are in it, where the engine keeps services.
	Others []string `json:",omitempty"`
}

// Volume is a volume on the engine.
type Volume struct {
	Name   string
	Driver string
	Labels map[string]string
	Made   *project.Volume `json:"-"` // as [Network.Made]
}

// Image is a local image.
type Image struct {
	ID      string
	Tags    []string // references as the user may write them: "postgres:17"
	Digests []string // repo digests
	Created time.Time
	// Fetched is when the name that [Scope.Aged] has was last pulled, or built; zero where it is not known.
	Fetched time.Time `json:",omitzero"`
	Labels  map[string]string
	// Same are the IDs of images that containers run and that differ from this one in nothing but [LabelInputs], which
	// changes with files of which the image may have nothing.
	Same []string `json:",omitempty"`
}
