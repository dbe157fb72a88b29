package docker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker/entry"
)

// explainStart says what to do about the reasons for which a container does not start; nil
// for a reason that it does not know.
func (e *Engine) explainStart(ctx context.Context, err error, name, service string) error {
	text := said(err)
	switch {
	case strings.Contains(text, "port is already allocated"), strings.Contains(text, "address already in use"):
		return e.portTaken(ctx, err)
	case strings.Contains(text, "cannot expose privileged port"):
		return portForbidden(err, service)
	case strings.Contains(text, "docker-proxy"):
		return nil // what is missing then is a part of the engine
	case mountDenied(text) != "":
		return noEntry(err, mountDenied(text), service)
	case strings.Contains(text, "exec format error"):
		return &refusal{
			problem: fmt.Sprintf("%s cannot start: its program is for another processor than the engine's, or a script without a first line such as #!/bin/sh", service),
			hint:    "set services." + service + ".platform and pull again, install emulation (`docker run --privileged --rm tonistiigi/binfmt --install all`), or mend the script",
			cause:   err,
		}
	case strings.Contains(text, "executable file not found"), strings.Contains(text, "no such file or directory") && strings.Contains(text, "exec"):
		return &refusal{
			problem: fmt.Sprintf("%s cannot start: its command is not in the image (%s)", service, runtimeSaid(text)),
			hint:    "correct services." + service + ".command or .entrypoint, or give the whole path",
			cause:   err,
		}
	case (strings.Contains(text, "permission denied") || strings.Contains(text, "is a directory")) && strings.Contains(text, "exec"):
		return &refusal{
			problem: fmt.Sprintf("%s cannot start: its command may not be executed (%s)", service, runtimeSaid(text)),
			hint:    "make the file executable (`chmod +x`), or correct services." + service + ".user",
			cause:   err,
		}
	case strings.Contains(text, "bind source path does not exist"):
		_, path, _ := strings.Cut(text, "does not exist: ")
		return &refusal{
			problem: fmt.Sprintf("%s is mounted into %s and does not exist", path, service),
			hint:    "make it, or correct services." + service + ".volumes" + elsewhere(e.host),
			cause:   err,
		}
	case strings.Contains(text, "no available IPv4 addresses"), strings.Contains(text, "failed to find free IP"): // Podman's words
		return noAddress(err)
	case networkGone(err):
		return noNetwork(err, name)
	}
	return nil
}

// mountDenied is the path of this machine that an engine without root's rights may not read or make; empty where text is of
// something else.
func mountDenied(text string) string {
	if !strings.HasSuffix(text, ": permission denied") {
		return ""
	}
	if _, path, ok := strings.Cut(text, `invalid mount config for type "bind": stat `); ok {
		return strings.TrimSuffix(path, ": permission denied")
	}
	_, rest, _ := strings.Cut(text, "error while creating mount source path '")
	path, _, _ := strings.Cut(rest, "'")
	return path
}

// noEntry is what a rootless engine answers to the mount of what is not its user's.
func noEntry(err error, path, service string) error {
	return &refusal{
		problem: fmt.Sprintf("%s is mounted into %s, and the engine may not go there", path, service),
		hint:    "a rootless engine goes where its user may: let that user read it, or correct services." + service + ".volumes", cause: err,
	}
}

// portForbidden is what a rootless engine answers to a port that is root's.
func portForbidden(err error, service string) error {
	_, text, _ := strings.Cut(said(err), "cannot expose privileged port ")
	port := text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
	return &refusal{
		problem: fmt.Sprintf("%s cannot publish port %s: the engine is rootless, and that port is root's", service, port),
		hint:    "publish one from 1024 on, or allow it on the engine's machine: `sudo sysctl net.ipv4.ip_unprivileged_port_start=" + port + "`",
		cause:   err,
	}
}

// networkGone says whether a container needs a network that is not there. Docker finds out at the
// start, Podman at the creation.
func networkGone(err error) bool {
	text := said(err)
	return gone(err) && strings.Contains(text, "network") || strings.Contains(text, "unable to find network")
}

// noAddress is for a network of which every address is taken.
func noAddress(err error) error {
	which := "its network"
	if _, rest, ok := strings.Cut(said(err), "address pools: "); ok {
		name, _, _ := strings.Cut(rest, " ")
		which = "network " + name
	}
	return &refusal{
		problem: which + " has no address left",
		hint:    "give it a larger range, such as ipam.config: [{subnet: 10.99.0.0/20}] below its key in networks, or part the services over several networks",
		cause:   err,
	}
}

func noNetwork(err error, name string) error {
	text := said(err)
	for _, preamble := range []string{"failed to set up container networking: ", "container create: "} {
		text = strings.TrimPrefix(text, preamble)
	}
	return &refusal{
		problem: fmt.Sprintf("container %s cannot start: %s", name, text),
		hint:    "the network was removed meanwhile; run `muster up` again",
		cause:   err,
	}
}

// runtimeSaid takes the last part of the runtime's long message, where the reason is.
func runtimeSaid(text string) string {
	text = strings.TrimSuffix(strings.TrimSuffix(text, ": unknown"), ":")
	for _, mark := range []string{"unable to start container process: ", "starting container process caused: ", "exec: "} {
		if i := strings.LastIndex(text, mark); i >= 0 {
			return text[i+len(mark):]
		}
	}
	return text
}

// portTaken finds out who has the port, with one call.
func (e *Engine) portTaken(ctx context.Context, err error) error {
	port, protocols := takenPort(said(err))
	if port == "" {
		return e.wrap(ctx, err, "publish", "ports")
	}
	const otherwise = "publish another port"
	// Podman knows no filter for published ports, so it is all that run.
	there, failed := e.client.ContainerList(ctx, container.ListOptions{})
	if failed == nil {
		if c, found := publisher(there, port, protocols); found {
			stop := "`docker stop " + entry.Name(c.Names) + "`"
			if p, s := c.Labels[planner.LabelProject], c.Labels[planner.LabelService]; p != "" && s != "" {
				stop = fmt.Sprintf("`muster -p %s stop %s`", p, s)
			}
			return &refusal{
				problem: fmt.Sprintf("port %s is taken by container %s", port, described(entry.Name(c.Names), c.Labels)),
				hint:    "stop it with " + stop + ", " + otherwise + ", or run a copy of this stack with free ports: `muster up --instance 2`",
				cause:   err,
			}
		}
	}
	who, hint := "another process on the engine's machine", otherwise
	if isLocal(e.host) {
		if process := portOwner(port, protocols[0]); process != "" {
			who, hint = process, "stop it, or "+otherwise
		}
	}
	return &refusal{problem: fmt.Sprintf("port %s is taken by %s", port, who), hint: hint, cause: err}
}

// publisher is the container that has a port, by the first of the protocols by which one has it.
func publisher(there []container.Summary, port string, protocols []string) (c container.Summary, found bool) {
	for _, protocol := range protocols {
		for _, c := range there {
			if publishes(c, port, protocol) {
				return c, true
			}
		}
	}
	return c, false
}

func publishes(c container.Summary, port, protocol string) bool {
	for _, p := range c.Ports {
		if fmt.Sprint(p.PublicPort) == port && p.Type == protocol {
			return true
		}
	}
	return false
}

// takenPort finds the port in the engine's message, with the protocols that it can be of, since not each says it:
// "Bind for 0.0.0.0:8080 failed", "failed to bind host port for 0.0.0.0:8080:172.18.0.2:80/tcp",
// "listen tcp4 0.0.0.0:8080: bind", "failed to bind host port 0.0.0.0:8080/tcp".
func takenPort(text string) (port string, protocols []string) {
	switch {
	case strings.Contains(text, "/udp"), strings.Contains(text, "listen udp"):
		protocols = []string{"udp"}
	case strings.Contains(text, "/tcp"), strings.Contains(text, "listen tcp"):
		protocols = []string{"tcp"}
	default:
		protocols = []string{"tcp", "udp"}
	}
	for _, mark := range []string{"Bind for ", "host port for ", "listen tcp4 ", "listen tcp6 ", "listen tcp ", "listen udp4 ", "listen udp6 ", "listen udp ", "host port "} {
		i := strings.Index(text, mark)
		if i < 0 {
			continue
		}
		rest := text[i+len(mark):]
		if end := strings.IndexAny(rest, " "); end >= 0 {
			rest = rest[:end]
		}
		if strings.HasPrefix(rest, "[") {
			_, rest, _ = strings.Cut(rest, "]")
		} else if strings.HasPrefix(rest, ":") { // an address of version 6 without brackets
			rest = rest[strings.LastIndexByte(rest, ':'):]
		} else if at := strings.IndexByte(rest, ':'); at >= 0 {
			rest = rest[at:]
		}
		digits := strings.TrimPrefix(rest, ":")
		end := 0
		for end < len(digits) && digits[end] >= '0' && digits[end] <= '9' {
			end++
		}
		if end > 0 {
			return digits[:end], protocols
		}
	}
	return "", protocols
}

// described names a container with its project: "blog-web-1 (project blog, ~/src/blog)".
func described(name string, labels map[string]string) string {
	project := labels[planner.LabelProject]
	if project == "" {
		return name
	}
	text := name + " (project " + project
	if dir := labels[planner.LabelWorkingDir]; dir != "" {
		text += ", " + underHome(dir)
	}
	return text + ")"
}

func underHome(dir string) string {
	home, err := os.UserHomeDir()
	if err != nil || home == "/" {
		return dir
	}
	if rest, found := strings.CutPrefix(dir, home+string(filepath.Separator)); found {
		return filepath.Join("~", rest)
	}
	return dir
}

// nameTaken says which container has the name that one of project was to get; empty where nobody knows whose it is.
func (e *Engine) nameTaken(ctx context.Context, err error, name, project string) error {
	got, failed := e.inspect(ctx, name)
	if failed != nil {
		return e.wrap(ctx, err, "name container", name)
	}
	labels := got.Config.Labels
	whose := "that is in no project"
	hint := "remove it with `docker rm -f " + name + "`, or choose another container_name"
	switch p := labels[planner.LabelProject]; {
	case p != "" && p == project:
		whose = "of this project"
		hint = fmt.Sprintf("choose another name, or remove that container with `muster -p %s rm -sf %s`", p, labels[planner.LabelService])
	case p != "":
		whose = "of project " + p
		if dir := labels[planner.LabelWorkingDir]; dir != "" {
			whose += " (" + underHome(dir) + ")"
		}
		hint = "bring that project down with `muster -p " + p + " down`, or choose another container_name or project name"
	}
	return &refusal{
		problem: fmt.Sprintf("the name %s is taken by container %.12s %s", name, got.ID, whose),
		hint:    hint, cause: err,
	}
}

// networkInUse names the containers that keep a network.
func (e *Engine) networkInUse(ctx context.Context, err error, name string) error {
	return e.inUse(ctx, err, "network", name)
}

// volumeInUse names the containers that keep a volume.
func (e *Engine) volumeInUse(ctx context.Context, err error, name string) error {
	return e.inUse(ctx, err, "volume", name)
}

func (e *Engine) inUse(ctx context.Context, err error, kind, name string) error {
	there, failed := e.client.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg(kind, name))})
	if failed != nil || len(there) == 0 {
		return e.wrap(ctx, err, "remove "+kind, name)
	}
	var users []string
	for _, c := range there {
		users = append(users, described(entry.Name(c.Names), c.Labels))
	}
	return &refusal{
		problem: fmt.Sprintf("%s %s is still used by %s", kind, name, strings.Join(sorted(users), ", ")),
		hint:    "stop and remove them first, or keep the " + kind,
		cause:   err,
	}
}
