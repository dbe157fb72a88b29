// Package entry reads what an entry of an engine's list of containers says in words and labels.
//
// The adapter to the engine goes by it, and so does the `ps` that is answered before most of the program is set up, so that both take the same from the
// same answer. For the latter this package imports nothing that is set up late.
package entry

import (
	"strconv"
	"strings"
)

// The labels that say whose a container is; they are the planner's.
const (
	LabelService    = "com.docker.compose.service"
	LabelNumber     = "com.docker.compose.container-number"
	LabelOneOff     = "com.docker.compose.oneoff"
	LabelConfigHash = "com.docker.compose.config-hash"
)

// Inherited says whether a container has a project's labels only because its image was built for one: it comes from docker run, or
// from a swarm.
func Inherited(labels map[string]string) bool {
	return labels[LabelOneOff] == "" && labels[LabelNumber] == "" && labels[LabelConfigHash] == ""
}

// IsOneOff says whether a container was made by run.
func IsOneOff(labels map[string]string) bool { return labels[LabelOneOff] == "True" }

// Name picks a container's own name among those that links give it, which have a
// second slash.
func Name(names []string) string {
	for _, n := range names {
		if n = strings.TrimPrefix(n, "/"); !strings.Contains(n, "/") {
			return n
		}
	}
	return ""
}

// Health reads the verdict from the status text: "Up 2 hours (healthy)"; empty is that of a container without a check.
// The list has no field of its own for it before API 1.52.
func Health(status string) string {
	switch {
	case strings.HasSuffix(status, "(healthy)"):
		return "healthy"
	case strings.HasSuffix(status, "(unhealthy)"):
		return "unhealthy"
	case strings.HasSuffix(status, "(health: starting)"), strings.HasSuffix(status, "(starting)"):
		return "starting"
	}
	return ""
}

// State is an engine's word for what a container does, in Docker's words: Podman has some of its own for moments in between.
func State(state string) string {
	switch state {
	case "configured", "initialized":
		return "created"
	case "stopping":
		return "running"
	case "stopped":
		return "exited"
	}
	return state
}

// ExitCode reads the code from the status text: "Exited (3) 2 hours ago".
func ExitCode(status string) int {
	state, rest, _ := strings.Cut(status, " (")
	if state != "Exited" && state != "Restarting" {
		return 0
	}
	digits, _, _ := strings.Cut(rest, ")")
	code, _ := strconv.Atoi(digits)
	return code
}
