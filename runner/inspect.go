package runner

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

// inspectors bounds the inspections at a time: over ssh each would open a connection of its own.
const inspectors = 8

// Inspect looks at the containers that are in doubt and adds to have what a list of containers does
// not tell. A container that is gone meanwhile stays as it was seen: the steps on it will say so.
func Inspect(ctx context.Context, engine Inspector, have *planner.State, doubts []planner.Doubt) error {
	if len(doubts) == 0 {
		return nil
	}
	at := make(map[string]int, len(have.Containers))
	for i, c := range have.Containers {
		at[c.Name] = i
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inspectors)
	for _, doubt := range doubts {
		i, known := at[doubt.Name]
		if !known {
			continue
		}
		group.Go(func() error {
			id := have.Containers[i].ID
			look := func() (planner.Container, error) { return engine.Inspect(ctx, id) }
			if doubt.Meant != nil {
				look = func() (planner.Container, error) { return engine.Compare(ctx, id, *doubt.Meant) }
			}
			c, err := look()
			if err != nil {
				if errors.Is(err, healthcheck.ErrNoContainer) {
					return nil
				}
				return err
			}
			now := &have.Containers[i]
			now.Settings, now.Joined, now.Endpoints, now.Made, now.Meant = c.Settings, c.Joined, c.Endpoints, c.Made, c.Meant
			return nil
		})
	}
	return group.Wait()
}

// Inspector is an engine that looks at one container, by name or ID. There being none is
// [healthcheck.ErrNoContainer].
type Inspector interface {
	Inspect(ctx context.Context, name string) (planner.Container, error)
	// Compare is Inspect of a container without a record of its service, and says too how it was made and how it would be
	// made now, where the engine can tell.
	Compare(ctx context.Context, name string, meant planner.CreateContainer) (planner.Container, error)
}
