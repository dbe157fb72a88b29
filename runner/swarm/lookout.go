package swarm

import (
	"context"
	"sync"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
	"golang.org/x/sync/errgroup"
)

// The pauses between two looks. The engine tells of changes of services and of containers of its own node, but not of tasks on
// others: after what it tells there is a look at once, and otherwise after a pause that grows while nothing changes.
const (
	shortPause = 100 * time.Millisecond
	longPause  = time.Second
)

// lookouts look at stacks as long as somebody waits for something of them: one each, however many wait.
type lookouts struct {
	mu     sync.Mutex
	stacks map[string]*lookout
}

// lookout looks at one stack.
type lookout struct {
	users int
	stop  context.CancelFunc
	wake  chan struct{} // somebody wants a look now

	mu     sync.Mutex
	begun  int // looks so far
	latest glance
	next   chan struct{} // closed with the next glance
}

// glance is what one look has seen.
type glance struct {
	number int // of the look
	sight  sight
	nodes  []swarm.Node
	err    error
}

// check decides what a wait makes of a look: whether it is over, or when to look again at the latest; 0 leaves that open.
type check func(now sight, nodes []swarm.Node) (done bool, again time.Duration, err error)

// watch looks at a stack until the check is over.
func (e *Engine) watch(ctx context.Context, c *client.Client, project string, decide check) error {
	l := e.lookouts.join(ctx, e, c, project)
	defer e.lookouts.leave(project)
	l.mu.Lock()
	after := l.begun // what was begun before may not have seen what is waited for
	l.mu.Unlock()
	l.ask()
	var timer <-chan time.Time
	for {
		l.mu.Lock()
		seen, next := l.latest, l.next
		l.mu.Unlock()
		if seen.number > after {
			after = seen.number
			if seen.err != nil {
				return seen.err
			}
			done, again, err := decide(seen.sight, seen.nodes)
			if done || err != nil {
				return err
			}
			timer = nil
			if again > 0 {
				timer = time.After(again)
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer:
			timer = nil
			l.ask()
		case <-next:
		}
	}
}

// join begins to look, unless somebody does.
func (ls *lookouts) join(ctx context.Context, e *Engine, c *client.Client, project string) *lookout {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.stacks[project]
	if l == nil {
		// It is everybody's, and ends with the last one.
		own, stop := context.WithCancel(context.WithoutCancel(ctx))
		l = &lookout{stop: stop, wake: make(chan struct{}, 1), next: make(chan struct{})}
		if ls.stacks == nil {
			ls.stacks = map[string]*lookout{}
		}
		ls.stacks[project] = l
		go l.run(own, e, c, project)
	}
	l.users++
	return l
}

func (ls *lookouts) leave(project string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.stacks[project]
	if l.users--; l.users == 0 {
		l.stop()
		delete(ls.stacks, project)
	}
}

// ask wants a look soon.
func (l *lookout) ask() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run looks until it is stopped.
func (l *lookout) run(ctx context.Context, e *Engine, c *client.Client, project string) {
	told, failed := c.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", string(events.ServiceEventType)), filters.Arg("type", string(events.NodeEventType)), filters.Arg("type", string(events.ContainerEventType)),
	)})
	pause, before := shortPause, uint64(0)
	for {
		seen := l.look(ctx, e, c, project)
		if ctx.Err() != nil {
			return
		}
		if now := seen.state(); now != before {
			pause, before = shortPause, now
		} else {
			pause = min(pause*3/2, longPause)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-l.wake:
		case <-told:
			pause = shortPause
			drain(told)
		case <-failed: //nolint:errcheck // whatever it was
			told, failed = nil, nil // the pauses will have to do
		case <-timer.C:
		}
		timer.Stop()
	}
}

// drain takes what was told meanwhile: one look sees it all.
func drain(told <-chan events.Message) {
	for {
		select {
		case <-told:
		default:
			return
		}
	}
}

// look takes three calls, and hands on what it has seen.
func (l *lookout) look(ctx context.Context, e *Engine, c *client.Client, project string) glance {
	l.mu.Lock()
	l.begun++
	seen := glance{number: l.begun}
	l.mu.Unlock()
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		seen.sight, err = e.look(inner, c, project)
		return err
	})
	group.Go(func() (err error) {
		seen.nodes, err = c.NodeList(inner, swarm.NodeListOptions{})
		return e.explain(inner, err, "list the nodes for", project)
	})
	seen.err = group.Wait()
	l.mu.Lock()
	l.latest = seen
	close(l.next)
	l.next = make(chan struct{})
	l.mu.Unlock()
	return seen
}

// state differs when anything has changed: versions only grow.
func (g glance) state() uint64 {
	var sum uint64
	for _, s := range g.sight.services {
		sum += s.Version.Index
	}
	for _, tasks := range g.sight.tasks {
		for _, t := range tasks {
			sum += t.Version.Index
		}
	}
	return sum
}
