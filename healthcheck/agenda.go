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
		if p.Condition == Steady && c.seen && c.status.Running {
			earliest(p.began.Add(p.Monitor))
		}
		if p.Condition == Stable && c.seen && !c.runningSince.IsZero() && !hasCheck(c.status) {
			earliest(c.runningSince.Add(p.Monitor))
		}
	}
	return next
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
