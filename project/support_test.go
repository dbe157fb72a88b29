package project

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
	"gopkg.in/yaml.v3"
)

// TestSupportTableIsComplete walks the specification's schema: a key without a row would be
// dropped in silence one day.
func TestSupportTableIsComplete(t *testing.T) {
	rows := map[string]bool{}
	for _, r := range SupportTable() {
		if r.ofMuster() {
			continue // Compose's schema leaves extensions to others
		}
		if r.Target == "docker" {
			if rows[r.Key] {
				t.Errorf("%s has two rows", r.Key)
			}
			rows[r.Key] = true
		}
		if r.Support != Honoured && r.Note == "" {
			t.Errorf("%s is %s without a reason", r.Key, r.Support)
		}
	}
	known := map[string]bool{}
	for _, p := range schema.AttributePaths() {
		path := string(p)
		known[path] = true
		parts := strings.Split(path, ".")
		if wantsRow(parts) && !rows[path] {
			t.Errorf("%s has no row of its own", path)
		}
		if _, ok := SupportOf("docker", path); !ok {
			t.Errorf("no row speaks for %s", path)
		}
	}
	for key := range rows {
		if !known[key] {
			t.Errorf("%s is in no schema", key)
		}
	}
}

// wantsRow says which paths of the schema are keys of the specification. The others are names
// that users choose, jobs, the old form of external, and what a hook before the start shares with
// services.
func wantsRow(parts []string) bool {
	last := parts[len(parts)-1]
	switch {
	case last == "*", parts[0] == "jobs", last == "name" && len(parts) > 1 && parts[len(parts)-2] == "external":
		return false
	case len(parts) > 4 && parts[2] == "pre_start":
		own := []string{"command", "environment", "privileged", "user", "working_dir", "image", "per_replica"}
		return len(parts) == 5 && slices.Contains(own, last)
	}
	return true
}

func TestSupportOfTakesTheNearestRow(t *testing.T) {
	for path, want := range map[string]Support{
		"services.web.image":                        Honoured,
		"services.web.deploy.placement.constraints": Warned,
		"services.web.deploy.replicas":              Honoured,
		"secrets.token.external":                    Refused,
	} {
		if row, ok := SupportOf("docker", path); !ok || row.Support != want {
			t.Errorf("SupportOf %s: %v, want %s", path, row, want)
		}
	}
}

// Each key below x-muster has its row, and what the row says of it is what becomes of it.
func TestSupportOfMuster(t *testing.T) {
	samples := map[string]string{
		"x-muster": "{}", "x-muster.build": "on-change", "x-muster.instance": "auto",
		"services.*.x-muster": "{}", "services.*.x-muster.build": "missing", "services.*.x-muster.shared_volumes": "[/data]",
		"services.*.x-muster.test":  "true",
		"services.*.x-muster.ready": "{tcp: 80}", "services.*.x-muster.ready.tcp": "80", "services.*.x-muster.ready.http": "{port: 80}",
		"services.*.x-muster.ready.http.port": "80", "services.*.x-muster.ready.http.path": "/", "services.*.x-muster.ready.http.status": "200",
		"services.*.x-muster.ready.http.headers": "{A: b}", "services.*.x-muster.ready.log": "up", "services.*.x-muster.ready.exec": "[ls]",
		"services.*.x-muster.ready.all": "[{tcp: 80}]", "services.*.x-muster.ready.any": "[{tcp: 80}]", "services.*.x-muster.ready.timeout": "3s",
		"services.*.depends_on.*.x-muster": "{}", "services.*.depends_on.*.x-muster.timeout": "3s",
	}
	for _, r := range SupportTable() {
		if !r.ofMuster() {
			continue
		}
		value, known := samples[r.Key]
		delete(samples, r.Key)
		if !known && r.Support == Honoured {
			continue // a key that came later; the schema's own test knows it
		}
		warnings, err := loadedWith(t, r.Key, cmp.Or(value, "{}"))
		warned := slices.ContainsFunc(warnings, func(w Warning) bool { return strings.Contains(w.Problem, "it has no effect") })
		if err != nil || warned != (r.Support == Warned) {
			t.Errorf("%s is %s in the table: %v %v", r.Key, r.Support, warnings, err)
		}
	}
	for key := range samples {
		t.Errorf("%s has no row", key)
	}
}

// loadedWith loads a file in which the key has the value, and what it cannot be without.
func loadedWith(t *testing.T, key, value string) ([]Warning, error) {
	t.Helper()
	top := map[string]any{"services": map[string]any{
		"web": map[string]any{"image": "web", "volumes": []any{"/data"}, "depends_on": map[string]any{"db": map[string]any{"condition": "service_healthy"}}},
		"db":  map[string]any{"image": "db", "healthcheck": map[string]any{"test": "true"}},
	}}
	at := top
	parts := strings.Split(strings.Replace(strings.Replace(key, "services.*", "services.web", 1), "depends_on.*", "depends_on.db", 1), ".")
	for _, part := range parts[:len(parts)-1] {
		next, there := at[part].(map[string]any)
		if !there {
			next = map[string]any{}
			if part == "http" {
				next["port"] = 80
			}
			if part == "ready" && parts[len(parts)-1] == "timeout" {
				next["tcp"] = 80
			}
			at[part] = next
		}
		at = next
	}
	var v any
	if err := yaml.Unmarshal([]byte(value), &v); err != nil {
		t.Fatal(err)
	}
	at[parts[len(parts)-1]] = v
	text, err := yaml.Marshal(top)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Load(t.Context(), Options{Cwd: filepath.Dir(file), Environ: []string{}})
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return p.Warnings, nil
}
