package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// copyRig has two volumes, from and to.
func copyRig(t *testing.T) (r *rig, from, to string) {
	r = newRig(t)
	if err := r.connect(r.ctx); err != nil {
		t.Fatal(err)
	}
	from, to = r.project+"_from", r.project+"_to"
	for _, name := range []string{from, to} {
		if _, err := r.client.VolumeCreate(r.ctx, volume.CreateOptions{Name: name, Labels: map[string]string{planner.LabelProject: r.project}}); err != nil {
			t.Fatal(err)
		}
	}
	return r, from, to
}

// fill puts an archive into a volume.
func (r *rig) fill(volume string, heads []tar.Header, texts []string) {
	r.t.Helper()
	var archive bytes.Buffer
	out := tar.NewWriter(&archive)
	for i, head := range heads {
		head.Size = int64(len(texts[i]))
		head.ModTime = time.Unix(1_600_000_000, 0)
		if err := out.WriteHeader(&head); err != nil {
			r.t.Fatal(err)
		}
		if _, err := out.Write([]byte(texts[i])); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		r.t.Fatal(err)
	}
	id, err := r.openVolume(r.ctx, volume, os.Getenv("TESTAPP_IMAGE"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer r.removeCopier(r.ctx, volume)
	if err := r.client.CopyToContainer(r.ctx, id, copyParent, &archive, container.CopyToContainerOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) contents(volume string) map[string]string {
	r.t.Helper()
	id, err := r.openVolume(r.ctx, volume, os.Getenv("TESTAPP_IMAGE"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer r.removeCopier(r.ctx, volume)
	files, err := r.contentOf(r.ctx, volume, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return files
}

// All that an archive has comes over, through an image that has no shell.
func TestCopyVolume(t *testing.T) {
	r, from, to := copyRig(t)
	if r.isPodman() {
		err := r.Apply(r.ctx, planner.CopyVolume{From: from, To: to, Image: os.Getenv("TESTAPP_IMAGE")}, nil)
		if err == nil || !strings.Contains(err.Error(), "cannot be carried over") {
			t.Errorf("error %v, want a refusal: there is no way that works", err)
		}
		return
	}
	r.fill(from, []tar.Header{
		{Name: "volume/", Typeflag: tar.TypeDir, Mode: 0o700, Uid: 999, Gid: 998},
		{Name: "volume/sub/", Typeflag: tar.TypeDir, Mode: 0o1777, Uid: 1, Gid: 2},
		{Name: "volume/sub/file", Typeflag: tar.TypeReg, Mode: 0o640, Uid: 12345, Gid: 54321},
		{Name: "volume/setuid", Typeflag: tar.TypeReg, Mode: 0o4755},
		{Name: "volume/hard", Typeflag: tar.TypeLink, Linkname: "volume/setuid", Mode: 0o4755},
		{Name: "volume/soft", Typeflag: tar.TypeSymlink, Linkname: "/nowhere/else", Mode: 0o777},
		{Name: "volume/pipe", Typeflag: tar.TypeFifo, Mode: 0o600},
		{Name: "volume/ünïcode name", Typeflag: tar.TypeReg, Mode: 0o444},
		{Name: "volume/.wh.file", Typeflag: tar.TypeReg, Mode: 0o600},
		{Name: "volume/large", Typeflag: tar.TypeReg, Mode: 0o600},
	}, []string{"", "", "hello", "binary", "", "", "", "x", "not a whiteout", strings.Repeat("0123456789abcdef", 3<<16)})
	before := r.contents(from)
	if len(before) < 10 {
		t.Fatalf("the volume has only %v", before)
	}
	a := planner.CopyVolume{From: from, To: to, Image: os.Getenv("TESTAPP_IMAGE")}
	for range 2 { // again over what is there already
		if err := r.Apply(r.ctx, a, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, r.contents(to)); diff != "" {
			t.Errorf("the copy (-from +to):\n%s", diff)
		}
	}
	if diff := cmp.Diff(before, r.contents(from)); diff != "" {
		t.Errorf("the source has changed (-before +after):\n%s", diff)
	}
	for _, name := range []string{from, to} {
		left, err := r.client.ContainerList(r.ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("volume", name))})
		if err != nil || len(left) > 0 {
			t.Errorf("%v has the volume still (%v)", left, err)
		}
	}
}

// Who has the volume and is not ours is not cut off from it, and what runs is not copied half-way through a write.
func TestCopyVolumeInUse(t *testing.T) {
	r, from, to := copyRig(t)
	if r.isPodman() {
		t.Skip("no volume can be copied there")
	}
	a := planner.CopyVolume{From: from, To: to, Image: os.Getenv("TESTAPP_IMAGE")}
	for _, c := range []struct {
		name   string
		labels map[string]string
		start  bool
		ok     bool
	}{
		{"foreign", nil, false, false},
		{"ours and stopped", map[string]string{planner.LabelProject: r.project}, false, true},
		{"ours and running", map[string]string{planner.LabelProject: r.project}, true, false},
	} {
		made, err := r.client.ContainerCreate(r.ctx, &container.Config{Image: os.Getenv("TESTAPP_IMAGE"), Cmd: []string{"run"}, Labels: c.labels},
			&container.HostConfig{NetworkMode: "none", Mounts: []mount.Mount{{Type: mount.TypeVolume, Source: from, Target: "/data"}}}, nil, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		remove := func() {
			_ = r.client.ContainerRemove(context.WithoutCancel(r.ctx), made.ID, container.RemoveOptions{Force: true})
		}
		t.Cleanup(remove)
		if c.start {
			if err := r.client.ContainerStart(r.ctx, made.ID, container.StartOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		err = r.Apply(r.ctx, a, nil)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if hinter, ok := err.(runner.Hinter); !c.ok && (!ok || !strings.Contains(hinter.Hint(), "docker rm -f ")) {
			t.Errorf("%s: %v has no hint", c.name, err)
		}
		remove()
	}
}
