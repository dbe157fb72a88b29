package docker

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/snapshot"
)

// snapshotRig has a volume with a bit of everything, what it has, and a way to fill others with a snapshot of it.
func snapshotRig(t *testing.T) (r *rig, from string, fill planner.FillVolume) {
	t.Helper()
	r, from, to := copyRig(t)
	if r.isPodman() {
		t.Skip("no volume can be read there")
	}
	r.fill(from, []tar.Header{
		{Name: "volume/", Typeflag: tar.TypeDir, Mode: 0o700, Uid: 999, Gid: 998},
		{Name: "volume/sub/", Typeflag: tar.TypeDir, Mode: 0o1777, Uid: 1, Gid: 2},
		{Name: "volume/sub/file", Typeflag: tar.TypeReg, Mode: 0o640, Uid: 12345, Gid: 54321},
		{Name: "volume/setuid", Typeflag: tar.TypeReg, Mode: 0o4755, Uid: 7, PAXRecords: map[string]string{
			"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}},
		{Name: "volume/hard", Typeflag: tar.TypeLink, Linkname: "volume/setuid", Mode: 0o4755},
		{Name: "volume/soft", Typeflag: tar.TypeSymlink, Linkname: "/nowhere/else", Mode: 0o777, Uid: 5, Gid: 6},
		{Name: "volume/pipe", Typeflag: tar.TypeFifo, Mode: 0o622, Uid: 9},
		{Name: "volume/null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3},
		{Name: "volume/ünïcode name", Typeflag: tar.TypeReg, Mode: 0o444},
		{Name: "volume/large", Typeflag: tar.TypeReg, Mode: 0o600},
	}, []string{"", "", "hello", "binary", "", "", "", "", "x", strings.Repeat("0123456789abcdef", 3<<16)})
	folder := snapshot.Folder(t.TempDir())
	w, err := folder.Create(snapshot.Snapshot{Name: "seeded"})
	if err != nil {
		t.Fatal(err)
	}
	err = w.Volume("data", func(to io.Writer) error { return r.ReadVolume(r.ctx, from, os.Getenv("TESTAPP_IMAGE"), to) })
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Commit(false)
	if err != nil {
		t.Fatal(err)
	}
	return r, from, planner.FillVolume{Name: to, Snapshot: "seeded", File: folder.File("seeded", "data"), Sum: s.Volumes[0].Sum, Image: os.Getenv("TESTAPP_IMAGE")}
}

// another makes one more volume.
func (r *rig) another(name string) string {
	r.t.Helper()
	name = r.project + "_" + name
	if _, err := r.client.VolumeCreate(r.ctx, volume.CreateOptions{Name: name, Labels: map[string]string{planner.LabelProject: r.project}}); err != nil {
		r.t.Fatal(err)
	}
	return name
}

// What a volume had is in the one that it was moved to, down to owners, modes, times and links, whether an agent does it or not; and to move
// it once more changes nothing.
func TestFillAndMoveVolume(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"itself", "agent", "agent elsewhere", "archives"} {
		t.Run(by, func(t *testing.T) {
			r, from, fill := snapshotRig(t)
			if by == "itself" {
				r.isHere(from)
			}
			before := r.contents(from)
			if len(before) != 10 {
				t.Fatalf("the volume has only %v", before)
			}
			if strings.HasPrefix(by, "agent") {
				r.muster = agentProgram(t)
			}
			if by == "agent elsewhere" {
				r.host = "ssh://elsewhere"
			}
			if err := r.Apply(r.ctx, fill, nil); err != nil {
				t.Fatal(err)
			}
			if m := r.movers[fill.Name]; (m != nil) != (by != "archives") || m != nil && (m.sees.volumes != volumesPath) != (by == "itself") {
				t.Errorf("it was done by %+v", m)
			}
			if reads := r.agentReads(fill.File); reads != (by == "agent") {
				t.Errorf("an agent has read the file: %v", reads)
			}
			if diff := cmp.Diff(before, r.contents(fill.Name)); diff != "" {
				t.Errorf("the volume that was filled (-snapshot +volume):\n%s", diff)
			}
			move := planner.MoveVolume{From: fill.Name, To: r.another("moved"), Image: fill.Image}
			for range 2 {
				if err := r.Apply(r.ctx, move, nil); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(before, r.contents(move.To)); diff != "" {
					t.Errorf("the volume that it was moved to (-snapshot +volume):\n%s", diff)
				}
			}
			// Another machine may have to carry that on that can have no agents.
			r.muster = ""
			if err := r.Apply(r.ctx, move, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, r.contents(move.To)); diff != "" {
				t.Errorf("moved without an agent (-snapshot +volume):\n%s", diff)
			}
			for _, name := range []string{from, fill.Name, move.To} {
				left, err := r.client.ContainerList(r.ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("volume", name))})
				if err != nil || len(left) > 0 {
					t.Errorf("%v has the volume still (%v)", left, err)
				}
			}
		})
	}
}

// A volume that is in use exchanges its data with another one in one step, or not at all; what it had goes with that.
func TestExchangeVolume(t *testing.T) {
	r, from, fill := snapshotRig(t)
	exchange := planner.ExchangeVolume{Name: r.another("used"), From: fill.Name}
	r.fill(exchange.Name, []tar.Header{{Name: "volume/", Typeflag: tar.TypeDir, Mode: 0o700}, {Name: "volume/old", Typeflag: tar.TypeReg, Mode: 0o600}}, []string{"", "old"})
	old := r.contents(exchange.Name)
	fill.ForExchange = true
	can := func(volume string) bool {
		t.Helper()
		from, done := r.prepare(volume, fill, false)
		done()
		return from.Exchange
	}
	if can(exchange.Name) {
		t.Error("it can be exchanged by nobody")
	}
	begin := planner.BeginFill{Name: fill.Name, Snapshot: fill.Snapshot, File: fill.File, Sum: fill.Sum}
	for _, a := range []planner.Action{begin, fill, exchange} {
		if err := r.Apply(r.ctx, a, nil); !errors.Is(err, ErrNoAgent) {
			t.Errorf("%T by nobody: %v", a, err)
		}
	}
	if diff := cmp.Diff(old, r.contents(exchange.Name)); diff != "" {
		t.Errorf("exchanged by nobody (-before +after):\n%s", diff)
	}
	r.muster = agentProgram(t)
	if !can(exchange.Name) || can(r.project+"_nothing") {
		t.Error("what is there can be exchanged, what is not cannot")
	}
	for _, host := range []string{"ssh://elsewhere", r.host} {
		local := r.host
		r.host = host
		if err := r.Apply(r.ctx, begin, nil); err != nil {
			t.Fatal(err)
		}
		begun := r.movers[fill.Name]
		if begun == nil || (begun.sees.file != "") == (host != local) {
			t.Errorf("at %s it was begun by %+v", host, begun)
		}
		if err := r.Apply(r.ctx, fill, nil); err != nil {
			t.Fatal(err)
		}
		if r.movers[fill.Name] != begun {
			t.Errorf("at %s another one has filled it", host)
		}
		if r.host = local; host != local {
			r.renew(fill.Name)
		}
	}
	r.movers[fill.Name].end() // another one does it, too
	left := map[*mover]bool{}
	for range 2 {
		if err := r.Apply(r.ctx, exchange, nil); err != nil {
			t.Fatal(err)
		}
		r.mu.Lock()
		maps.Copy(left, r.leaving)
		r.mu.Unlock()
		if diff := cmp.Diff(r.contents(from), r.contents(exchange.Name)); diff != "" {
			t.Errorf("(-snapshot +volume):\n%s", diff)
		}
	}
	if err := r.Apply(r.ctx, planner.RemoveVolume{Name: fill.Name}, nil); err != nil {
		t.Error(err)
	}
	if len(left) != 2 {
		t.Errorf("%d agents are left to end in a while", len(left))
	}
	for m := range left {
		m.end()
		if code, err := m.session.ExitCode(r.ctx); err != nil || code != 0 {
			t.Errorf("let go, it ends with code %d, %v", code, err)
		}
	}
}

// renew removes a volume and makes it anew.
func (r *rig) renew(name string) {
	r.t.Helper()
	if err := r.Apply(r.ctx, planner.RemoveVolume{Name: name}, nil); err != nil {
		r.t.Fatal(err)
	}
	r.another(strings.TrimPrefix(name, r.project+"_"))
}

// isHere lets the test's own process do what agents do, if the volumes are where it could do that; or else the test is skipped.
func (r *rig) isHere(volume string) {
	r.t.Helper()
	r.volumesBy = ""
	_, v, err := r.volumesFolder(r.ctx, volume)
	if err != nil {
		r.t.Fatal(err)
	}
	if !r.mayHere(v) {
		r.t.Skip("the volumes are not where a test could do anything with them")
	}
}

// prepare is what is found out about a restore of one volume.
func (r *rig) prepare(volume string, fill planner.FillVolume, start bool) (planner.Restore, func()) {
	r.t.Helper()
	want := &project.Project{Volumes: map[string]project.Volume{"data": {Name: volume}}}
	from := map[string]planner.Restore{"data": {Snapshot: fill.Snapshot, File: fill.File, Sum: fill.Sum}}
	done, err := r.PrepareRestore(r.ctx, want, from, start)
	if err != nil {
		r.t.Fatal(err)
	}
	return from["data"], done
}

// agentsOf are the containers of agents of one program.
func (r *rig) agentsOf(program string) []string {
	r.t.Helper()
	sum, err := programDigest(program)
	if err != nil {
		r.t.Fatal(err)
	}
	_, tag, _ := strings.Cut(agentRef(sum), ":")
	agents, err := r.client.ContainerList(r.ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", labelAgent+"="+tag))})
	if err != nil {
		r.t.Fatal(err)
	}
	var names []string
	for _, a := range agents {
		names = append(names, a.Names...)
	}
	return names
}

// What was begun before it was known what for fills a volume, and ends where it has nothing to fill.
func TestPrepareRestore(t *testing.T) {
	r, from, fill := snapshotRig(t)
	r.muster = agentProgram(t, "-ldflags=-X main.version="+r.project)
	exchange := planner.ExchangeVolume{Name: r.another("used"), From: fill.Name}
	fill.ForExchange = true
	for _, host := range []string{"ssh://elsewhere", r.host} {
		local := r.host
		r.host = host
		_, done := r.prepare(exchange.Name, fill, true)
		done()
		if left := r.agentsOf(r.muster); len(left) > 0 {
			t.Errorf("at %s %v wait for nothing", host, left)
		}
		_, done = r.prepare(exchange.Name, fill, true)
		for _, a := range []planner.Action{planner.BeginFill{Name: fill.Name, Snapshot: fill.Snapshot, File: fill.File, Sum: fill.Sum}, fill} {
			if err := r.Apply(r.ctx, a, nil); err != nil {
				t.Fatal(err)
			}
		}
		done()
		if by := r.agentsOf(r.muster); len(by) != 1 {
			t.Errorf("at %s the volume is filled by %v", host, by)
		}
		r.host = local
		if err := r.Apply(r.ctx, exchange, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r.contents(from), r.contents(exchange.Name)); diff != "" {
			t.Errorf("at %s (-snapshot +volume):\n%s", host, diff)
		}
		r.mu.Lock()
		left := maps.Clone(r.leaving)
		r.mu.Unlock()
		for m := range left {
			m.quit(r.ctx)
		}
		r.renew(fill.Name)
	}
}

// Where this process can be the agent itself, nothing is started.
func TestPrepareRestoreHere(t *testing.T) {
	r, from, fill := snapshotRig(t)
	r.isHere(from)
	exchange := planner.ExchangeVolume{Name: r.another("used"), From: fill.Name}
	fill.ForExchange = true
	is, done := r.prepare(exchange.Name, fill, true)
	defer done()
	if !is.Exchange || len(r.ready) > 0 {
		t.Errorf("%+v; %d wait", is, len(r.ready))
	}
	for _, a := range []planner.Action{planner.BeginFill{Name: fill.Name, Snapshot: fill.Snapshot, File: fill.File, Sum: fill.Sum}, fill, exchange} {
		if err := r.Apply(r.ctx, a, nil); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(r.contents(from), r.contents(exchange.Name)); diff != "" {
		t.Errorf("(-snapshot +volume):\n%s", diff)
	}
}

// What a volume had before is removed when nobody waits for anything any more: by a program that goes on when this one has ended, or else by this one. What an
// agent left behind that was killed goes with it.
func TestOldDataIsRemovedInTheEnd(t *testing.T) {
	t.Parallel()
	for by, muster := range map[string]string{"this one": "", "another": agentProgram(t)} {
		t.Run(by, func(t *testing.T) { testOldData(t, muster) })
	}
}

func testOldData(t *testing.T, muster string) {
	r, from, fill := snapshotRig(t)
	r.isHere(from)
	r.muster = muster
	exchange := planner.ExchangeVolume{Name: r.another("used"), From: fill.Name}
	_, v, err := r.volumesFolder(r.ctx, exchange.Name)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(v.Mountpoint)
	if err := os.MkdirAll(filepath.Join(folder, "old-left", "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v.Mountpoint, "before"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.do(fill, exchange, planner.RemoveVolume{Name: fill.Name})
	if had, err := filepath.Glob(filepath.Join(folder, "old-*", "before")); err != nil || len(had) != 1 {
		t.Errorf("what it had before is in %v, %v", had, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	has := func() []os.DirEntry {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		return entries
	}
	for soon := time.Now().Add(time.Minute); muster != "" && len(has()) > 1 && time.Now().Before(soon); {
		runtime.Gosched()
	}
	if left := has(); len(left) != 1 {
		t.Errorf("the volume's folder has %v", left)
	}
	if diff := cmp.Diff(r.contents(from), r.contents(exchange.Name)); diff != "" {
		t.Errorf("(-snapshot +volume):\n%s", diff)
	}
}

// What is given up before it is filled, or is interrupted in the midst of it, can be removed at once: nobody writes it any more.
func TestFillVolumeIsGivenUp(t *testing.T) {
	r, _, fill := snapshotRig(t)
	r.muster = agentProgram(t, "-ldflags=-X main.version="+r.project)
	begin := planner.BeginFill{Name: fill.Name, Snapshot: fill.Snapshot, File: fill.File, Sum: fill.Sum}
	for _, c := range []struct {
		what, host string
		by         VolumesBy
	}{{"begun here", r.host, ""}, {"begun", r.host, ByAgent}, {"begun elsewhere", "ssh://elsewhere", ByAgent}, {"interrupted", "ssh://elsewhere", ByAgent}} {
		local := r.host
		r.host, r.volumesBy = c.host, c.by
		if err := r.Apply(r.ctx, begin, nil); err != nil {
			t.Fatal(err)
		}
		if c.what == "interrupted" {
			ctx, cancel := context.WithCancel(r.ctx)
			cancel()
			if err := r.Apply(ctx, fill, nil); !errors.Is(err, context.Canceled) || len(r.movers) > 0 {
				t.Errorf("%s: %v; %d agents wait", c.what, err, len(r.movers))
			}
		}
		r.host, r.volumesBy = local, ByAgent
		r.renew(fill.Name)
		if left := r.agentsOf(r.muster); len(left) > 0 || len(r.movers) > 0 {
			t.Errorf("%s: %v are left, and %d wait", c.what, left, len(r.movers))
		}
		if has := r.contents(fill.Name); len(has) != 1 {
			t.Errorf("%s: the volume has %v", c.what, has)
		}
	}
}

// agentReads says whether there is an agent that sees a file.
func (r *rig) agentReads(file string) bool {
	r.t.Helper()
	agents, err := r.client.ContainerList(r.ctx, container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelAgent))})
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.ContainsFunc(agents, func(c container.Summary) bool {
		return slices.ContainsFunc(c.Mounts, func(m container.MountPoint) bool { return m.Source == file && !m.RW })
	})
}

// A volume that is no folder beside the others is filled through an archive.
func TestFillVolumeElsewhere(t *testing.T) {
	r, from, fill := snapshotRig(t)
	r.muster = agentProgram(t)
	fill.Name = r.project + "_elsewhere"
	options := map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=64m"}
	if _, err := r.client.VolumeCreate(r.ctx, volume.CreateOptions{Name: fill.Name, Labels: map[string]string{planner.LabelProject: r.project}, DriverOpts: options}); err != nil {
		t.Fatal(err)
	}
	// It is there as long as somebody has it.
	made, err := r.client.ContainerCreate(r.ctx, &container.Config{Image: os.Getenv("TESTAPP_IMAGE"), Cmd: []string{"run"}},
		&container.HostConfig{NetworkMode: "none", Binds: []string{fill.Name + ":/data"}}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.client.ContainerRemove(context.WithoutCancel(r.ctx), made.ID, container.RemoveOptions{Force: true})
	})
	if err := r.client.ContainerStart(r.ctx, made.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := r.Apply(r.ctx, fill, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.contents(from), r.contents(fill.Name)); diff != "" {
		t.Errorf("(-snapshot +volume):\n%s", diff)
	}
}

// What is damaged is said, and nothing waits to be moved.
func TestFillVolumeWithWhatIsDamaged(t *testing.T) {
	r, _, fill := snapshotRig(t)
	r.muster = agentProgram(t)
	for what, change := range map[string]func([]byte) []byte{
		"changed": func(text []byte) []byte { text[len(text)/2] ^= 1; return text },
		"cut":     func(text []byte) []byte { return text[:len(text)/2] },
	} {
		text, err := os.ReadFile(fill.File)
		if err != nil {
			t.Fatal(err)
		}
		one := fill
		one.File = filepath.Join(t.TempDir(), what)
		if err := os.WriteFile(one.File, change(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.Apply(r.ctx, one, nil); !errors.As(err, new(snapshot.DamagedError)) || len(r.movers) > 0 {
			t.Errorf("%s: %v; %d agents wait", what, err, len(r.movers))
		}
		if has := r.contents(fill.Name); len(has) != 1 {
			t.Errorf("%s: the volume has %v", what, has)
		}
	}
}
