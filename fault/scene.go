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
	standing []planner.Container
}

func (s *scene) tell(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.At = time.Now()
	s.o.Events(e)
}

// remember notes how a container is before something is done to it, unless something is done to it already.
func (s *scene) remember(c planner.Container) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing = append(s.standing, c)
	return s.note()
}

func (s *scene) forget(c planner.Container) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.standing, func(o planner.Container) bool { return o.ID == c.ID }); i >= 0 {
		s.standing = slices.Delete(s.standing, i, i+1)
	}
	return s.note()
}

func (s *scene) note() error {
	if s.o.Standing == nil {
		return nil
	}
	return s.o.Standing(slices.Clone(s.standing))
}

// disturb does an action to a container, and answers with what puts it back as it was.
func (s *scene) disturb(ctx context.Context, c planner.Container, actions func(planner.Container) []planner.Action) (func(context.Context) (string, error), error) {
	before, err := s.on.Inspect(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	before.Service = c.Service
	if err := s.remember(before); err != nil {
		return nil, err
	}
	end := func(ctx context.Context) (string, error) {
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
