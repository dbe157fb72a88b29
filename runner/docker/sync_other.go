//go:build !linux

package docker

import (
	"errors"
	"os"

	"github.com/musterhq/muster/watch"
)

// openRoot opens the file system that a container sees: containers are processes of this machine on Linux only.
func (s *syncing) openRoot() (*os.Root, error) {
	return nil, errors.New("containers are not processes of this machine")
}

func writeBelow(*os.Root, watch.File) error { return errors.ErrUnsupported }
