package docker

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/volume"
)

// isHere says that a volume of the engine is a folder of this machine that this process may do anything with, as the engine would. The address does not tell:
// it may lead into a virtual machine, or elsewhere through a tunnel, and there may be a volume of that name here too. The engine says when it was changed
// last, though.
func isHere(v volume.Volume) bool {
	changed, err := time.Parse(time.RFC3339, v.CreatedAt)
	if err != nil || os.Geteuid() != 0 {
		return false
	}
	is, err := os.Lstat(filepath.Dir(v.Mountpoint))
	if err != nil {
		return false
	}
	stat, ok := is.Sys().(*syscall.Stat_t)
	return ok && is.IsDir() && stat.Ctim.Sec == changed.Unix()
}

// isRoots says of a volume that is new whether its users are this machine's. Where root has others in containers, or the engine is a user's own, it is not
// root's.
func isRoots(v volume.Volume) bool {
	is, err := os.Lstat(v.Mountpoint)
	if err != nil {
		return false
	}
	stat, ok := is.Sys().(*syscall.Stat_t)
	return ok && stat.Uid == 0 && stat.Gid == 0
}
