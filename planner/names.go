package planner

import (
	"strings"

	"github.com/musterhq/muster/project"
)

// successorSuffix ends the name that a container has while it is not yet
// proven. A dot cannot stand in a service's own container name by default, so it meets no other.
const successorSuffix = ".next"

// labelComposeReplaces is what docker compose puts on a container that is about to replace another.
const labelComposeReplaces = "com.docker.compose.replace"

// successorName is what the successor of the container called name is called
// until it has proven itself.
func successorName(name string) string { return name + successorSuffix }

// isSuccessor says whether c still has its temporary name, ours or the one that docker compose
// gives: the first 12 characters of the old one's ID before the name.
func isSuccessor(c *Container) bool {
	if c.Labels[LabelReplaces] != "" && strings.HasSuffix(c.Name, successorSuffix) {
		return true
	}
	id, _, ok := strings.Cut(c.Name, "_")
	return c.Labels[labelComposeReplaces] != "" && ok && len(id) == 12 && strings.Trim(id, "0123456789abcdef") == ""
}

// networkName is a network's name on the engine. Names never follow the
// separator of container names: they are always joined by _.
func networkName(p *project.Project, key string, n project.Network) string {
	switch {
	case n.Name != "":
		return n.Name
	case bool(n.External):
		return key
	}
	return p.Name + "_" + key
}

// volumeName is a volume's name on the engine.
func volumeName(p *project.Project, key string, v project.Volume) string {
	switch {
	case v.Name != "":
		return v.Name
	case bool(v.External):
		return key
	}
	return p.Name + "_" + key
}

// familiar is the shortest way to write an image reference, with its tag:
// engines list images so.
func familiar(ref string) string {
	for _, prefix := range []string{"docker.io/library/", "index.docker.io/library/", "docker.io/", "index.docker.io/"} {
		if rest, ok := strings.CutPrefix(ref, prefix); ok {
			ref = rest
			break
		}
	}
	if name, digest, ok := strings.Cut(ref, "@"); ok {
		// A tag beside a digest says nothing that the digest does not.
		return untagged(name) + "@" + digest
	}
	if untagged(ref) == ref {
		return ref + ":latest"
	}
	return ref
}

// untagged is ref without its tag; a colon before a slash is a port.
func untagged(ref string) string {
	if colon := strings.LastIndex(ref, ":"); colon > strings.LastIndex(ref, "/") {
		return ref[:colon]
	}
	return ref
}
