//go:build unix

package docker

import "golang.org/x/sys/unix"

// diskSpace is what is free for users, and all, of the disk with a folder, in bytes; zero where it cannot be looked at.
func diskSpace(folder string) (free, size uint64) {
	var s unix.Statfs_t
	if folder == "" || unix.Statfs(folder, &s) != nil {
		return 0, 0
	}
	block := uint64(s.Bsize) //nolint:unconvert // its type is another on other systems
	return uint64(s.Bavail) * block, uint64(s.Blocks) * block
}
