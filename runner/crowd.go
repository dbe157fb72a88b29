package runner

import (
	"math"
	"reflect"
	"time"

	"github.com/musterhq/muster/planner"
)

// crowd finds out, while a run goes on, how many calls in flight the engine gets most done with. It climbs a ladder of
// limits, from one rung to the next by √2: it tries one for as many calls as it takes to tell, compares what got done with what
// got done on the other rungs, and goes on from the best.
//
// What gets done is the calls in flight divided by the time that one takes (Little's law), and calls are compared with those of
// the same type only: a start takes longer than a create, whatever the limit. The walk's owner owns it.
type crowd struct {
	limit int // calls in flight, now
	left  int // calls that have not ended yet, begun or not

	first int            // the limit on rung 0
	best  int            // the rung to go on from
	at    int            // the rung that is tried
	tried map[int]*trial // by rung
	now   *trial
	// stride is how many rungs the first look upwards takes at once. With rests, the trials in a row of the best rung, come
	// second looks at the rungs beside it: the next after patience of them, and then after twice as many.
	stride, rests, patience int

	spread, calls float64 // the sum of squares of how far calls are from the mean of their like, which is 1; and their number

	inflight int
	sum      time.Duration // of the time of all calls in flight, up to last
	last     time.Time
}

const (
	fewest, most = 2, 64
	// improves is how many times as much has to get done on another rung for it to be the best, and falls what
	// means that more calls are too many.
	improves, falls = 1.05, 0.9
	// precise is the standard error of a trial's mean, for a step to twice the limit. With a finer step it is finer.
	precise = 0.07
	// worth is how many times the calls of a trial have to be left for a look that may cost time.
	worth = 8
	// usualSpread is taken for granted until usualCalls have been seen.
	usualSpread, usualCalls = 0.2 * 0.2, 8
)

func newCrowd(limit, left int) *crowd {
	c := &crowd{left: left, first: limit, tried: map[int]*trial{}, stride: 2, patience: 16}
	c.try(0)
	return c
}

// rung is the limit on a rung. Beyond the ladder's ends it stays the same.
func (c *crowd) rung(i int) int {
	return min(max(int(math.Round(float64(c.first)*math.Pow(2, float64(i)/2))), fewest), most)
}

func (c *crowd) try(i int) {
	c.at, c.limit, c.now = i, c.rung(i), &trial{kinds: map[reflect.Type]*spent{}}
}

// began notes a call.
func (c *crowd) began(a planner.Action) *call {
	c.count(1)
	k := &call{trial: c.now, kind: reflect.TypeOf(a), begun: c.last, sum: c.sum}
	c.now.calls = append(c.now.calls, k)
	return k
}

// ended notes its end. One that failed says nothing about how long they take.
func (c *crowd) ended(k *call, err error) {
	c.count(-1)
	k.over, k.failed = true, err != nil
	k.took, k.sum = c.last.Sub(k.begun), c.sum-k.sum
	if k.trial == c.now && c.now.add() && c.now.n >= c.enough() {
		c.judge()
	}
}

func (c *crowd) count(by int) {
	now := time.Now()
	c.sum += time.Duration(c.inflight) * now.Sub(c.last)
	c.last = now
	c.inflight += by
}

// enough is how many calls the trial takes. One at more than the limit before has to see the time of a call in
// such company, and the less alike calls are, and the finer the step, the more of them it takes to tell.
func (c *crowd) enough() float64 {
	rungs := math.Abs(float64(c.at - c.best))
	if rungs == 0 {
		rungs = 2
	}
	spread := (usualSpread*usualCalls + c.spread + c.now.spread()) / (usualCalls + c.calls + c.now.n)
	fine := precise * rungs / 2
	return max(8, float64(c.limit)/2, spread/(fine*fine))
}

// judge ends a trial and decides on the next.
func (c *crowd) judge() {
	now := c.now
	if now.inflight() < 0.8*float64(c.limit) {
		c.try(c.best) // there was not enough to do to tell
		return
	}
	c.spread += now.spread()
	c.calls += now.n
	mix := now.mix()
	if old := c.tried[c.at]; old != nil {
		now.remember(old)
	}
	c.tried[c.at] = now
	done := map[int]float64{}
	for i, t := range c.tried {
		if r := t.done(mix); r > 0 {
			done[i] = r
		}
	}
	if done[c.best] == 0 {
		c.try(c.best) // calls of other types go on now, of which it knows nothing
		return
	}
	top := c.best
	for i, r := range done {
		if r > done[top] || r == done[top] && i < top {
			top = i
		}
	}
	if done[top] > improves*done[c.best] {
		c.best = top
		if top != c.at {
			c.try(top) // by what it was once: things may have changed
			return
		}
	}
	c.try(c.next(done))
}

// next is the rung to try after it is known how much gets done on those that were tried.
func (c *crowd) next(done map[int]float64) int {
	up, down := c.above(done), c.below(done)
	near := c.nearest(done, 1)
	fell := near != c.best && done[near] < falls*done[c.best]
	next := up
	if up == c.best || fell && down != c.best {
		next = down
	}
	if next == c.best {
		if c.rests++; c.rests >= c.patience {
			c.rests, c.patience, c.stride = 0, 2*c.patience, 1
			c.tried = map[int]*trial{c.best: c.tried[c.best]}
		}
		return next
	}
	pays := next > c.best && near == c.best && c.full(done) || next < c.best && fell
	if !pays && c.left < worth*c.rung(next) {
		return c.best
	}
	return next
}

// above is the rung to try above the best: half way to the nearest that was tried, or one that was not. Where twice
// the calls got twice as much done, nothing is in the way yet, and it goes twice as far.
func (c *crowd) above(done map[int]float64) int {
	if near := c.nearest(done, 1); near != c.best {
		return c.best + (near-c.best)/2
	}
	jump := c.stride
	if c.full(done) {
		jump *= 2
	}
	for jump > 0 && c.rung(c.best+jump) == c.rung(c.best+jump-1) {
		jump--
	}
	return c.best + jump
}

// below is the same downwards, where it goes one by one.
func (c *crowd) below(done map[int]float64) int {
	near := c.nearest(done, -1)
	switch {
	case c.full(done) || c.rung(c.best-1) == c.rung(c.best):
		return c.best // with fewer less gets done; or there are no fewer
	case near != c.best:
		return c.best - (c.best-near)/2
	}
	return c.best - 1
}

// nearest is the next rung that was tried, up or down; the best itself where there is none.
func (c *crowd) nearest(done map[int]float64, by int) int {
	for i := c.best + by; c.rung(i) != c.rung(i-by); i += by {
		if done[i] > 0 {
			return i
		}
	}
	return c.best
}

// full says whether the best gets as much more done than the one below as it has more calls in flight.
func (c *crowd) full(done map[int]float64) bool {
	near := c.nearest(done, -1)
	return near != c.best && math.Log(done[c.best]/done[near]) > 0.8*math.Log(float64(c.rung(c.best))/float64(c.rung(near)))
}

// call is one call.
type call struct {
	trial        *trial
	kind         reflect.Type
	begun        time.Time
	took         time.Duration
	sum          time.Duration // the crowd's at its begin, and then how much that grew meanwhile
	over, failed bool
}

// trial is how calls did that began and ended while the limit was the same.
type trial struct {
	// calls are those that began, from the first that is not over. They count in that order: the quick ones would otherwise
	// count first.
	calls     []*call
	kinds     map[reflect.Type]*spent
	n         float64
	took, sum float64 // seconds
}

// spent is what calls of one type took, in seconds.
type spent struct{ n, sum, squares float64 }

// add counts what is over, and says whether that was anything.
func (t *trial) add() bool {
	before := t.n
	for len(t.calls) > 0 && t.calls[0].over {
		k := t.calls[0]
		t.calls = t.calls[1:]
		if k.failed || k.took <= 0 {
			continue
		}
		took := k.took.Seconds()
		t.spentOn(k.kind).add(spent{1, took, took * took}, 1)
		t.n++
		t.took += took
		t.sum += k.sum.Seconds()
	}
	return t.n > before
}

func (t *trial) spentOn(kind reflect.Type) *spent {
	if t.kinds[kind] == nil {
		t.kinds[kind] = &spent{}
	}
	return t.kinds[kind]
}

func (s *spent) add(o spent, weight float64) {
	s.n += weight * o.n
	s.sum += weight * o.sum
	s.squares += weight * o.squares
}

// remember adds an older trial of the same rung, at half its weight: engines change.
func (t *trial) remember(old *trial) {
	for kind, s := range old.kinds {
		t.spentOn(kind).add(*s, 0.5)
	}
	t.n += old.n / 2
	t.took += old.took / 2
	t.sum += old.sum / 2
}

// inflight is how many were in flight, in the mean over the time of the calls.
func (t *trial) inflight() float64 { return t.sum / t.took }

// spread is the sum of squares of how far calls are from the mean of their type, as parts of that.
func (t *trial) spread() float64 {
	sum := 0.0
	for _, s := range t.kinds {
		mean := s.sum / s.n
		sum += max(0, s.squares-s.sum*mean) / (mean * mean)
	}
	return sum
}

// mix says how many calls there were of each type.
func (t *trial) mix() map[reflect.Type]float64 {
	mix := map[reflect.Type]float64{}
	for kind, s := range t.kinds {
		mix[kind] = s.n
	}
	return mix
}

// done is how many calls of a mix would have ended in a second; 0 where most of its types did not occur.
func (t *trial) done(mix map[reflect.Type]float64) float64 {
	var took, known, all float64
	for kind, n := range mix {
		all += n
		if s := t.kinds[kind]; s != nil {
			took += s.sum / s.n * n
			known += n
		}
	}
	if 2*known < all {
		return 0
	}
	return t.inflight() * known / took
}
