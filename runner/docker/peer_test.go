package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/versions"
	"golang.org/x/tools/txtar"

	"github.com/musterhq/muster/planner"
)

// What docker compose makes of a file and what muster makes of it are the same to the engine, but for what is listed here
// with its reason. The files are those of the tests of keys, and the project's examples.
func TestSameAsDockerCompose(t *testing.T) {
	peer := os.Getenv("MUSTER_PEER_COMPOSE")
	if peer == "" {
		t.Skip("MUSTER_PEER_COMPOSE names no docker compose to compare with")
	}
	for _, f := range readKeyFiles(t) {
		t.Run("key "+f.name, func(t *testing.T) {
			if why := peerCannot()[f.name]; why != "" {
				t.Skip(why)
			}
			r := newRig(t)
			if f.needs != "" && versions.LessThan(r.apiVersion(), f.needs) {
				t.Skip("needs API " + f.needs)
			}
			dir := t.TempDir()
			for _, file := range f.archive.Files {
				if !strings.Contains(file.Name, " ") {
					writeFile(t, filepath.Join(dir, file.Name), file.Data)
				}
			}
			r.comparePeer(peer, dir, f.name, f.archive)
		})
	}
	examples, _ := filepath.Glob("../../examples/*/compose.yaml")
	for _, file := range examples {
		dir, err := filepath.Abs(filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		t.Run("example "+filepath.Base(dir), func(t *testing.T) { newRig(t).comparePeer(peer, dir, "example", &txtar.Archive{}) })
	}
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// peerCannot are the files that docker compose 2.40.3 does not take, or whose containers an engine does not show.
func peerCannot() map[string]string {
	return map[string]string{
		"pre_start":        "docker compose 2.40.3 knows no pre_start",
		"storage_opt":      "depends on the engine's machine",
		"volumes.external": "docker compose 2.40.3 gives a container in the network host aliases, which newer engines refuse",
	}
}

// comparePeer lets both make the containers of a folder, one after the other and under the same name.
func (r *rig) comparePeer(peer, dir, name string, archive *txtar.Archive) {
	t := r.t
	t.Helper()
	for _, file := range archive.Files {
		if key, made := strings.CutPrefix(file.Name, "made volume "); made {
			r.do(r.volume(key))
		}
	}
	cmd := exec.CommandContext(r.ctx, peer, "-p", r.project, "create")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+os.Getenv("MUSTER_TEST_ENGINE"), "IMAGE="+busybox(), "FROM_OUTSIDE=yes", "PROJECT="+r.project, "OCTET="+r.octet(), "DOCKER_CONFIG="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		if name == "example" {
			t.Skipf("docker compose cannot; its images may have to be built: %v: %s", err, out)
		}
		t.Fatalf("docker compose cannot: %v: %s", err, out)
	}
	if len(r.containersOf()) == 0 {
		t.Fatal("docker compose made no containers")
	}
	theirs := r.seen(dir)
	r.clean()
	for _, file := range archive.Files {
		if key, made := strings.CutPrefix(file.Name, "made volume "); made {
			r.do(r.volume(key))
		}
	}
	if err := r.bringUp(dir, planner.Policy{NoStart: true}); err != nil {
		t.Fatal(err)
	}
	ours := r.seen(dir)
	for _, path := range slices.Sorted(maps.Keys(union(theirs, ours))) {
		if theirs[path] != ours[path] && knownDifference(name, path) == "" {
			t.Errorf("%s: docker compose %s, muster %s", path, or(theirs[path], "nothing"), or(ours[path], "nothing"))
		}
	}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func union(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// difference is one that is meant between what docker compose and muster make of a file.
type difference struct {
	file string // a test of a key; empty is any
	path string // of the engine's answer, as a regular expression
	what string // in words, for the page
	why  string
}

func differences() []difference {
	return []difference{
		{"", `\.Labels\.dev\.muster\.`, "labels `dev.muster.*`", "muster's own: what a container was made from"},
		{"", `\.depends_on$`, "the order in the label `com.docker.compose.depends_on`", "sorted; docker compose's order is that of a Go map, and another one each time"},
		{"", `\.Networks\..*\.(IPAddress|IPv6Gateway)$`, "addresses", "what the engine fills in when it likes"},
		{"cap_add", `other-1\.Config\.StopTimeout`, "`stop_grace_period` below a second", "half a second is no second with docker compose, which kills at once; rounded up here"},
		{"configs", `\.Mounts$`, "configs and secrets from files with uid, gid or mode", "copied with them; docker compose mounts the file, drops them and says so"},
		{"ipc", `VolumesFrom$|\.Mounts$`, "`volumes_from: [base:ro]`", "is read-only; docker compose drops the mode. Containers are named and not numbered"},
		{"networks", `\.Links$`, "`links`", "to all containers of the service, by its name; docker compose links to its first"},
		{"use_api_socket", `Mounts$|Binds$`, "the socket of `use_api_socket`", "that of the engine in use; docker compose takes /var/run/docker.sock whatever is there"},
		{"use_api_socket", `Config\.Env`, "registry credentials with `use_api_socket`", "docker compose copies the user's into the container, in clear"},
		{"volumes", `Mounts$|Binds$`, "`nocopy` and `selinux` of long mounts", "in the engine's older notation; docker compose drops `selinux` in the newer one"},
		{"volumes.recursive", `Mounts$`, "`bind.recursive` without `create_host_path`", "the folder is made unless that is taken out; docker compose does not with `recursive`"},
	}
}

// knownDifference is the reason for a difference that is meant.
func knownDifference(file, path string) string {
	for _, d := range differences() {
		if (d.file == "" || d.file == file) && regexp.MustCompile(d.path).MatchString(path) {
			return d.why
		}
	}
	return ""
}

// The page that tells users of the differences has each of them.
func TestDifferencesAreTold(t *testing.T) {
	page, err := os.ReadFile("../../docs/start.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences() {
		if row := "| " + d.what + " | " + d.why + " |\n"; !strings.Contains(string(page), row) {
			t.Errorf("docs/start.md lacks\n%s", row)
		}
	}
}

// seen is all that the engine says of the project's containers, a line each, without what is different each time.
func (r *rig) seen(dir string) map[string]string {
	r.t.Helper()
	out := map[string]string{}
	all := r.containersOf()
	for _, c := range all {
		got, err := r.client.ContainerInspect(r.ctx, c.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		text, err := json.Marshal(map[string]any{
			"Config": got.Config, "HostConfig": got.HostConfig, "Mounts": got.Mounts, "Networks": got.NetworkSettings.Networks,
		})
		if err != nil {
			r.t.Fatal(err)
		}
		plain := strings.ReplaceAll(string(text), dir, "DIR")
		for _, other := range all {
			plain = strings.ReplaceAll(plain, other.ID, "ID-"+other.Service)
			plain = strings.ReplaceAll(plain, other.ID[:12], "ID-"+other.Service)
		}
		plain = strings.ReplaceAll(plain, r.project, "PROJECT")
		plain = strings.ReplaceAll(plain, `,"BindOptions":{}`, "")
		plain = regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(plain, "HEX")
		var tree any
		if err := json.Unmarshal([]byte(plain), &tree); err != nil {
			r.t.Fatal(err)
		}
		flatten(strings.ReplaceAll(c.Name, r.project, "PROJECT"), tree, out)
	}
	return out
}

// flatten writes a tree as paths; the order of lists does not count, and neither does whether something empty is there.
func flatten(path string, node any, out map[string]string) {
	switch n := node.(type) {
	case map[string]any:
		for k, v := range n {
			flatten(path+"."+k, v, out)
		}
	case []any:
		var list []string
		for _, e := range n {
			text, _ := json.Marshal(e)
			list = append(list, string(text))
		}
		slices.Sort(list)
		if len(list) > 0 {
			out[path] = strings.Join(list, " ")
		}
	case nil:
	default:
		if text := fmt.Sprint(n); text != "" && text != "0" && text != "false" {
			out[path] = text
		}
	}
}
