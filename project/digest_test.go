package project

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

// A secret's digest is the same on every machine, another one for another content, and
// says nothing that a quick hash of a guess could be compared with.
func TestSecretDigest(t *testing.T) {
	digest := func(project, name, content string) string {
		t.Helper()
		d, err := secretDigest(project, name, digestText(content))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := digest("shop", "secrets.token", "hunter2")
	if first != "scrypt:6a0ff2" {
		t.Errorf("digest %s: containers of earlier versions would all be replaced", first)
	}
	for what, other := range map[string]string{
		"content": digest("shop", "secrets.token", "hunter3"),
		"project": digest("blog", "secrets.token", "hunter2"),
		"name":    digest("shop", "secrets.other", "hunter2"),
	} {
		if other == first {
			t.Errorf("another %s has the same digest", what)
		}
	}
	sum := sha256.Sum256([]byte("hunter2"))
	if strings.Contains(hex.EncodeToString(sum[:]), strings.TrimPrefix(first, "scrypt:")) {
		t.Errorf("%s is a piece of the plain digest", first)
	}
	if bits := 4 * len(strings.TrimPrefix(first, "scrypt:")); bits > 24 {
		t.Errorf("%d bits say too much about a weak secret", bits)
	}
}
