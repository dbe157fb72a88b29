package docker

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"github.com/docker/docker/api/types/image"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/planner"
)

// compareImages finds out which containers run an image that differs from the one with its name now only in what it was built
// from, or not at all: Podman writes the labels of an image that it builds in any order, and so makes another one of the same. It looks only at images that
// were built for a service, so that others cost no call.
func (e *Engine) compareImages(ctx context.Context, state *planner.State) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range state.Images {
		is := &state.Images[i]
		var run []string
		for _, c := range state.Containers {
			// A container has its image's labels.
			says := is.Labels[planner.LabelInputs] != "" || c.Labels[planner.LabelInputs] != "" || e.isPodman() && is.Labels[planner.LabelService] == c.Service
			// Once a name means another image, a list has the ID of the one that the container runs.
			its := is.Labels[planner.LabelService] == c.Service || slices.Contains(is.Tags, c.Image)
			if says && its && c.ImageID != is.ID && !slices.Contains(run, c.ImageID) {
				run = append(run, c.ImageID)
			}
		}
		if len(run) == 0 {
			continue
		}
		group.Go(func() (err error) {
			is.Same, err = e.sameAs(ctx, is.ID, run)
			return err
		})
	}
	return group.Wait()
}

// sameAs are those of the other images that have the same content.
func (e *Engine) sameAs(ctx context.Context, id string, others []string) ([]string, error) {
	one, err := e.client.ImageInspect(ctx, id)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, e.wrap(ctx, err, "inspect image", id)
	}
	var out []string
	for _, other := range others {
		got, err := e.client.ImageInspect(ctx, other)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, e.wrap(ctx, err, "inspect image", other)
		}
		if sameContent(one, got) {
			out = append(out, other)
		}
	}
	return out, nil
}

// sameContent compares layers, settings and platform.
func sameContent(a, b image.InspectResponse) bool {
	if a.Config == nil || b.Config == nil {
		return false
	}
	x, y := *a.Config, *b.Config
	labels := func(of map[string]string) map[string]string {
		out := maps.Clone(of)
		delete(out, planner.LabelInputs)
		return out
	}
	same := maps.Equal(labels(x.Labels), labels(y.Labels))
	x.Labels, y.Labels = nil, nil
	return same && reflect.DeepEqual(x, y) && slices.Equal(a.RootFS.Layers, b.RootFS.Layers) &&
		a.Os == b.Os && a.Architecture == b.Architecture && a.Variant == b.Variant
}
