package docker

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/runner/docker/entry"
)

// No engine copies a volume. But it packs and unpacks archives of what a container has mounted, and the container need not
// run for that: so one is made for each of the two volumes, from any image at all, and never started. Nothing of what is
// in the image is needed, not even a shell.
//
// An archive has names, types, modes, owners, times, links, and of the extended attributes those for capabilities. Others,
// and the holes of sparse files, it does not have.

// The volumes are mounted in a folder of a folder. An archive of the inner one has that itself in it, with its owner and mode, and
// unpacked in the outer one gives them to the inner one; "." in an archive is left out by engines.
const (
	copyParent = "/muster.copy"
	copyFolder = copyParent + "/volume"
)

// copyContainer is the name of the container that a volume is reached through.
func copyContainer(volume string) string { return "muster.copy." + volume }

// copyVolume copies, and reads both afterwards.
func (e *Engine) copyVolume(ctx context.Context, a planner.CopyVolume, report func(runner.Progress)) error {
	if e.isPodman() {
		return &refusal{
			problem: fmt.Sprintf("volume %s cannot be carried over: Podman unpacks an archive beside the volumes of a container that does not run", a.From),
			hint:    fmt.Sprintf("copy it yourself: `podman volume export %s | podman volume import %s -`", a.From, a.To),
		}
	}
	for _, volume := range []string{a.From, a.To} {
		if err := e.refuseForeign(ctx, volume); err != nil {
			return err
		}
	}
	from, err := e.openVolume(ctx, a.From, a.Image)
	if err != nil {
		return err
	}
	defer e.removeCopier(ctx, a.From)
	to, err := e.openVolume(ctx, a.To, a.Image)
	if err != nil {
		return err
	}
	defer e.removeCopier(ctx, a.To)
	was, err := e.pour(ctx, a, from, to, report)
	if err != nil {
		return err
	}
	is, err := e.contentOf(ctx, a.To, to)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if was[name] != is[name] {
			return fmt.Errorf("copy volume %s to %s: %s is not the same in both", a.From, a.To, name)
		}
	}
	return nil
}

// refuseForeign refuses a volume that a container has which runs, or which is of no project or another one: it
// would be cut off from it.
func (e *Engine) refuseForeign(ctx context.Context, volume string) error {
	users, err := e.client.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("volume", volume))})
	if err != nil {
		return e.wrap(ctx, err, "list the containers that have volume", volume)
	}
	got, err := e.client.VolumeInspect(ctx, volume)
	if err != nil {
		return e.wrap(ctx, err, "inspect volume", volume)
	}
	for _, c := range users {
		name := entry.Name(c.Names)
		if name == copyContainer(volume) {
			continue // left by one that was interrupted
		}
		ours := c.Labels[planner.LabelProject] == got.Labels[planner.LabelProject]
		if ours && c.State != "running" && c.State != "paused" && c.State != "restarting" {
			continue
		}
		return &refusal{
			problem: fmt.Sprintf("volume %s cannot be carried over: container %s has it", volume, name),
			hint:    fmt.Sprintf("stop and remove it first: `docker rm -f %s`", name),
		}
	}
	return nil
}

// openVolume makes the container that a volume is reached through.
func (e *Engine) openVolume(ctx context.Context, volume, image string) (id string, err error) {
	if err := e.client.ContainerRemove(ctx, copyContainer(volume), container.RemoveOptions{Force: true}); err != nil && !gone(err) {
		return "", e.wrap(ctx, err, "remove container", copyContainer(volume))
	}
	made, err := e.client.ContainerCreate(ctx,
		&container.Config{Image: image, Cmd: []string{"muster never starts this"}, NetworkDisabled: true},
		&container.HostConfig{
			NetworkMode: "none",
			Mounts:      []mount.Mount{{Type: mount.TypeVolume, Source: volume, Target: copyFolder, VolumeOptions: &mount.VolumeOptions{NoCopy: true}}},
		}, nil, nil, copyContainer(volume))
	if err != nil {
		return "", e.wrap(ctx, err, "make a container to copy volume", volume)
	}
	return made.ID, nil
}

// removeCopier removes it again, with the anonymous volumes that its image may have asked for.
func (e *Engine) removeCopier(ctx context.Context, volume string) {
	_ = e.client.ContainerRemove(context.WithoutCancel(ctx), copyContainer(volume), container.RemoveOptions{Force: true, RemoveVolumes: true})
}

// pour lets the archive of one flow into the other, and answers with what was in it.
func (e *Engine) pour(ctx context.Context, a planner.CopyVolume, from, to string, report func(runner.Progress)) (map[string]string, error) {
	archive, _, err := e.client.CopyFromContainer(ctx, from, copyFolder)
	if err != nil {
		return nil, e.wrap(ctx, err, "read volume", a.From)
	}
	defer func() { _ = archive.Close() }()
	in, out := io.Pipe()
	read := make(chan content, 1)
	go func() {
		c := contentFrom(in)
		_ = in.CloseWithError(c.err) // where it cannot be read, it is not written either
		read <- c
	}()
	err = e.client.CopyToContainer(ctx, to, copyParent, io.TeeReader(&counted{Reader: archive, report: report, text: "Copying"}, out), container.CopyToContainerOptions{})
	_ = out.CloseWithError(io.EOF)
	c := <-read
	if err != nil {
		return nil, e.wrap(ctx, err, "write volume", a.To)
	}
	if c.err != nil {
		return nil, fmt.Errorf("read volume %s: %w", a.From, c.err)
	}
	return c.files, nil
}

// counted tells how much was read.
type counted struct {
	io.Reader
	report func(runner.Progress)
	text   string
	n      int64
	told   int64
}

func (c *counted) Read(p []byte) (int, error) {
	const step = 16 << 20 // bytes between two reports
	n, err := c.Reader.Read(p)
	if c.n += int64(n); c.n-c.told >= step {
		c.told = c.n
		c.report(runner.Progress{Text: c.text, Current: c.n})
	}
	return n, err
}

// contentOf reads what a volume has.
func (e *Engine) contentOf(ctx context.Context, volume, id string) (map[string]string, error) {
	archive, _, err := e.client.CopyFromContainer(ctx, id, copyFolder)
	if err != nil {
		return nil, e.wrap(ctx, err, "read volume", volume)
	}
	defer func() { _ = archive.Close() }()
	c := contentFrom(archive)
	if c.err != nil {
		return nil, fmt.Errorf("read volume %s: %w", volume, c.err)
	}
	return c.files, nil
}

// content has a digest of each file by its name: of all that the archive says about it, and of what is in it.
type content struct {
	files map[string]string
	err   error
}

func contentFrom(archive io.Reader) content {
	c := content{files: map[string]string{}}
	in := tar.NewReader(archive)
	for {
		head, err := in.Next()
		if err == io.EOF {
			// What stands behind the end mark has to be read, too, or the sender is stuck.
			_, c.err = io.Copy(io.Discard, archive)
			return c
		}
		if err != nil {
			c.err = err
			return c
		}
		sum := sha256.New()
		describe(sum, head)
		if _, err := io.Copy(sum, in); err != nil {
			c.err = err
			return c
		}
		c.files[head.Name] = hex.EncodeToString(sum.Sum(nil))
	}
}

// describe leaves out what a copy cannot have the same: the times of access and change, and the size that a folder has.
func describe(h hash.Hash, head *tar.Header) {
	_, _ = fmt.Fprintf(h, "%c %o %d:%d %d %q %d,%d %d\n", head.Typeflag, head.Mode, head.Uid, head.Gid, head.Size, head.Linkname,
		head.Devmajor, head.Devminor, head.ModTime.Unix())
	for _, key := range slices.Sorted(maps.Keys(head.PAXRecords)) {
		if strings.HasPrefix(key, "SCHILY.xattr.") {
			_, _ = fmt.Fprintf(h, "%q=%q\n", key, head.PAXRecords[key])
		}
	}
}
