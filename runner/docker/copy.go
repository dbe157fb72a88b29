package docker

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/moby/go-archive"
)

// CopyOptions say how files are copied. The zero value is how the docker command does it.
type CopyOptions struct {
	// Owners keeps the users and groups of the files.
	Owners bool
	// FollowLink copies what a link at the source points to, and not the link.
	FollowLink bool
}

// Stdio stands for the reader or writer that comes with a copy: a tar archive on standard input or output.
const Stdio = "-"

// CopyTo copies a file or folder of this machine into a container, running or not, by the rules of cp: into to where that is a
// folder, else as to. Where from is [Stdio] the tar archive in is unpacked in to.
func (e *Engine) CopyTo(ctx context.Context, name, from, to string, in io.Reader, o CopyOptions) error {
	if err := e.connect(ctx); err != nil {
		return err
	}
	target := e.target(ctx, name, to)
	content, folder := in, target.Path
	if from == Stdio {
		if !target.IsDir {
			return fmt.Errorf("%s:%s must be a folder to unpack an archive in", name, to)
		}
	} else {
		source, err := archive.CopyInfoSourcePath(absolute(from), o.FollowLink)
		if err != nil {
			return fmt.Errorf("copy %s: %w", from, err)
		}
		packed, err := archive.TarResource(source)
		if err != nil {
			return fmt.Errorf("copy %s: %w", from, err)
		}
		defer packed.Close()
		dir, prepared, err := archive.PrepareArchiveCopy(packed, source, target)
		if err != nil {
			return fmt.Errorf("copy %s to %s:%s: %w", from, name, to, err)
		}
		defer prepared.Close()
		content, folder = prepared, dir
	}
	err := e.client.CopyToContainer(ctx, name, folder, content, container.CopyToContainerOptions{CopyUIDGID: o.Owners})
	return e.wrap(ctx, err, "copy to container "+name+" at", to)
}

// absolute keeps what a path's end says: a slash or a dot asks for the folder's content.
func absolute(path string) string {
	full, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return archive.PreserveTrailingDotOrSeparator(full, path)
}

// target is what is in a container at a path, links followed once. What cannot be found out is taken for a name
// that is free: the engine says so if it is not.
func (e *Engine) target(ctx context.Context, name, to string) archive.CopyInfo {
	out := archive.CopyInfo{Path: to}
	stat, err := e.client.ContainerStatPath(ctx, name, to)
	if err == nil && stat.Mode&os.ModeSymlink != 0 {
		out.Path = linked(to, stat.LinkTarget)
		stat, err = e.client.ContainerStatPath(ctx, name, out.Path)
	}
	if err == nil {
		out.Exists, out.IsDir = true, stat.Mode.IsDir()
	}
	return out
}

// linked is where a link in a container leads to.
func linked(at, to string) string {
	if path.IsAbs(to) {
		return to
	}
	return path.Join(path.Dir(path.Clean(at)), to)
}

// CopyFrom copies a file or folder out of a container, by the rules of cp: into to where that is a folder, else
// as to. Where to is [Stdio] out gets a tar archive.
func (e *Engine) CopyFrom(ctx context.Context, name, from, to string, out io.Writer, o CopyOptions) error {
	if err := e.connect(ctx); err != nil {
		return err
	}
	rebase := ""
	if o.FollowLink {
		stat, err := e.client.ContainerStatPath(ctx, name, from)
		if err == nil && stat.Mode&os.ModeSymlink != 0 {
			from, rebase = archive.GetRebaseName(from, linked(from, stat.LinkTarget))
		}
	}
	content, stat, err := e.client.CopyFromContainer(ctx, name, from)
	if gone(err) {
		return &refusal{
			problem: fmt.Sprintf("there is no %s in container %s", from, name),
			hint:    "`muster exec SERVICE ls` shows what there is; paths are those in the container, from its root", cause: err,
		}
	}
	if err != nil {
		return e.wrap(ctx, err, "copy from container "+name+" at", from)
	}
	defer content.Close()
	if to == Stdio {
		_, err := io.Copy(out, content)
		return err
	}
	source := archive.CopyInfo{Path: from, Exists: true, IsDir: stat.Mode.IsDir(), RebaseName: rebase}
	var packed io.Reader = content
	if rebase != "" {
		_, base := archive.SplitPathDirEntry(from)
		renamed := archive.RebaseArchiveEntries(content, base, rebase)
		defer renamed.Close()
		packed = renamed
	}
	if err := archive.CopyTo(packed, source, absolute(to)); err != nil {
		return fmt.Errorf("copy to %s: %w", to, err)
	}
	return nil
}

// Export writes a container's file system, without its volumes, as a tar archive.
func (e *Engine) Export(ctx context.Context, name string, out io.Writer) error {
	if err := e.connect(ctx); err != nil {
		return err
	}
	content, err := e.client.ContainerExport(ctx, name)
	if err != nil {
		return e.wrap(ctx, err, "export container", name)
	}
	defer content.Close()
	if _, err := io.Copy(out, content); err != nil {
		return e.wrap(ctx, err, "export container", name)
	}
	return nil
}

// CommitOptions describe an image that is made of a container.
type CommitOptions struct {
	Reference       string // REPOSITORY[:TAG]; empty leaves it without a name
	Author, Comment string
	Changes         []string // Dockerfile instructions
	Pause           bool     // the container while it is made
}

// Commit makes an image of a container as it is, and answers with the image's ID.
func (e *Engine) Commit(ctx context.Context, name string, o CommitOptions) (string, error) {
	if err := e.connect(ctx); err != nil {
		return "", err
	}
	made, err := e.client.ContainerCommit(ctx, name, container.CommitOptions{
		Reference: o.Reference, Author: o.Author, Comment: o.Comment, Changes: o.Changes, Pause: o.Pause,
	})
	if err != nil {
		return "", e.wrap(ctx, err, "make an image of container", name)
	}
	return "sha256:" + strings.TrimPrefix(made.ID, "sha256:"), nil // Podman leaves it out
}
