package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/volume"

	"github.com/musterhq/muster/lock"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker/buildkit"
)

// The engine has nothing that is called a lock. Two things of it make one:
//
//   - A volume without content, muster.lock.PROJECT: of those who make it at the same time one is first, the others
//     get to see the labels of the first, and its labels say who that is.
//   - A BuildKit session: the engine keeps it as long as its connection, and has no two of the same name. The volume
//     names the session of its holder. Where somebody can open a session of that name, its holder is gone, and so the
//     volume does not count any more.
//
// The holder opens its session before it makes the volume, and removes the volume before it closes the session. So a
// session that is gone with the volume still there is that of a holder that was killed or cut off.

// The labels of the volume, beside who took it and when.
const (
	labelLock     = "dev.muster.lock" // the name of the holder's session
	labelLockPID  = "dev.muster.pid"
	labelLockWhat = "dev.muster.command"
	labelLockHome = "dev.muster.home" // see [lock.Folder.Identity]
)

// lockVolume is the name of the volume.
func lockVolume(project string) string { return "muster.lock." + project }

// Hold takes the lock of a project on the engine. As long as somebody else has it, wait is called with who that is, and
// then it is tried again; an error of wait ends it. home is the identity of the folder of locks that the caller has already
// taken the project's local lock in: a holder from there that still has the volume was killed. It may be empty.
//
// An engine without BuildKit, such as Podman's, has no such lock: then Hold succeeds and keeps nobody out.
func (e *Engine) Hold(ctx context.Context, project, home string, me lock.Holder, wait func(context.Context, lock.Holder) error) (release func(), err error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	if !e.buildkit || e.isPodman() {
		return func() {}, nil
	}
	session := "muster-" + rand.Text()
	end, err := buildkit.Open(ctx, e.client.DialHijack, session)
	if err != nil {
		return nil, fmt.Errorf("lock project %s on the engine: %w", project, err)
	}
	labels := map[string]string{
		labelLock: session, labelLockHome: home, planner.LabelBy: me.By, labelLockPID: strconv.Itoa(me.PID),
		labelLockWhat: me.Command, planner.LabelAt: me.Since.UTC().Format(time.RFC3339),
	}
	for {
		other, err := e.claim(ctx, project, labels)
		if err == nil && other == nil {
			return func() { e.giveBack(ctx, project, session, end) }, nil
		}
		if err == nil {
			err = wait(ctx, holderOf(other))
		}
		if err != nil {
			end()
			return nil, err
		}
	}
}

// giveBack goes on after a cancellation. Where it fails the session ends all the same, and then the volume does not count.
func (e *Engine) giveBack(ctx context.Context, project, session string, end func()) {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	defer end()
	v, err := e.client.VolumeInspect(ctx, lockVolume(project))
	if err == nil && v.Labels[labelLock] == session {
		_ = e.client.VolumeRemove(ctx, v.Name, false)
	}
}

// claim makes the volume. The answer has the labels of somebody else who has it, nil where it is ours.
func (e *Engine) claim(ctx context.Context, project string, labels map[string]string) (map[string]string, error) {
	const tries = 3 // others may be quicker than who clears what a dead holder has left
	var other map[string]string
	for range tries {
		v, err := e.client.VolumeCreate(ctx, volume.CreateOptions{Name: lockVolume(project), Labels: labels})
		if err != nil {
			return nil, e.wrap(ctx, err, "lock project", project)
		}
		if v.Labels[labelLock] == labels[labelLock] {
			return nil, nil
		}
		other = v.Labels
		dead, err := e.isDead(ctx, other, labels[labelLockHome])
		if err != nil || !dead {
			return other, err
		}
		if err := e.client.VolumeRemove(ctx, v.Name, false); err != nil && !gone(err) {
			return nil, e.wrap(ctx, err, "remove what a muster that was killed has left of its lock of", project)
		}
	}
	return other, nil
}

// isDead says whether the holder of a volume is no more.
func (e *Engine) isDead(ctx context.Context, holder map[string]string, home string) (bool, error) {
	session := holder[labelLock]
	if session == "" || home != "" && holder[labelLockHome] == home {
		return true, nil
	}
	end, err := buildkit.Open(ctx, e.client.DialHijack, session)
	if errors.Is(err, buildkit.ErrInUse) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask for the holder of the lock: %w", err)
	}
	end()
	return true, nil
}

// holderOf reads the labels back.
func holderOf(labels map[string]string) lock.Holder {
	pid, _ := strconv.Atoi(labels[labelLockPID])
	since, _ := time.Parse(time.RFC3339, labels[planner.LabelAt])
	return lock.Holder{By: labels[planner.LabelBy], PID: pid, Command: labels[labelLockWhat], Since: since}
}
