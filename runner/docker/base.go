package docker

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/versions"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker/buildkit"
)

// bringBases brings the images of services that are contexts of a build to a BuildKit that does not see the engine's: each as a folder
// that it asks for what it has not yet. cleanup removes them.
func (e *Engine) bringBases(ctx context.Context, a planner.BuildImage, r *buildkit.Request) (cleanup func(), err error) {
	var dirs []string
	cleanup = func() {
		for _, dir := range dirs {
			_ = os.RemoveAll(dir)
		}
	}
	for _, name := range slices.Sorted(slices.Values(a.Bases)) {
		ref := strings.TrimPrefix(r.Contexts[name], "docker-image://")
		key := "services." + a.Service + ".build.additional_contexts." + name + " with a builder elsewhere"
		if e.isPodman() {
			return cleanup, &UnsupportedError{Key: key, Why: "Podman gives images in a form that BuildKit does not read"}
		}
		if api := e.client.ClientVersion(); versions.LessThan(api, "1.44") {
			return cleanup, &UnsupportedError{Key: key, Need: "1.44", Have: api}
		}
		dir, err := os.MkdirTemp("", "muster-base-")
		if err != nil {
			return cleanup, fmt.Errorf("make room for image %s: %w", ref, err)
		}
		dirs = append(dirs, dir)
		archive, err := e.client.ImageSave(ctx, []string{ref})
		if err != nil {
			return cleanup, e.wrap(ctx, err, "read image", ref)
		}
		layout, err := buildkit.ReadLayout(archive, dir)
		_ = archive.Close()
		if err != nil {
			return cleanup, e.wrap(ctx, err, "read image", ref)
		}
		if r.Layouts == nil {
			r.Layouts = map[string]buildkit.Layout{}
		}
		r.Layouts[name] = layout
		delete(r.Contexts, name)
	}
	return cleanup, nil
}
