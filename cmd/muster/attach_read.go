package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/musterhq/muster/runner/docker"
)

// open starts to read a container's output if nobody does and it is wanted: from out, or from the engine's logs where that is nil.
func (a *attachment) open(ctx context.Context, f *followed, out output) {
	if f.reading || !a.wanted(f.source.service) {
		return
	}
	f.reading, f.joined, f.torn = true, out != nil, false
	f.beyond = out == nil // until the end of this life is known
	name := f.name        // the owner may change it meanwhile
	until := f.until
	f.until = ""
	pause := time.Duration(0)
	if f.barren > 0 && until == "" {
		pause = reopenPause << (f.barren - 1)
	}
	go func() {
		if pause > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
		before := f.at
		err := a.read(ctx, name, f, out, until)
		select {
		case a.ended <- streamEnd{of: f, err: err, fresh: f.at != before}:
		case <-ctx.Done():
		}
	}()
}

const (
	// reopenPause is the first pause before a stream that brought nothing is taken up again; it doubles
	// each time. After reopenTries there is no more reading in this life of the container.
	reopenPause = 50 * time.Millisecond
	reopenTries = 6
)

// read prints one stream of a container until it ends: out, or the engine's logs where that is nil. With a time, it is
// what the logs have up to then.
func (a *attachment) read(ctx context.Context, name string, f *followed, out output, until string) error {
	if out != nil {
		return a.readJoined(ctx, name, f, out)
	}
	o := logOptions{follow: until == "", since: cmp.Or(f.at.since(), f.since), until: until}
	passes := f.at.resume()
	err := a.logs.Logs(ctx, name, o, func(c logChunk) error {
		if !passes(&c) {
			return nil
		}
		return a.printer.chunk(ctx, &f.source, c)
	})
	if !errors.Is(err, docker.ErrNotKept) || until != "" {
		return err
	}
	return a.readFromNow(ctx, name, f)
}

// readFromNow prints what is still to come of a container whose output is not kept. A connection to one that has ended would wait for its
// next life, so that is asked before, and again when there is one.
func (a *attachment) readFromNow(ctx context.Context, name string, f *followed) error {
	runs := func() bool {
		s, err := a.health.Look(ctx, name)
		return err == nil && s.Running
	}
	if !runs() {
		return nil
	}
	out, err := a.attach.Attach(ctx, name)
	if err != nil {
		return err
	}
	if !runs() {
		return out.Close()
	}
	return a.readJoined(ctx, name, f, out)
}
