package docker

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"gopkg.in/yaml.v3"

	"github.com/musterhq/muster/project"
)

// What the support table says that docker compose 2.40.3 drops in silence, it does: with the key it makes the same on the engine as
// without, and says no word about it. And of the keys that were looked at, it drops no others.
func TestDroppedByDockerCompose(t *testing.T) {
	peer := os.Getenv("MUSTER_PEER_COMPOSE")
	if peer == "" {
		t.Skip("MUSTER_PEER_COMPOSE names no docker compose to look at")
	}
	archive, err := txtar.ParseFile("testdata/dropped.txtar")
	if err != nil {
		t.Fatal(err)
	}
	probed := map[string]bool{}
	for _, f := range archive.Files {
		probed[f.Name] = true
		row, known := project.SupportOf("docker", f.Name)
		if !known || row.Key != f.Name {
			t.Errorf("the support table has no %s", f.Name)
		}
		t.Run(f.Name, func(t *testing.T) {
			r := newRig(t)
			with, said := r.peerMakes(peer, f.Data)
			without, _ := r.peerMakes(peer, withoutKey(t, f.Data, strings.Split(f.Name, ".")))
			diff := cmp.Diff(without, with)
			last := f.Name[strings.LastIndexByte(f.Name, '.')+1:]
			dropped := with != nil && diff == "" && !strings.Contains(said, last)
			if dropped != row.Dropped {
				t.Errorf("dropped in silence: %v, and the table says %v; it said %q, and made (- without, + with)\n%s", dropped, row.Dropped, said, diff)
			}
		})
	}
	for _, row := range project.SupportTable() {
		if row.Dropped && !probed[row.Key] {
			t.Errorf("nothing shows that %s is dropped", row.Key)
		}
	}
}

// peerMakes is what the engine tells of a project that docker compose has made, and what it said meanwhile; nil where it refused.
func (r *rig) peerMakes(peer string, file []byte) (made map[string]string, said string) {
	r.t.Helper()
	dir := r.t.TempDir()
	text := strings.ReplaceAll(string(file), "OCTET", r.octet())
	for name, data := range map[string]string{"compose.yaml": text, "c": "content", "spec.json": "{}"} {
		writeFile(r.t, filepath.Join(dir, name), []byte(data))
	}
	cmd := exec.CommandContext(r.ctx, peer, "-p", r.project, "create")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+os.Getenv("MUSTER_TEST_ENGINE"), "IMAGE="+busybox(), "DOCKER_CONFIG="+r.t.TempDir())
	out, err := cmd.CombinedOutput()
	defer r.clean()
	if err != nil {
		return nil, string(out)
	}
	made = r.seen(dir)
	nets, err := r.client.NetworkList(r.ctx, network.ListOptions{Filters: ofProject(r.project)})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, n := range nets {
		ipam, err := json.Marshal(n.IPAM.Options)
		if err != nil {
			r.t.Fatal(err)
		}
		made["network "+n.Name] = fmt.Sprint(string(ipam), n.Options, aux(n.IPAM))
	}
	for path := range made {
		// The hash is over the file and not over what was made of it.
		if regexp.MustCompile(`config-hash`).MatchString(path) {
			delete(made, path)
		}
	}
	return made, string(out)
}

func aux(ipam network.IPAM) string {
	var out []string
	for _, c := range ipam.Config {
		out = append(out, fmt.Sprint(c.AuxAddress))
	}
	return strings.Join(out, " ")
}

// withoutKey takes a path of the support table out of a file, wherever it is.
func withoutKey(t *testing.T, file []byte, path []string) []byte {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal(file, &doc); err != nil {
		t.Fatal(err)
	}
	var cut func(node any, path []string)
	cut = func(node any, path []string) {
		switch n := node.(type) {
		case map[string]any:
			for key, value := range n {
				switch {
				case path[0] != "*" && path[0] != key:
				case len(path) == 1:
					delete(n, key)
				default:
					cut(value, path[1:])
				}
			}
		case []any:
			for _, e := range n {
				cut(e, path[1:])
			}
		}
	}
	cut(doc, path)
	out, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
