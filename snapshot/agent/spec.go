// Package agent is the part of muster that unpacks a snapshot beside an engine's volumes, and puts what it has unpacked in a volume's
// place. It runs in a container of the engine, with the folder that has the volumes, and ends when its input does.
package agent

// Command is the hidden command of muster that calls [Run].
const Command = "volume-agent"

// Spec says what the agent does. It is the first line of its input, as JSON, so that an agent can be started before that is known. The rest follows: the
// packed archive where it does not see that, then a line with what to do with what it has unpacked.
type Spec struct {
	// Volumes is the folder that has a folder for each volume, where the agent sees it.
	Volumes string `json:"volumes"`
	// Volume is the one that is filled, or whose data is moved.
	Volume string `json:"volume"`
	// Size is how many bytes the packed archive has; 0 is none, and the volume is left as it is.
	Size int64 `json:"size,omitempty"`
	// Sum is the digest of the packed archive, "sha256:…".
	Sum string `json:"sum,omitempty"`
	// File is where the agent sees the packed archive; empty where it comes on the input.
	File string `json:"file,omitempty"`
	// ClearOnly says that there is nothing to do but to remove what the volume had before.
	ClearOnly bool `json:"clearOnly,omitempty"`
}

// What the agent says, a line each: once it has all that it takes to fill the volume; how many bytes of the archive it has read, once in a while, with the
// number behind a space; once the volume is filled; and once its data is in the place of another's.
const (
	Began  = "began"
	Read   = "read"
	Filled = "filled"
	Moved  = "moved"
)

// MoveTo begins the line that tells it to give another volume what this one has; the name of that one follows.
const MoveTo = "move to "
