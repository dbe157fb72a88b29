package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/runner/docker"
)

// historyLines are read ahead of all containers together, but of each at least and at most so many, and historyRoom bytes: never more than a piece of a long
// line. With few of them the engine, which writes line by line, waits for this program and this for it, each time.
const (
	historyLines = 20_000
	historyLeast = 64
	historyMost  = 1024
	historyRoom  = docker.MaxLine
)

// historyAsked is how many containers are asked at a time, until the first line of one has come or it has none. Those that have none leave
// their connection to the next one: as many as are kept.
const historyAsked = 64

// readAhead is what has been read of a container and not been printed.
type readAhead struct {
	chunks chan logChunk
	room   *semaphore.Weighted
}

func newReadAhead(containers int) *readAhead {
	return &readAhead{chunks: make(chan logChunk, min(max(historyLines/containers, historyLeast), historyMost)), room: semaphore.NewWeighted(historyRoom)}
}

// put waits until there is room.
func (r *readAhead) put(ctx context.Context, c logChunk) error {
	c.text = slices.Clone(c.text)
	if err := r.room.Acquire(ctx, r.size(c)); err != nil {
		return context.Cause(ctx)
	}
	select {
	case r.chunks <- c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// take gives what comes next; nil at the end.
func (r *readAhead) take() *logChunk {
	c, ok := <-r.chunks
	if !ok {
		return nil
	}
	r.room.Release(r.size(c))
	return &c
}

func (r *readAhead) size(c logChunk) int64 { return int64(min(len(c.text), historyRoom)) }

// history prints what containers have printed so far, in the order of time, and leaves each
// one's position behind its last line. The answer are those whose output is not kept.
func (a *attachment) history(ctx context.Context, all []*followed, o logOptions) (unkept []*followed, err error) {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	streams := make([]*readAhead, len(all))
	asking := semaphore.NewWeighted(historyAsked)
	for i, f := range all {
		streams[i] = newReadAhead(len(all))
		group.Go(func() error {
			defer close(streams[i].chunks)
			if err := asking.Acquire(ctx, 1); err != nil {
				return context.Cause(ctx)
			}
			answered := sync.OnceFunc(func() { asking.Release(1) })
			defer answered()
			err := a.logs.Logs(ctx, f.name, o, func(c logChunk) error {
				answered()
				return streams[i].put(ctx, c)
			})
			if errors.Is(err, docker.ErrNotKept) {
				mu.Lock()
				defer mu.Unlock()
				unkept = append(unkept, f)
				return nil
			}
			return err
		})
	}
	group.Go(func() error { return a.merge(ctx, all, streams) })
	err = group.Wait()
	slices.SortFunc(unkept, func(a, b *followed) int { return strings.Compare(a.name, b.name) })
	return unkept, err
}

// merge prints the earliest of the lines that come next, until there are none.
func (a *attachment) merge(ctx context.Context, all []*followed, streams []*readAhead) error {
	next := make([]*logChunk, len(streams))
	for i := range streams {
		next[i] = streams[i].take()
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
			next[first] = streams[first].take()
			if !c.more || next[first] == nil {
				break
			}
		}
	}
}

// closedEvents is a stream in which nothing happens.
func closedEvents() <-chan healthcheck.Event { return nil }
