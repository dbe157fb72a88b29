package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
)

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// However a user writes a reference, its image is found under what they wrote.
func TestImageReferences(t *testing.T) {
	id, repo := digest("id"), "sha256:"+digest("repo")
	listed := []image.Summary{
		{ID: "sha256:" + id, Created: 1, RepoTags: []string{"postgres:17", "postgres:latest"}, RepoDigests: []string{"postgres@" + repo}, Labels: map[string]string{"a": "b"}},
		{ID: "sha256:" + digest("podman"), RepoTags: []string{"docker.io/library/redis:7"}},
		{ID: "sha256:" + digest("untagged"), RepoTags: []string{"<none>:<none>"}, RepoDigests: []string{"<none>@<none>"}},
		{ID: "sha256:" + digest("private"), RepoTags: []string{"registry.example.com:5000/db:3"}},
	}
	for ref, want := range map[string]string{
		"postgres:17":                          id,
		"postgres":                             id,
		"docker.io/library/postgres:17":        id,
		"docker.io/postgres":                   id,
		"postgres@" + repo:                     id,
		"postgres:17@" + repo:                  id,
		id:                                     id,
		"sha256:" + id:                         id,
		id[:12]:                                id,
		"redis:7":                              digest("podman"),
		"registry.example.com:5000/db:3":       digest("private"),
		"registry.example.com:5000/db":         "",
		"postgres:16":                          "",
		"mirror.example.com/postgres:17":       "",
		"postgres@sha256:" + digest("another"): "",
		"Not A Reference":                      "",
	} {
		got := matchImages([]string{ref}, listed)
		switch {
		case want == "" && len(got) != 0:
			t.Errorf("%s: found %+v", ref, got)
		case want != "" && (len(got) != 1 || got[0].ID != "sha256:"+want || !strings.Contains(strings.Join(got[0].Tags, " "), ref)):
			t.Errorf("%s: %+v", ref, got)
		}
	}
	got := matchImages([]string{"docker.io/library/postgres:17"}, listed)
	want := []planner.Image{{
		ID: "sha256:" + id, Tags: []string{"docker.io/library/postgres:17", "postgres:17", "postgres:latest"},
		Digests: []string{"postgres@" + repo}, Created: time.Unix(1, 0).UTC(), Labels: map[string]string{"a": "b"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The engine is asked for the short form, and for everything only when it must be.
func TestImageFilter(t *testing.T) {
	got := imageFilter([]string{"docker.io/library/postgres:17", "redis", "registry.example.com/a@sha256:" + digest("a")}).Get("reference")
	want := map[string]bool{"postgres:17": true, "redis:latest": true, "registry.example.com/a@sha256:" + digest("a"): true}
	for _, ref := range got {
		delete(want, ref)
	}
	if len(want) != 0 || len(got) != 3 {
		t.Errorf("%q", got)
	}
	if all := imageFilter([]string{"redis", digest("id")}); all.Len() != 0 {
		t.Errorf("an ID is not found by a filter: %v", all)
	}
}

// One by one and in the list, references mean the same images. Asked about are those that tests use and one of the test's own: on an
// engine with hundreds of images to ask about each of them takes minutes.
func TestEngineImagesByName(t *testing.T) {
	r := newRig(t)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if r.isPodman() {
		t.Skip("Podman is asked for the list")
	}
	for _, name := range []string{r.project, r.project + ":2", "127.0.0.1:5000/" + r.project + "/one:1"} {
		ok(r.client.ImageTag(r.ctx, busybox(), name))
		t.Cleanup(func() { _, _ = r.client.ImageRemove(context.Background(), name, image.RemoveOptions{}) })
	}
	all, err := r.client.ImageList(r.ctx, image.ListOptions{})
	ok(err)
	all = slices.DeleteFunc(all, func(img image.Summary) bool {
		return !slices.ContainsFunc(img.RepoTags, func(tag string) bool { return strings.HasPrefix(tag, "muster.local/") })
	})
	if len(all) < 2 {
		t.Fatalf("%d images of tests are there", len(all))
	}
	asked := [][]string{{"muster.local/none:1"}, {"muster.local/none:1", busybox()}, {busybox(), busybox() + "@sha256:" + digest("other")}}
	for _, img := range all {
		for _, name := range shortForms(img.RepoTags) {
			asked = append(asked, []string{name}, []string{name, busybox()})
		}
		for _, name := range shortForms(img.RepoDigests) { // the list of Docker's containerd store does not find these
			got, byName, err := r.imagesByName(r.ctx, []string{name})
			if ok(err); byName && (len(got) != 1 || got[0].ID != img.ID) {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
	for _, refs := range asked {
		before, err := r.client.ImageList(r.ctx, image.ListOptions{Filters: imageFilter(refs)})
		ok(err)
		got, byName, err := r.imagesByName(r.ctx, refs)
		ok(err)
		after, err := r.client.ImageList(r.ctx, image.ListOptions{Filters: imageFilter(refs)})
		ok(err)
		want := matchImages(refs, before)
		more := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Digests" }, cmp.Ignore())    // of which not every list has any
		if diff := cmp.Diff(want, got, more); byName && diff != "" && cmp.Equal(want, matchImages(refs, after)) { // others build meanwhile
			t.Errorf("%q: %s", refs, diff)
		}
	}
	if _, byName, err := r.imagesByName(r.ctx, []string{busybox()}); err != nil || !byName {
		t.Errorf("the list was needed: %v", err)
	}
}
