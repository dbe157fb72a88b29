package instance

import (
	"errors"
	"path/filepath"
	"runtime"
)

// StateDir is muster's folder for what it keeps about the past, of this user on this machine; nothing in it decides what is
// done. getenv looks up a variable. The error says that there is none.
func StateDir(getenv func(string) string) (string, error) {
	dir := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // as its specification wants it: a relative one does not count
		home := getenv("HOME")
		if runtime.GOOS == "windows" {
			home = getenv("USERPROFILE")
		}
		if home == "" {
			return "", errors.New("there is no home folder to keep muster's state in")
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "muster"), nil
}
