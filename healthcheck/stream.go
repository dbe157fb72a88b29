package healthcheck

import (
	"errors"
	"fmt"
	"time"
)

// reopen subscribes again after a break; what happened meanwhile is looked at.
func (s *scheduler) reopen(to chan<- (<-chan Event)) {
	if time.Since(s.since) >= steady {
		s.breaks = 0
	}
	s.retryWatch(to)
}

func (s *scheduler) retryWatch(to chan<- (<-chan Event)) {
	s.breaks++
	pause := backoff(s.breaks)
	s.w.call(func() func(*scheduler) {
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			return func(*scheduler) {}
		}
		events, err := s.w.engine.Watch(s.ctx)
		return func(s *scheduler) {
			switch {
			case err == nil:
				to <- events
			case s.breaks < maxBreaks:
				s.retryWatch(to)
			default:
				s.lost(fmt.Errorf("watch containers: %w", err))
			}
		}
	})
}

// lost ends all waits: the engine has gone for good.
func (s *scheduler) lost(err error) {
	s.broken = err
	for _, c := range s.containers {
		for _, p := range c.waits {
			p.result <- err
		}
		c.waits = nil
		s.review(c)
	}
}

func (s *scheduler) lookAtAll() {
	for _, c := range s.containers {
		if len(c.waits) > 0 {
			c.resync = true
			s.look(c)
		}
	}
}

// look has the engine asked about a container; when it is being asked
// already, once more afterwards.
func (s *scheduler) look(c *container) {
	if c.looking {
		c.stale = true
		return
	}
	c.looking, c.stale = true, false
	if s.looks >= maxLooks {
		s.lookQueue = append(s.lookQueue, c)
		return
	}
	s.startLook(c)
}

func (s *scheduler) startLook(c *container) {
	s.looks++
	c.asked = time.Now()
	s.w.call(func() func(*scheduler) {
		status, err := s.w.engine.Look(s.ctx, c.name)
		return func(s *scheduler) { s.looked(c, status, err) }
	})
}

// looked takes in the answer of a look.
func (s *scheduler) looked(c *container, status Status, err error) {
	s.looks--
	c.looking = false
	if len(s.lookQueue) > 0 {
		next := s.lookQueue[0]
		s.lookQueue = s.lookQueue[1:]
		s.startLook(next)
	}
	switch {
	case c.stale && len(c.waits) > 0:
		s.look(c) // the answer may be from before what has happened since
	case errors.Is(err, ErrNoContainer):
		s.missing(c)
	case err != nil:
		s.lookFailed(c, err)
	default:
		c.lookErrors = 0
		c.asOf = c.asked
		s.saw(c, status)
	}
	s.review(c)
}
