package main

import (
	"context"
	"fmt"
	"time"
)

// restartKeeper starts containers again as their service says, where no engine does.
type restartKeeper interface {
	// next says whether a container of a service that has ended is started again, and after what pause.
	next(service string, code int, ran time.Duration, attempt bool, failed int) (again bool, pause time.Duration, nowFailed int)
	// again starts it, with its hooks.
	again(ctx context.Context, container, service string) error
}

// tries is what is known of the starts of one container.
type tries struct {
	since   time.Time // its latest start that was seen; zero where that was before our time
	attempt bool      // the keeper made that start
	failed  int       // starts of the keeper in a row that have failed
	told    bool      // somebody sent it a signal: it has not ended by itself
}

func (t *tries) begun() { t.since, t.told = time.Now(), false }

// ran is for how long it has run. Where its start was not seen, that is longer than anything.
func (t *tries) ran() time.Duration {
	if t.since.IsZero() {
		return 1<<63 - 1
	}
	return time.Since(t.since)
}

// leftover is a container that was to be started again and was not.
type leftover struct {
	of   *followed
	code int
	err  error // nil: nothing is to be started any more
}

// startsAgain says whether a container that has ended by itself is started again by us. An engine leaves
// those alone that somebody has ended by hand, and so do we.
func (a *attachment) startsAgain(f *followed, end turn) (pause time.Duration, again bool) {
	if a.keeper == nil || f.tries.told {
		return 0, false
	}
	select {
	case <-a.noMore:
		return 0, false
	default:
	}
	again, pause, f.tries.failed = a.keeper.next(f.source.service, end.code, end.ran, f.tries.attempt, f.tries.failed)
	f.tries.attempt = again
	return pause, again
}

// startLater starts a container after a pause. That it has begun, the engine's event tells.
func (a *attachment) startLater(ctx context.Context, f *followed, code int, pause time.Duration) {
	name, service := f.name, f.source.service // the owner may change them meanwhile
	go func() {
		left := leftover{of: f, code: code}
		select {
		case <-time.After(pause):
			if left.err = a.keeper.again(ctx, name, service); left.err == nil {
				return
			}
		case <-a.noMore:
		case <-ctx.Done():
		}
		select {
		case a.left <- left:
		case <-ctx.Done():
		}
	}()
}

// leftBehind gives a container up.
func (a *attachment) leftBehind(ctx context.Context, l leftover) {
	if l.err != nil {
		_ = a.printer.remark(ctx, &l.of.source, fmt.Sprintf("%s is not started again: %v", l.of.source.label, l.err))
	}
	l.of.running = false
	a.leaving = append(a.leaving, containerExit{service: l.of.source.service, container: l.of.name, code: l.code})
}
