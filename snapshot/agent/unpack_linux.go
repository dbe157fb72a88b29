package agent

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	// small is up to what size files are written beside each other; larger ones are written as they are read.
	small = 1 << 20
	// writers bounds how many small ones are in memory.
	writers = 8
	// writeSize is how much of a large one is written at a time. File systems keep what comes in one piece in larger ones than single pages: this takes
	// a third less of a processor than the 32 KiB of io.Copy, and what the buffer has is still near at hand.
	writeSize = 256 << 10
)

// unpack makes what an archive has, as an engine would: with owners, modes, times, links, devices and extended attributes. The archive's
// first folder is the root itself.
func unpack(root *os.Root, archive io.Reader) error {
	u := &unpacker{root: root, buffer: make([]byte, writeSize), free: make(chan []byte, writers)}
	u.writing.SetLimit(writers)
	if err := errors.Join(u.read(tar.NewReader(archive)), u.writing.Wait()); err != nil {
		return err
	}
	return u.finish()
}

type unpacker struct {
	root    *os.Root
	writing errgroup.Group
	buffer  []byte // for large files, which are written one at a time
	// free are buffers of small files that have been written.
	free chan []byte
	// links are made when all files are there, and folders get their times when nothing is made in them any more.
	links, folders []*tar.Header
}

func (u *unpacker) read(in *tar.Reader) error {
	for {
		head, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		head.Name = within(head.Name)
		switch head.Typeflag {
		case tar.TypeXGlobalHeader:
		case tar.TypeDir:
			if err := u.root.MkdirAll(head.Name, 0o700); err != nil {
				return err
			}
			u.folders = append(u.folders, head)
		case tar.TypeLink:
			u.links = append(u.links, head)
		case tar.TypeReg:
			err = u.file(head, in)
		default:
			err = u.special(head)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", head.Name, err)
		}
	}
}

// within is a name of the archive as seen from its first folder.
func within(name string) string {
	_, rest, _ := strings.Cut(path.Clean("/" + name)[1:], "/")
	if rest == "" {
		return "."
	}
	return rest
}

// file makes a file, which is written at once or, a small one, beside others. One at a time is made: a file system lets a folder have only one made at
// a time, and those that wait for that keep a processor busy.
func (u *unpacker) file(head *tar.Header, in io.Reader) error {
	f, err := u.make(head.Name)
	if err != nil {
		return err
	}
	if head.Size > small {
		return f.fill(head, in, u.buffer)
	}
	var text []byte
	select {
	case text = <-u.free:
	default:
		text = make([]byte, small) // only what is used of it is taken from the kernel
	}
	text = text[:head.Size]
	if _, err := io.ReadFull(in, text); err != nil {
		return errors.Join(err, f.close())
	}
	u.writing.Go(func() error {
		defer u.release(text)
		if err := f.fill(head, bytes.NewReader(text), nil); err != nil {
			return fmt.Errorf("%s: %w", head.Name, err)
		}
		return nil
	})
	return nil
}

// release keeps a buffer for the next small file, if there is need for one.
func (u *unpacker) release(text []byte) {
	select {
	case u.free <- text[:small]:
	default:
	}
}

// made is a new file, open, and the folder that it is in.
type made struct{ file, folder *os.File }

func (u *unpacker) make(name string) (made, error) {
	folder, err := u.folderOf(name)
	if err != nil {
		return made{}, err
	}
	base := path.Base(name)
	fd, err := unix.Openat(int(folder.Fd()), base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return made{}, errors.Join(err, folder.Close())
	}
	return made{os.NewFile(uintptr(fd), base), folder}, nil
}

// fill writes the file and closes it.
func (m made) fill(head *tar.Header, text io.Reader, buffer []byte) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{m.file}, text, buffer) // the file alone would take another buffer
	if err == nil {
		err = dress(int(m.file.Fd()), head)
	}
	if err == nil {
		err = unix.UtimesNanoAt(int(m.folder.Fd()), m.file.Name(), times(head), unix.AT_SYMLINK_NOFOLLOW)
	}
	return errors.Join(err, m.close())
}

func (m made) close() error { return errors.Join(m.file.Close(), m.folder.Close()) }

// dress gives an open file or folder its owner, attributes and mode, in this order: a change of the owner takes from the others.
func dress(fd int, head *tar.Header) error {
	if err := unix.Fchown(fd, head.Uid, head.Gid); err != nil {
		return err
	}
	for key, value := range head.PAXRecords {
		name, ok := strings.CutPrefix(key, "SCHILY.xattr.")
		if !ok {
			continue
		}
		if err := unix.Fsetxattr(fd, name, []byte(value), 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return unix.Fchmod(fd, uint32(head.Mode)&0o7777)
}

// special makes what is neither a file nor a folder.
func (u *unpacker) special(head *tar.Header) error {
	return u.in(head.Name, func(folder int, name string) error {
		mode := uint32(head.Mode) & 0o7777
		var err error
		switch head.Typeflag {
		case tar.TypeSymlink:
			err = unix.Symlinkat(head.Linkname, folder, name)
		case tar.TypeFifo:
			err = unix.Mknodat(folder, name, unix.S_IFIFO|mode, 0)
		case tar.TypeChar:
			err = unix.Mknodat(folder, name, unix.S_IFCHR|mode, int(unix.Mkdev(uint32(head.Devmajor), uint32(head.Devminor))))
		case tar.TypeBlock:
			err = unix.Mknodat(folder, name, unix.S_IFBLK|mode, int(unix.Mkdev(uint32(head.Devmajor), uint32(head.Devminor))))
		default:
			err = fmt.Errorf("an archive of a volume has no entries of type %q", head.Typeflag)
		}
		if err == nil {
			err = unix.Fchownat(folder, name, head.Uid, head.Gid, unix.AT_SYMLINK_NOFOLLOW)
		}
		if err == nil && head.Typeflag != tar.TypeSymlink {
			err = unix.Fchmodat(folder, name, mode, 0)
		}
		if err != nil {
			return err
		}
		return unix.UtimesNanoAt(folder, name, times(head), unix.AT_SYMLINK_NOFOLLOW)
	})
}

// finish makes links, and then dresses the folders, the inner ones first.
func (u *unpacker) finish() error {
	for _, head := range u.links {
		err := u.in(within(head.Linkname), func(from int, file string) error {
			return u.in(head.Name, func(folder int, name string) error { return unix.Linkat(from, file, folder, name, 0) })
		})
		if err != nil {
			return fmt.Errorf("%s: %w", head.Name, err)
		}
	}
	for _, head := range slices.Backward(u.folders) {
		if err := u.folder(head); err != nil {
			return fmt.Errorf("%s: %w", head.Name, err)
		}
	}
	return nil
}

func (u *unpacker) folder(head *tar.Header) error {
	f, err := u.root.Open(head.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := dress(int(f.Fd()), head); err != nil {
		return err
	}
	return unix.UtimesNanoAt(int(f.Fd()), ".", times(head), 0)
}

// in does something in the folder of a name.
func (u *unpacker) in(name string, do func(folder int, name string) error) error {
	folder, err := u.folderOf(name)
	if err != nil {
		return err
	}
	defer folder.Close()
	return do(int(folder.Fd()), path.Base(name))
}

// folderOf opens the folder of a name, which is made where the archive did not have it.
func (u *unpacker) folderOf(name string) (*os.File, error) {
	parent := path.Dir(name)
	folder, err := u.root.Open(parent)
	if !errors.Is(err, fs.ErrNotExist) {
		return folder, err
	}
	if err := u.root.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	return u.root.Open(parent)
}

func times(head *tar.Header) []unix.Timespec {
	accessed := head.AccessTime
	if accessed.IsZero() {
		accessed = head.ModTime
	}
	return []unix.Timespec{stamp(accessed), stamp(head.ModTime)}
}

func stamp(t time.Time) unix.Timespec { return unix.NsecToTimespec(t.UnixNano()) }
