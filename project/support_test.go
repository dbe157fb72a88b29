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
		own := len(parts) == 1 || len(parts) == 3 && parts[1] == "*" &&
			slices.Contains([]string{"services", "networks", "volumes", "configs", "secrets"}, parts[0])
		if own && !rows[path] {
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
