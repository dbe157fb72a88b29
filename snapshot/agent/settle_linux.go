package agent

import (
	"crypto/rand"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// topOfTree is FS_TOPDIR_FL of the kernel's ioctl_iflags(2): what is in a folder that has it has nothing to do with each other.
const topOfTree = 0x20000

// settle gives a volume that has nothing yet a folder for its data elsewhere on the disk than the last one. ext4 keeps files near their folder, all of
// a folder of volumes in one place, and for a minute or more leaves the inodes of what was removed there alone: the more was restored lately, the
// longer it looks for one that is free, for each file. With the flag it takes the place by the folder's name. A file system that knows no such flag keeps
// the folder that is there, and so does a volume that has something.
func settle(volumes *os.Root, volume string) error {
	folder, err := volumes.OpenRoot(volume)
	if err != nil {
		return err
	}
	defer folder.Close()
	self, err := folder.Open(".")
	if err != nil {
		return err
	}
	defer self.Close()
	fd := int(self.Fd())
	flags, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)
	if err != nil || unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, flags|topOfTree) != nil {
		return nil //nolint:nilerr // it works without
	}
	name := "settling-" + rand.Text()
	err = folder.Mkdir(name, 0o755)
	_ = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, flags)
	if err != nil {
		return err
	}
	is, err := folder.Lstat(content)
	if err == nil {
		owner := is.Sys().(*syscall.Stat_t)
		err = folder.Lchown(name, int(owner.Uid), int(owner.Gid))
	}
	if err == nil {
		err = folder.Chmod(name, is.Mode())
	}
	if err == nil {
		err = unix.Renameat(fd, name, fd, content) // takes the place of a folder that has nothing
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		err = nil
	}
	return errors.Join(err, folder.Remove(name))
}
