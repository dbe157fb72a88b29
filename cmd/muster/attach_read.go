package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// position is how far the output has been printed: all lines before a time, and
// so many with it. It is what lets reading go on without a line lost or repeated.
type position struct {
	at    time.Time
	lines int
}

// since is the position in the engine's words; empty is the beginning.
func (p position) since() string {
	if p.at.IsZero() {
		return ""
	}
	return strconv.FormatInt(p.at.Unix(), 10) + "." + fmt.Sprintf("%09d", p.at.Nanosecond())
}

// open starts to read a container's output if nobody does and it is wanted.
func (a *attachment) open(ctx context.Context, f *followed) {
	if f.reading || !a.wanted(f.source.service) {
		return
	}
	f.reading = true
	name := f.name // the owner may change it meanwhile
	pause := time.Duration(0)
	if f.barren > 0 {
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
		err := a.read(ctx, name, f)
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

// read prints one stream of a container until it ends.
func (a *attachment) read(ctx context.Context, name string, f *followed) error {
	o := logOptions{follow: true, since: f.at.since(), tail: f.tail}
	f.tail = 0
	had := f.at.had()
	return a.logs.Logs(ctx, name, o, func(c logChunk) error {
		if had(c) {
			return nil
		}
		f.at.note(c.at, !c.more)
		return a.printer.chunk(ctx, &f.source, c)
	})
}

// had says of each chunk of a stream that begins at the position whether it lies before it.
func (p position) had() func(logChunk) bool {
	seen := 0
	return func(c logChunk) bool {
		switch {
		case p.at.IsZero():
			return false
		case c.at.Before(p.at):
			return true // the engine's bound is coarser than ours
		case c.at.Equal(p.at) && seen < p.lines:
			if !c.more {
				seen++
			}
			return true
		}
		return false
	}
}

// note moves the position behind a line.
func (p *position) note(at time.Time, whole bool) {
	if !at.Equal(p.at) {
		p.at, p.lines = at, 0
	}
	if whole {
		p.lines++
	}
}
