package docker

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"
)

// atOnce is how many files of one container are asked for or removed at a time.
const atOnce = 8

// removedAtOnce is how many paths one command gets: it may be so long and no longer.
const removedAtOnce = 500

// remove takes paths away. The image's rm does all of them with one call. Without one the engine does it, a call for each.
func (s *syncing) remove(ctx context.Context, paths []string) error {
	for len(paths) > 0 {
		some := paths[:min(len(paths), removedAtOnce)]
		paths = paths[len(some):]
		var said limited
		code, err := s.run(ctx, s.got.ID, container.ExecOptions{Cmd: append([]string{"rm", "-rf", "--"}, some...), User: "0"}, &said)
		if err == nil && code == 0 {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !missing(code, err) && !strings.Contains(said.kept.String(), "ermi") { // Permission denied, Operation not permitted
			return s.wrap(ctx, endError(code, err, said.kept.String()), "remove files from container", s.name)
		}
		if err := s.removeEach(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (s *syncing) removeEach(ctx context.Context, paths []string) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(atOnce)
	for _, name := range paths {
		all.Go(func() error {
			if s.placeOf(name).inside {
				return s.removeBelow(name)
			}
			return s.removeThrough(ctx, name)
		})
	}
	return all.Wait()
}

// removeThrough has the engine remove a file or a folder.
func (s *syncing) removeThrough(ctx context.Context, name string) error {
	// Its answer says that the link could not be made, in one way or another: what counts is what is there then.
	cause := s.client.CopyToContainer(ctx, s.got.ID, path.Dir(name), removal(path.Base(name)), container.CopyToContainerOptions{AllowOverwriteDirWithFile: true})
	_, err := s.client.ContainerStatPath(ctx, s.got.ID, name)
	switch {
	case gone(err):
		return nil
	case err != nil:
		return s.wrap(ctx, err, "remove files from container", s.name)
	}
	return &refusal{
		problem: fmt.Sprintf("%s could not be removed from container %s", name, s.name),
		hint:    "have rm in the image, or rebuild where files are deleted", cause: cause,
	}
}

// removeBelow removes a file on this machine, from what the container sees.
func (s *syncing) removeBelow(name string) error {
	root, err := s.openRoot()
	if err != nil {
		return s.unreachable(name, "rm", err)
	}
	defer root.Close()
	if err := root.RemoveAll(relative(name)); err != nil {
		return fmt.Errorf("remove %s from container %q: %w", name, s.name, err)
	}
	return nil
}

// relative is a path of a container as one below its root.
func relative(name string) string { return strings.TrimPrefix(path.Clean(name), "/") }
