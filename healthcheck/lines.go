package healthcheck

import (
	"context"
	"errors"
	"time"
)

// follow reads a container's output from the beginning of its run, once for all the lines that its check
// waits for, until each has come or the probing ends.
func (s *scheduler) follow(c *container) {
	lines := c.probe.asks.lines()
	if len(lines) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	c.probe.unfollow = cancel
	round, since := c.probe.round, c.status.Since()
	for _, p := range lines {
		s.tell(c, p, "not yet")
	}
	s.w.call(func() func(*scheduler) {
		defer cancel()
		err := s.w.readLines(ctx, c.name, since, lines, func(found *part) {
			s.w.do(func(s *scheduler) { s.found(c, round, found) })
		})
		return func(s *scheduler) { s.followed(c, round, lines, err) }
	})
}

// errEnough ends the reading when all lines have come.
var errEnough = errors.New("all lines have come")

// readLines tells each part whose line has come. The stream may end although the container runs on,
// as when its log is rotated; it is then read again.
func (w *Waiter) readLines(ctx context.Context, name string, since time.Time, parts []*part, found func(*part)) error {
	left := append([]*part(nil), parts...)
	for try := 1; ; try++ {
		err := w.engine.Lines(ctx, name, Excerpt{Since: since, Follow: true}, func(line string) error {
			rest := left[:0]
			for _, p := range left {
				if p.pattern.MatchString(line) {
					found(p)
				} else {
					rest = append(rest, p)
				}
			}
			if left = rest; len(left) == 0 {
				return errEnough
			}
			return nil
		})
		switch {
		case errors.Is(err, errEnough) || ctx.Err() != nil:
			return nil
		case errors.As(err, new(*CannotCheck)):
			return err
		case err != nil && try >= maxProbeErrors:
			return &CannotCheck{Reason: "its output cannot be read: " + err.Error(), Advice: "let x-muster.ready look for something else than a line of the log"}
		}
		select {
		case <-time.After(backoff(try)):
		case <-ctx.Done():
			return nil
		}
	}
}

// found takes in that a line has come.
func (s *scheduler) found(c *container, round int, p *part) {
	if !c.probe.active || c.probe.round != round || p.passed {
		return
	}
	p.passed = true
	if !c.probe.busy {
		s.proceed(c)
		c.probe.idle, c.probe.next = false, time.Now() // what had to wait for the line is asked at once
	}
	s.review(c)
}

// followed takes in that no more lines will come.
func (s *scheduler) followed(c *container, round int, lines []*part, err error) {
	var never *CannotCheck
	if errors.As(err, &never) && c.probe.active && c.probe.round == round {
		for _, p := range lines {
			p.cannot = never
		}
	}
	s.review(c)
}
