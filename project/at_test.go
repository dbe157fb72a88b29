package project

import (
	"os"
	"path/filepath"
	"testing"
)

// A value of the model is found in the file that wrote it last, also where the model was remembered and no file was read.
func TestAt(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"compose.yaml": "services:\n  a.b:\n    image: x\n    volumes:\n      - /srv:/data\n",
		"more.yaml":    "services:\n  a.b:\n    tmpfs: [/run]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		p, err := Load(t.Context(), Options{Dir: dir, Files: []string{filepath.Join(dir, "compose.yaml"), filepath.Join(dir, "more.yaml")}, Environ: []string{"XDG_CACHE_HOME=" + cache}})
		if err != nil {
			t.Fatal(err)
		}
		for want, path := range map[string][]string{
			"compose.yaml:3:12 services.a.b.image":             {"services", "a.b", "image"},
			"compose.yaml:5:9 services.a.b.volumes./data.type": {"services", "a.b", "volumes", "/data", "type"},
			"more.yaml:3:12 services.a.b.tmpfs":                {"services", "a.b", "tmpfs"},
			"more.yaml:2:3 services.a.b.read_only":             {"services", "a.b", "read_only"},
		} {
			e := p.At(path...)
			e.File = filepath.Base(e.File)
			if got := e.Place() + " " + e.Path; got != want {
				t.Errorf("%v is at %s, want %s", path, got, want)
			}
		}
	}
	if e := (&Project{}).At("services", "web"); e.Place() != "" || e.Path != "services.web" {
		t.Errorf("a project without files has a place: %+v", e)
	}
}
