package docker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/musterhq/muster/watch"
)

// openRoot opens the file system that a container sees, where its engine is on this machine and we may look.
func (s *syncing) openRoot() (*os.Root, error) {
	if !isLocal(s.host) {
		return nil, errors.New("the engine is on another machine")
	}
	proc := fmt.Sprintf("/proc/%d", s.got.State.Pid)
	// The number may be one of a virtual machine's, and mean another process here.
	groups, err := os.ReadFile(proc + "/cgroup")
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(groups, []byte(s.got.ID)) {
		return nil, errors.New("its processes are not this machine's")
	}
	return os.OpenRoot(proc + "/root")
}

// writeBelow writes a file or a folder, links in the container included, and never leaves it.
func writeBelow(root *os.Root, f watch.File) error {
	info, err := os.Lstat(f.From)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	name := relative(f.To)
	if name == "" {
		return nil
	}
	uid, gid := ownerBelow(root, name)
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		if err := root.Mkdir(name, mode.Perm()); errors.Is(err, fs.ErrExist) {
			return nil
		} else if err != nil {
			return err
		}
	case mode&fs.ModeSymlink != 0:
		link, err := os.Readlink(f.From)
		if err != nil {
			return err
		}
		if err := root.RemoveAll(name); err != nil {
			return err
		}
		if err := root.Symlink(link, name); err != nil {
			return err
		}
	default:
		if err := copyBelow(root, f.From, name, info); err != nil {
			return err
		}
	}
	return root.Lchown(name, uid, gid)
}

// copyBelow writes a regular file.
func copyBelow(root *os.Root, from, name string, info fs.FileInfo) error {
	if old, err := root.Lstat(name); err == nil && !old.Mode().IsRegular() {
		if err := root.RemoveAll(name); err != nil {
			return err
		}
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := root.Chmod(name, info.Mode().Perm()); err != nil {
		return err
	}
	return root.Chtimes(name, info.ModTime(), info.ModTime())
}

// ownerBelow is whose a file is, or the nearest folder that is there.
func ownerBelow(root *os.Root, name string) (uid, gid int) {
	for {
		if info, err := root.Lstat(name); err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				return int(s.Uid), int(s.Gid)
			}
		}
		if name == "." {
			return 0, 0
		}
		name = path.Dir(name)
	}
}
