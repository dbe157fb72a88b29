package docker

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/musterhq/muster/planner"
)

// leave notes a stop whose end nobody waits for. The engine goes on with it, so that a start would find the container running, and would be for nothing.
func (e *Engine) leave(a planner.StopContainer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.left == nil {
		e.left = map[string]planner.StopContainer{}
	}
	e.left[a.Name] = a
}

// AwaitLeft waits for the ends of containers whose stops were interrupted, since the engine goes on with them: whoever looked meanwhile would find that they run, and
// leave them so. told is called with their names before, where there are any.
func (e *Engine) AwaitLeft(ctx context.Context, told func(names []string)) {
	e.mu.Lock()
	names := slices.Sorted(maps.Keys(e.left))
	e.mu.Unlock()
	names = slices.DeleteFunc(names, func(name string) bool {
		got, err := e.client.ContainerInspect(ctx, name)
		return err != nil || !runs(got)
	})
	if len(names) == 0 {
		return
	}
	told(names)
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() {
			e.endLeft(ctx, name)
			e.listedAsEnded(ctx, name)
		})
	}
	all.Wait()
}

// runs says whether a container runs. Podman says only the latter while it stops one.
func runs(c container.InspectResponse) bool {
	return c.State.Running || c.State.Status == container.StateRunning
}

// endLeft waits for the end of a container whose stop was left: as long as its grace lasts, and a little more, since the engine may have never got that.
func (e *Engine) endLeft(ctx context.Context, name string) {
	e.mu.Lock()
	a, left := e.left[name]
	delete(e.left, name)
	e.mu.Unlock()
	if !left {
		return
	}
	got, err := e.client.ContainerInspect(ctx, name)
	if err != nil || !runs(got) {
		return // the start tells
	}
	const more = 2 * time.Second
	ctx, cancel := context.WithTimeout(ctx, graceOf(a, got)+more)
	defer cancel()
	ended, failed := e.client.ContainerWait(ctx, name, container.WaitConditionNotRunning)
	select {
	case <-ended:
	case <-failed: //nolint:errcheck // as above
	}
}

// graceOf is how long a container may take to stop.
func graceOf(a planner.StopContainer, got container.InspectResponse) time.Duration {
	if a.Grace != nil {
		return *a.Grace
	}
	if s := got.Config.StopTimeout; s != nil {
		return time.Duration(*s) * time.Second
	}
	return 10 * time.Second
}
