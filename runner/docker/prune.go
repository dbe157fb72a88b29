package docker

import (
	"context"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"github.com/musterhq/muster/planner"
)

// Leftovers are the images that were built for a project and have lost their name to newer ones, by ID.
func (e *Engine) Leftovers(ctx context.Context, project string) ([]string, error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	listed, err := e.client.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(
		filters.Arg("dangling", "true"), filters.Arg("label", planner.LabelProject+"="+project),
	)})
	if err != nil {
		return nil, e.wrap(ctx, err, "list", "images")
	}
	out := make([]string, len(listed))
	for i, l := range listed {
		out[i] = l.ID
	}
	return out, nil
}

// DiscardImages removes images; those that a container uses, or that are gone, stay as they are.
func (e *Engine) DiscardImages(ctx context.Context, ids []string) error {
	if err := e.connect(ctx); err != nil {
		return err
	}
	used, err := e.client.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return e.wrap(ctx, err, "list", "containers")
	}
	inUse := map[string]bool{}
	for _, c := range used {
		inUse[c.ImageID] = true
	}
	for _, id := range ids {
		if inUse[id] {
			continue
		}
		if _, err := e.client.ImageRemove(ctx, id, image.RemoveOptions{}); err != nil && !gone(err) {
			return e.wrap(ctx, err, "remove image", id)
		}
	}
	return nil
}
