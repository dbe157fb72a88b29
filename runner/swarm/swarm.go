// Package swarm is the adapter to Docker's Swarm mode: an engine of several nodes that keeps services by itself. It turns the
// planner's services into Swarm's, and what a swarm has into a planner.State.
//
// What it writes equals what `docker stack deploy` makes of the same file, but for labels of services: so `docker
// stack` sees what muster has deployed, and a stack that docker has deployed is taken over without a restart.
//
// Images, and whatever else is a matter of the one node that is connected to, are left to runner/docker.
package swarm

import (
	"sync"

	"github.com/musterhq/muster/runner/docker"
)

// The labels of `docker stack`.
const (
	labelStack = "com.docker.stack.namespace"
	labelImage = "com.docker.stack.image" // as the file has it
)

// labelApplied, on a service, has its specification as it was applied, in a form of its own: what differs from it was changed by
// somebody else.
const labelApplied = "dev.muster.applied"

// Engine is a connection to a manager of a swarm. It is safe for concurrent use.
type Engine struct {
	*docker.Engine
	lookouts lookouts

	mu   sync.Mutex
	node string // ID of the one that is connected to; empty until somebody has asked
}

// Open makes an adapter to the swarm that the engine manages. It calls nobody.
func Open(manager *docker.Engine) *Engine { return &Engine{Engine: manager} }
