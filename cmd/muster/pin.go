package main

import (
	"context"
	"strings"

	"github.com/distribution/reference"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
)

// pinImages writes digests into a project: those of the images that the engine has, which
// are what runs here, and the registry's for the others.
func (p *program) pinImages(ctx context.Context, want *project.Project) error {
	on, err := p.open(ctx, p.globals.at)
	if err != nil {
		return err
	}
	defer func() { _ = on.Close() }()
	have, err := on.Observe(ctx, planner.Scope{Project: want.Name, Images: want.Images()})
	if err != nil {
		return err
	}
	return want.PinImages(func(image string) (string, error) {
		if digest := localDigest(have.Images, image); digest != "" {
			return digest, nil
		}
		return on.Digest(ctx, image)
	})
}

// localDigest is the digest that an image of the engine was pulled by; empty for one that is
// not there or was built here.
func localDigest(images []planner.Image, image string) string {
	want, err := reference.ParseDockerRef(image)
	if err != nil {
		return ""
	}
	for _, i := range images {
		for _, tag := range i.Tags {
			have, err := reference.ParseDockerRef(tag)
			if err != nil || have.String() != want.String() {
				continue
			}
			for _, digest := range i.Digests {
				if name, sum, ok := strings.Cut(digest, "@"); ok && sameName(name, want) {
					return sum
				}
			}
		}
	}
	return ""
}

func sameName(name string, want reference.Named) bool {
	named, err := reference.ParseNormalizedNamed(name)
	return err == nil && named.Name() == want.Name()
}
