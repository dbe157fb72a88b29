package runner

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/planner"
)

// Digester asks the registries of images.
type Digester interface {
	// Digest is the content that an image's tag means in its registry now.
	Digest(ctx context.Context, ref string) (string, error)
}

// askedAtOnce is how many images are asked for at a time.
const askedAtOnce = 8

// LookUp adds to a state what images stand for in their registries: those of [planner.Lookups]. Those that no registry tells of stay
// unknown, since the engine's machines may have them.
func LookUp(ctx context.Context, asks Digester, have *planner.State, refs []string) error {
	if len(refs) == 0 {
		return nil
	}
	var mu sync.Mutex
	found := map[string]string{}
	group := errgroup.Group{}
	group.SetLimit(askedAtOnce)
	for _, ref := range refs {
		group.Go(func() error {
			digest, err := asks.Digest(ctx, ref)
			if err != nil {
				return context.Cause(ctx) // none where only this one is not known
			}
			mu.Lock()
			defer mu.Unlock()
			found[ref] = digest
			return nil
		})
	}
	have.Registry = found
	return group.Wait()
}
