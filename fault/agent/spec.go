// Package agent is the part of muster that makes the way to another container slow, narrow or broken. It runs in the network of the
// container whose connections these are, sends them through Toxiproxy, and takes itself away when its input ends.
package agent

import "encoding/json"

// Command is the hidden command of muster that calls [Run]; its only argument is a [Spec] as JSON.
const Command = "fault-agent"

// Spec says which connections are meant, and what happens to them.
type Spec struct {
	Addresses []string        `json:"addresses"`
	Port      int             `json:"port"`
	Toxic     json.RawMessage `json:"toxic"` // in the form of Toxiproxy's API
}
