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

// Inspect looks at the containers with these names and adds to have what a list of containers does
// not tell. A container that is gone meanwhile stays as it was seen: the steps on it will say so.
func Inspect(ctx context.Context, engine Inspector, have *planner.State, names []string) error {
	if len(names) == 0 {
		return nil
	}
	at := make(map[string]int, len(have.Containers))
	for i, c := range have.Containers {
		at[c.Name] = i
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inspectors)
	for _, name := range names {
		i, known := at[name]
		if !known {
			continue
		}
		group.Go(func() error {
			c, err := engine.Inspect(ctx, have.Containers[i].ID)
			if err != nil {
				if errors.Is(err, healthcheck.ErrNoContainer) {
					return nil
				}
				return err
			}
			have.Containers[i].Settings, have.Containers[i].Joined = c.Settings, c.Joined
			return nil
		})
	}
	return group.Wait()
}

// Inspector is an engine that looks at one container, by name or ID. There being none is
// [healthcheck.ErrNoContainer].
type Inspector interface {
	Inspect(ctx context.Context, name string) (planner.Container, error)
}
