package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker/entry"
)

const (
	// probeOutput is how much of a check's output is kept, as the engine does.
	probeOutput = 4 << 10
	// execSettle is how long an exec may still count as running after its output
	// has ended. The engine ends the streams first.
	execSettle = 2 * time.Second
	execPause  = 5 * time.Millisecond
	// execTries is how often a command is tried that the runtime does not get into its container, execAgain the pause between.
	execTries = 3
	execAgain = 100 * time.Millisecond
)

// Look says how a container is now, or [healthcheck.ErrNoContainer].
func (e *Engine) Look(ctx context.Context, name string) (healthcheck.Status, error) {
	got, err := e.inspect(ctx, name)
	if gone(err) {
		return healthcheck.Status{}, fmt.Errorf("look at %q: %w", name, healthcheck.ErrNoContainer)
	}
	if err != nil {
		return healthcheck.Status{}, err
	}
	state := got.State
	status := planner.Status(entry.State(state.Status))
	st := healthcheck.Status{
		// The engine counts a container that it is about to start again as running.
		Running:    state.Running && !state.Restarting,
		Paused:     state.Paused,
		Restarting: state.Restarting,
		Exited:     !state.Running && !state.Restarting && status != planner.Created && status != planner.Running,
		ExitCode:   state.ExitCode,
		OOMKilled:  state.OOMKilled,
		StartedAt:  parseTime(state.StartedAt),
		EndedAt:    parseTime(state.FinishedAt),
	}
	// With Docker a container that it will start again is restarting, and one that has exited was given up
	// or stopped by hand; Podman makes no difference.
	st.Restarts = willRestart(got) && (!st.Exited || e.isPodman())
	if check := got.Config.Healthcheck; check != nil {
		st.Test = explicitShell(check.Test, got.Config.Shell)
		st.Timeout = check.Timeout
	}
	if h := state.Health; h != nil && h.Status != container.NoHealthcheck {
		st.Health = h.Status
		if n := len(h.Log); n > 0 && h.Log[n-1] != nil {
			st.LastProbe = strings.TrimSpace(h.Log[n-1].Output)
		}
	}
	return st, nil
}

// willRestart says whether the engine starts the container again when it
// fails.
func willRestart(got container.InspectResponse) bool {
	policy := got.HostConfig.RestartPolicy
	switch policy.Name {
	case container.RestartPolicyAlways, container.RestartPolicyUnlessStopped:
		return true
	case container.RestartPolicyOnFailure:
		if !got.State.Running && got.State.ExitCode == 0 {
			return false
		}
		return policy.MaximumRetryCount == 0 || got.RestartCount < policy.MaximumRetryCount
	}
	return false
}

// explicitShell spells CMD-SHELL out where the image has a shell of its own,
// which the engine would use for its checks.
func explicitShell(test, shell []string) []string {
	if len(test) != 2 || test[0] != "CMD-SHELL" || len(shell) == 0 {
		return test
	}
	return append(append([]string{"CMD"}, shell...), test[1])
}

// Probe asks a container one thing, until ctx ends.
func (e *Engine) Probe(ctx context.Context, name string, c healthcheck.Check) (healthcheck.ProbeResult, error) {
	switch {
	case c.TCP > 0:
		return e.probeTCP(ctx, name, c.TCP)
	case c.HTTP != nil:
		return e.probeHTTP(ctx, name, *c.HTTP)
	default:
		return e.probeExec(ctx, name, c.Exec)
	}
}

// probeExec runs test in a container, as the engine would.
func (e *Engine) probeExec(ctx context.Context, name string, test []string) (healthcheck.ProbeResult, error) {
	info, err := e.Info(ctx)
	if err != nil {
		return healthcheck.ProbeResult{}, err
	}
	var command []string
	switch {
	case len(test) > 1 && test[0] == "CMD":
		command = test[1:]
	case len(test) == 2 && test[0] == "CMD-SHELL":
		command = []string{"/bin/sh", "-c", test[1]}
		if info.OS == "windows" {
			command = []string{"cmd", "/S", "/C", test[1]}
		}
	default:
		return healthcheck.ProbeResult{}, fmt.Errorf("probe container %q: %q is not a check", name, test)
	}
	var out limited
	code, err := e.run(ctx, name, container.ExecOptions{Cmd: command}, &out)
	if err != nil {
		return healthcheck.ProbeResult{}, e.wrap(ctx, err, "probe container", name)
	}
	return healthcheck.ProbeResult{ExitCode: code, Output: strings.TrimSpace(out.kept.String())}, nil
}

// run executes a command in a container, writes what it prints to out and
// gives its exit code. The process goes on in the container when ctx ends, since the
// API has no call to end it.
//
// A command that the engine's runtime could not get into the container has not begun, and is tried again.
func (e *Engine) run(ctx context.Context, name string, options container.ExecOptions, out io.Writer) (int, error) {
	if err := e.connect(ctx); err != nil {
		return 0, err
	}
	for try := 1; ; try++ {
		held := &refusalHeld{to: out}
		code, err := e.runOnce(ctx, name, options, held)
		if err != nil {
			return code, errors.Join(err, held.pass())
		}
		refused := held.refused()
		if refused == nil || code == 0 {
			return code, held.pass()
		}
		if try == execTries {
			return 0, refused
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(execAgain):
		}
	}
}

// runOnce is run without another try.
func (e *Engine) runOnce(ctx context.Context, name string, options container.ExecOptions, out io.Writer) (int, error) {
	options.AttachStdout, options.AttachStderr = true, true
	made, err := e.client.ContainerExecCreate(ctx, name, options)
	if err != nil {
		return 0, err
	}
	stream, err := e.client.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	// The hijacked connection knows nothing of ctx.
	defer context.AfterFunc(ctx, stream.Close)()
	_, err = stdcopy.StdCopy(out, out, stream.Reader)
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err != nil {
		return 0, err
	}
	return e.exitCode(ctx, made.ID)
}

func (e *Engine) exitCode(ctx context.Context, exec string) (int, error) {
	deadline := time.Now().Add(execSettle)
	for {
		got, err := e.client.ContainerExecInspect(ctx, exec)
		if err != nil {
			return 0, err
		}
		if !got.Running {
			return got.ExitCode, nil
		}
		if time.Now().After(deadline) {
			return 0, errors.New("the command closed its output and goes on")
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(execPause):
		}
	}
}

// limited keeps the first part of what is written and drops the rest.
type limited struct{ kept bytes.Buffer }

// Write always takes all of p.
func (l *limited) Write(p []byte) (int, error) {
	if room := probeOutput - l.kept.Len(); room > 0 {
		l.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
