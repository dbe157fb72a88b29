package main

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
)

// seededFile is a stack with a volume.
const seededFile = `
services:
  db:
    image: ${BUSYBOX_IMAGE}
    command: [sleep, "600"]
    init: true
    stop_grace_period: 0s
    volumes: [data:/data]
    healthcheck: {test: [CMD, test, -d, /data]}
volumes: {data: {}}
`

// restoreKill is a moment at which a restore is killed.
type restoreKill struct {
	at   string
	has  []string // then, whatever the time between what was said and the kill
	next []string
}

// TestEngineRestoreKilled: muster is killed in the middle of a restore. Until the volume has what the snapshot has, or is gone, the service has what it had,
// also where it is started anew; afterwards the next up, or the next restore, has what the snapshot has. And nothing is left
// of what was begun.
func TestEngineRestoreKilled(t *testing.T) {
	t.Parallel()
	enginetest.SameOnAny(t, "script snapshot, TestEngineRestore of stacktest, and TestFillAndMoveVolume, TestExchangeVolume and TestFillVolumeIsGivenUp of runner/docker")
	if podman, err := speaks(t, testEngine(t), "podman"); err != nil || podman {
		t.Skipf("Podman packs and fills no volumes (%v)", err)
	}
	for _, by := range []string{"itself", "agent", "archives"} {
		t.Run(by, func(t *testing.T) {
			r := newFaultRig(t, seededFile)
			if by != "itself" { // or an agent, where the test is not root on the engine's machine
				r.env = []string{"MUSTER_VOLUMES_BY=" + by}
			}
			write := func(rows string) { r.must("exec", "-T", "db", "sh", "-c", "echo "+rows+" > /data/rows") }
			// What cannot be packed takes its time.
			r.must("exec", "-T", "db", "dd", "if=/dev/urandom", "of=/data/large", "bs=1M", "count=24")
			write("seeded")
			r.must("volume", "snapshot", "seeded")
			volume := r.project + "_data"
			begun := " Volume " + volume + ".restored-* Filling"
			if by != "archives" { // it stops beside that
				begun = " Volume " + volume + ".restored-* Creating"
			}
			kills := []restoreKill{
				{begun, []string{"new"}, []string{"up", "-d"}},
				{begun, []string{"new"}, []string{"volume", "restore", "--yes", "seeded"}},
				{" Container " + r.project + "-db-1 Stopped", []string{"new", "seeded"}, []string{"up", "-d"}},
			}
			if by != "archives" {
				kills = append(kills, restoreKill{" Volume " + volume + " Exchanged", []string{"seeded"}, []string{"up", "-d"}},
					restoreKill{" Volume " + volume + ".restored-* Removing", []string{"seeded"}, []string{"up", "-d"}})
			} else {
				kills = append(kills, restoreKill{" Volume " + volume + " Removed", []string{"seeded"}, []string{"up", "-d"}},
					restoreKill{" Volume " + volume + " Moved", []string{"seeded"}, []string{"up", "-d"}})
			}
			for _, c := range kills {
				write("new")
				r.killAt(c.at, "volume", "restore", "--yes", "seeded")
				if slices.Equal(c.has, []string{"new"}) {
					if got := r.copied("db:/data/rows"); got != "new\n" {
						t.Errorf("killed at %q, the volume has %q", c.at, got)
					}
				}
				r.must(c.next...)
				want := c.has
				if c.next[0] == "volume" {
					want = []string{"seeded"}
				}
				r.must("stop", "db")
				r.must("up", "-d", "--wait")
				if got := r.must("exec", "-T", "db", "cat", "/data/rows"); !slices.Contains(want, strings.TrimSpace(got)) {
					t.Errorf("killed at %q, after muster %s the volume has %q, want %q", c.at, strings.Join(c.next, " "), got, want)
				}
				if has, err := r.volumes(); err != nil || !slices.Equal(has, []string{volume}) {
					t.Errorf("killed at %q, after muster %s there are %v, %v", c.at, strings.Join(c.next, " "), has, err)
				}
			}
		})
	}
}

// TestEngineRestoreKilledAndGone: what a restore left that was killed goes with its instance, once nobody needs that any more.
func TestEngineRestoreKilledAndGone(t *testing.T) {
	enginetest.SameOnAny(t, "script snapshot, TestEngineRestore of stacktest, and TestFillAndMoveVolume, TestExchangeVolume and TestFillVolumeIsGivenUp of runner/docker, and script expires")
	if podman, err := speaks(t, testEngine(t), "podman"); err != nil || podman {
		t.Skipf("Podman packs and fills no volumes (%v)", err)
	}
	r := newFaultRig(t, seededFile)
	r.must("exec", "-T", "db", "dd", "if=/dev/urandom", "of=/data/large", "bs=1M", "count=24")
	r.must("volume", "snapshot", "seeded")
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "compose.yaml"), []byte(seededFile), 0o600); err != nil {
		t.Fatal(err)
	}
	r.project += "-gone"
	t.Cleanup(func() { removeProject(r.host, r.project) })
	gone := func(args ...string) []string {
		return append([]string{"-f", filepath.Join(folder, "compose.yaml"), "-p", strings.TrimSuffix(r.project, "-gone"), "--instance", "gone"}, args...)
	}
	r.must(gone("up", "-d")...)
	r.killAt(" Volume "+r.project+"_data.restored-* Filling", gone("volume", "restore", "--yes", "seeded")...)
	if has, err := r.volumes(); err != nil || len(has) != 2 {
		t.Fatalf("killed, it leaves %v, %v", has, err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	r.must("gc", "--yes", r.project)
	if has, err := r.volumes(); err != nil || len(has) > 0 {
		t.Errorf("after gc there are %v, %v", has, err)
	}
}

// copied is what a file of a container has, which need not run.
func (r *faultRig) copied(path string) string {
	r.t.Helper()
	to := filepath.Join(r.t.TempDir(), "copied")
	r.must("cp", path, to)
	text, err := os.ReadFile(to)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// killAt runs muster, and kills it when it says a line; a star in that stands for anything.
func (r *faultRig) killAt(line string, args ...string) {
	r.t.Helper()
	r.signalAt(line, os.Kill, args...)
}

// signalAt runs muster, sends it a signal when it says a line, and answers with its exit code and all that it said.
func (r *faultRig) signalAt(line string, signal os.Signal, args ...string) (code int, said string) {
	r.t.Helper()
	before, after, _ := strings.Cut(line, "*")
	cmd := r.command(args...)
	out, err := cmd.StderrPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	sent := false
	for in := bufio.NewScanner(out); in.Scan(); {
		text := strings.Join(strings.Fields(in.Text()), " ")
		said += text + "\n"
		if text = " " + text; !sent && strings.HasPrefix(text, before) && strings.HasSuffix(text, after) {
			if err := cmd.Process.Signal(signal); err != nil {
				r.t.Error(err)
			}
			sent = true
		}
	}
	_ = cmd.Wait() // its code says it
	if !sent {
		r.t.Fatalf("muster %s never said %q:\n%s", strings.Join(args, " "), line, said)
	}
	return cmd.ProcessState.ExitCode(), said
}

// volumes are those that the engine has of the project, sorted.
func (r *faultRig) volumes() ([]string, error) {
	on, err := openEngine(r.t.Context(), address{host: r.host})
	if err != nil {
		return nil, err
	}
	defer on.Close()
	have, err := on.Observe(r.t.Context(), planner.Scope{Project: r.project})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range have.Volumes {
		out = append(out, v.Name)
	}
	slices.Sort(out)
	return out, nil
}
