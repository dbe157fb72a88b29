package stacktest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/musterhq/muster/fault"
	"github.com/musterhq/muster/planner"
)

// Fault does to all running containers of services what happens to stacks, and returns when it has happened to all of them. It is taken back at the end of
// the test, or by undo, which then waits until the services are ready again. Those of package fault that are a [fault.On] are about the way
// from these services to a port of another one; they want a muster for the engine's processor on the PATH, or where [Muster] says.
func (s *Stack) Fault(f fault.Fault, services ...string) (undo func()) {
	s.t.Helper()
	for _, name := range services {
		s.known(name)
	}
	jobs := []fault.Job{{Fault: f, Services: services}}
	during, stop := context.WithCancel(context.WithoutCancel(s.t.Context()))
	begun, over := make(chan struct{}), make(chan error, 1)
	go func() {
		over <- fault.Run(during, s.s.on, s.s.want.Name, jobs, fault.Options{Begun: func(fault.Job) { close(begun) }})
	}()
	what := fmt.Sprintf("%s %s", strings.Join(services, ", "), f.Did())
	ctx, cancel := timeOf(s.t)
	defer cancel()
	select {
	case <-begun:
	case err := <-over:
		if over <- err; err != nil {
			stop()
			s.t.Fatalf("%s: %s", what, told(err))
		}
	case <-ctx.Done():
		stop()
		if err := <-over; err != nil { // it takes back what it has done
			s.t.Errorf("take back: %s: %s", what, told(err))
		}
		s.t.Fatalf("%s: %v", what, context.Cause(ctx))
	}
	back := sync.OnceValue(func() error {
		stop()
		return <-over
	})
	s.t.Cleanup(func() {
		if err := back(); err != nil {
			s.t.Errorf("take back: %s: %s", what, told(err))
		}
		if s.s.owner != s.t { // others go on with the stack
			s.await(services)
		}
	})
	return func() {
		s.t.Helper()
		if err := back(); err != nil {
			s.t.Fatalf("take back: %s: %s", what, told(err))
		}
		s.await(services)
	}
}

// await waits until services are ready.
func (s *Stack) await(services []string) {
	s.t.Helper()
	s.change("wait for", services, planner.Policy{NoDeps: true, Wait: true, WaitTimeout: s.s.o.wait}, planner.Start)
}
