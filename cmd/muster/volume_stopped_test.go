package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/enginetest"
)

// TestEngineRestoreTakenBack: what is stopped beside the unpacking runs again, in the same container and with what it had, where the snapshot is damaged, and
// after Ctrl-C; and nothing is left of what was begun.
func TestEngineRestoreTakenBack(t *testing.T) {
	enginetest.SameOnAny(t, "script snapshot, TestEngineRestore of stacktest, and TestFillAndMoveVolume, TestExchangeVolume and TestFillVolumeIsGivenUp of runner/docker")
	if podman, err := speaks(t, testEngine(t), "podman"); err != nil || podman {
		t.Skipf("Podman packs and fills no volumes (%v)", err)
	}
	r := newFaultRig(t, seededFile)
	prepare := func(megabytes int) {
		r.must("exec", "-T", "db", "dd", "if=/dev/urandom", "of=/data/large", "bs=1M", "count="+strconv.Itoa(megabytes)) // takes longer than to stop it, by far
		r.must("volume", "snapshot", "--replace", "seeded")
		r.must("exec", "-T", "db", "sh", "-c", "echo new > /data/rows")
	}
	had := r.must("exec", "-T", "db", "hostname")
	check := func(what string, code int, said string) {
		t.Helper()
		for _, want := range []string{"Container " + r.project + "-db-1 Stopped", "Container " + r.project + "-db-1 Started"} {
			if code == 0 || !strings.Contains(strings.Join(strings.Fields(said), " "), want) {
				t.Errorf("%s: it ends with %d, and says no %q:\n%s", what, code, want, said)
			}
		}
		if rows, has := r.must("exec", "-T", "db", "cat", "/data/rows"), r.must("exec", "-T", "db", "hostname"); rows != "new\n" || has != had {
			t.Errorf("%s: the volume has %q, and the container was %s and is %s", what, rows, had, has)
		}
		if left, err := r.volumes(); err != nil || !slices.Equal(left, []string{r.project + "_data"}) {
			t.Errorf("%s: there are %v, %v", what, left, err)
		}
	}
	var code int
	var said string
	for _, megabytes := range []int{250, 500, 1000} {
		prepare(megabytes)
		code, said = r.signalAt(" Container "+r.project+"-db-1 Stopped", os.Interrupt, "volume", "restore", "--yes", "seeded")
		if !strings.Contains(said, "Exchanged") {
			break
		}
		// On a busy machine the stop may take longer all the same. What the volume has by then is not taken back.
	}
	check("interrupted", code, said)

	files, err := filepath.Glob(filepath.Join(r.dir, ".local", "state", "muster", "snapshots", "*", "seeded", "data.tar.zst"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the snapshot has %v, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)-9] ^= 1
	if err := os.WriteFile(files[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := r.command("volume", "restore", "--yes", "seeded")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "is damaged: its digest is another one") {
		t.Errorf("%v\n%s", err, out)
	}
	check("damaged", cmd.ProcessState.ExitCode(), string(out))
}
