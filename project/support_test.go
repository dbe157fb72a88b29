package project

import (
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
)

// TestSupportTableIsComplete walks the specification's schema: a key without a row would be
// dropped in silence one day.
func TestSupportTableIsComplete(t *testing.T) {
	rows := map[string]bool{}
	for _, r := range SupportTable() {
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
