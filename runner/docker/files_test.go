package docker

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// Configs and secrets are where they should be, with their owner and mode, and nowhere else.
func TestFiles(t *testing.T) {
	r := newRig(t)
	dir := files(t, map[string]string{"plain": "from a file", "owned": "owned file", "dir/in/it": "deep"})
	a := r.shell("web", "stat -c '%n %u:%g %a' /etc/plain /run/secrets/owned /run/secrets/text; cat /etc/plain /run/secrets/owned /run/secrets/text /tree/in/it",
		func(a *planner.CreateContainer) {
			a.Files = []planner.File{
				{Key: "configs.plain", Source: filepath.Join(dir, "plain"), Target: "/etc/plain"},
				{Key: "secrets.owned", Source: filepath.Join(dir, "owned"), Target: "/run/secrets/owned", UID: "103", GID: "104", Mode: 0o440},
				{Key: "secrets.text", Content: "s3cret", Target: "/run/secrets/text"},
				{Key: "configs.tree", Source: filepath.Join(dir, "dir"), Target: "/tree", Mode: 0o400},
			}
		})
	r.do(a)
	// Cut off after the creation, the next run completes it.
	r.do(a, planner.StartContainer{Name: a.Name})
	got := strings.Join(r.output(a.Name), "\n")
	host, err := os.Stat(filepath.Join(dir, "plain"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"/etc/plain 0:0 " + strconv.FormatUint(uint64(host.Mode().Perm()), 8), "/run/secrets/owned 103:104 440", "/run/secrets/text 0:0 444",
		"from a fileowned files3cretdeep",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	there, err := r.inspect(r.ctx, a.Name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.Join(append(there.Config.Env, there.Config.Cmd...), " "), "s3cret") {
		t.Error("the secret shows in the container's configuration")
	}
	for k, v := range there.Config.Labels {
		if strings.Contains(v, "s3cret") {
			t.Errorf("the secret shows in label %s", k)
		}
	}
}

// Where a copy cannot reach, a volume of the container's own has the files: they cannot be changed from inside.
func TestFilesOutOfReach(t *testing.T) {
	r := newRig(t)
	dir := files(t, map[string]string{"owned": "owned file", "dir/in/it": "deep"})
	r.do(r.volume("data"))
	script := "cat /secret /run/secrets/owned /tree/in/it /data/config; stat -c '%n %u:%g %a' /secret /run/secrets/owned; echo x > /secret || echo kept; ls -A /data"
	a := r.shell("web", script, func(a *planner.CreateContainer) {
		a.Spec.ReadOnly, a.Spec.Tmpfs = true, types.StringList{"/run"}
		a.Volumes = map[string]string{"data": r.project + "_data"}
		a.Spec.Volumes = []types.ServiceVolumeConfig{{Type: "volume", Source: "data", Target: "/data"}}
		a.Files = []planner.File{
			{Key: "secrets.text", Content: "s3cret ", Target: "/secret"},
			{Key: "secrets.owned", Source: filepath.Join(dir, "owned"), Target: "/run/secrets/owned", UID: "103", GID: "104", Mode: 0o440},
			{Key: "configs.tree", Source: filepath.Join(dir, "dir"), Target: "/tree", Mode: 0o400},
			{Key: "configs.config", Content: " conf\n", Target: "/data/config"},
		}
	})
	r.do(a)
	r.do(a) // again, as after a run that was cut off
	r.do(planner.StartContainer{Name: a.Name})
	got := strings.Join(r.output(a.Name), "\n")
	for _, want := range []string{"out s3cret owned filedeep conf\n", "out /secret 0:0 444", "out /run/secrets/owned 103:104 440", "out kept", "Read-only file system"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	have, err := r.Observe(r.ctx, planner.Scope{Project: r.project})
	if err != nil {
		t.Fatal(err)
	}
	held := slices.DeleteFunc(have.Volumes, func(v planner.Volume) bool { return v.Labels[planner.LabelFiles] == "" })
	if len(held) != 1 || len(have.Containers) != 1 {
		t.Fatalf("volumes %+v, containers %+v", held, have.Containers)
	}
	if !slices.ContainsFunc(have.Containers[0].Mounts, func(m planner.Mount) bool { return m.Name == held[0].Name || strings.Contains(m.Source, held[0].Name) }) {
		t.Errorf("nothing says that the container uses %s: %+v", held[0].Name, have.Containers[0].Mounts)
	}
	other := r.shell("other", "cat /data/config; ls -l /data", func(o *planner.CreateContainer) { o.Volumes, o.Spec.Volumes = a.Volumes, a.Spec.Volumes })
	r.do(other, planner.StartContainer{Name: other.Name})
	if said := strings.Join(r.output(other.Name), "\n"); strings.Contains(said, "conf\n") {
		t.Errorf("others see the config: %s", said)
	}
}

func TestFilesThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		file planner.File
		want string
	}{
		"a user by name": {planner.File{Key: "secrets.s", Content: "x", Target: "/s", UID: "root"}, `secrets.s: "root" is not the number of a user or a group`},
		"no such file":   {planner.File{Key: "configs.c", Source: "/no/such/file", Target: "/c", Mode: 0o400}, "configs.c: there is no file /no/such/file"},
	} {
		err := (&Engine{}).copyFiles(t.Context(), "web", "1", []planner.File{c.file})
		var hinter runner.Hinter
		if err == nil || err.Error() != c.want || !errors.As(err, &hinter) || hinter.Hint() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A far engine does not see our files: they are copied.
func TestFilesForAFarEngine(t *testing.T) {
	w := writer{service: project.Service{Name: "web"}, api: "1.51", action: planner.CreateContainer{
		Files: []planner.File{{Key: "configs.c", Source: "/etc/hosts", Target: "/c"}},
	}}
	got, err := w.request()
	if err != nil || len(got.Copies) != 1 || len(got.Host.Mounts) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// The successor has the data of its predecessor's anonymous volumes.
func TestInherit(t *testing.T) {
	r := newRig(t)
	r.do(r.volume("data"))
	volumes := func(a *planner.CreateContainer) {
		a.Volumes = map[string]string{"data": r.project + "_data"}
		a.Spec.Volumes = []types.ServiceVolumeConfig{{Type: "volume", Target: "/anonymous"}, {Type: "volume", Source: "data", Target: "/named"}}
	}
	old := r.shell("web", "echo kept > /anonymous/file; echo named > /named/file", volumes)
	r.do(old, planner.StartContainer{Name: old.Name})
	r.output(old.Name)
	next := r.shell("web", "cat /anonymous/file /named/file; mount | grep -c /anonymous", volumes)
	next.Name, next.Inherit = old.Name+".next", old.Name
	r.do(next, planner.RemoveContainer{Name: old.Name}, planner.StartContainer{Name: next.Name})
	if got := strings.Join(r.output(next.Name), "|"); got != "out kept|out named|out 1" {
		t.Error(got)
	}
	// It goes with the last that has it, although the engine does not take it for the successor's own.
	is, err := r.client.ContainerInspect(r.ctx, next.Name)
	if err != nil {
		t.Fatal(err)
	}
	remove := planner.RemoveContainer{Name: next.Name, Volumes: true}
	for _, m := range is.Mounts {
		if planner.Nameless(m.Name) {
			remove.Inherited = append(remove.Inherited, m.Name)
		}
	}
	if len(remove.Inherited) != 1 {
		t.Fatalf("it has %+v", is.Mounts)
	}
	beside := r.shell("beside", "true", nil)
	beside.Inherit, beside.Spec.Volumes = next.Name, []types.ServiceVolumeConfig{{Type: "volume", Target: "/anonymous"}}
	r.do(beside, remove)
	if _, err := r.client.VolumeInspect(r.ctx, remove.Inherited[0]); err != nil {
		t.Errorf("it is gone while another one has it: %v", err)
	}
	remove.Name = beside.Name
	r.do(remove)
	if _, err := r.client.VolumeInspect(r.ctx, remove.Inherited[0]); !gone(err) {
		t.Errorf("it is left: %v", err)
	}
}

// An anonymous volume goes on where the service or its image still has one. One that the file has dropped would hide what the image has there,
// and one of another container comes from that.
func TestInheritsWhatIsStillAsked(t *testing.T) {
	r := newRig(t)
	image := r.image(types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM " + busybox() + "\nVOLUME /declared\n"})
	r.do(image)
	at := func(targets ...string) func(a *planner.CreateContainer) {
		return func(a *planner.CreateContainer) {
			a.Image = image.Ref
			for _, target := range targets {
				a.Spec.Volumes = append(a.Spec.Volumes, types.ServiceVolumeConfig{Type: "volume", Target: target})
			}
		}
	}
	reads := func(a *planner.CreateContainer) { a.Spec.VolumesFrom = []string{r.name("web")} }
	old, reader := r.shell("web", "true", at("/kept", "/dropped")), r.shell("reader", "true", reads)
	r.do(old, reader)
	next := r.shell("web", "true", at("/kept"))
	next.Name, next.Inherit = old.Name+".next", old.Name
	readsOn := r.shell("reader", "true", reads)
	readsOn.Name, readsOn.Inherit = reader.Name+".next", reader.Name
	r.do(next, readsOn)
	had, has := r.nameless(old.Name), r.nameless(next.Name)
	if len(had) != 3 || len(has) != 2 || has["/kept"] != had["/kept"] || has["/declared"] != had["/declared"] {
		t.Errorf("the first has %v, the next %v", had, has)
	}
	is, err := r.inspect(r.ctx, readsOn.Name)
	if err != nil {
		t.Fatal(err)
	}
	if len(is.HostConfig.Mounts) != 0 || len(r.nameless(readsOn.Name)) != 3 {
		t.Errorf("the next reader has %v, of its own %v", r.nameless(readsOn.Name), is.HostConfig.Mounts)
	}
}

// nameless are a container's anonymous volumes by their places.
func (r *rig) nameless(name string) map[string]string {
	r.t.Helper()
	is, err := r.inspect(r.ctx, name)
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range is.Mounts {
		if planner.Nameless(m.Name) {
			out[m.Destination] = m.Name
		}
	}
	return out
}

// An empty command stays empty although the image has one.
func TestEmptyCommandClearsTheImages(t *testing.T) {
	r := newRig(t)
	image := r.image(types.BuildConfig{Context: t.TempDir(), DockerfileInline: "FROM " + busybox() + "\nENTRYPOINT [\"/bin/echo\", \"words:\"]\nCMD [\"of\", \"the\", \"image\"]\n"})
	r.do(image)
	for service, c := range map[string]struct {
		command types.ShellCommand
		want    string
	}{"null": {nil, "out words: of the image"}, "empty": {types.ShellCommand{}, "out words:"}, "own": {types.ShellCommand{"mine"}, "out words: mine"}} {
		r.do(r.shell(service, "", func(a *planner.CreateContainer) { a.Image, a.Spec.Command = image.Ref, c.command }), planner.StartContainer{Name: r.name(service)})
		if got := strings.Join(r.output(r.name(service)), "|"); got != c.want {
			t.Errorf("%s: %q", service, got)
		}
	}
}
