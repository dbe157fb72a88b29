package main

import (
	"path/filepath"
	"strings"

	"github.com/musterhq/muster/instance"
	"github.com/musterhq/muster/project"
)

// instances is where the host ports of instances are kept, of this user on this machine, for the engine that is used. Without
// a home folder nothing is kept, and ports are calculated.
func (p *program) instances() instance.Registry {
	dir, err := p.stateDir()
	if err != nil {
		return ""
	}
	return instance.Registry(filepath.Join(dir, "instances"))
}

// hostPorts chooses the host ports of an instance. Commands that only look take no ports.
func (p *program) hostPorts(look bool) func(project.Copy, []project.HostPort) ([]int, error) {
	if look {
		return p.instances().Peek
	}
	free := instance.Listening
	if p.elsewhere() {
		free = nil
	}
	return func(of project.Copy, fixed []project.HostPort) ([]int, error) {
		return p.instances().Ports(of, p.now(), fixed, free)
	}
}

// elsewhere says whether the engine may be on another machine, so that it says nothing about its ports whether they are free here.
func (p *program) elsewhere() bool {
	at := p.globals.at
	if at.context != "" && at.context != "default" || at.context == "" && at.host == "" && p.getenv("DOCKER_CONTEXT") != "" {
		return true
	}
	host := at.host
	if host == "" {
		host = p.getenv("DOCKER_HOST")
	}
	return strings.HasPrefix(host, "ssh:") || strings.HasPrefix(host, "tcp:")
}
