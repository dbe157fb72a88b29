// Package enginetest says which tests run on the engine that there is to test on.
package enginetest

import (
	"os"
	"testing"
)

// Host is the address of the engine to test on, as DOCKER_HOST has it. Without one, or without the images that the test takes, by the names of the
// variables that have theirs, the test is skipped.
func Host(t testing.TB, images ...string) string {
	t.Helper()
	host := os.Getenv("MUSTER_TEST_ENGINE")
	if host == "" {
		t.Skip("MUSTER_TEST_ENGINE does not name an engine to test on (a DOCKER_HOST value)")
	}
	for _, image := range images {
		if os.Getenv(image) == "" {
			t.Skipf("%s does not name an image to test with", image)
		}
	}
	return host
}

// SameOnAny leaves a test out with -short, which is how the oldest engine is tested: what it tests is muster's own doing, and
// others, which it names, ask the engine for the same there.
func SameOnAny(t testing.TB, others string) {
	t.Helper()
	if testing.Short() {
		t.Skip("the same on any engine; what it asks of one, these do too: " + others)
	}
}
