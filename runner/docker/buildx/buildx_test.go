package buildx

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// store writes a folder as buildx does.
func store(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// hashed is how buildx calls the file of the context desktop-linux.
const hashed = "fe9c6bd7a66301f49ca9"

// What buildx 0.29 writes for `create --driver remote` with two nodes.
const far = `{"Name":"far","Driver":"remote","Nodes":[
	{"Name":"far0","Endpoint":"tcp://build.example.com:1234","Platforms":null,"DriverOpts":{"cacert":"/ca.pem"},"Flags":null,"Files":null},
	{"Name":"far1","Endpoint":"tcp://arm.example.com:1234","Platforms":[{"architecture":"arm64","os":"linux"},{"architecture":"arm","os":"linux","variant":"v7"}],"DriverOpts":null,"Flags":null,"Files":null}],
	"Dynamic":false}`

func TestCurrent(t *testing.T) {
	const here = "unix:///var/run/docker.sock"
	for name, c := range map[string]struct {
		content map[string]string
		engine  string
		want    string
	}{
		"nothing":           {map[string]string{}, here, ""},
		"of this engine":    {map[string]string{"current": `{"Key":"` + here + `","Name":"far","Global":false}`}, here, "far"},
		"of another engine": {map[string]string{"current": `{"Key":"` + here + `","Name":"far","Global":false}`}, "desktop-linux", ""},
		"of all engines":    {map[string]string{"current": `{"Key":"` + here + `","Name":"far","Global":true}`}, "desktop-linux", "far"},
		"set back":          {map[string]string{"current": `{"Key":"` + here + `","Name":"","Global":false}`}, here, ""},
		"removed":           {map[string]string{"current": `{"Key":"` + here + `","Name":"near","Global":false}`}, here, ""},
		// As `docker buildx use --default` leaves it.
		"default of another": {map[string]string{"current": `{"Key":"` + here + `","Name":"near"}`, "defaults/" + hashed: "far"}, "desktop-linux", "far"},
	} {
		t.Run(name, func(t *testing.T) {
			c.content["instances/far"] = far
			got, err := Current(store(t, c.content), c.engine)
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" && got != nil || c.want != "" && (got == nil || got.Name != c.want) {
				t.Errorf("got %+v, want %q", got, c.want)
			}
		})
	}
}

func TestNamed(t *testing.T) {
	dir := store(t, map[string]string{"instances/far": far, "instances/torn": `{"Name":`, "instances/empty": `{"Name":"empty","Driver":"remote"}`, "current": "{}"})
	b, err := Named(dir, "FAR")
	if err != nil {
		t.Fatal(err)
	}
	if n := b.Nodes[0]; b.Driver != DriverRemote || n.Endpoint != "tcp://build.example.com:1234" || n.DriverOpts["cacert"] != "/ca.pem" {
		t.Errorf("%+v", b)
	}
	for platform, want := range map[string]string{"": "far0", "linux/amd64": "far0", "linux/arm64": "far1", "linux/arm/v7": "far1"} {
		if got := b.For(platform).Name; got != want {
			t.Errorf("%q is built by %s, want %s", platform, got, want)
		}
	}
	for _, name := range []string{"near", "", "../current", ".."} {
		if _, err := Named(dir, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"torn", "empty"} {
		if _, err := Named(dir, name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
