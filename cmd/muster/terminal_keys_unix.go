//go:build unix

package main

import "golang.org/x/sys/unix"

// unbuffered lets a terminal hand over each key without waiting for the end of the line, and without showing it.
func unbuffered(fd int) error {
	mode, err := unix.IoctlGetTermios(fd, getMode)
	if err != nil {
		return err
	}
	mode.Lflag &^= unix.ICANON | unix.ECHO
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, setMode, mode)
}
