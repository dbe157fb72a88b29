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
		switch a.(type) {
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
	var told []string
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	err := Run(ctx, on, "shop", jobs, Options{Events: func(e Event) {
		told = append(told, fmt.Sprintf("%s %s %s", e.At.Sub(began), e.Container, e.Did))
	}})
	for _, c := range on.containers {
		if c.Status != planner.Running {
			t.Errorf("%s is left %s", c.Name, c.Status)
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
