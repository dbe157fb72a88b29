package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/musterhq/muster/instance"
	"github.com/musterhq/muster/lock"
)

// projectHolder keeps those apart who change one project from different machines.
type projectHolder interface {
	// Hold takes the engine's lock of a project. While somebody has it, wait is called again and again with who that is.
	Hold(ctx context.Context, project, home string, me lock.Holder, wait func(context.Context, lock.Holder) error) (release func(), err error)
}

// leaver is an engine that goes on with a stop that was interrupted.
type leaver interface {
	// AwaitLeft waits for the ends of the containers, whose names told gets before.
	AwaitLeft(ctx context.Context, told func(names []string))
}

// stateDir is muster's folder for what it keeps about the past.
func (p *program) stateDir() (string, error) { return instance.StateDir(p.getenv) }

// engineKey stands for an engine in names of files: some letters of its address, and a digest of all of it.
func engineKey(host string) string {
	const digits = 8
	sum := sha256.Sum256([]byte(host))
	return hex.EncodeToString(sum[:])[:digits]
}

// heldError is a project that somebody else is changing.
type heldError struct {
	project string
	holder  lock.Holder
}

func (e *heldError) Error() string {
	return fmt.Sprintf("%s is being changed by %s; nothing was changed", e.project, e.holder)
}

// Hint says how to go on.
func (e *heldError) Hint() string { return "without --no-wait, muster waits for it" }

// holder is this program, for others to read.
func (p *program) holder() lock.Holder {
	return lock.Holder{By: lock.User(), PID: os.Getpid(), Command: commandLine(p.args), Since: p.now()}
}

// hold makes this program the only one that changes a project, and waits for who does now. release gives it up.
func (p *program) hold(ctx context.Context, on projectHolder, host, project string) (release func(), _ error) {
	me := p.holder()
	w := &holdWait{program: p, project: project}
	local, home, err := w.local(ctx, engineKey(host)+"-"+project, me)
	if err != nil {
		return nil, err
	}
	remote, err := on.Hold(ctx, project, home, me, func(ctx context.Context, holder lock.Holder) error {
		return w.wait(ctx, holder, engineTries)
	})
	if err != nil {
		local()
		return nil, err
	}
	readers := p.unread.hold()
	return func() {
		if l, ok := on.(leaver); ok {
			l.AwaitLeft(context.WithoutCancel(ctx), p.warnOfLeft)
		}
		remote()
		local()
		readers()
	}, nil
}

// warnOfLeft says what an interrupted command still waits for.
func (p *program) warnOfLeft(names []string) {
	p.warn(fmt.Sprintf("the engine goes on to stop %s, which is waited for; Ctrl-C again does not wait", and(names)))
}

// How long to wait before a lock that somebody has is tried again: a file of this machine, and the engine's.
const (
	localTries  = 100 * time.Millisecond
	engineTries = 500 * time.Millisecond
)

// holdWait is a wait for others.
type holdWait struct {
	*program
	project string
	said    lock.Holder
}

// local takes the lock among the programs of this user on this machine. Where there is no folder for it, a home that
// cannot be written to, the engine's own lock has to do.
func (w *holdWait) local(ctx context.Context, name string, me lock.Holder) (release func(), home string, err error) {
	nothing := func() {}
	state, err := w.stateDir()
	if err != nil {
		return nothing, "", nil
	}
	folder := lock.Folder(filepath.Join(state, "locks"))
	for {
		held, holder, err := folder.Take(name, me)
		if err != nil {
			return nothing, "", nil
		}
		if held == nil {
			if err := w.wait(ctx, holder, localTries); err != nil {
				return nil, "", err
			}
			continue
		}
		home, err := folder.Identity()
		if err != nil {
			home = "" // only that those who were killed are noticed later
		}
		return held.Release, home, nil
	}
}

// wait says once for whom, and waits a little; with --no-wait it fails.
func (w *holdWait) wait(ctx context.Context, holder lock.Holder, pause time.Duration) error {
	if w.globals.noWait {
		return &heldError{w.project, holder}
	}
	if w.said != holder {
		w.said = holder
		w.warn(fmt.Sprintf("%s is being changed by %s; waiting for it to end (--no-wait would not)", w.project, holder))
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// isHeld says whether a program of this user on this machine is changing a project.
func (p *program) isHeld(host, project string) bool {
	state, err := p.stateDir()
	if err != nil {
		return false
	}
	return lock.Folder(filepath.Join(state, "locks")).Held(engineKey(host) + "-" + project)
}
