package docker

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/versions"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker/entry"
)

// MinAPI is the lowest version of the engine's API that works.
const MinAPI = "1.41"

// Checkup is how an engine is, for those who look for what is wrong.
type Checkup struct {
	Engine   planner.EngineInfo
	Host     string
	BuildKit bool
	// CgroupVersion is "1" or "2", Driver how images are stored, Root where.
	CgroupVersion, Driver, Root string
	Rootless                    bool
	// Free and Size are of the disk with Root, in bytes; Size 0 where it cannot be looked at.
	Free, Size uint64
	// Warnings are the engine's own, such as that it has no swap limit.
	Warnings []string
	// Logins are the registries that docker's configuration has credentials for, sorted; LoginsError says why they cannot be read.
	Logins      []string
	LoginsError string
}

// TooOld says whether the engine does not speak [MinAPI].
func (c Checkup) TooOld() bool {
	return c.Engine.API != "" && versions.LessThan(c.Engine.API, MinAPI)
}

// Checkup asks an engine how it is.
func (e *Engine) Checkup(ctx context.Context) (Checkup, error) {
	info, err := e.Info(ctx)
	if err != nil {
		return Checkup{}, err
	}
	got, err := e.client.Info(ctx)
	if err != nil {
		return Checkup{}, e.wrap(ctx, err, "ask about", e.host)
	}
	c := Checkup{
		Engine: info, Host: e.host, BuildKit: e.hasBuildKit(), CgroupVersion: got.CgroupVersion, Driver: got.Driver, Root: got.DockerRootDir,
		Warnings: got.Warnings,
	}
	for _, option := range got.SecurityOptions {
		c.Rootless = c.Rootless || strings.Contains(option, "rootless")
	}
	if isLocal(e.host) {
		c.Free, c.Size = diskSpace(c.Root)
	}
	logins, err := e.config.GetAllCredentials()
	if err != nil {
		c.LoginsError = err.Error()
	}
	for _, name := range slices.Sorted(maps.Keys(logins)) {
		if name == hubKey {
			name = "docker.io"
		}
		if !slices.Contains(c.Logins, name) && !strings.HasPrefix(name, hubKey) { // docker's own tokens are no logins
			c.Logins = append(c.Logins, name)
		}
	}
	return c, nil
}

// PortUser says who has a port of the engine's machine, other than a project's own containers; empty where nobody is known to.
func (e *Engine) PortUser(ctx context.Context, project string, p planner.Port) (string, error) {
	if err := e.connect(ctx); err != nil {
		return "", err
	}
	there, err := e.client.ContainerList(ctx, container.ListOptions{})
	if err != nil {
		return "", e.wrap(ctx, err, "list containers on", e.host)
	}
	port := fmt.Sprint(p.Published)
	for _, c := range there {
		if !publishes(c, port, p.Protocol) {
			continue
		}
		if c.Labels[planner.LabelProject] == project {
			return "", nil
		}
		return "container " + described(entry.Name(c.Names), c.Labels), nil
	}
	if !isLocal(e.host) || canListen(p) {
		return "", nil
	}
	if owner := portOwner(port, p.Protocol); owner != "" {
		return owner, nil
	}
	return "another process", nil
}

// canListen says whether a port of this machine is free. What may not be tried out, such as a port that is
// only root's, counts as free.
func canListen(p planner.Port) bool {
	address := net.JoinHostPort(p.HostIP, fmt.Sprint(p.Published))
	var closer interface{ Close() error }
	var err error
	switch p.Protocol {
	case "udp":
		closer, err = net.ListenPacket("udp", address)
	case "tcp", "":
		closer, err = net.Listen("tcp", address)
	default:
		return true
	}
	if err == nil {
		_ = closer.Close()
		return true
	}
	return !strings.Contains(err.Error(), "in use")
}
