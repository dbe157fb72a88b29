package docker

import (
	"context"
	"errors"
	"strings"

	"github.com/docker/docker/api/types/image"
)

// replacedName is of an image while a build takes its name from it.
const replacedName = "dev.muster/replaced"

// holdReplaced keeps the image that a build is about to take the name ref from, which containers may run and a
// rollback goes back to. Docker's own image store keeps it without a name; in containerd's, BuildKit leaves nothing that holds it, and it is
// gone at once. release is to be called when the build is over.
func (e *Engine) holdReplaced(ctx context.Context, ref string) (release func() error, err error) {
	nothing := func() error { return nil }
	before, err := e.client.ImageInspect(ctx, ref)
	if gone(err) {
		return nothing, nil
	}
	if err != nil {
		return nothing, e.wrap(ctx, err, "inspect image", ref)
	}
	if keeps, err := e.keepsIndexes(ctx); err != nil || !keeps {
		return nothing, err
	}
	held := replacedName + ":" + strings.TrimPrefix(before.ID, "sha256:")
	if err := e.client.ImageTag(ctx, before.ID, held); err != nil {
		return nothing, e.wrap(ctx, err, "keep image", before.ID)
	}
	return func() error {
		ctx := context.WithoutCancel(ctx)
		// The engine keeps without a name what loses its last one to a tag.
		err := e.client.ImageTag(ctx, ref, held)
		if _, removed := e.client.ImageRemove(ctx, held, image.RemoveOptions{}); !gone(removed) {
			err = errors.Join(err, removed)
		}
		if err != nil {
			return e.wrap(ctx, err, "keep image", before.ID)
		}
		return nil
	}, nil
}
