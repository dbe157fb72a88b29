package fault

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

// scene is where faults happen: the stack, and what of it has to be put back.
type scene struct {
	on      Engine
	project string
	o       Options

	mu       sync.Mutex
	standing []disturbed
}

// disturbed is a container that something is done to.
type disturbed struct {
	before planner.Container // all of it
	faults int               // that it suffers now
}

func (s *scene) tell(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.At = time.Now()
	s.o.Events(e)
}

// remember notes how a container is before something is done to it, unless something is done to it already, and answers with how it was then.
func (s *scene) remember(c planner.Container) (planner.Container, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.standing {
		if s.standing[i].before.ID == c.ID {
			s.standing[i].faults++
			return s.standing[i].before, nil
		}
	}
	s.standing = append(s.standing, disturbed{before: c, faults: 1})
	return c, s.note()
}

// leave takes one fault off a container, unless it is the last one.
func (s *scene) leave(c planner.Container) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.standing, func(o disturbed) bool { return o.before.ID == c.ID })
	if i < 0 || s.standing[i].faults == 1 {
		return false
	}
	s.standing[i].faults--
	return true
}

// forget takes the last fault off a container that was put back, unless another one has begun meanwhile.
func (s *scene) forget(c planner.Container) error {
	if s.leave(c) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing = slices.DeleteFunc(s.standing, func(o disturbed) bool { return o.before.ID == c.ID })
	return s.note()
}

// disturbs says whether something is done now to a container of these services.
func (s *scene) disturbs(services []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.standing, func(o disturbed) bool { return slices.Contains(services, o.before.Service) })
}

func (s *scene) note() error {
	if s.o.Standing == nil {
		return nil
	}
	var all []planner.Container
	for _, o := range s.standing {
		all = append(all, o.before)
	}
	return s.o.Standing(all)
}

// disturb does an action to a container, and answers with what puts it back as it was, once no other fault is done to it any more.
func (s *scene) disturb(ctx context.Context, c planner.Container, actions func(planner.Container) []planner.Action) (func(context.Context) (string, error), error) {
	before, err := s.on.Inspect(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	before.Service = c.Service
	if before, err = s.remember(before); err != nil {
		return nil, err
	}
	end := func(ctx context.Context) (string, error) {
		if s.leave(before) {
			return "left as it is: another fault goes on", nil
		}
		did, err := PutBack(ctx, s.on, before)
		if err != nil {
			return did, err // it still has to be put back
		}
		return did, s.forget(before)
	}
	for _, a := range actions(before) {
		if err := s.on.Apply(ctx, a, nil); err != nil {
			return end, err
		}
	}
	return end, nil
}

// PutBack makes a container what it was, and says what it took. One that is gone meanwhile is somebody else's.
func PutBack(ctx context.Context, on Engine, before planner.Container) (did string, err error) {
	now, err := on.Inspect(ctx, before.ID)
	if errors.Is(err, healthcheck.ErrNoContainer) {
		return "left: it was removed meanwhile", nil
	}
	if err != nil {
		return "", err
	}
	did = "is as it was"
	for _, a := range Restoring(before, now) {
		if err := on.Apply(ctx, a, nil); err != nil {
			return "", err
		}
		switch a.(type) {
		case planner.StartContainer:
			did = "started again"
		case planner.UnpauseContainer:
			did = "goes on"
		case planner.ConnectNetwork:
			did = "connected again"
		}
	}
	return did, nil
}
