package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/musterhq/muster/watch"
)

// Files are synced through the engine's archives wherever it can reach the place: that takes no program in the image, works
// on a volume below a root file system that is read-only, and over any connection. What it cannot reach is a tmpfs, which
// exists only inside the running container; there the image's tar does it, or the container's root below /proc, for those who may
// look there.
//
// A file that exists keeps its owner, a new one gets that of the folder that it comes into; the mode and the time are
// those of the file here.

// Sync brings files into a running container and takes others away.
func (e *Engine) Sync(ctx context.Context, name string, files watch.Files) error {
	got, err := e.inspect(ctx, name)
	if err != nil {
		return err
	}
	s := syncing{Engine: e, name: name, got: got, places: placesOf(got)}
	if err := s.writable(files); err != nil {
		return err
	}
	if err := s.remove(ctx, files.Remove); err != nil {
		return err
	}
	within, reach := s.split(files.Copy)
	for _, root := range slices.Sorted(maps.Keys(reach)) {
		if err := s.put(ctx, root, reach[root]); err != nil {
			return err
		}
	}
	return s.putInside(ctx, within)
}

// syncing is one sync of one container.
type syncing struct {
	*Engine
	name   string
	got    container.InspectResponse
	places []place
}

// place is where something is mounted in a container.
type place struct {
	at       string
	readOnly bool
	// inside says that only the running container sees it.
	inside bool
}

// placesOf lists what is mounted, the root file system first and what is deeper later.
func placesOf(got container.InspectResponse) []place {
	out := []place{{at: "/", readOnly: got.HostConfig.ReadonlyRootfs}}
	for _, m := range got.Mounts {
		out = append(out, place{at: path.Clean(m.Destination), readOnly: !m.RW, inside: m.Type == "tmpfs"})
	}
	for target, options := range got.HostConfig.Tmpfs {
		readOnly := slices.Contains(strings.Split(options, ","), "ro")
		out = append(out, place{at: path.Clean(target), readOnly: readOnly, inside: true})
	}
	slices.SortFunc(out, func(a, b place) int { return strings.Compare(a.at, b.at) })
	return out
}

// placeOf is the deepest one that a path is in.
func (s *syncing) placeOf(name string) place {
	found := s.places[0]
	for _, p := range s.places {
		if within(p.at, name) {
			found = p
		}
	}
	return found
}

// writable refuses what nobody can write to.
func (s *syncing) writable(files watch.Files) error {
	for _, name := range slices.Concat(targets(files.Copy), files.Remove) {
		p := s.placeOf(name)
		switch {
		case !p.readOnly:
		case p.at == "/":
			return &refusal{
				problem: fmt.Sprintf("%s of %s cannot be written to: the root file system is read-only", name, s.name),
				hint:    "mount a volume or a tmpfs where the files go, or take read_only out",
			}
		default:
			return &refusal{
				problem: fmt.Sprintf("%s of %s cannot be written to: what is mounted at %s is read-only", name, s.name, p.at),
				hint:    "mount it writable, or sync to another place",
			}
		}
	}
	return nil
}

func targets(files []watch.File) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.To
	}
	return out
}

// split parts files into those that only the container itself can reach, and others by the place that the engine unpacks
// them in: where the root file system is read-only, it unpacks nothing there, not even on the way to a volume.
func (s *syncing) split(files []watch.File) (inside []watch.File, reach map[string][]watch.File) {
	reach = map[string][]watch.File{}
	for _, f := range files {
		if p := s.placeOf(f.To); p.inside {
			inside = append(inside, f)
		} else {
			reach[p.at] = append(reach[p.at], f)
		}
	}
	return inside, reach
}

// put has the engine unpack files below one place.
func (s *syncing) put(ctx context.Context, root string, files []watch.File) error {
	owners, err := s.owners(ctx, files)
	if err != nil {
		return err
	}
	content := packed(root, files, owners)
	defer content.Close()
	err = s.client.CopyToContainer(ctx, s.got.ID, root, content, container.CopyToContainerOptions{AllowOverwriteDirWithFile: true})
	return s.wrap(ctx, err, "sync to container", s.name)
}

// packed is an archive of files, made while it is read.
func packed(root string, files []watch.File, owners ownership) io.ReadCloser {
	in, out := io.Pipe()
	go func() {
		w := tar.NewWriter(out)
		var err error
		for _, f := range files {
			if err = packOne(w, root, f, owners); err != nil {
				break
			}
		}
		if err == nil {
			err = w.Close()
		}
		_ = out.CloseWithError(err)
	}()
	return in
}

// packOne packs one file. What is gone by now is left out: that it is, will be told.
func packOne(w *tar.Writer, root string, f watch.File, owners ownership) error {
	info, err := os.Lstat(f.From)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() && owners.isFolder(f.To) {
		return nil
	}
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(f.From); err != nil {
			return err
		}
	}
	head, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return fmt.Errorf("pack %s: %w", f.From, err)
	}
	head.Uname, head.Gname = "", ""
	head.Uid, head.Gid = owners.of(f.To)
	head.Name = strings.TrimPrefix(strings.TrimPrefix(f.To, root), "/")
	if head.Name == "" {
		return nil // the place itself
	}
	if info.IsDir() {
		head.Name += "/"
	}
	if !info.Mode().IsRegular() {
		head.Size = 0
		return w.WriteHeader(head)
	}
	return packContent(w, head, f.From)
}

// packContent packs a regular file. One that changes meanwhile has the size that it had; it will be told again.
func packContent(w *tar.Writer, head *tar.Header, from string) error {
	file, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if err := w.WriteHeader(head); err != nil {
		return fmt.Errorf("pack %s: %w", from, err)
	}
	n, err := io.Copy(w, io.LimitReader(file, head.Size))
	for ; err == nil && n < head.Size; n++ {
		_, err = w.Write([]byte{0})
	}
	if err != nil {
		return fmt.Errorf("pack %s: %w", from, err)
	}
	return nil
}

// putInside has the container itself unpack files, as its own user.
func (s *syncing) putInside(ctx context.Context, files []watch.File) error {
	if len(files) == 0 {
		return nil
	}
	var said limited
	code, err := s.pipe(ctx, []string{"tar", "-x", "-o", "-f", "-", "-C", "/"}, packed("/", files, ownership{}), &said)
	if err == nil && code == 0 {
		return nil
	}
	if !missing(code, err) {
		return s.wrap(ctx, endError(code, err, said.kept.String()), "sync to container", s.name)
	}
	root, err := s.openRoot()
	if err != nil {
		return s.unreachable(files[0].To, "tar", err)
	}
	defer root.Close()
	for _, f := range files {
		if err := writeBelow(root, f); err != nil {
			return fmt.Errorf("sync %s to container %q: %w", f.From, s.name, err)
		}
	}
	return nil
}

// unreachable says why a place can be reached by nobody.
func (s *syncing) unreachable(name, program string, why error) error {
	return &refusal{
		problem: fmt.Sprintf("%s of %s is on a tmpfs, which no engine reaches, and the image has no %s", name, s.name, program),
		hint: fmt.Sprintf("use a volume there, have %s in the image, or run muster as root on the machine of the engine (%v)",
			program, why),
		cause: why,
	}
}

// missing says that a command could not be begun since there is no such program.
func missing(code int, err error) bool {
	const notFound, cannotRun = 127, 126
	if err != nil {
		return strings.Contains(err.Error(), "executable file not found") || strings.Contains(err.Error(), "no such file or directory")
	}
	return code == notFound || code == cannotRun
}

// endError makes an error of a command's end.
func endError(code int, err error, said string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("exit code %d: %s", code, strings.TrimSpace(said))
}

// pipe runs a command with an input.
func (s *syncing) pipe(ctx context.Context, command []string, in io.ReadCloser, out io.Writer) (int, error) {
	defer in.Close()
	with, err := s.Exec(ctx, s.got.ID, ExecOptions{Command: command, Input: true})
	if err != nil {
		return 0, err
	}
	defer with.Close()
	go func() {
		_, _ = io.Copy(with, in) // where it no longer reads, its end says why
		_ = with.CloseWrite()
	}()
	if err := with.Copy(out, out); err != nil {
		return 0, err
	}
	return with.ExitCode(ctx)
}

// nothing is a name that no file has.
const nothing = ".muster-nothing"

// removal is an archive that takes a file away: an engine removes what is at the place of a link before it makes it, and there
// is nothing that this one could link to.
func removal(name string) io.Reader {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: nothing}) // into memory
	_ = w.Close()
	return &out
}
