//go:build !linux && !darwin

package ask

import "os"

// size tells no terminals apart, so that each is of its own.
func size(f *os.File) string { return "device " + f.Name() }
