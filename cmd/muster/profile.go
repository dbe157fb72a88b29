package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// profiles are where to write what the program itself used; empty is nowhere. They are for who makes muster faster.
type profiles struct{ cpu, memory string }

// begin starts to measure; end writes what was found.
func (f profiles) begin() (end func() error, err error) {
	var ends []func() error
	if f.cpu != "" {
		file, err := os.Create(f.cpu)
		if err != nil {
			return nil, fmt.Errorf("write a profile: %w", err)
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return nil, errors.Join(fmt.Errorf("write a profile: %w", err), file.Close())
		}
		ends = append(ends, func() error {
			pprof.StopCPUProfile()
			return file.Close()
		})
	}
	if f.memory != "" {
		file, err := os.Create(f.memory)
		if err != nil {
			return nil, fmt.Errorf("write a profile: %w", err)
		}
		ends = append(ends, func() error {
			runtime.GC() // what is in use is known as of the last collection
			return errors.Join(pprof.Lookup("allocs").WriteTo(file, 0), file.Close())
		})
	}
	return func() error {
		var errs []error
		for _, end := range ends {
			errs = append(errs, end())
		}
		return errors.Join(errs...)
	}, nil
}
