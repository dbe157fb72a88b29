package lock

import (
	"os"
	"os/user"
)

// User is the user and the machine, for the records; empty where neither is known.
func User() string {
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	switch {
	case err != nil:
		return name
	case name == "":
		return host
	}
	return name + "@" + host
}
