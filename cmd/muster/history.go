package main

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/healthcheck"
)

// historyRead is how many chunks of a container are read ahead.
const historyRead = 64

// history prints what containers have printed so far, in the order of time, and leaves each
// one's position behind its last line.
func (a *attachment) history(ctx context.Context, all []*followed, o logOptions) error {
	group, ctx := errgroup.WithContext(ctx)
	streams := make([]chan logChunk, len(all))
	for i, f := range all {
		streams[i] = make(chan logChunk, historyRead)
		group.Go(func() error {
			defer close(streams[i])
			return a.logs.Logs(ctx, f.name, o, func(c logChunk) error {
				c.text = slices.Clone(c.text)
				select {
				case streams[i] <- c:
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
		})
	}
	group.Go(func() error { return a.merge(ctx, all, streams) })
	return group.Wait()
}

// merge prints the earliest of the lines that come next, until there are none.
func (a *attachment) merge(ctx context.Context, all []*followed, streams []chan logChunk) error {
	next := make([]*logChunk, len(streams))
	for i := range streams {
		next[i] = receive(streams[i])
	}
	for {
		first := -1
		for i, c := range next {
			if c != nil && (first < 0 || c.at.Before(next[first].at)) {
				first = i
			}
		}
		if first < 0 {
			return nil
		}
		for { // a line is not torn apart
			c, f := next[first], all[first]
			f.at.note(c.at, !c.more)
			if err := a.printer.chunk(ctx, &f.source, *c); err != nil {
				return err
			}
			next[first] = receive(streams[first])
			if !c.more || next[first] == nil {
				break
			}
		}
	}
}

func receive(stream <-chan logChunk) *logChunk {
	c, ok := <-stream
	if !ok {
		return nil
	}
	return &c
}

// closedEvents is a stream in which nothing happens.
func closedEvents() <-chan healthcheck.Event { return nil }
