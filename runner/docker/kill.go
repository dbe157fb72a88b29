package docker

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"github.com/musterhq/muster/planner"
)

func (e *Engine) kill(ctx context.Context, a planner.KillContainer) error {
	err := e.client.ContainerKill(ctx, a.Name, a.Signal)
	switch {
	case gone(err) || cerrdefs.IsConflict(err): // not there, not running
		return nil
	case err == nil && endsAtOnce(a.Signal):
		e.listedAsEnded(ctx, a.Name)
	}
	return e.wrap(ctx, err, "kill container", a.Name)
}

func endsAtOnce(signal string) bool {
	return slices.Contains([]string{"", "9", "KILL"}, strings.TrimPrefix(strings.ToUpper(signal), "SIG"))
}

// listedAsEnded waits until the engine's list does not have a container as running. After a kill, and after an end that was waited for, it still does for
// some milliseconds, although the engine has told of the end: whoever looks meanwhile, as an up does right after it, would find nothing to do. Somebody may
// have started it again, so it is not waited for long, and its end does not depend on it.
func (e *Engine) listedAsEnded(ctx context.Context, name string) {
	const (
		longest = time.Second
		pause   = 2 * time.Millisecond
	)
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	running := container.ListOptions{Filters: filters.NewArgs(filters.Arg("name", "^/?"+regexp.QuoteMeta(name)+"$"), filters.Arg("status", container.StateRunning))}
	for {
		if list, err := e.client.ContainerList(ctx, running); err != nil || len(list) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}
