//go:build !linux

package docker

import "github.com/docker/docker/api/types/volume"

func isHere(volume.Volume) bool { return false }

func isRoots(volume.Volume) bool { return false }
