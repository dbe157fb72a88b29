package healthcheck

import (
	"context"
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
	// engineTimeout is the engine's bound of a check that names none.
	engineTimeout = 30 * time.Second
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
	good   bool // the check succeeded in this run of the container

	round  int       // of probing; an answer of an earlier one does not count
	tries  int       // in all
	errors int       // in a row
	began  time.Time // of the round
	next   time.Time
	sent   time.Time
	cancel context.CancelFunc
}

// mayProbe says whether a container's check can be run by us at all.
func (s *scheduler) mayProbe(c *container, status Status) bool {
	return !s.w.o.ProbeEngineOnly && status.Running && !status.Paused && !status.Restarting &&
		len(status.Test) > 0 && status.Test[0] != "NONE" && c.probe.errors < maxProbeErrors
}

// planProbes begins or ends the probing of a container, as its waits want it.
func (s *scheduler) planProbes(c *container) {
	wanted := false
	for _, p := range c.waits {
		wanted = wanted || p.Condition == Healthy || p.Condition == Ready || p.Condition == Stable
	}
	wanted = wanted && c.seen && !c.probe.good && s.mayProbe(c, c.status)
	switch {
	case wanted && !c.probe.active:
		c.probe.active = true
		c.probe.round++
		c.probe.began = time.Now()
		c.probe.next = c.probe.began
		s.probes.active++
	case !wanted && c.probe.active:
		s.stopProbing(c)
	}
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
}

// probeWake is when a container's probing wants attention.
func (s *scheduler) probeWake(c *container) time.Time {
	switch {
	case c.probe.busy && c.probe.holds:
		return c.probe.sent.Add(busyTime)
	case c.probe.active && !c.probe.busy && !c.probe.queued:
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
	if !c.probe.active || c.probe.busy || c.probe.queued || c.probe.next.After(now) {
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

func (s *scheduler) sendProbe(c *container) {
	bound := c.status.Timeout
	if bound <= 0 {
		bound = engineTimeout
	}
	ctx, cancel := context.WithTimeout(s.ctx, bound)
	p := &c.probe
	p.busy, p.holds, p.cancel = true, true, cancel
	p.sent = time.Now()
	p.tries++
	s.probes.busy++
	round, test := p.round, c.status.Test
	s.w.call(func() func(*scheduler) {
		result, err := s.w.engine.Probe(ctx, c.name, test)
		cancel()
		return func(s *scheduler) { s.probed(c, round, result, err) }
	})
}

// probed takes in how a probe ended.
func (s *scheduler) probed(c *container, round int, result ProbeResult, err error) {
	p := &c.probe
	p.busy, p.cancel = false, nil
	s.release(c)
	if !p.active || p.round != round {
		s.review(c)
		return
	}
	c.verdictIsOld = false
	switch {
	case err != nil:
		p.errors++
		s.report(c, err.Error())
	case result.ExitCode == 0:
		p.good, p.errors = true, 0
	default:
		p.errors = 0
		c.lastOutput = result.Output
		s.report(c, result.Output)
	}
	now := time.Now()
	p.next = now.Add(s.pause(now.Sub(p.sent), now.Sub(p.began)))
	s.review(c)
}

// pause is how long to leave a container alone after a probe that took so
// long, so far into the probing.
func (s *scheduler) pause(took, sofar time.Duration) time.Duration {
	byAge := min(max(sofar/lateness, minPause), maxPause)
	crowd := s.probes.active / 2
	if sofar > patience {
		crowd = s.probes.active * 2
	}
	return max(byAge, min(took*time.Duration(max(1, crowd)), crowdPause))
}
