package docker

import (
	"context"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"github.com/musterhq/muster/planner"
)

// images looks all references up with one call; no reference, no call.
func (e *Engine) images(ctx context.Context, refs []string) ([]planner.Image, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	listed, err := e.client.ImageList(ctx, image.ListOptions{Filters: imageFilter(refs)})
	if err != nil {
		return nil, e.wrap(ctx, err, "list", "images")
	}
	return matchImages(refs, listed), nil
}

// ages finds out when images were last pulled, which lists do not tell. One that is not there is none of ours.
func (e *Engine) ages(ctx context.Context, refs []string, images []planner.Image) error {
	for _, ref := range refs {
		i := slices.IndexFunc(images, func(img planner.Image) bool { return slices.Contains(img.Tags, ref) })
		if i < 0 {
			continue
		}
		got, err := e.client.ImageInspect(ctx, ref)
		if gone(err) {
			continue
		}
		if err != nil {
			return e.wrap(ctx, err, "inspect image", ref)
		}
		if at := got.Metadata.LastTagTime; at.Year() > 1 {
			images[i].Fetched = at.UTC()
		}
	}
	return nil
}

// imageFilter asks for exactly refs. The engine compares what it is given with
// the short form of its names, so that "docker.io/library/postgres:17" would find nothing. An ID
// can only be found in the whole list.
func imageFilter(refs []string) filters.Args {
	args := filters.NewArgs()
	for _, ref := range refs {
		short, ok := familiar(ref)
		if !ok || isImageID(ref) {
			return filters.NewArgs()
		}
		args.Add("reference", short)
	}
	return args
}

// familiar is the short form of a reference with its tag: "postgres:17" for
// "docker.io/library/postgres:17", "postgres:latest" for "postgres". Of a reference with tag
// and digest the digest counts, as it does for the engine.
func familiar(ref string) (string, bool) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", false
	}
	if digested, ok := named.(reference.Digested); ok {
		bare, err := reference.WithDigest(reference.TrimNamed(named), digested.Digest())
		if err != nil {
			return "", false
		}
		return reference.FamiliarString(bare), true
	}
	return reference.FamiliarString(reference.TagNameOnly(named)), true
}

// isImageID says whether ref can be the ID of an image, whole or shortened.
func isImageID(ref string) bool {
	hex := strings.TrimPrefix(ref, "sha256:")
	if len(hex) < 12 || len(hex) > 64 {
		return false
	}
	return strings.Trim(hex, "0123456789abcdef") == ""
}

// matchImages keeps the images that a reference means. A reference in another form
// than the engine's own ("docker.io/library/postgres:17", an ID) is added to
// the tags, so that what was asked for can be looked up as it was written.
func matchImages(refs []string, listed []image.Summary) []planner.Image {
	var out []planner.Image
	for _, s := range listed {
		img := planner.Image{
			ID:      s.ID,
			Digests: shortForms(s.RepoDigests),
			Tags:    shortForms(s.RepoTags),
			Created: time.Unix(s.Created, 0).UTC(),
			Labels:  s.Labels,
		}
		names := append(slices.Clone(img.Tags), img.Digests...)
		wanted := false
		for _, ref := range refs {
			short, _ := familiar(ref)
			byID := isImageID(ref) && strings.HasPrefix(strings.TrimPrefix(s.ID, "sha256:"), strings.TrimPrefix(ref, "sha256:"))
			if !byID && !slices.Contains(names, short) {
				continue
			}
			wanted = true
			img.Tags = append(img.Tags, ref)
		}
		if !wanted {
			continue
		}
		sort.Strings(img.Tags)
		img.Tags = slices.Compact(img.Tags)
		out = append(out, img)
	}
	slices.SortFunc(out, func(a, b planner.Image) int { return strings.Compare(imageName(a), imageName(b)) })
	return out
}

// shortForms shortens references as people write them, sorted, without the placeholders that
// the engine has for untagged images.
func shortForms(refs []string) []string {
	var out []string
	for _, ref := range refs {
		if strings.Contains(ref, "<none>") {
			continue
		}
		if short, ok := familiar(ref); ok {
			ref = short
		}
		out = append(out, ref)
	}
	sort.Strings(out)
	return slices.Compact(out)
}

func imageName(i planner.Image) string {
	if len(i.Tags) > 0 {
		return i.Tags[0] + " " + i.ID
	}
	return i.ID
}
