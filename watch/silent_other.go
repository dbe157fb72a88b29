//go:build !linux

package watch

// silent says that a path is on a file system whose changes the system does not tell. MUSTER_WATCH_POLL is for those here.
func silent(string) bool { return false }
