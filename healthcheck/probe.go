package healthcheck

import (
	"context"
	"errors"
	"reflect"
	"time"
)

// The pauses between muster's own runs of a check. A run costs the engine
// about a tenth of a second of CPU, so that the pause grows with how long the last run took, with
// how many containers are being probed, and with how long it has gone on:
// readiness is then noticed at most about a tenth of the start-up time late.
const (
	minPause = 20 * time.Millisecond
	maxPause = 2 * time.Second
	// crowdPause bounds the pause that many probed containers lead to.
	crowdPause = time.Minute
	// patience is how long a crowd of containers may keep two probes at work on
	// average; from then on it is half of one.
	patience = 5 * time.Second
	// lateness is the part of the time so far that a pause may take.
	lateness = 10
)

const (
	// maxProbes bounds the probes in flight that are at work. One that
	// takes longer than busyTime is taken to sleep and does not count.
	maxProbes = 4
	busyTime  = 250 * time.Millisecond
	// maxProbeErrors is after how many probes in a row that could not be run
	// a container is left to the engine's own checks.
	maxProbeErrors = 5
	// maxHold bounds how long nothing is asked of a container that was ready later the last time. It is the most that readiness is
	// noticed late where it comes at once now.
	maxHold = 500 * time.Millisecond
)

// probes is what the probes of all containers share.
type probes struct {
	active int          // containers that are being probed
	busy   int          // probes that are at work
	queue  []*container // whose turn has come and that wait for a free place
}

// probe is the state of one container's probing.
type probe struct {
	active bool // somebody needs to know
	busy   bool // one is in flight
	holds  bool // it counts among the probes at work
	queued bool
	idle   bool // nothing can be asked before a line of output has come
	good   bool // the check succeeded in this run of the container

	asks   *readiness // of this run of the container; nil before the first probe
	round  int        // of probing; an answer of an earlier one does not count
	tries  int        // in all
	errors int        // in a row
	began  time.Time  // of the round
	turn   time.Time  // when this turn of asking began
	failed time.Time  // when the last turn began that failed, of this round
	next   time.Time
	sent   time.Time
	cancel context.CancelFunc
	// unfollow ends the reading of the container's output.
	unfollow context.CancelFunc
}

// cannot is why the check can never succeed; nil while it can.
func (p *probe) cannot() *CannotCheck {
	if p.asks == nil {
		return nil
	}
	return p.asks.root.cannot()
}

// check is what the waits for a container have it ready by; nil for its own check.
func (c *container) check() *Check {
	for _, p := range c.waits {
		if p.Check != nil {
			return p.Check
		}
	}
	return nil
}

// hold is how long nothing is asked yet: a tenth less than the last time, as it can be quicker now.
func (c *container) hold() time.Duration {
	var asked time.Duration
	for _, p := range c.waits {
		asked = max(asked, p.Asked)
	}
	return min(asked-asked/10, maxHold)
}

// worth is how long after the beginning of a round it was worth asking, once that has succeeded: when it did, or, where something was asked too early, in the
// middle between the two.
func (p *probe) worth() time.Duration {
	if p.failed.IsZero() {
		return p.turn.Sub(p.began)
	}
	return p.failed.Add(p.turn.Sub(p.failed) / 2).Sub(p.began)
}

// mayProbe says whether a container can be asked by us at all.
func (s *scheduler) mayProbe(c *container, status Status) bool {
	if !status.Running || status.Paused || status.Restarting {
		return false
	}
	return c.check() != nil || !s.w.o.ProbeEngineOnly &&
		len(status.Test) > 0 && status.Test[0] != "NONE" && c.probe.errors < maxProbeErrors
}

// planProbes begins or ends the probing of a container, as its waits want it.
func (s *scheduler) planProbes(c *container) {
	if c.probe.active && !c.seen && len(c.waits) > 0 {
		return // another wait has joined, and the look that it begins with is on its way
	}
	wanted := false
	for _, p := range c.waits {
		wanted = wanted || p.Condition == Healthy || p.Condition == Ready || p.Condition == Stable
	}
	wanted = wanted && c.seen && !c.probe.good && s.mayProbe(c, c.status)
	switch {
	case wanted && !c.probe.active:
		s.beginProbing(c)
	case !wanted && c.probe.active:
		s.stopProbing(c)
	}
}

func (s *scheduler) beginProbing(c *container) {
	p := &c.probe
	check := c.check()
	switch {
	case p.asks != nil && reflect.DeepEqual(p.asks.check, check):
	case check == nil:
		p.asks = ownReadiness(c.status.Test, c.status.Timeout)
	default:
		p.asks, _ = newReadiness(check) // it was made before, by Wait
	}
	p.active, p.idle = true, false
	p.round++
	p.began = time.Now()
	p.turn, p.failed, p.next = p.began, time.Time{}, p.began.Add(c.hold())
	s.probes.active++
	p.asks.newRound()
	s.follow(c)
}

func (s *scheduler) stopProbing(c *container) {
	if !c.probe.active {
		return
	}
	c.probe.active = false
	s.probes.active--
	if c.probe.cancel != nil {
		c.probe.cancel()
	}
	if c.probe.unfollow != nil {
		c.probe.unfollow()
		c.probe.unfollow = nil
	}
}

// probeWake is when a container's probing wants attention.
func (s *scheduler) probeWake(c *container) time.Time {
	switch {
	case c.probe.busy && c.probe.holds:
		return c.probe.sent.Add(busyTime)
	case c.probe.active && !c.probe.busy && !c.probe.queued && !c.probe.idle:
		return c.probe.next
	default:
		return time.Time{}
	}
}

// probeDue gives a container its turn.
func (s *scheduler) probeDue(c *container, now time.Time) {
	if c.probe.holds && !c.probe.sent.Add(busyTime).After(now) {
		s.release(c)
	}
	if !c.probe.active || c.probe.busy || c.probe.queued || c.probe.idle || c.probe.next.After(now) {
		return
	}
	c.probe.queued = true
	s.probes.queue = append(s.probes.queue, c)
	s.sendProbes()
}

// release takes a probe out of those at work, and lets the next one begin.
func (s *scheduler) release(c *container) {
	if c.probe.holds {
		c.probe.holds = false
		s.probes.busy--
		s.sendProbes()
	}
}

func (s *scheduler) sendProbes() {
	for s.probes.busy < maxProbes && len(s.probes.queue) > 0 {
		c := s.probes.queue[0]
		s.probes.queue = s.probes.queue[1:]
		c.probe.queued = false
		if c.probe.active && !c.probe.busy {
			s.sendProbe(c)
			s.plan(c)
		}
	}
}

// sendProbe asks the next thing, if there is one that can be asked now.
func (s *scheduler) sendProbe(c *container) {
	p := &c.probe
	ask, _ := p.asks.root.next()
	if ask == nil {
		p.idle = true
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, ask.timeout)
	p.busy, p.holds, p.cancel = true, true, cancel
	p.sent = time.Now()
	if !p.asks.asked() {
		p.turn = p.sent
		p.tries++
	}
	ask.tried = true
	s.probes.busy++
	round, check := p.round, ask.Check
	s.w.call(func() func(*scheduler) {
		result, err := s.w.engine.Probe(ctx, c.name, check)
		cancel()
		return func(s *scheduler) { s.probed(c, round, ask, result, err) }
	})
}

// probed takes in how a probe ended.
func (s *scheduler) probed(c *container, round int, ask *part, result ProbeResult, err error) {
	p := &c.probe
	p.busy, p.cancel = false, nil
	s.release(c)
	if !p.active || p.round != round {
		s.review(c)
		return
	}
	c.verdictIsOld = false
	var never *CannotCheck
	switch {
	case errors.As(err, &never):
		ask.cannot = never
	case err != nil:
		p.errors++
		s.tell(c, ask, err.Error())
	case result.ExitCode == 0:
		ask.passed, p.errors = true, 0
	default:
		p.errors = 0
		c.lastOutput, c.lastAsked = result.Output, ""
		if p.asks.check != nil {
			c.lastAsked = ask.String()
		}
		s.tell(c, ask, result.Output)
	}
	s.proceed(c)
	s.review(c)
}

// proceed asks what comes next at once; when all has been asked, it begins anew after a pause.
func (s *scheduler) proceed(c *container) {
	p := &c.probe
	now := time.Now()
	ask, good := p.asks.root.next()
	switch {
	case good:
		p.good = true
		if s.w.o.Passed != nil {
			s.w.o.Passed(c.name, p.worth())
		}
	case ask != nil:
		p.next = now
	default:
		// What is not asked because something before it waits for a line of output has no turn.
		p.idle, p.failed = !p.asks.newRound(), p.turn
		p.next = now.Add(s.pause(now.Sub(p.turn), now.Sub(p.began)))
	}
}

// tell reports how the asking of one thing went.
func (s *scheduler) tell(c *container, ask *part, output string) {
	what := "health check"
	if c.probe.asks.check != nil {
		what = ask.String()
	}
	s.report(c, Attempt{What: what, Try: c.probe.tries, Output: output})
}

// pause is how long to leave a container alone after a probe that took so
// long, so far into the probing.
func (s *scheduler) pause(took, sofar time.Duration) time.Duration {
	byAge := min(max(sofar/lateness, minPause), maxPause)
	byCrowd := took * time.Duration(s.probes.active) / 2
	if sofar > patience {
		byCrowd *= 4
	}
	return max(byAge, min(byCrowd, crowdPause))
}
