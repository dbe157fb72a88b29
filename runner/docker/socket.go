package docker

import (
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// Where engines listen, and where tools in a container look for one.
const (
	usualSocket = "/var/run/docker.sock"
	usualPipe   = `\\.\pipe\docker_engine`
)

// engineSocket is the socket of the engine at host as its own machine has it. An engine behind a
// local socket has that one, wherever it is, unless it is Docker Desktop's: that leads into a virtual
// machine, where the engine has the usual one. Of an engine elsewhere nobody can say, so
// that the usual one has to do.
func engineSocket(host string) string {
	path, local := strings.CutPrefix(host, "unix://")
	if !local || strings.Contains(path, "/.docker/") {
		return usualSocket
	}
	return path
}

// apiSocket gives the container the engine's own socket where tools look for it. docker compose also puts
// the user's registry credentials into such a container, in clear. We do not: whoever can read the container's
// files, its layers or a commit of it would have them. A service that has to pull privately gets what it
// needs as a secret.
func (w *writer) apiSocket(h *container.HostConfig) {
	if !w.service.UseAPISocket {
		return
	}
	m := mount.Mount{Type: mount.TypeBind, Source: w.socket, Target: usualSocket}
	if w.windows {
		m = mount.Mount{Type: mount.TypeNamedPipe, Source: usualPipe, Target: usualPipe}
	}
	for _, v := range w.service.Volumes {
		if v.Target == m.Target {
			return // mounted by hand already
		}
	}
	h.Mounts = append(h.Mounts, m)
}
