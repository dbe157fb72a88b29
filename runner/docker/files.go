package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/musterhq/muster/planner"
)

// readable is the mode of a config or a secret that declares none.
const readable = 0o444

// files adds the configs and secrets. A file of this machine without owner or
// mode is mounted, so that an edit of it is seen, as docker compose does; all
// else is copied in before the start. It answers with what has to be copied, and with what no copy would reach.
func (w *writer) files(h *container.HostConfig) (copies, held []planner.File) {
	for _, f := range w.action.Files {
		switch {
		case f.Source != "" && f.UID == "" && f.GID == "" && f.Mode == 0 && w.local:
			h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: f.Source, Target: f.Target, ReadOnly: true})
		case w.outOfReach(f):
			held = append(held, f)
		default:
			copies = append(copies, f)
		}
	}
	return copies, held
}

// outOfReach says whether a copy is no way: the engine does not write into a root file system that is read-only,
// and what is mounted at the start would hide the file, or have it in a volume that others see.
func (w *writer) outOfReach(f planner.File) bool {
	if w.service.ReadOnly {
		return true
	}
	for target := range tmpfs(w.service.Tmpfs) {
		if within(target, f.Target) {
			return true
		}
	}
	return slices.ContainsFunc(w.service.Volumes, func(v types.ServiceVolumeConfig) bool { return within(v.Target, f.Target) })
}

func within(dir, file string) bool {
	return strings.HasPrefix(path.Clean(file)+"/", strings.TrimSuffix(path.Clean(dir), "/")+"/")
}

// copyFiles puts files into a container that has not been started. Their
// content goes nowhere else.
func (e *Engine) copyFiles(ctx context.Context, name, id string, files []planner.File) error {
	if len(files) == 0 {
		return nil
	}
	return e.copyTo(ctx, name, id, "/", files)
}

// copyTo puts files below a folder of a container.
func (e *Engine) copyTo(ctx context.Context, name, id, folder string, files []planner.File) error {
	var archive bytes.Buffer
	out := tar.NewWriter(&archive)
	for _, f := range files {
		if err := addFile(out, f); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("pack the files for container %q: %w", name, err)
	}
	err := e.client.CopyToContainer(ctx, id, folder, &archive, container.CopyToContainerOptions{})
	return e.wrap(ctx, err, "copy configs and secrets into container", name)
}

// addFile packs one config or secret; a folder with all that is in it.
func addFile(out *tar.Writer, f planner.File) error {
	head := tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(path.Clean(f.Target), "/"), Mode: int64(f.Mode)}
	if f.Mode == 0 {
		head.Mode = readable
	}
	for _, id := range []struct {
		text string
		to   *int
	}{{f.UID, &head.Uid}, {f.GID, &head.Gid}} {
		if id.text == "" {
			continue
		}
		n, err := strconv.Atoi(id.text)
		if err != nil || n < 0 {
			return &refusal{
				problem: fmt.Sprintf("%s: %q is not the number of a user or a group", f.Key, id.text),
				hint:    "names are known only inside the container; write the number", cause: err,
			}
		}
		*id.to = n
	}
	if f.Source == "" {
		return pack(out, head, []byte(f.Content))
	}
	err := filepath.WalkDir(f.Source, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		inner := head
		if rest, err := filepath.Rel(f.Source, name); err == nil && rest != "." {
			inner.Name = path.Join(head.Name, filepath.ToSlash(rest))
		}
		return pack(out, inner, text)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return &refusal{
			problem: fmt.Sprintf("%s: there is no file %s", f.Key, f.Source),
			hint:    "make it, or correct " + f.Key + ".file", cause: err,
		}
	}
	if err != nil {
		return fmt.Errorf("%s: read %s: %w", f.Key, f.Source, err)
	}
	return nil
}

func pack(out *tar.Writer, head tar.Header, text []byte) error {
	head.Size = int64(len(text))
	if err := out.WriteHeader(&head); err != nil {
		return fmt.Errorf("pack %s: %w", head.Name, err)
	}
	if _, err := out.Write(text); err != nil {
		return fmt.Errorf("pack %s: %w", head.Name, err)
	}
	return nil
}
