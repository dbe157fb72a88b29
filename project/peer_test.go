package project

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/hack/registry"
	"github.com/musterhq/muster/project/remote"
)

// peer is docker compose 2.40.3, to measure against.
func peer(t *testing.T) string {
	path := os.Getenv("MUSTER_PEER_COMPOSE")
	if path == "" {
		t.Skip("MUSTER_PEER_COMPOSE names no docker compose to compare with")
	}
	return path
}

// peerFiles are the stacks to compare on: the corpus where there is one, and our stories.
func peerFiles(t *testing.T) []string {
	var files []string
	if corpus := os.Getenv("MUSTER_CORPUS"); corpus != "" {
		for _, name := range []string{"compose.yaml", "docker-compose.yml"} {
			found, err := filepath.Glob(filepath.Join(corpus, "*", name))
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, found...)
		}
		if len(files) == 0 {
			t.Fatalf("no compose files in %s", corpus)
		}
	}
	own, err := filepath.Glob(filepath.Join("testdata", "peer", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range own {
		abs, err := filepath.Abs(f)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, abs)
	}
	return files
}

// stack is a folder's files, given with -f in this order.
type stack struct {
	name  string
	files []string
}

// peerStacks are the files one by one, and together what is meant to be merged.
func peerStacks(t *testing.T) []stack {
	var stacks []stack
	for _, file := range peerFiles(t) {
		dir := filepath.Dir(file)
		stacks = append(stacks, stack{filepath.Base(dir) + "/" + filepath.Base(file), []string{file}})
		layers, err := filepath.Glob(filepath.Join(dir, "compose.*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, layer := range layers {
			stacks = append(stacks, stack{filepath.Base(dir) + "/" + filepath.Base(layer), []string{file, layer}})
		}
		if len(layers) > 1 {
			stacks = append(stacks, stack{filepath.Base(dir) + "/all", append([]string{file}, layers...)})
		}
	}
	return stacks
}

func runPeer(t *testing.T, bin string, files []string, args ...string) []byte {
	var given []string
	for _, file := range files {
		given = append(given, "-f", file)
	}
	cmd := exec.Command(bin, append(given, args...)...)
	cmd.Dir = filepath.Dir(files[0])
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker compose %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// explained are the differences to docker compose 2.40.3's model that are meant.
func explained() []struct {
	why  string
	drop func(model map[string]any)
} {
	return []struct {
		why  string
		drop func(model map[string]any)
	}{
		{"compose-go up to 2.9 writes create_host_path where it is true, later ones where it is false; the model is the same",
			func(m map[string]any) { eachMount(m, dropHostPath) }},
	}
}

func eachMount(model map[string]any, visit func(mount map[string]any)) {
	services, _ := model["services"].(map[string]any)
	for _, s := range services {
		mounts, _ := s.(map[string]any)["volumes"].([]any)
		for _, v := range mounts {
			visit(v.(map[string]any))
		}
	}
}

func dropHostPath(mount map[string]any) {
	if bind, ok := mount["bind"].(map[string]any); ok {
		delete(bind, "create_host_path")
	}
}

func TestModelAsPeer(t *testing.T) {
	bin := peer(t)
	for _, s := range peerStacks(t) {
		t.Run(s.name, func(t *testing.T) {
			p, err := Load(t.Context(), Options{Files: s.files, Cwd: filepath.Dir(s.files[0]), TolerateMissing: true})
			if err != nil {
				t.Fatal(err)
			}
			data, err := p.Marshal("json")
			if err != nil {
				t.Fatal(err)
			}
			got, want := decoded(t, data), decoded(t, runPeer(t, bin, s.files, "config", "--format", "json"))
			for _, e := range explained() {
				e.drop(got)
				e.drop(want)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("model (- docker compose, + muster):\n%s", diff)
			}
		})
	}
}

func decoded(t *testing.T, data []byte) map[string]any {
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestHashesAsPeer(t *testing.T) {
	bin := peer(t)
	for _, s := range peerStacks(t) {
		t.Run(s.name, func(t *testing.T) {
			p, err := Load(t.Context(), Options{Files: s.files, Cwd: filepath.Dir(s.files[0]), TolerateMissing: true})
			if err != nil {
				t.Fatal(err)
			}
			hashes, err := p.Hashes()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for name, h := range hashes {
				got = append(got, name+" "+h)
			}
			slices.Sort(got)
			want := strings.Split(strings.TrimSpace(string(runPeer(t, bin, s.files, "config", "--hash", "*"))), "\n")
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("hashes (- docker compose, + muster):\n%s", diff)
			}
		})
	}
}

// TestPublishIsReadByThePeer publishes with muster and reads with docker compose, and the other way round.
func TestPublishIsReadByThePeer(t *testing.T) {
	peer := peer(t)
	files := publishable()
	files["plain.yaml"] = "services:\n  web:\n    image: web:9\n    environment: {A: b}\n"
	files["compose.yaml"] = strings.Replace(files["compose.yaml"], "    configs: [proxy]\n", "", 1)
	publication, err := publish(t, files, Publishing{EnvFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	cert := filepath.Join(dir, "cert.pem")
	host := registry.Start(t, registry.Options{TLS: true, CertFile: cert})
	to, err := remote.Parse("oci://" + host + "/ours:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Publish(t.Context(), to, publication.Files, remote.Publishing{}); err != nil {
		t.Fatal(err)
	}
	run := func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), peer, append([]string{"-p", "shop"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "SSL_CERT_FILE="+cert, "XDG_CACHE_HOME="+filepath.Join(dir, "cache-of-the-peer"))
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.Output()
		if err != nil {
			var failed *exec.ExitError
			_ = errors.As(err, &failed)
			t.Fatalf("docker compose %q: %v\n%s", args, err, failed.Stderr)
		}
		return string(out)
	}
	model := run("y\ny\ny\n", "-f", "oci://"+host+"/ours:1", "config")
	for _, want := range []string{"image: web:2", "image: db", "image: cache", "W: \"1\"", "a: b", "LOG_LEVEL: info"} {
		if !strings.Contains(model, want) {
			t.Errorf("docker compose reads what muster published without %q:\n%s", want, model)
		}
	}
	run("y\ny\ny\n", "-f", "plain.yaml", "-f", "compose.override.yaml", "publish", "--with-env", "--yes", host+"/theirs:1")
	p, err := Load(t.Context(), Options{Files: []string{"oci://" + host + "/theirs:1"}, Environ: []string{"HOME=" + dir, "MUSTER_ALLOW_REMOTE=" + host}})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Services["web"].Image; got != "web:9" {
		t.Errorf("muster reads what docker compose published with the image %q", got)
	}
}
