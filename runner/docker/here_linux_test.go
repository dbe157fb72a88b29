package docker

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/volume"
)

// A volume is the folder of that name here only if it was changed when the engine says.
func TestIsHere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may do what an engine may")
	}
	v := volume.Volume{Mountpoint: filepath.Join(t.TempDir(), "data", "_data")}
	if err := os.MkdirAll(v.Mountpoint, 0o755); err != nil {
		t.Fatal(err)
	}
	is, err := os.Stat(filepath.Dir(v.Mountpoint))
	if err != nil {
		t.Fatal(err)
	}
	changed := time.Unix(is.Sys().(*syscall.Stat_t).Ctim.Sec, 0)
	v.CreatedAt = changed.Format(time.RFC3339)
	if !isHere(v) || !isRoots(v) {
		t.Errorf("its own volume: %v, root's: %v", isHere(v), isRoots(v))
	}
	another, elsewhere := v, v
	another.CreatedAt = changed.Add(-time.Second).Format(time.RFC3339)
	elsewhere.Mountpoint = filepath.Join(filepath.Dir(filepath.Dir(v.Mountpoint)), "other", "_data")
	unsaid := v
	unsaid.CreatedAt = ""
	for what, v := range map[string]volume.Volume{"one changed at another time": another, "one that is not there": elsewhere, "one without a time": unsaid} {
		if isHere(v) {
			t.Errorf("%s is here", what)
		}
	}
	if err := os.Chown(v.Mountpoint, 100000, 100000); err != nil {
		t.Fatal(err)
	}
	if isRoots(v) {
		t.Error("the volume of another root is this one's")
	}
}
