package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/watch"
)

// owner is whose a file in a container is.
type owner struct {
	uid, gid int
	folder   bool
}

// ownership is whose files are, by their paths. What is not in it does not exist.
type ownership map[string]owner

// of is the owner that a file is to have: its own, or that of the nearest folder that is there.
func (o ownership) of(name string) (uid, gid int) {
	for {
		if found, there := o[name]; there {
			return found.uid, found.gid
		}
		if name == "/" || name == "." {
			return 0, 0
		}
		name = path.Dir(name)
	}
}

func (o ownership) isFolder(name string) bool { return o[name].folder }

const (
	// askedEach is up to how many paths are asked for one by one; where there are more, a whole folder is read, up
	// to so many bytes.
	askedEach = 24
	readMost  = 64 << 20
)

// owners finds out whose the files are, and the folders on the way to them.
func (s *syncing) owners(ctx context.Context, files []watch.File) (ownership, error) {
	out := ownership{}
	if s.isPodman() {
		if told, err := s.statOwners(ctx, files, out); told || err != nil {
			return out, err
		}
	}
	folders := map[string]bool{}
	for _, f := range files {
		folders[path.Dir(f.To)] = true
	}
	if len(files) > askedEach {
		top := common(files)
		if complete, err := s.readOwners(ctx, top, out); err != nil {
			return nil, err
		} else if complete {
			// Of those that it has not, the nearest one that it has is known; it is asked for where it has none at all.
			maps.DeleteFunc(folders, func(dir string, _ bool) bool { return len(out) > 0 && within(top, dir) })
		}
		return out, s.askFolders(ctx, folders, out)
	}
	if err := s.askFolders(ctx, folders, out); err != nil {
		return nil, err
	}
	// What is in a folder that is not there is not there.
	var names []string
	for _, f := range files {
		if out[path.Dir(f.To)].folder || path.Dir(f.To) == "/" {
			names = append(names, f.To)
		}
	}
	return out, s.ask(ctx, names, out)
}

// statOwners has the image's stat say whose the files and the folders above them are, since in Podman's archives all is root's. told is false
// where the image has none.
func (s *syncing) statOwners(ctx context.Context, files []watch.File, into ownership) (told bool, err error) {
	names := map[string]bool{}
	for _, f := range files {
		for name := f.To; !names[name]; name = path.Dir(name) {
			names[name] = true
		}
	}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(names)), removedAtOnce) {
		var said bytes.Buffer
		// What is not there only makes it say so.
		code, err := s.run(ctx, s.got.ID, container.ExecOptions{Cmd: append([]string{"stat", "-c", "%u %g %f %n", "--"}, some...), User: "0"}, &said)
		if missing(code, err) {
			return false, nil
		}
		if err != nil {
			return false, s.wrap(ctx, err, "look into container", s.name)
		}
		for line := range strings.Lines(said.String()) {
			var uid, gid, mode int
			if n, _ := fmt.Sscanf(line, "%d %d %x ", &uid, &gid, &mode); n != 3 {
				continue
			}
			name := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)[3]
			const kind, folder, link = 0o170000, 0o040000, 0o120000
			into[name] = owner{uid: uid, gid: gid, folder: mode&kind == folder || mode&kind == link}
		}
	}
	return true, nil
}

// common is the deepest folder that all files are in.
func common(files []watch.File) string {
	top := path.Dir(files[0].To)
	for _, f := range files {
		for !within(top, path.Dir(f.To)) {
			top = path.Dir(top)
		}
	}
	return top
}

// askFolders asks for folders and, where one is not there, for that which it would be in.
func (s *syncing) askFolders(ctx context.Context, folders map[string]bool, into ownership) error {
	asked := map[string]bool{}
	for len(folders) > 0 {
		if err := s.ask(ctx, slices.Collect(maps.Keys(folders)), into); err != nil {
			return err
		}
		above := map[string]bool{}
		for dir := range folders {
			asked[dir] = true
		}
		for dir := range folders {
			if _, there := into[dir]; !there && dir != "/" && !asked[path.Dir(dir)] {
				above[path.Dir(dir)] = true
			}
		}
		folders = above
	}
	return nil
}

// ask asks for paths one by one, some at a time: the first that an archive says is the thing itself.
func (s *syncing) ask(ctx context.Context, names []string, into ownership) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(atOnce)
	var mu sync.Mutex
	for _, name := range names {
		all.Go(func() error {
			head, err := s.head(ctx, name)
			if err != nil || head == nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			into[name] = owner{uid: head.Uid, gid: head.Gid, folder: head.Typeflag == tar.TypeDir || head.Typeflag == tar.TypeSymlink}
			return nil
		})
	}
	return all.Wait()
}

// head is what an archive of a path says about it; nil where there is nothing.
func (s *syncing) head(ctx context.Context, name string) (*tar.Header, error) {
	archive, _, err := s.client.CopyFromContainer(ctx, s.got.ID, name)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, s.wrap(ctx, err, "look into container", s.name)
	}
	defer archive.Close()
	head, err := tar.NewReader(archive).Next()
	if err != nil {
		return nil, s.wrap(ctx, err, "look into container", s.name)
	}
	return head, nil
}

// readOwners reads the archive of a folder, and says whether it has seen all of it.
func (s *syncing) readOwners(ctx context.Context, folder string, into ownership) (complete bool, err error) {
	archive, _, err := s.client.CopyFromContainer(ctx, s.got.ID, folder)
	if gone(err) {
		return true, nil
	}
	if err != nil {
		return false, s.wrap(ctx, err, "look into container", s.name)
	}
	defer archive.Close()
	in := tar.NewReader(io.LimitReader(archive, readMost))
	for {
		head, err := in.Next()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil { // cut off: what has been read will do
			return false, nil
		}
		// Its names begin with the folder's own.
		_, rest, _ := strings.Cut(path.Clean("/" + head.Name)[1:], "/")
		name := path.Join(folder, rest)
		if folder == "/" {
			name = path.Clean("/" + head.Name)
		}
		into[name] = owner{uid: head.Uid, gid: head.Gid, folder: head.Typeflag == tar.TypeDir || head.Typeflag == tar.TypeSymlink}
	}
}
