//go:build !unix

package ask

import "io"

// All asks nothing: there is no way to ask an engine that is set up early enough.
func All(Note) []Pending { return nil }

// Drop has nothing to give up.
func Drop([]Pending) {}

// Connection is none.
func Connection(int) (io.ReadCloser, bool) { return nil, false }

// Hear hears nothing.
func Hear(int, []byte) ([]byte, bool) { return nil, false }
