package healthcheck

import (
	"context"
	"fmt"
	"time"
)

const (
	// maxLooks bounds the looks in flight, so that many waits that begin at once
	// do not flood the engine.
	maxLooks = 16
	// maxLookErrors in a row end a container's waits: the engine is not coming back.
	maxLookErrors = 6
	// maxBreaks is how often in a row the stream of events may break.
	maxBreaks = 8
	// steady is how long a stream must last to count as mended.
	steady = 2 * time.Second
)

// scheduler is what the one goroutine of a [Waiter] owns. Nothing else touches it.
type scheduler struct {
	w   *Waiter
	ctx context.Context

	containers map[string]*container
	// good is when each container was started that a wait has found as it should be: one that the engine has
	// started again since has not stayed so.
	good   map[string]time.Time
	agenda agenda
	timer  *time.Timer

	looks     int          // in flight
	lookQueue []*container // waiting for a free one

	probes probes

	since  time.Time // the stream's beginning
	breaks int
	broken error // set when the stream is lost for good
}

// container is one container that somebody waits for.
type container struct {
	name  string
	waits []*pending

	status  Status
	seen    bool // status is known
	looking bool // a look is in flight or queued
	stale   bool // something happened since the look began
	resync  bool // events may have been lost: a death can have gone unnoticed

	asked time.Time // when the look in flight was begun
	asOf  time.Time // when the one was begun that status is from

	lookErrors int
	retryLook  time.Time

	deaths       int
	illnesses    int // times that the engine has come to call it unhealthy
	lastCode     *int
	exitedWell   bool
	runningSince time.Time
	verdictIsOld bool
	lastOutput   string // of the last check of ours that failed
	lastAsked    string // what that was, where it was not the container's own

	probe probe

	wake  time.Time // zero: nothing planned
	place int       // in the agenda, -1 when not in it
}

// pending is one wait.
type pending struct {
	Target
	container  *container
	began      time.Time
	deadline   time.Time // zero: none
	deaths     int       // of the container when the wait began
	illnesses  int       // the same
	firstDeath time.Time // of the wait's own
	result     chan error
}

func newScheduler(ctx context.Context, w *Waiter) *scheduler {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &scheduler{w: w, ctx: ctx, containers: map[string]*container{}, good: map[string]time.Time{}, timer: timer, since: time.Now()}
}

// run is the owner's loop; it ends with its context.
func (s *scheduler) run(events <-chan Event) {
	defer close(s.w.gone)
	defer s.timer.Stop()
	reopened := make(chan (<-chan Event), 1)
	for {
		s.arm()
		select {
		case f := <-s.w.ask:
			f(s)
		case e, ok := <-events:
			if ok {
				s.happened(e)
				break
			}
			events = nil
			s.reopen(reopened)
		case events = <-reopened:
			s.since = time.Now()
			s.lookAtAll()
		case <-s.timer.C:
			s.due()
		case <-s.ctx.Done():
			return
		}
	}
}

// arm sets the timer to the next thing planned.
func (s *scheduler) arm() {
	if len(s.agenda) == 0 {
		s.timer.Stop()
		return
	}
	s.timer.Reset(time.Until(s.agenda[0].wake))
}

// due does what is planned for now.
func (s *scheduler) due() {
	now := time.Now()
	for len(s.agenda) > 0 && !s.agenda[0].wake.After(now) {
		c := s.agenda[0]
		if !c.retryLook.IsZero() && !c.retryLook.After(now) {
			c.retryLook = time.Time{}
			s.look(c)
		}
		s.probeDue(c, now)
		for _, p := range append([]*pending(nil), c.waits...) {
			if last := p.lastLook(c); !last.IsZero() && !last.After(now) {
				c.resync = true
				s.look(c)
			}
			if !p.deadline.IsZero() && !p.deadline.After(now) {
				s.settle(p, c.fill(late(p.Target, c.status)))
			}
		}
		s.review(c)
	}
}

// add begins a wait.
func (s *scheduler) add(p *pending) {
	if s.broken != nil {
		p.result <- s.broken
		return
	}
	c := s.containers[p.Name]
	if c == nil {
		c = &container{name: p.Name, place: -1}
		s.containers[p.Name] = c
	}
	p.container, p.began = c, time.Now()
	if p.Timeout > 0 {
		p.deadline = p.began.Add(p.Timeout)
	}
	c.waits = append(c.waits, p)
	// What an earlier wait knew may be out of date in ways that events do
	// not tell: a new wait begins with a look of its own.
	c.seen = false
	p.deaths, p.illnesses = c.deaths, c.illnesses
	s.look(c)
	s.plan(c)
}

// forget drops a wait whose caller has gone.
func (s *scheduler) forget(p *pending) {
	s.drop(p)
	s.review(p.container)
}

// settle answers a wait.
func (s *scheduler) settle(p *pending, err error) {
	s.drop(p)
	p.result <- err
}

func (s *scheduler) drop(p *pending) {
	c := p.container
	for i, q := range c.waits {
		if q == p {
			c.waits = append(c.waits[:i:i], c.waits[i+1:]...)
			return
		}
	}
}

// happened takes in one event. Only health is believed as it is; everything
// else leads to a look, since by now more may have happened.
func (s *scheduler) happened(e Event) {
	if e.What == "resync" {
		s.lookAtAll()
		return
	}
	c := s.containers[e.Name]
	if c == nil || len(c.waits) == 0 {
		return
	}
	switch e.What {
	case "health":
		c.verdictIsOld = false
		if e.Health == "healthy" && c.seen && c.status.Running {
			c.status.Health = e.Health
			c.stale = c.looking
			s.review(c)
			return
		}
		if e.Health == "unhealthy" && c.seen && c.status.Health != e.Health {
			c.illnesses++
		}
	case "die":
		if c.seen {
			s.died(c)
			c.lastCode = &e.ExitCode
			c.exitedWell = c.exitedWell || e.ExitCode == 0
		}
	case "start", "pause", "unpause", "destroy", "rename":
	default:
		return
	}
	s.look(c)
}

// died notes the end of one run of a container.
func (s *scheduler) died(c *container) {
	c.deaths++
	c.lastCode = nil
	c.status.Running = false
	s.endRun(c)
}

// endRun forgets what was true of a run of a container that is over.
func (s *scheduler) endRun(c *container) {
	c.runningSince = time.Time{}
	c.probe.good = false
	c.probe.errors = 0
	s.stopProbing(c)
	c.probe.asks = nil
}

// saw compares what is now with what was known.
func (s *scheduler) saw(c *container, now Status) {
	was := c.status
	// An engine may call a container that it is about to start again a running one.
	now.Running = now.Running && !now.Restarting
	ended := now.Exited || now.Restarting
	switch {
	case !c.seen && ended:
		c.deaths++
		s.endRun(c)
	case c.seen && c.resync && was.Running && (ended || !now.StartedAt.Equal(was.StartedAt)):
		s.died(c)
		c.exitedWell = c.exitedWell || ended && now.ExitCode == 0
	case !now.Running:
		s.endRun(c)
	}
	if ended {
		c.lastCode = &now.ExitCode
	}
	if now.Running && c.runningSince.IsZero() {
		c.runningSince = time.Now()
	}
	if !c.seen {
		c.verdictIsOld = now.Health == "unhealthy" && s.mayProbe(c, now)
	}
	if ended && c.seen && !was.Exited && !was.Restarting {
		s.report(c, Attempt{Output: fmt.Sprintf("exited with code %d", now.ExitCode)})
	}
	c.status, c.seen, c.resync = now, true, false
}

func (s *scheduler) missing(c *container) {
	reason := reasonMissing
	if c.seen {
		reason = reasonGone
	}
	for _, p := range c.waits {
		p.result <- &Failure{Name: c.name, Reason: reason}
	}
	c.waits = nil
}

// lookFailed tries again with a growing pause, and gives up in the end.
func (s *scheduler) lookFailed(c *container, err error) {
	c.lookErrors++
	if c.lookErrors < maxLookErrors {
		c.retryLook = time.Now().Add(backoff(c.lookErrors))
		return
	}
	for _, p := range c.waits {
		p.result <- fmt.Errorf("look at container %q: %w", c.name, err)
	}
	c.waits, c.lookErrors = nil, 0
}

// review answers the waits that can be answered, and plans for the rest.
func (s *scheduler) review(c *container) {
	if c.seen {
		for _, p := range append([]*pending(nil), c.waits...) {
			what, failure := judge(p.Target, c.status, s.past(c, p))
			switch what {
			case met:
				s.good[c.name] = c.status.StartedAt
				s.settle(p, nil)
			case failed:
				s.settle(p, c.fill(failure))
			}
		}
	}
	s.planProbes(c)
	s.plan(c)
}

func (s *scheduler) past(c *container, p *pending) past {
	out := past{deaths: c.deaths - p.deaths, fellIll: c.illnesses > p.illnesses, probedGood: c.probe.good,
		waitedFor: c.asOf.Sub(p.began), verdictIsOld: c.verdictIsOld, cannot: c.probe.cannot(), exitedWell: c.exitedWell, lastCode: c.lastCode}
	if since, known := s.good[c.name]; known {
		out.startedAgain = !since.Equal(c.status.StartedAt)
	}
	if out.deaths > 0 && p.firstDeath.IsZero() {
		p.firstDeath = time.Now()
	}
	if out.deaths > 0 {
		out.dyingFor = time.Since(p.firstDeath)
	}
	if !c.runningSince.IsZero() {
		out.runningFor = c.asOf.Sub(c.runningSince)
	}
	return out
}

// fill adds the last thing that a check of ours printed, where the engine
// knows nothing newer.
func (c *container) fill(f *Failure) *Failure {
	if c.lastOutput != "" && f.Reason != reasonSick {
		f.Probe, f.Asked = c.lastOutput, c.lastAsked
	}
	return f
}

func (s *scheduler) report(c *container, a Attempt) {
	if s.w.o.Report != nil && len(c.waits) > 0 {
		s.w.o.Report(c.name, a)
	}
}

// backoff is the pause before the nth try: 50 ms, doubling up to 2 s.
func backoff(n int) time.Duration {
	return min(50*time.Millisecond<<min(n-1, 10), 2*time.Second)
}
