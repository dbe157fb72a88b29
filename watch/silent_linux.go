package watch

import "golang.org/x/sys/unix"

// silent says that a path is on a file system whose changes the system does not tell, since they are made on another
// machine, or outside of this virtual one.
func silent(name string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(name, &fs) != nil {
		return false
	}
	switch uint32(fs.Type) {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.V9FS_MAGIC, unix.AFS_SUPER_MAGIC,
		unix.CEPH_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, vboxFolder, vmwareFolder:
		return true
	}
	return false
}

// File systems of shared folders that the system's headers do not have.
const (
	vboxFolder   = 0x786f4256
	vmwareFolder = 0xbacbacbc
)
