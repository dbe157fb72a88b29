package docker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/versions"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// Apply does one action. "Already so" is success, as each action's own
// comment says. Await is not an engine's business and is refused.
func (e *Engine) Apply(ctx context.Context, a planner.Action, report func(runner.Progress)) error {
	if err := e.connect(ctx); err != nil {
		return err
	}
	if report == nil {
		report = func(runner.Progress) {}
	}
	switch a := a.(type) {
	case planner.CreateNetwork:
		return e.createNetwork(ctx, a)
	case planner.RemoveNetwork:
		return e.removeNetwork(ctx, a.Name)
	case planner.CreateVolume:
		return e.createVolume(ctx, a)
	case planner.CopyVolume:
		return e.copyVolume(ctx, a, report)
	case planner.BeginFill:
		return e.beginFill(ctx, a)
	case planner.FillVolume:
		return e.fillVolume(ctx, a, report)
	case planner.MoveVolume:
		return e.moveVolume(ctx, a, report)
	case planner.ExchangeVolume:
		return e.exchangeVolume(ctx, a, report)
	case planner.RemoveVolume:
		return e.removeVolume(ctx, a.Name)
	case planner.PullImage:
		return e.pull(ctx, a, report)
	case planner.PushImage:
		return e.push(ctx, a, report)
	case planner.BuildImage:
		return e.build(ctx, a, report)
	case planner.RemoveImage:
		return e.removeImage(ctx, a.Ref)
	case planner.CreateContainer:
		return e.createContainer(ctx, a, report)
	case planner.StartContainer:
		return e.start(ctx, a.Name, a.Service)
	case planner.StopContainer:
		return e.stop(ctx, a)
	case planner.KillContainer:
		return e.kill(ctx, a)
	case planner.PauseContainer:
		return e.pause(ctx, a.Name)
	case planner.UnpauseContainer:
		return e.unpause(ctx, a.Name)
	case planner.RestartContainer:
		return e.restart(ctx, a)
	case planner.RemoveContainer:
		return e.remove(ctx, a)
	case planner.RenameContainer:
		return e.rename(ctx, a)
	case planner.RunHook:
		return e.hook(ctx, a, report)
	case planner.UpdateContainer:
		return e.update(ctx, a)
	case planner.ConnectNetwork:
		return e.connectNetwork(ctx, a)
	case planner.DisconnectNetwork:
		return e.disconnectNetwork(ctx, a)
	}
	return fmt.Errorf("the engine knows no action %T", a)
}

func (e *Engine) start(ctx context.Context, name, service string) error {
	e.endLeft(ctx, name)
	err := e.startOnce(ctx, name)
	if err == nil {
		return nil
	}
	switch text := err.Error(); {
	case strings.Contains(text, "paused container"):
		return e.unpause(ctx, name)
	case strings.Contains(text, "must be in Created or Stopped state"): // Podman's word for running and for paused
		return e.unpause(ctx, name)
	}
	if better := e.explainStart(ctx, err, name, service); better != nil {
		return better
	}
	return e.wrap(ctx, err, "start container", name)
}

// startOnce starts a container, and again where Podman's server of names was just being taken down with the last container of
// another project: the next try finds it gone, and begins it anew. A start that has begun is waited for whatever ctx says: the engine goes on with it, and
// whoever looks meanwhile to stop what runs would not find it.
func (e *Engine) startOnce(ctx context.Context, name string) error {
	return again(ctx, func() error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return e.client.ContainerStart(context.WithoutCancel(ctx), name, container.StartOptions{})
	},
		func(err error, _ time.Duration) bool { return wordsOf(err).has("aardvark-dns failed to start") })
}

func (e *Engine) pause(ctx context.Context, name string) error {
	err := e.client.ContainerPause(ctx, name)
	if err != nil && strings.Contains(err.Error(), "already paused") {
		return nil
	}
	return e.wrap(ctx, err, "pause container", name)
}

// unpause lets a paused container go on.
func (e *Engine) unpause(ctx context.Context, name string) error {
	err := e.client.ContainerUnpause(ctx, name)
	if err != nil && strings.Contains(err.Error(), "not paused") {
		return nil
	}
	return e.wrap(ctx, err, "unpause container", name)
}

// seconds rounds up: half a second must not become "at once".
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

func timeout(grace *time.Duration) *int {
	if grace == nil {
		return nil
	}
	s := seconds(*grace)
	return &s
}

func (e *Engine) stop(ctx context.Context, a planner.StopContainer) error {
	options := container.StopOptions{Signal: a.Signal, Timeout: timeout(a.Grace)}
	if a.Signal != "" && (versions.LessThan(e.client.ClientVersion(), "1.42") || e.isPodman()) {
		return e.stopBySignal(ctx, a)
	}
	err := e.client.ContainerStop(ctx, a.Name, options)
	if gone(err) {
		return nil
	}
	if err != nil && ctx.Err() != nil {
		e.leave(a)
	}
	return e.wrap(ctx, err, "stop container", a.Name)
}

// stopBySignal stops with a signal of the caller's on engines whose stop call cannot
// carry one.
func (e *Engine) stopBySignal(ctx context.Context, a planner.StopContainer) error {
	got, err := e.client.ContainerInspect(ctx, a.Name)
	if gone(err) || err == nil && !got.State.Running {
		return nil
	}
	if err != nil {
		return e.wrap(ctx, err, "stop container", a.Name)
	}
	wait, cancel := context.WithTimeout(ctx, graceOf(a, got))
	defer cancel()
	ended, failed := e.client.ContainerWait(wait, a.Name, container.WaitConditionNotRunning)
	if err := e.client.ContainerKill(ctx, a.Name, a.Signal); err != nil && !gone(err) && !cerrdefs.IsConflict(err) {
		return e.wrap(ctx, err, "stop container", a.Name)
	}
	select {
	case <-ended:
		return nil
	case <-failed: //nolint:errcheck // whatever it was, the kill below tells
	}
	now := 0
	err = e.client.ContainerStop(ctx, a.Name, container.StopOptions{Timeout: &now})
	if gone(err) {
		return nil
	}
	return e.wrap(ctx, err, "stop container", a.Name)
}

func (e *Engine) restart(ctx context.Context, a planner.RestartContainer) error {
	err := e.client.ContainerRestart(ctx, a.Name, container.StopOptions{Timeout: timeout(a.Grace)})
	if err == nil {
		return nil
	}
	if better := e.explainStart(ctx, err, a.Name, a.Service); better != nil {
		return better
	}
	return e.wrap(ctx, err, "restart container", a.Name)
}

func (e *Engine) remove(ctx context.Context, a planner.RemoveContainer) error {
	err := e.client.ContainerRemove(ctx, a.Name, container.RemoveOptions{Force: true, RemoveVolumes: a.Volumes})
	switch {
	case err != nil && strings.Contains(err.Error(), "already in progress"):
		if err := e.removed(ctx, a.Name); err != nil {
			return err
		}
	case err != nil && !gone(err):
		return e.wrap(ctx, err, "remove container", a.Name)
	}
	for _, name := range a.Inherited {
		// Most are gone with the container; what another one has is not ours to remove.
		if err := e.client.VolumeRemove(ctx, name, false); err != nil && !gone(err) && !cerrdefs.IsConflict(err) {
			return e.wrap(ctx, err, "remove volume", name)
		}
	}
	return nil
}

// removed waits until a removal that somebody else began is through.
func (e *Engine) removed(ctx context.Context, name string) error {
	ended, failed := e.client.ContainerWait(ctx, name, container.WaitConditionRemoved)
	select {
	case <-ended:
		return nil
	case err := <-failed:
		if gone(err) {
			return nil
		}
		return e.wrap(ctx, err, "remove container", name)
	}
}

func (e *Engine) rename(ctx context.Context, a planner.RenameContainer) error {
	if a.Name == a.To {
		return nil
	}
	err := e.client.ContainerRename(ctx, a.Name, a.To)
	switch {
	case err == nil:
		return nil
	case gone(err):
		if _, other := e.client.ContainerInspect(ctx, a.To); other == nil {
			return nil
		}
	case cerrdefs.IsConflict(err):
		return e.nameTaken(ctx, err, a.To, "")
	}
	return e.wrap(ctx, err, "rename container", a.Name)
}

func (e *Engine) removeImage(ctx context.Context, ref string) error {
	_, err := e.client.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
	if gone(err) {
		return nil
	}
	return e.wrap(ctx, err, "remove image", ref)
}

// hook runs a command of post_start or pre_stop and reports what it prints. Before the end of a container that does not run
// any more there is nothing to do.
func (e *Engine) hook(ctx context.Context, a planner.RunHook, report func(runner.Progress)) error {
	what := fmt.Sprintf("%s hook %d of %s", a.When, a.Index+1, a.Service)
	if len(a.Hook.Command) == 0 {
		return &refusal{problem: what + " has no command", hint: "give it one, or take it out", cause: errors.New("no command")}
	}
	out := &lines{emit: func(line string) { report(runner.Progress{Line: line}) }}
	code, err := e.run(ctx, a.Name, container.ExecOptions{
		Cmd:        a.Hook.Command,
		User:       a.Hook.User,
		Privileged: a.Hook.Privileged,
		WorkingDir: a.Hook.WorkingDir,
		Env:        Environment(a.Hook.Environment, nil),
	}, out)
	out.end()
	if err == nil && code == 0 {
		return nil
	}
	ended := e.ended(ctx, a.Name)
	switch {
	case ended && a.When == "pre_stop":
		return nil
	case err != nil && !ended:
		return e.wrap(ctx, err, "run "+what+" in container", a.Name)
	}
	return &HookError{What: what, ExitCode: code, Output: out.tail, Ended: ended}
}

// ended says whether a container is gone, or does not run.
func (e *Engine) ended(ctx context.Context, name string) bool {
	c, err := e.client.ContainerInspect(ctx, name)
	if err != nil {
		return gone(err)
	}
	return !c.State.Running || c.State.Restarting
}

// HookError is a hook that ended with another code than 0.
type HookError struct {
	What     string // such as "post_start hook 1 of web"
	ExitCode int
	Output   []string // its last lines
	Ended    bool     // its container had ended by then
}

// Error says how it ended and the last thing that it printed.
func (h *HookError) Error() string {
	if h.Ended {
		return h.What + ": the container ended before the hook did"
	}
	text := fmt.Sprintf("%s exited with code %d", h.What, h.ExitCode)
	if n := len(h.Output); n > 0 {
		text += ": " + h.Output[n-1]
	}
	return text
}

// lines cuts what is written into lines, and remembers the last ones.
type lines struct {
	emit func(string)
	rest string
	tail []string
}

const keptLines = 10

// Write takes all of p.
func (l *lines) Write(p []byte) (int, error) {
	l.rest += string(p)
	for {
		line, rest, found := strings.Cut(l.rest, "\n")
		if !found {
			return len(p), nil
		}
		l.rest = rest
		l.add(strings.TrimSuffix(line, "\r"))
	}
}

func (l *lines) end() {
	if l.rest != "" {
		l.add(l.rest)
		l.rest = ""
	}
}

func (l *lines) add(line string) {
	l.emit(line)
	l.tail = append(l.tail, line)
	l.tail = l.tail[max(0, len(l.tail)-keptLines):]
}
