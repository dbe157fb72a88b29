package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"sync"
	"time"

	"github.com/docker/docker/api/types/volume"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/snapshot"
	"github.com/musterhq/muster/snapshot/agent"
)

// An engine takes an archive only unpacked, hands it from process to process, and cannot let two volumes change their data. An agent that has
// the folder of all volumes can do both: it reads the snapshot's file, or is given it as it is where the engine is on another machine, and what it
// has unpacked it puts in the place of a volume in one step. Where muster itself may do all that in the folder, as root on the engine's machine, it is its own
// agent. Where there can be no agent, all goes through archives.

// ErrNoAgent says that no agent can do something to a volume, so that it has to be done otherwise.
var ErrNoAgent = errors.New("no agent can do this")

// lingers is how long an agent stays at most that has done its work. To end a container takes an engine a quarter of a second of a processor,
// which whatever is started with the data wants for itself.
const lingers = 5 * time.Second

// volumeAgent is one that is told what it shall do: one that was made ready for that, or else a new one. It sees the file where one is named, of this machine.
func (e *Engine) volumeAgent(ctx context.Context, spec agent.Spec, file string) (*mover, error) {
	folder, v, err := e.volumesFolder(ctx, spec.Volume)
	if err != nil {
		return nil, err
	}
	sees := sight{folder, file}
	if e.mayHere(v) && (spec.Size == 0 || file != "" && isRoots(v)) {
		m := newMover(startHere(e.muster), sees)
		return m, m.tell(spec)
	}
	if e.muster == "" {
		return nil, ErrNoAgent
	}
	start := e.unready(sees)
	if start == nil {
		start = func() (*mover, error) { return e.startVolumeAgent(ctx, sees) }
	}
	m, err := start()
	if err != nil {
		return nil, err
	}
	return m, m.tell(spec)
}

// mayHere says that this process may do what an agent does with a volume.
func (e *Engine) mayHere(v volume.Volume) bool {
	return e.volumesBy == "" && isLocal(e.host) && isHere(v)
}

// makeReady begins to start an agent before it is known what it shall do.
func (e *Engine) makeReady(ctx context.Context, sees sight) {
	start := sync.OnceValues(func() (*mover, error) { return e.startVolumeAgent(ctx, sees) })
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ready == nil {
		e.ready = map[sight]func() (*mover, error){}
	}
	if e.ready[sees] == nil {
		e.ready[sees] = start
		go func() { _, _ = start() }() // whoever needs it sees the error
	}
}

// unready takes one that was made ready, and may still be starting; nil where there is none.
func (e *Engine) unready(sees sight) func() (*mover, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	start := e.ready[sees]
	delete(e.ready, sees)
	return start
}

// volumesFolder is the folder that has a folder for each volume, where that is known, and what the engine says of this one.
func (e *Engine) volumesFolder(ctx context.Context, name string) (string, volume.Volume, error) {
	if e.isPodman() || e.volumesBy == ByArchives {
		return "", volume.Volume{}, ErrNoAgent
	}
	v, err := e.client.VolumeInspect(ctx, name)
	if err != nil {
		return "", v, e.wrap(ctx, err, "inspect volume", name)
	}
	folder, rest := path.Split(path.Dir(v.Mountpoint))
	if v.Driver != "local" || len(v.Options) > 0 || rest != name || path.Base(v.Mountpoint) != "_data" {
		return "", v, ErrNoAgent
	}
	return path.Clean(folder), v, nil
}

// beginFill has an agent begin to fill a volume. The error is ErrNoAgent where there can be none.
func (e *Engine) beginFill(ctx context.Context, a planner.BeginFill) error {
	m, err := e.filler(ctx, a)
	if err != nil {
		return err
	}
	e.keep(a.Name, m)
	return nil
}

// filler is an agent that has begun, or waits for the archive where it does not see that.
func (e *Engine) filler(ctx context.Context, a planner.BeginFill) (*mover, error) {
	is, err := os.Stat(a.File)
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	spec := agent.Spec{Volume: a.Name, Size: is.Size(), Sum: a.Sum}
	var m *mover
	err = ErrNoAgent
	if isLocal(e.host) {
		m, err = e.begin(ctx, spec, a.File)
	}
	if errors.Is(err, ErrNoAgent) { // a local address may lead to another machine
		m, err = e.begin(ctx, spec, "")
	}
	return m, err
}

// begin starts an agent that fills, and waits until it says that it can.
func (e *Engine) begin(ctx context.Context, spec agent.Spec, file string) (*mover, error) {
	m, err := e.volumeAgent(ctx, spec, file)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, m.end)
	err = m.expect(agent.Began, func(runner.Progress) {})
	if !stop() && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		m.quit(ctx)
		return nil, err
	}
	return m, nil
}

// keep lets an agent wait for what comes next for its volume.
func (e *Engine) keep(volume string, m *mover) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.movers == nil {
		e.movers = map[string]*mover{}
	}
	e.movers[volume] = m
}

// kept takes the agent of a volume that waits; nil where there is none.
func (e *Engine) kept(volume string) *mover {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.movers[volume]
	delete(e.movers, volume)
	return m
}

// fillByAgent is [Engine.fillVolume] by an agent, which then waits for [Engine.moveVolume]. The error is ErrNoAgent where it could not be done.
func (e *Engine) fillByAgent(ctx context.Context, a planner.FillVolume, report func(runner.Progress)) error {
	packed, err := snapshot.OpenPacked(a.File, a.Sum)
	if err != nil {
		return err
	}
	defer packed.Close()
	m := e.kept(a.Name)
	if m == nil {
		if m, err = e.filler(ctx, planner.BeginFill{Name: a.Name, Snapshot: a.Snapshot, File: a.File, Sum: a.Sum}); err != nil {
			return err
		}
	}
	err = m.fill(ctx, packed, report)
	if err == nil {
		e.keep(a.Name, m)
		return nil
	}
	m.quit(ctx)
	if !errors.Is(err, ErrNoAgent) {
		return err
	}
	if damaged := packed.Verify(); damaged != nil {
		return fmt.Errorf("fill volume %s: %w", a.Name, damaged)
	}
	return err
}

// moveVolume lets an agent do it, the one that has filled the volume where that still waits; or else copies.
func (e *Engine) moveVolume(ctx context.Context, a planner.MoveVolume, report func(runner.Progress)) error {
	for _, volume := range []string{a.From, a.To} {
		if err := e.refuseForeign(ctx, volume); err != nil {
			return err
		}
	}
	err := e.moveByAgent(ctx, a.From, a.To, report)
	if !errors.Is(err, ErrNoAgent) {
		return err
	}
	done, failed := e.isMoved(ctx, a)
	if failed != nil || done {
		return failed
	}
	return e.copyVolume(ctx, planner.CopyVolume(a), report)
}

// PrepareRestore notes of each volume that is to be restored, by its key, whether an agent can be expected to give it the data in one step. With start such
// agents are started already, while all else is found out; done ends those that were not needed, and may be called whatever the error.
func (e *Engine) PrepareRestore(ctx context.Context, want *project.Project, from map[string]planner.Restore, start bool) (done func(), err error) {
	var ready []sight
	done = func() { e.dismiss(ctx, ready) }
	for key, r := range from {
		folder, itself, err := e.exchangeFolder(ctx, want.Volumes[key].Name)
		if err != nil {
			return done, err
		}
		r.Exchange = folder != ""
		from[key] = r
		if !start || !r.Exchange || itself {
			continue
		}
		sees := sight{volumes: folder}
		if isLocal(e.host) {
			sees.file = r.File
		}
		ready = append(ready, sees)
		e.makeReady(ctx, sees)
	}
	return done, nil
}

// dismiss ends agents that were made ready and not needed.
func (e *Engine) dismiss(ctx context.Context, ready []sight) {
	for _, sees := range ready {
		if start := e.unready(sees); start != nil {
			if m, err := start(); err == nil {
				m.quit(ctx)
			}
		}
	}
}

// exchangeFolder is the folder of all volumes where an agent can be expected to give this one in one step what another one has; or else empty. itself says that
// this process can be that agent.
func (e *Engine) exchangeFolder(ctx context.Context, volume string) (folder string, itself bool, err error) {
	if err := e.connect(ctx); err != nil {
		return "", false, err
	}
	folder, v, err := e.volumesFolder(ctx, volume)
	if gone(err) || errors.Is(err, ErrNoAgent) {
		return "", false, nil
	}
	if err != nil || e.mayHere(v) {
		return folder, true, err
	}
	if e.muster == "" {
		return "", false, nil
	}
	if _, err := e.agentProgram(ctx); err != nil {
		return "", false, nil //nolint:nilerr // that there is none is the answer
	}
	return folder, false, nil
}

// exchangeVolume lets an agent do it, or nobody: what goes through archives has no one step.
func (e *Engine) exchangeVolume(ctx context.Context, a planner.ExchangeVolume, report func(runner.Progress)) error {
	for _, volume := range []string{a.From, a.Name} {
		if err := e.refuseForeign(ctx, volume); err != nil {
			return err
		}
	}
	if err := e.moveByAgent(ctx, a.From, a.Name, report); err != nil {
		return fmt.Errorf("exchange the data of volume %s: %w", a.Name, err)
	}
	return nil
}

// moveByAgent gives a volume what another one has.
func (e *Engine) moveByAgent(ctx context.Context, source, target string, report func(runner.Progress)) error {
	from, _, err := e.volumesFolder(ctx, source)
	if err != nil {
		return err
	}
	if to, _, err := e.volumesFolder(ctx, target); err != nil || to != from {
		return errors.Join(err, ErrNoAgent)
	}
	m := e.kept(source)
	err = ErrNoAgent
	if m != nil {
		err = e.letMove(ctx, m, target, report)
	}
	if !errors.Is(err, ErrNoAgent) {
		return err
	}
	// One that is lost may have done it or not; to do it once more changes nothing.
	if m, err = e.volumeAgent(ctx, agent.Spec{Volume: source}, ""); err != nil {
		return err
	}
	if err := m.expect(agent.Filled, report); err != nil {
		return err
	}
	return e.letMove(ctx, m, target, report)
}

// letMove tells an agent where its volume's data belongs, and lets it go: in a while, or when this engine is closed.
func (e *Engine) letMove(ctx context.Context, m *mover, target string, report func(runner.Progress)) error {
	if err := m.move(ctx, target, report); err != nil {
		m.end()
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.leaving == nil {
		e.leaving = map[*mover]bool{}
	}
	e.leaving[m] = true
	time.AfterFunc(lingers, func() {
		m.end()
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.leaving, m)
	})
	return nil
}

// isMoved says whether an agent has done it before: then one volume is empty, and the other one is not.
func (e *Engine) isMoved(ctx context.Context, a planner.MoveVolume) (bool, error) {
	has := map[string]bool{}
	for _, volume := range []string{a.From, a.To} {
		id, err := e.openVolume(ctx, volume, a.Image)
		if err != nil {
			return false, err
		}
		defer e.removeCopier(ctx, volume)
		if has[volume], err = e.hasContent(ctx, volume, id); err != nil {
			return false, err
		}
	}
	return !has[a.From] && has[a.To], nil
}

// hasContent says whether there is anything in a volume.
func (e *Engine) hasContent(ctx context.Context, volume, id string) (bool, error) {
	archive, _, err := e.client.CopyFromContainer(ctx, id, copyFolder)
	if err != nil {
		return false, e.wrap(ctx, err, "read volume", volume)
	}
	defer archive.Close()
	in := tar.NewReader(archive)
	for range 2 { // the first is the volume itself
		if _, err = in.Next(); err != nil {
			break
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read volume %s: %w", volume, err)
	}
	return err == nil, nil
}
