//go:build !race

package runner_test

// raced says that the race detector is on.
const raced = false
