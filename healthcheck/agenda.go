package healthcheck

import (
	"container/heap"
	"time"
)

// plan puts a container where its next appointment belongs, and lets go of
// one that nobody waits for.
func (s *scheduler) plan(c *container) {
	if len(c.waits) == 0 && !c.looking && !c.probe.busy && s.containers[c.name] == c {
		delete(s.containers, c.name)
	}
	c.wake = s.nextWake(c)
	switch {
	case c.wake.IsZero() && c.place >= 0:
		heap.Remove(&s.agenda, c.place)
	case c.wake.IsZero():
	case c.place >= 0:
		heap.Fix(&s.agenda, c.place)
	default:
		heap.Push(&s.agenda, c)
	}
}

// nextWake is when something is to be done about a container; zero for never.
func (s *scheduler) nextWake(c *container) time.Time {
	var next time.Time
	earliest := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	earliest(s.probeWake(c))
	if len(c.waits) == 0 {
		return next
	}
	earliest(c.retryLook)
	for _, p := range c.waits {
		earliest(p.deadline)
		if !c.looking && c.retryLook.IsZero() {
			earliest(p.lastLook(c))
		}
	}
	return next
}

// lastLook is when a wait that watches its container has to look once more: what happened in the last moment may not have
// been told yet. Zero is for other waits, and for those that have looked.
func (p *pending) lastLook(c *container) time.Time {
	var at time.Time
	switch {
	case !c.seen || !c.status.Running:
		return at
	case p.Condition == Steady:
		at = p.began.Add(p.Monitor)
	case p.Condition == Stable && !c.runningSince.IsZero() && p.Check == nil && !hasCheck(c.status):
		at = c.runningSince.Add(p.Monitor)
	}
	if !c.asOf.Before(at) {
		return time.Time{}
	}
	return at
}

// agenda is a heap of containers by their next appointment.
type agenda []*container

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].wake.Before(a[j].wake) }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}
func (a *agenda) Push(x any) {
	c := x.(*container)
	c.place = len(*a)
	*a = append(*a, c)
}
func (a *agenda) Pop() any {
	old := *a
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*a = old[:len(old)-1]
	c.place = -1
	return c
}
