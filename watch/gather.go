package watch

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Pace says how long changes are gathered.
type Pace struct {
	// Quiet is how long nothing must have happened; 0 is 20 ms.
	Quiet time.Duration
	// Most is how long the first of them waits at most; 0 is 200 ms.
	Most time.Duration
}

// An editor writes a file in a few steps, a millisecond or so apart; a branch that is switched takes longer, and need not
// be in one batch.
const (
	quiet = 20 * time.Millisecond
	most  = 200 * time.Millisecond
)

// Batch is a set of paths that have changed. A path may be a file, a folder with all that is in it, or gone.
type Batch map[string]bool

// Paths lists them, sorted.
func (b Batch) Paths() []string { return slices.Sorted(maps.Keys(b)) }

// Gather makes batches of changes that come together. While nobody takes a batch it grows,
// so that nothing is lost however long the receiver is busy. It ends, and closes the batches, with ctx or with changes.
func Gather(ctx context.Context, changes <-chan string, pace Pace) <-chan Batch {
	if pace.Quiet == 0 {
		pace.Quiet = quiet
	}
	if pace.Most == 0 {
		pace.Most = most
	}
	out := make(chan Batch)
	go gather(ctx, changes, out, pace)
	return out
}

func gather(ctx context.Context, changes <-chan string, out chan<- Batch, pace Pace) {
	defer close(out)
	waiting := Batch{}
	var calm, late <-chan time.Time
	ripe := false
	for {
		var to chan<- Batch
		if ripe {
			to = out
		}
		select {
		case <-ctx.Done():
			return
		case name, ok := <-changes:
			if !ok {
				return
			}
			if len(waiting) == 0 {
				late = time.After(pace.Most)
			}
			waiting[name] = true
			if !ripe {
				calm = time.After(pace.Quiet)
			}
		case <-calm:
			ripe = true
		case <-late:
			ripe = true
		case to <- waiting:
			waiting, ripe, calm, late = Batch{}, false, nil, nil
		}
	}
}
