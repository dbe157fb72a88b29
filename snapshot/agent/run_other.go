//go:build !linux

package agent

import (
	"errors"
	"io"
)

var errElsewhere = errors.New("snapshots are unpacked within Linux containers")

// Run is for containers.
func Run(io.Reader, io.Writer) error { return errElsewhere }

// Serve is for Linux.
func Serve(io.Reader, io.Writer) (*Spec, error) { return nil, errElsewhere }

// Clear is for Linux.
func (Spec) Clear() error { return errElsewhere }
