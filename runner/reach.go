package runner

import "net/url"

// HostName is where published ports of the engine at an address are reached.
func HostName(engine string) string {
	u, err := url.Parse(engine)
	if err != nil || u.Hostname() == "" || u.Scheme == "unix" || u.Scheme == "npipe" {
		return "localhost"
	}
	return u.Hostname()
}

// ReachedAt is the name or address at which a port is reached that is published at an IP address of a host.
func ReachedAt(host, ip string) string {
	switch ip {
	case "", "0.0.0.0", "::", "127.0.0.1", "::1":
		return host
	}
	return ip
}
