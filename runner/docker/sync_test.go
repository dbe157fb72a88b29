package docker

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/watch"
)

// entry is a path in a container as text: mode, owner and content; "none" where there is nothing.
func (r *rig) entry(name, path string) string {
	r.t.Helper()
	if r.isPodman() { // in its archives all is root's
		return strings.TrimSpace(r.sh(name, `f=`+path+`; [ -e $f ] || { echo none; exit; }; if [ -L $f ]; then end=$(readlink $f); elif [ -d $f ]; then end=folder; else end=$(cat $f); fi; stat -c "%a %u:%g $end" $f`))
	}
	var out bytes.Buffer
	err := r.CopyFrom(r.ctx, name, path, Stdio, &out, CopyOptions{})
	if gone(err) {
		return "none"
	}
	if err != nil {
		r.t.Fatal(err)
	}
	in := tar.NewReader(&out)
	head, err := in.Next()
	if err != nil {
		r.t.Fatal(err)
	}
	return entryText(head, in)
}

func entryText(head *tar.Header, in io.Reader) string {
	text, _ := io.ReadAll(in)
	if head.Typeflag == tar.TypeDir {
		text = []byte("folder")
	}
	return strings.TrimSpace(fmt.Sprintf("%o %d:%d %s%s", head.Mode&0o777, head.Uid, head.Gid, text, head.Linkname))
}

// filesHere makes files below a folder of the test's: NAME, mode, text.
func filesHere(t *testing.T, files ...[3]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		name := filepath.Join(dir, f[0])
		var mode os.FileMode
		if _, err := fmt.Sscanf(f[1], "%o", &mode); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(f[2]), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// scratch is the creation of a container whose image has one program only, and no shell.
func (r *rig) scratch(service string, change func(*planner.CreateContainer)) planner.CreateContainer {
	a := r.shell(service, "", change)
	a.Image, a.Spec.Command = os.Getenv("TESTAPP_IMAGE"), []string{"run"}
	return a
}

// A file that exists keeps its owner, a new one gets that of its folder; the mode is that of the file here.
func TestSyncOwners(t *testing.T) {
	r := newRig(t)
	web := r.shell("web", "mkdir -p /app/old /real; chmod 700 /app/old; ln -s /real /link; echo 1 >/app/f; chown -R 7:8 /app; chown 9:9 /app/f; echo ready >/ready; "+sleeper, nil)
	r.do(web, planner.StartContainer{Name: web.Name})
	r.sh(web.Name, "until [ -e /ready ]; do sleep 0.01; done")
	dir := filesHere(t, [3]string{"f", "755", "two"}, [3]string{"g", "640", "new"}, [3]string{"old/h", "600", "h"}, [3]string{"deep/er/i", "644", "i"}, [3]string{"j", "644", "j"})
	if err := os.Symlink("../g", filepath.Join(dir, "old/l")); err != nil {
		t.Fatal(err)
	}
	var files watch.Files
	for _, f := range []string{"deep", "deep/er", "deep/er/i", "f", "gone", "g", "old", "old/h", "old/l"} {
		files.Copy = append(files.Copy, watch.File{From: filepath.Join(dir, f), To: "/app/" + f})
	}
	files.Copy = append(files.Copy, watch.File{From: filepath.Join(dir, "j"), To: "/link/j"})
	want := map[string]string{
		"/app/f": "755 9:9 two", "/app/g": "640 7:8 new", "/app/old": "700 7:8 folder", "/app/old/h": "600 7:8 h", "/app/old/l": "777 7:8 ../g",
		"/app/deep": "755 7:8 folder", "/app/deep/er/i": "644 7:8 i", "/real/j": "644 0:0 j", "/app/gone": "none",
	}
	if err := r.Sync(r.ctx, web.Name, files); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name := range want {
		got[name] = r.entry(web.Name, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(- want, + got)\n%s", diff)
	}
	// So many that the folder is read at once; and a file where a folder was.
	for i := range 40 {
		name := filepath.Join(dir, fmt.Sprintf("many%d", i))
		if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		files.Copy = append(files.Copy, watch.File{From: name, To: "/app/" + filepath.Base(name)})
	}
	files.Copy = append(files.Copy, watch.File{From: filepath.Join(dir, "g"), To: "/app/deep/er"})
	files.Remove = []string{"/app/old", "/app/never"}
	if err := r.Sync(r.ctx, web.Name, files); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"/app/f": "755 9:9 two", "/app/many7": "644 7:8 x", "/app/deep/er": "640 7:8 new", "/app/old/h": "600 7:8 h"} {
		if got := r.entry(web.Name, name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// An image that has neither rm nor tar, with a volume below a root file system that is read-only.
func TestSyncScratch(t *testing.T) {
	r := newRig(t)
	if r.isPodman() {
		t.Skip("Podman removes nothing by an archive")
	}
	volume := r.volume("data")
	web := r.scratch("web", nil)
	locked := r.scratch("locked", func(a *planner.CreateContainer) {
		a.Spec.ReadOnly = true
		a.Spec.Volumes = []types.ServiceVolumeConfig{
			{Type: "volume", Source: "data", Target: "/data"},
			{Type: "volume", Source: "data", Target: "/readonly", ReadOnly: true},
		}
		a.Volumes = map[string]string{"data": volume.Name}
	})
	r.do(volume, web, planner.StartContainer{Name: web.Name}, locked, planner.StartContainer{Name: locked.Name})
	dir := filesHere(t, [3]string{"a", "644", "a"}, [3]string{"d/b", "755", "b"}, [3]string{"d/c", "644", "c"})
	for name, top := range map[string]string{web.Name: "/app", locked.Name: "/data"} {
		all := watch.Files{Copy: []watch.File{
			{From: filepath.Join(dir, "a"), To: top + "/a"}, {From: filepath.Join(dir, "d"), To: top + "/d"},
			{From: filepath.Join(dir, "d/b"), To: top + "/d/b"}, {From: filepath.Join(dir, "d/c"), To: top + "/d/c"},
		}}
		if err := r.Sync(r.ctx, name, all); err != nil {
			t.Fatal(err)
		}
		if got := r.entry(name, top+"/d/b"); got != "755 0:0 b" {
			t.Errorf("%s: d/b is %s", name, got)
		}
		if err := r.Sync(r.ctx, name, watch.Files{Remove: []string{top + "/a", top + "/d/b", top + "/none", top + "/no/folder"}}); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{"/a": "none", "/d/b": "none", "/d/c": "644 0:0 c"} {
			if got := r.entry(name, top+path); got != want {
				t.Errorf("%s: %s is %s, want %s", name, path, got, want)
			}
		}
		if err := r.Sync(r.ctx, name, watch.Files{Remove: []string{top + "/d"}}); err != nil {
			t.Fatal(err)
		}
		if got := r.entry(name, top+"/d/c"); got != "none" {
			t.Errorf("%s: d/c is %s", name, got)
		}
	}
	for path, want := range map[string]string{
		"/app/a":      "/app/a of " + locked.Name + " cannot be written to: the root file system is read-only",
		"/readonly/a": "/readonly/a of " + locked.Name + " cannot be written to: what is mounted at /readonly is read-only",
	} {
		err := r.Sync(r.ctx, locked.Name, watch.Files{Copy: []watch.File{{From: filepath.Join(dir, "a"), To: path}}})
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// No engine reaches a tmpfs: the image's tar does, or we do, where the container is one of this machine.
func TestSyncTmpfs(t *testing.T) {
	r := newRig(t)
	tmpfs := func(a *planner.CreateContainer) {
		a.Spec.ReadOnly, a.Spec.User = true, "7:8"
		a.Spec.Tmpfs = types.StringList{"/app"}
	}
	web, bare := r.shell("web", sleeper, tmpfs), r.scratch("bare", tmpfs)
	r.do(web, planner.StartContainer{Name: web.Name}, bare, planner.StartContainer{Name: bare.Name})
	dir := filesHere(t, [3]string{"d/b", "750", "b"}, [3]string{"a", "644", "a"})
	files := watch.Files{Copy: []watch.File{
		{From: filepath.Join(dir, "a"), To: "/app/a"}, {From: filepath.Join(dir, "d"), To: "/app/d"}, {From: filepath.Join(dir, "d/b"), To: "/app/d/b"},
	}}
	if err := r.Sync(r.ctx, web.Name, files); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(r.sh(web.Name, "stat -c '%a %u:%g' /app/d/b; cat /app/d/b")); got != "750 7:8\nb" {
		t.Errorf("b is %s", got)
	}
	if err := r.Sync(r.ctx, web.Name, watch.Files{Remove: []string{"/app/d"}}); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(r.sh(web.Name, "ls /app")); got != "a" {
		t.Errorf("there is %s", got)
	}

	got, err := r.inspect(r.ctx, bare.Name)
	if err != nil {
		t.Fatal(err)
	}
	s := syncing{Engine: r.Engine, name: bare.Name, got: got}
	root, why := s.openRoot()
	err = r.Sync(r.ctx, bare.Name, files)
	if why != nil {
		if err == nil || !strings.Contains(err.Error(), "is on a tmpfs, which no engine reaches, and the image has no tar") {
			t.Errorf("it cannot be reached (%v), and it says %v", why, err)
		}
		return
	}
	defer root.Close()
	if err != nil {
		t.Fatal(err)
	}
	text, err := root.ReadFile("app/d/b")
	if info, statErr := root.Stat("app/d/b"); err != nil || statErr != nil || string(text) != "b" || info.Mode().Perm() != 0o750 {
		t.Errorf("b is %q, %v, %v", text, err, statErr)
	}
	if err := r.Sync(r.ctx, bare.Name, watch.Files{Remove: []string{"/app/d"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := root.Stat("app/d"); !os.IsNotExist(err) {
		t.Errorf("d: %v", err)
	}
}
