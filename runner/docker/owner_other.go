//go:build !linux

package docker

// portOwner would name the process that has a port; only Linux tells without
// special rights.
func portOwner(string, string) string { return "" }
