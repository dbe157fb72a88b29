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
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/planner"
)

// fewImages is up to how many images are asked for one by one, side by side. The list of images takes an engine several times as long as one of them, whatever
// it is to have, since it counts sizes and containers.
const fewImages = 4

// images looks all references up: a few by their names, more of them with one call; no reference, no call.
func (e *Engine) images(ctx context.Context, refs []string) ([]planner.Image, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	if found, ok, err := e.imagesByName(ctx, refs); ok || err != nil {
		return found, err
	}
	listed, err := e.client.ImageList(ctx, image.ListOptions{Filters: imageFilter(refs)})
	if err != nil {
		return nil, e.wrap(ctx, err, "list", "images")
	}
	return matchImages(refs, listed), nil
}

// imagesByName looks a few references up one by one. Where there are more, where one can be an ID, where the engine takes a name for another image than
// muster does, and on Podman, which does that ("localhost/redis" for "redis"), only the list can tell, and ok is false.
func (e *Engine) imagesByName(ctx context.Context, refs []string) (found []planner.Image, ok bool, err error) {
	names := imageFilter(refs).Get("reference")
	if len(names) == 0 || len(names) > fewImages || e.isPodman() {
		return nil, false, nil
	}
	got := make([]*image.Summary, len(names))
	group, grouped := errgroup.WithContext(ctx)
	for i, name := range names {
		group.Go(func() error {
			img, err := e.client.ImageInspect(grouped, name)
			switch {
			case gone(err):
				return nil
			case err != nil:
				return e.wrap(ctx, err, "inspect image", name)
			}
			got[i] = asSummary(img, names)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, false, err
	}
	var listed []image.Summary
	for i, s := range got {
		switch {
		case s == nil, slices.ContainsFunc(listed, func(l image.Summary) bool { return l.ID == s.ID }):
		case len(matchImages(names[i:i+1], []image.Summary{*s})) == 0:
			return nil, false, nil
		default:
			listed = append(listed, *s)
		}
	}
	return matchImages(refs, listed), true, nil
}

// asSummary is what the list has of an image when it is asked for names, and all of its digests, which not every engine's list has then.
func asSummary(img image.InspectResponse, names []string) *image.Summary {
	s := &image.Summary{ID: img.ID, RepoDigests: img.RepoDigests}
	for _, tag := range img.RepoTags {
		if short, _ := familiar(tag); slices.Contains(names, short) {
			s.RepoTags = append(s.RepoTags, tag)
		}
	}
	if made, err := time.Parse(time.RFC3339Nano, img.Created); err == nil {
		s.Created = made.Unix()
	}
	if img.Config != nil {
		s.Labels = img.Config.Labels
	}
	return s
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
