//go:build !linux

package agent

import (
	"errors"
	"io"
)

// Run is for containers.
func Run(io.Reader, io.Writer) error {
	return errors.New("snapshots are unpacked within Linux containers")
}
