//go:build !linux

package docker

import (
	"errors"

	"github.com/docker/docker/api/types/volume"

	"github.com/musterhq/muster/snapshot/agent"
)

func isHere(volume.Volume) bool { return false }

func isRoots(volume.Volume) bool { return false }

func goOn(string, agent.Spec) error { return errors.ErrUnsupported }
