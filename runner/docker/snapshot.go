package docker

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/docker/docker/api/types/container"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
	"github.com/musterhq/muster/snapshot"
)

// ReadVolume writes the archive of what a volume has, through a container that is made of an image and never started.
func (e *Engine) ReadVolume(ctx context.Context, volume, image string, to io.Writer) error {
	if err := e.connect(ctx); err != nil {
		return err
	}
	if err := e.refusePodman("read volume " + volume); err != nil {
		return err
	}
	id, err := e.openVolume(ctx, volume, image)
	if err != nil {
		return err
	}
	defer e.removeCopier(ctx, volume)
	archive, _, err := e.client.CopyFromContainer(ctx, id, copyFolder)
	if err != nil {
		return e.wrap(ctx, err, "read volume", volume)
	}
	defer func() { _ = archive.Close() }()
	if _, err := io.Copy(to, archive); err != nil {
		return fmt.Errorf("read volume %s: %w", volume, err)
	}
	return nil
}

// fillVolume unpacks a snapshot in a volume. That the engine took all of it is not enough: what it was given has to have the digest.
func (e *Engine) fillVolume(ctx context.Context, a planner.FillVolume, report func(runner.Progress)) error {
	if err := e.refusePodman("fill volume " + a.Name); err != nil {
		return err
	}
	if err := e.fillByAgent(ctx, a, report); a.ForExchange || !errors.Is(err, ErrNoAgent) {
		return err
	}
	archive, err := snapshot.Open(a.File, a.Sum)
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close() }()
	id, err := e.openVolume(ctx, a.Name, a.Image)
	if err != nil {
		return err
	}
	defer e.removeCopier(ctx, a.Name)
	err = e.client.CopyToContainer(ctx, id, copyParent, &counted{Reader: archive, report: report, text: "Filling"}, container.CopyToContainerOptions{})
	if damaged := archive.Verify(); damaged != nil {
		return fmt.Errorf("fill volume %s: %w", a.Name, damaged)
	}
	return e.wrap(ctx, err, "fill volume", a.Name)
}

// refusePodman refuses what goes through archives of volumes.
func (e *Engine) refusePodman(what string) error {
	if !e.isPodman() {
		return nil
	}
	return &refusal{
		problem: "cannot " + what + ": Podman packs and unpacks an archive beside the volumes of a container that does not run",
		hint:    "`podman volume export` and `podman volume import` do it",
	}
}
