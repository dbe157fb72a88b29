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
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/tools/txtar"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
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
			r.comparePeer(peer, stack{dir: dir, name: f.name, archive: f.archive})
		})
	}
	examples, err := filepath.Glob("../../examples/*/compose.yaml")
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range examples {
		t.Run("example "+filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			r := newRig(t)
			s := copied(t, filepath.Dir(file), "compose.yaml")
			s.standIn(t, func(s project.Service) bool { return s.Build != nil })
			r.comparePeer(peer, s)
		})
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

// stack is what both are given: a folder, and the files in it, those that are found where there are none.
type stack struct {
	dir, name string
	files     []string
	archive   *txtar.Archive // of a test of a key
}

// comparePeer lets both make the containers of a stack, one after the other and under the same name, and gives their number.
func (r *rig) comparePeer(peer string, s stack) int {
	t := r.t
	t.Helper()
	r.makeVolumes(s.archive)
	args := []string{"-p", r.project}
	for _, file := range s.files {
		args = append(args, "--profile", "*", "-f", filepath.Join(s.dir, file))
	}
	cmd := exec.CommandContext(r.ctx, peer, append(args, "create")...)
	cmd.Dir = s.dir
	cmd.Env = append(r.environ(), "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"), "DOCKER_HOST="+os.Getenv("MUSTER_TEST_ENGINE"), "DOCKER_CONFIG="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("docker compose cannot: %v: %s", err, out)
	}
	theirs, n := r.seen(s.dir), len(r.containersOf())
	if n == 0 {
		t.Fatal("docker compose made no containers")
	}
	r.clean()
	r.makeVolumes(s.archive)
	if err := r.bring(r.load(s.dir, s.files...), planner.Policy{NoStart: true}); err != nil {
		t.Fatal(err)
	}
	ours := r.seen(s.dir)
	for _, path := range slices.Sorted(maps.Keys(union(theirs, ours))) {
		if theirs[path] != ours[path] && !isMeant(s.name, path, theirs[path], ours[path]) {
			t.Errorf("%s: docker compose %s, muster %s", path, or(theirs[path], "nothing"), or(ours[path], "nothing"))
		}
	}
	return n
}

// makeVolumes makes those that a test of a key wants to be there before.
func (r *rig) makeVolumes(archive *txtar.Archive) {
	r.t.Helper()
	if archive == nil {
		return
	}
	for _, file := range archive.Files {
		if key, made := strings.CutPrefix(file.Name, "made volume "); made {
			r.do(r.volume(key))
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
	only func(theirs, ours string) bool // of these values; nil is any
}

func differences() []difference {
	return []difference{
		{"", `\.Aliases$`, "a name twice among a container's aliases", "once; docker compose gives a `container_name` that is the service's name too twice", repeats},
		{"", `\.Labels\.dev\.muster\.`, "labels `dev.muster.*`", "muster's own: what a container was made from", nil},
		{"", `\.depends_on$`, "the order in the label `com.docker.compose.depends_on`", "sorted; docker compose's order is that of a Go map, and another one each time", nil},
		{"", `\.Networks\..*\.(IPAddress|IPv6Gateway)$`, "addresses", "what the engine fills in when it likes", nil},
		{"cap_add", `other-1\.Config\.StopTimeout`, "`stop_grace_period` below a second", "half a second is no second with docker compose, which kills at once; rounded up here", nil},
		{"configs", `\.Mounts$`, "configs and secrets from files with uid, gid or mode", "copied with them; docker compose mounts the file, drops them and says so", nil},
		{"ipc", `VolumesFrom$|\.Mounts$`, "`volumes_from: [base:ro]`", "is read-only; docker compose drops the mode. Containers are named and not numbered", nil},
		{"networks", `\.IPAM\.Options\.`, "`ipam.options` of a network", "docker compose drops them", nil},
		{"networks", `\.Links$`, "`links`", "to all containers of the service, by its name; docker compose links to its first", nil},
		{"use_api_socket", `Mounts$|Binds$`, "the socket of `use_api_socket`", "that of the engine in use; docker compose takes /var/run/docker.sock whatever is there", nil},
		{"use_api_socket", `Config\.Env`, "registry credentials with `use_api_socket`", "docker compose copies the user's into the container, in clear", nil},
		{"volumes", `Mounts$|Binds$`, "`nocopy` and `selinux` of long mounts", "in the engine's older notation; docker compose drops `selinux` in the newer one", nil},
		{"volumes.recursive", `Mounts$`, "`bind.recursive` without `create_host_path`", "the folder is made unless that is taken out; docker compose does not with `recursive`", nil},
	}
}

// repeats says that theirs is ours with some of it more than once; both are sorted.
func repeats(theirs, ours string) bool {
	return strings.Join(slices.Compact(strings.Fields(theirs)), " ") == ours
}

func isMeant(file, path, theirs, ours string) bool {
	return slices.ContainsFunc(differences(), func(d difference) bool {
		return (d.file == "" || d.file == file) && regexp.MustCompile(d.path).MatchString(path) && (d.only == nil || d.only(theirs, ours))
	})
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

// seen is all that the engine says of what a project has made, a line each, without what is different each time.
func (r *rig) seen(dir string) map[string]string {
	r.t.Helper()
	out, all := map[string]string{}, r.containersOf()
	add := func(name string, got any) {
		text, err := json.Marshal(got)
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
		flatten(strings.ReplaceAll(name, r.project, "PROJECT"), tree, out)
	}
	for _, c := range all {
		got, err := r.client.ContainerInspect(r.ctx, c.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		add(c.Name, map[string]any{
			"Config": got.Config, "HostConfig": got.HostConfig, "Mounts": got.Mounts, "Networks": got.NetworkSettings.Networks,
		})
	}
	nets, err := r.client.NetworkList(r.ctx, network.ListOptions{Filters: ofProject(r.project)})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, n := range nets {
		n.ID, n.Created = "", time.Time{}
		n.IPAM.Config = slices.DeleteFunc(n.IPAM.Config, func(c network.IPAMConfig) bool { return !asked.MatchString(c.Subnet) })
		add("network "+n.Name, n)
	}
	vols, err := r.client.VolumeList(r.ctx, volume.ListOptions{Filters: ofProject(r.project)})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, v := range vols.Volumes {
		v.CreatedAt = ""
		add("volume "+v.Name, v)
	}
	return out
}

// asked are the subnets that files ask for; others are the engine's choice, and another one each time.
var asked = regexp.MustCompile(`^(10\.213\.|fd13:|172\.20\.0\.0/24)`)

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
