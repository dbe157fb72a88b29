package project

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

// awkward has what JSON has to escape, or may, or cannot say, wherever a file may say it.
func awkward() Service {
	empty, null, line := "", "a\x00b\x7f\\", "first\nsecond\t\"quoted\" <a href='x?y=1&z=2'> \u2028 \u00e9 \U0001F600 \xff"
	var s Service
	s.Name, s.Image = "awkward", "example/<&>:1"
	s.Environment = map[string]*string{
		"EMPTY": &empty, "NULL": &null, "LINE": &line, "HOST": nil, "URL<&>": &line, "Ü \u2029": &empty, "a\"b": nil, "\xfe": &empty, "": &empty,
	}
	s.Labels = map[string]string{"a<b>&c": line, "Ü": `\u003c`, "": empty}
	s.Command = []string{"sh", "-c", "test 1 < 2 && echo >&2 \"\\u003c\""}
	s.Entrypoint = []string{}
	replicas, scale := 3, 2
	s.Deploy = &types.DeployConfig{Mode: "replicated", Replicas: &replicas, Labels: map[string]string{"x": "<&>"}}
	s.Scale, s.Profiles, s.PullPolicy = &scale, []string{"<&>"}, "always"
	s.DependsOn = map[string]ServiceDependency{"db": {Condition: ConditionHealthy, Required: true}}
	s.Volumes = []ServiceVolume{{Type: "volume", Source: "<data>", Target: "/a&b"}, {Type: "bind", Source: "/x", Target: "/y"}}
	s.ExtraHosts = map[string][]string{"host<&>": {"127.0.0.1"}}
	return s
}

// written are the services of the files that docker compose is asked about too, and others that are hard to write.
func written(t *testing.T) map[string]Service {
	t.Helper()
	out := map[string]Service{"empty": {}, "awkward": awkward()}
	files, err := filepath.Glob(filepath.Join("testdata", "peer", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		abs, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Load(t.Context(), Options{Files: []string{abs}, Environ: []string{"HOME=/"}, TolerateMissing: true})
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range p.Services {
			out[filepath.Base(file)+" "+name] = s
		}
	}
	return out
}

// longSpec is the spec of a service by way of maps.
func longSpec(t *testing.T, s Service, ofDeploy []string) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		t.Fatal(err)
	}
	for name, value := range fields {
		if value == nil || slices.Contains(unspecific(), name) {
			delete(fields, name)
		}
	}
	if deploy, ok := fields["deploy"].(map[string]any); ok {
		for _, name := range ofDeploy {
			delete(deploy, name)
		}
		if resources, ok := deploy["resources"].(map[string]any); ok && len(resources) == 0 {
			delete(deploy, "resources")
		}
		if len(deploy) == 0 {
			delete(fields, "deploy")
		}
	}
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(fields); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// What a container is compared by and its hash are the same as the long way round, whatever is in the service. Were they not, every
// container would be replaced after an update of muster.
func TestWrittenTheLongWay(t *testing.T) {
	for name, s := range written(t) {
		w, err := Write(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			got      func() (string, error)
			ofDeploy []string
		}{{w.Spec, unspecificDeploy()}, {w.DeploySpec, []string{"mode", "replicas"}}} {
			got, err := c.got()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(longSpec(t, s, c.ofDeploy), got); diff != "" {
				t.Errorf("%s (- long way, + as written):\n%s", name, diff)
			}
		}
		hash, err := w.Hash()
		hashes, errAll := ServiceHashes(s)
		if err != nil || errAll != nil || hash != hashes[0] {
			t.Errorf("the hash of %s is %s, %v; want %s, %v", name, hash, err, hashes, errAll)
		}
	}
}

// TestDigestsStay has what muster wrote in November 2026.
func TestDigestsStay(t *testing.T) {
	s := awkward()
	spec, err := Spec(s)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(spec)
	hash, err := ServiceHash(s)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := hex.EncodeToString(sum[:]), "5bf325c75031485a5e0efad6b3faf8cde5b28b94e0bce259ecf03c5cf28ba9a0"; got != want {
		t.Errorf("the spec is %s, with the digest %s; want %s", spec, got, want)
	}
	if want := "e76ba1f243362cb78af705e2cd34818ccdc8bce3684c36c5c0781f5381cff7ce"; hash != want {
		t.Errorf("the hash is %s, want %s", hash, want)
	}
}
