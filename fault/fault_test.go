package fault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// stack has what a test needs of an engine: containers that run or do not.
type stack struct {
	mu         sync.Mutex
	containers []planner.Container
	refuse     string // the name of a container that refuses all actions
}

func newStack() *stack {
	s := &stack{}
	for i, service := range []string{"db", "web", "web", "web"} {
		s.containers = append(s.containers, planner.Container{
			ID: fmt.Sprint("id", i), Name: fmt.Sprintf("%s-%d", service, max(i, 1)), Service: service, Number: max(i, 1), Status: planner.Running,
			Endpoints: []planner.Endpoint{{Network: "front"}},
		})
	}
	return s
}

func (s *stack) Observe(context.Context, planner.Scope) (planner.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return planner.State{Containers: append([]planner.Container{}, s.containers...)}, nil
}

func (s *stack) Inspect(_ context.Context, id string) (planner.Container, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.containers {
		if c.ID == id {
			return c, nil
		}
	}
	return planner.Container{}, errors.New("no such container")
}

func (s *stack) Apply(ctx context.Context, a planner.Action, _ func(runner.Progress)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for i := range s.containers {
		c := &s.containers[i]
		if c.Name != a.Resource().Name {
			continue
		}
		if c.Name == s.refuse {
			return errors.New("refused")
		}
		switch a := a.(type) {
		case planner.DisconnectNetwork:
			c.Endpoints = nil
		case planner.ConnectNetwork:
			c.Endpoints = []planner.Endpoint{{Network: a.Network}}
		case planner.KillContainer:
			c.Status = planner.Exited
		case planner.PauseContainer:
			c.Status = planner.Paused
		case planner.StartContainer, planner.UnpauseContainer:
			c.Status = planner.Running
		}
	}
	return nil
}

func (s *stack) NetworkAgent(context.Context, string, []string) (Agent, error) {
	return nil, errors.New("there is none")
}

// play runs jobs for a time, and tells what happened when.
func play(t *testing.T, on *stack, lasts time.Duration, jobs ...Job) ([]string, error) {
	t.Helper()
	return playWith(t, on, lasts, nil, jobs...)
}

func playWith(t *testing.T, on *stack, lasts time.Duration, standing func([]planner.Container) error, jobs ...Job) ([]string, error) {
	t.Helper()
	var told []string
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	err := Run(ctx, on, "shop", jobs, Options{Events: func(e Event) {
		told = append(told, fmt.Sprintf("%s %s %s", e.At.Sub(began), e.Container, e.Did))
	}, Standing: standing})
	for _, c := range on.containers {
		if c.Status != planner.Running || len(c.Endpoints) != 1 {
			t.Errorf("%s is left %s in %d networks", c.Name, c.Status, len(c.Endpoints))
		}
	}
	return told, err
}

func TestTimes(t *testing.T) {
	for name, c := range map[string]struct {
		job  Job
		want []string
	}{
		"until the end": {Job{Fault: Pause{}, Services: []string{"db"}}, []string{"0s db-1 paused", "10s db-1 goes on"}},
		"once":          {Job{Fault: Kill{}, Services: []string{"db"}, Delay: time.Second, For: time.Second}, []string{"1s db-1 killed", "2s db-1 started again"}},
		"again and again": {Job{Fault: Kill{}, Services: []string{"db"}, Every: 6 * time.Second, For: 5 * time.Second},
			[]string{"0s db-1 killed", "5s db-1 started again", "6s db-1 killed", "10s db-1 started again"}},
		"restart": {Job{Fault: Restart{}, Services: []string{"db"}, Every: 7 * time.Second}, []string{"0s db-1 restarted", "7s db-1 restarted"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told, err := play(t, newStack(), 10*time.Second, c.job)
				if d := cmp.Diff(c.want, told); d != "" || err != nil {
					t.Errorf("%v (-want +got):\n%s", err, d)
				}
			})
		})
	}
}

// The same seed chooses the same containers, another one others.
func TestRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		choose := func(seed uint64) []string {
			told, err := play(t, newStack(), time.Minute-time.Second/2, Job{
				Fault: Kill{}, Services: []string{"web", "db"}, Random: true, Seed: seed, Every: 2 * time.Second, For: time.Second})
			if err != nil || len(told) != 60 {
				t.Errorf("%d events, %v", len(told), err)
			}
			return told
		}
		if d := cmp.Diff(choose(7), choose(7)); d != "" {
			t.Error(d)
		}
		if cmp.Equal(choose(7), choose(8)) {
			t.Error("two seeds choose the same")
		}
	})
}

// Where faults of a container overlap, it is put back when the last of them is over; and whoever does that where this process cannot
// knows until then how it was before the first.
func TestOverlap(t *testing.T) {
	for name, c := range map[string]struct {
		jobs []Job
		want []string
	}{
		"the first ends first": {[]Job{
			{Fault: Disconnect{}, Services: []string{"db"}, For: 3 * time.Second},
			{Fault: Kill{}, Services: []string{"db"}, Delay: time.Second, For: 5 * time.Second},
		}, []string{"0s db-1 disconnected", "1s db-1 killed", "3s db-1 left as it is: another fault goes on", "6s db-1 started again"}},
		"the first ends last": {[]Job{
			{Fault: Disconnect{}, Services: []string{"db"}, For: 9 * time.Second},
			{Fault: Pause{}, Services: []string{"db"}, Delay: time.Second, For: 2 * time.Second},
		}, []string{"0s db-1 disconnected", "1s db-1 paused", "3s db-1 left as it is: another fault goes on", "9s db-1 goes on"}},
		"there is nothing left to do it to": {[]Job{
			{Fault: Kill{}, Services: []string{"db"}, For: 5 * time.Second},
			{Fault: Pause{}, Services: []string{"db"}, Delay: time.Second, For: time.Second},
		}, []string{"0s db-1 killed", "1s  nothing to do it to: no container of db runs", "5s db-1 started again"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var standing []planner.Container
				told, err := playWith(t, newStack(), 10*time.Second, func(now []planner.Container) error {
					standing = now
					for _, c := range now {
						if len(now) != 1 || c.Status != planner.Running || len(c.Endpoints) != 1 {
							t.Errorf("to be put back are %+v", now)
						}
					}
					return nil
				}, c.jobs...)
				if d := cmp.Diff(c.want, told); d != "" || err != nil || len(standing) > 0 {
					t.Errorf("%v, left to be put back %+v (-want +got):\n%s", err, standing, d)
				}
			})
		})
	}
}

// Where one fails, what the others have done is taken back, too.
func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := newStack()
		on.refuse = "web-2"
		_, err := play(t, on, time.Hour, Job{Fault: Kill{}, Services: []string{"web"}}, Job{Fault: Pause{}, Services: []string{"db"}})
		if err == nil || err.Error() != "refused" {
			t.Error(err)
		}
	})
}
