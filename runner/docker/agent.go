package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"

	"github.com/musterhq/muster/fault"
	"github.com/musterhq/muster/runner"
)

// An agent is muster's own program in a container: for what has to be done on the engine's side, in a container's network or in
// a volume. Its image has that one static file and nothing else, and is made on the engine from what runs here, so that there is
// nothing to pull and never another version. Its life hangs on its standard input: that ends when muster does, however it does.

const (
	// labelAgent marks the images and the containers of agents; the value is the digest of the program.
	labelAgent = "dev.muster.agent"
	agentImage = "muster.local/agent"
	agentPath  = "/muster"
)

// AgentSpec says what an agent does and what it may touch. The zero value can touch nothing.
type AgentSpec struct {
	// Program is the path of a static Linux program for the engine's architecture. Empty is that of [Options.Muster]; see [AgentProgram].
	Program string
	// Args are its arguments.
	Args []string
	// Network is the network that it is in, in the engine's form, such as "container:NAME". Empty is none.
	Network string
	// Capabilities are all that it has, such as NET_ADMIN. It runs as root without any others.
	Capabilities []string
	// Volumes are mounted by their names; all else that it sees cannot be written.
	Volumes []AgentVolume
	// Folders are folders and files of the engine's machine.
	Folders []AgentFolder
}

// AgentVolume is a volume as an agent sees it.
type AgentVolume struct {
	Name, Path string
	ReadOnly   bool
}

// AgentFolder is a folder, or a file, of the engine's machine as an agent sees it.
type AgentFolder struct {
	Source, Path string
	ReadOnly     bool
}

// Agent starts an agent and connects to its standard streams. The agent has to end when its input does: [Session.CloseWrite],
// [Session.Close] and the end of ctx end it in peace, and the end of this process too. The engine removes its container then.
// [Session.ExitCode] waits for that; where the context of that ends first, nobody can wait any more.
func (e *Engine) Agent(ctx context.Context, a AgentSpec) (*Session, error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	const tries = 3 // somebody's other muster may remove our image as an old one
	for try := 1; ; try++ {
		ref, err := e.agentImage(ctx, a.Program)
		if err != nil {
			return nil, err
		}
		id, err := e.createAgent(ctx, ref, a)
		if gone(err) && try < tries {
			continue
		}
		if err != nil {
			return nil, e.wrap(ctx, err, "create an agent from image", ref)
		}
		return e.startAgent(ctx, id)
	}
}

// NetworkAgent starts muster's own program with these arguments in the network of a container, as one that may administer it.
func (e *Engine) NetworkAgent(ctx context.Context, container string, args []string) (fault.Agent, error) {
	s, err := e.Agent(ctx, AgentSpec{Args: args, Network: "container:" + container, Capabilities: []string{"NET_ADMIN"}})
	if err != nil {
		return nil, err // a nil session must not become an agent
	}
	return s, nil
}

func (e *Engine) createAgent(ctx context.Context, ref string, a AgentSpec) (id string, err error) {
	host := &container.HostConfig{
		AutoRemove: true, NetworkMode: "none", ReadonlyRootfs: true,
		CapDrop: []string{"ALL"}, CapAdd: a.Capabilities, SecurityOpt: []string{"no-new-privileges"},
		LogConfig: container.LogConfig{Type: "none"},
	}
	if a.Network != "" {
		host.NetworkMode = container.NetworkMode(a.Network)
	}
	for _, v := range a.Volumes {
		host.Mounts = append(host.Mounts, mount.Mount{
			Type: mount.TypeVolume, Source: v.Name, Target: v.Path, ReadOnly: v.ReadOnly, VolumeOptions: &mount.VolumeOptions{NoCopy: true},
		})
	}
	for _, f := range a.Folders {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeBind, Source: f.Source, Target: f.Path, ReadOnly: f.ReadOnly})
	}
	made, err := e.client.ContainerCreate(ctx, &container.Config{
		Image: ref, Entrypoint: []string{agentPath}, Cmd: a.Args, User: "0:0", Labels: map[string]string{labelAgent: ref[len(agentImage)+1:]},
		OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
	}, host, nil, nil, "muster.agent."+strings.ToLower(rand.Text()[:12]))
	return made.ID, err
}

// startAgent connects first: an agent that nobody holds would end at once, or never.
func (e *Engine) startAgent(ctx context.Context, id string) (_ *Session, err error) {
	defer func() {
		if err != nil {
			_ = e.client.ContainerRemove(context.WithoutCancel(ctx), id, container.RemoveOptions{Force: true})
		}
	}()
	s, err := e.Join(ctx, id, JoinOptions{Input: true})
	if err != nil {
		return nil, err
	}
	s.staysOpen = false // Podman does not say what it was made with
	waiting, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	ended, err := e.Ending(waiting, id, true)
	if err == nil {
		err = e.client.ContainerStart(ctx, id, container.StartOptions{})
	}
	if err != nil {
		giveUp(err)
		_ = s.Close()
		return nil, e.wrap(ctx, err, "start agent", id)
	}
	s.exit = func(ctx context.Context) (int, error) {
		defer context.AfterFunc(ctx, func() { giveUp(context.Cause(ctx)) })()
		return ended()
	}
	return s, nil
}

// agentImage is the image that has a program, which is made where it is not there.
func (e *Engine) agentImage(ctx context.Context, program string) (ref string, err error) {
	digest := func() (string, error) { return programDigest(program) }
	if program == "" {
		own, err := e.agentProgram(ctx)
		if err != nil {
			return "", err
		}
		program, digest = own.path, own.digest
	}
	sum, err := digest()
	if err != nil {
		return "", fmt.Errorf("make an agent: %w", err)
	}
	ref = agentRef(sum)
	_, err = e.client.ImageInspect(ctx, ref)
	if err == nil {
		return ref, nil
	}
	if !gone(err) {
		return "", e.wrap(ctx, err, "inspect image", ref)
	}
	if ref, err = e.makeAgentImage(ctx, program); err != nil {
		return "", err
	}
	_, err = e.RemoveAgents(ctx, ref)
	return ref, err
}

// makeAgentImage makes it from a program as it is now, which may be another one than that which was summed up before.
func (e *Engine) makeAgentImage(ctx context.Context, program string) (ref string, err error) {
	f, err := os.Open(program)
	if err != nil {
		return "", fmt.Errorf("make an agent: %w", err)
	}
	defer f.Close()
	digest, size, err := summed(f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return "", fmt.Errorf("make an agent: %w", err)
	}
	ref = agentRef(digest)
	if err := e.importAgent(ctx, ref, f, size); err != nil {
		return "", e.wrap(ctx, err, "make image", ref)
	}
	return ref, nil
}

func agentRef(digest string) string { return agentImage + ":" + digest[:24] }

// programDigest is the digest of a file, in hexadecimal digits.
func programDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	digest, _, err := summed(f)
	return digest, err
}

// summed gives the digest of a program in hexadecimal digits, and how many bytes it is. Where Go's linker has written down a digest of all that it wrote,
// that stands for it: to read a program takes longer than much of what an agent does.
func summed(program *os.File) (digest string, size int64, err error) {
	sum := sha256.New()
	if id := buildID(program); len(id) > 0 {
		is, err := program.Stat()
		if err != nil {
			return "", 0, err
		}
		size = is.Size()
		fmt.Fprintf(sum, "%d bytes of %s", size, id)
	} else if size, err = io.Copy(sum, program); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(sum.Sum(nil)), size, nil
}

// buildID is what Go's linker tells a program from others by; the last part of it is a digest of the program. Empty where there is none.
func buildID(program io.ReaderAt) []byte {
	f, err := elf.NewFile(program)
	if err != nil {
		return nil
	}
	note := f.Section(".note.go.buildid")
	if note == nil {
		return nil
	}
	id, err := note.Data()
	if err != nil || bytes.Count(id, []byte("/")) < 3 { // action/main/main/content
		return nil
	}
	return id
}

// ownProgram is muster's own program for an engine.
type ownProgram struct {
	path   string
	digest func() (string, error) // taken once
}

// agentProgram is muster's own program for the engine. Whoever asks for that is about to run it, so that its digest is taken meanwhile.
func (e *Engine) agentProgram(ctx context.Context) (ownProgram, error) {
	if e.muster == "" {
		return ownProgram{}, &refusal{problem: "it takes muster's own program on the engine's side, and none is known here", hint: "say where it is, or use the command"}
	}
	e.mu.Lock()
	own := e.own
	e.mu.Unlock()
	if own.path != "" {
		return own, nil
	}
	if isStatic(e.muster) {
		own = ownOf(e.muster)
	}
	if !e.hasRun(ctx, own) {
		v, err := e.client.ServerVersion(ctx)
		if err != nil {
			return ownProgram{}, e.wrap(ctx, err, "ask", "the engine what it runs on")
		}
		path, err := AgentProgram(e.muster, v.Os, v.Arch)
		if err != nil {
			return ownProgram{}, err
		}
		if path != own.path {
			own = ownOf(path)
		}
	}
	e.mu.Lock()
	e.own = own
	e.mu.Unlock()
	return own, nil
}

// ownOf begins to take the digest of a program.
func ownOf(path string) ownProgram {
	own := ownProgram{path: path, digest: sync.OnceValues(func() (string, error) { return programDigest(path) })}
	go func() { _, _ = own.digest() }() // whoever needs it sees the error
	return own
}

// hasRun says that the engine is known to be of this program's system and architecture, since it has the image that was made of it. To ask an engine what it is
// takes it long: it starts others to ask them.
func (e *Engine) hasRun(ctx context.Context, own ownProgram) bool {
	if own.path == "" {
		return false
	}
	sum, err := own.digest()
	if err != nil {
		return false
	}
	is, err := e.client.ImageInspect(ctx, agentRef(sum))
	return err == nil && is.Os == runtime.GOOS && is.Architecture == runtime.GOARCH
}

// importAgent makes an image of the one file.
func (e *Engine) importAgent(ctx context.Context, ref string, program io.Reader, size int64) error {
	archive, w := io.Pipe()
	go func() {
		out := tar.NewWriter(w)
		err := out.WriteHeader(&tar.Header{Name: strings.TrimPrefix(agentPath, "/"), Mode: 0o755, Size: size, Typeflag: tar.TypeReg})
		if err == nil {
			_, err = io.Copy(out, program)
		}
		_ = w.CloseWithError(errors.Join(err, out.Close()))
	}()
	defer archive.Close() // lets the goroutine go
	name, tag, _ := strings.Cut(ref, ":")
	body, err := e.client.ImageImport(ctx, image.ImportSource{Source: archive, SourceName: "-"}, name, image.ImportOptions{
		Tag: tag, Changes: []string{"LABEL " + labelAgent + "=" + tag},
	})
	if err != nil {
		return err
	}
	defer body.Close()
	return readProgress(body, func(runner.Progress) {})
}

// startsWithin is how long after it is made an agent is started at the latest, or never.
const startsWithin = time.Minute

// RemoveAgents removes the images of agents that nothing uses, but keep, and says how many those were. They are made anew when needed. Containers of agents that
// were made by a muster which was killed before it could start them go with that.
func (e *Engine) RemoveAgents(ctx context.Context, keep string) (int, error) {
	if err := e.connect(ctx); err != nil {
		return 0, err
	}
	then := time.Now().Add(-startsWithin)
	if err := e.removeUnstarted(ctx, labelAgent, then); err != nil {
		return 0, err
	}
	images, err := e.client.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelAgent))})
	if err != nil {
		return 0, e.wrap(ctx, err, "list the images of", "agents")
	}
	n := 0
	for _, i := range images {
		for _, ref := range leftAgents(i, keep, then) {
			// One that is in use, or that somebody else has just removed, is not ours to complain about.
			if _, err := e.client.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true}); err == nil {
				n++
			}
		}
	}
	return n, nil
}

// leftAgents are the names by which an image of an agent is to be removed. One without a name has lost it to the same one that somebody else made at the
// same time, and goes by its ID; but one that was made just now, after then, is still to get its name.
func leftAgents(i image.Summary, keep string, then time.Time) []string {
	names := slices.DeleteFunc(slices.Clone(i.RepoTags), func(name string) bool { return name == "<none>:<none>" })
	if len(names) == 0 && time.Unix(i.Created, 0).Before(then) {
		return []string{i.ID}
	}
	return slices.DeleteFunc(names, func(name string) bool { return strings.TrimPrefix(name, "localhost/") == keep })
}

// removeUnstarted removes the containers with a label that were made before then and never started: the engine removes those of agents only when they have ended.
func (e *Engine) removeUnstarted(ctx context.Context, label string, then time.Time) error {
	all, err := e.client.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label), filters.Arg("status", "created"))})
	if err != nil {
		return e.wrap(ctx, err, "list the containers of", "agents")
	}
	for _, c := range all {
		if time.Unix(c.Created, 0).Before(then) {
			// One that is started just now, or that somebody else removes, is not ours to complain about.
			_ = e.client.ContainerRemove(ctx, c.ID, container.RemoveOptions{})
		}
	}
	return nil
}
