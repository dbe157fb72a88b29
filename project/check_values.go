package project

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// words are keys whose text is one of a few. The schema leaves them open.
func words(s Service) []struct {
	path  []string
	value string
	known []string
} {
	type row = struct {
		path  []string
		value string
		known []string
	}
	rows := []row{{[]string{"uts"}, s.Uts, []string{"host"}}}
	if d := s.Deploy; d != nil {
		rows = append(rows,
			row{[]string{"deploy", "mode"}, d.Mode, []string{"replicated", "global", "replicated-job", "global-job"}},
			row{[]string{"deploy", "endpoint_mode"}, d.EndpointMode, []string{"vip", "dnsrr"}})
		if u := d.UpdateConfig; u != nil {
			rows = append(rows, row{[]string{"deploy", "update_config", "failure_action"}, u.FailureAction, []string{"pause", "continue", "rollback"}})
		}
		if u := d.RollbackConfig; u != nil {
			rows = append(rows, row{[]string{"deploy", "rollback_config", "failure_action"}, u.FailureAction, []string{"pause", "continue"}})
		}
		if r := d.RestartPolicy; r != nil {
			rows = append(rows, row{[]string{"deploy", "restart_policy", "condition"}, r.Condition, []string{"none", "on-failure", "any"}})
		}
	}
	return rows
}

var (
	restartPolicy = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(no|always|unless-stopped|on-failure(:\d+)?)$`) })
	containerName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`) })
)

// checkWords is about text that has to have a form.
func checkWords(c *checker, name string, s Service) {
	bad := func(value, what, hint string, parts ...string) {
		c.add(finding{path: append([]string{"services", name}, parts...), problem: quote(value) + " is not " + what, hint: hint})
	}
	for _, w := range words(s) {
		if w.value == "" || slices.Contains(w.known, w.value) {
			continue
		}
		hint := "write " + sentence(w.known, "or")
		if near := Nearest(w.value, w.known); near != "" {
			hint = didYouMean(w.value, w.known)
		}
		bad(w.value, "known here", hint, w.path...)
	}
	if s.Restart != "" && !restartPolicy().MatchString(s.Restart) {
		hint := "write no, always, unless-stopped, on-failure or on-failure:3"
		if near := Nearest(s.Restart, []string{"no", "always", "unless-stopped", "on-failure"}); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		bad(s.Restart, "a restart policy", hint, "restart")
	}
	if s.ContainerName != "" && !containerName().MatchString(s.ContainerName) {
		bad(s.ContainerName, "a container name", "use letters, digits, _, . and -, beginning with a letter or digit, two at least", "container_name")
	}
	if s.PullRefreshAfter != "" {
		periodic := s
		periodic.PullPolicy = PullRefresh
		if _, _, err := PullPolicy(periodic); err != nil {
			bad(s.PullRefreshAfter, "a time", "write 12h, 3d or 1w", "pull_refresh_after")
		}
	}
	if problem, hint := CheckSignal(s.StopSignal); s.StopSignal != "" && problem != "" {
		c.add(finding{path: []string{"services", name, "stop_signal"}, problem: problem, hint: hint})
	}
	if s.MacAddress != "" {
		if _, err := net.ParseMAC(s.MacAddress); err != nil {
			bad(s.MacAddress, "a MAC address", "write 02:42:ac:11:00:02", "mac_address")
		}
	}
	for i, d := range s.DNS {
		if _, err := netip.ParseAddr(d); err != nil {
			bad(d, "an IP address", "a DNS server is named by its address", "dns", index(i))
		}
	}
	for _, key := range sortedKeys(s.Ulimits) {
		if u := s.Ulimits[key]; u != nil && u.Single == 0 && u.Hard != -1 && u.Soft > u.Hard {
			c.add(finding{path: []string{"services", name, "ulimits", key}, at: []string{"services", name, "ulimits", key, "soft"},
				problem: fmt.Sprintf("soft limit %d is above the hard limit %d", u.Soft, u.Hard)})
		}
	}
}

// checkPorts is about the numbers; their text is told by the value checks.
func checkPorts(c *checker, name string, s Service) {
	for i, p := range s.Ports {
		path := []string{"services", name, "ports", index(i)}
		if p.Target < 1 || p.Target > 65535 {
			at := path
			if c.places.find(append(path, "target")...).depth == 5 {
				at = append(slices.Clone(path), "target")
			}
			problem := fmt.Sprintf("port %d of the container is not between 1 and 65535", p.Target)
			if p.Target == 0 {
				problem = "the container's port is missing"
			}
			c.add(finding{path: path, at: at, problem: problem})
		}
		if lo, hi, ok := portRange(p.Published); p.Published != "" && (!ok || lo > hi || hi > 65535) {
			c.add(finding{path: path, at: append(slices.Clone(path), "published"), problem: fmt.Sprintf("%s is not a port or a range of ports up to 65535", quote(p.Published))})
		}
		if p.Protocol != "" && !slices.Contains([]string{"tcp", "udp", "sctp"}, p.Protocol) {
			c.add(finding{path: path, at: append(slices.Clone(path), "protocol"), problem: quote(p.Protocol) + " is not a protocol", hint: "write tcp, udp or sctp"})
		}
	}
}

// checkExposed is about ports that are exposed only.
func checkExposed(c *checker, name string, s Service) {
	for i, e := range s.Expose {
		if problem, hint := exposed(e); problem != "" {
			c.add(finding{path: []string{"services", name, "expose", index(i)}, problem: problem, hint: hint})
		}
	}
}

// portRange reads 8080 and 8080-8090.
func portRange(text string) (lo, hi int, ok bool) {
	from, to, ranged := strings.Cut(text, "-")
	if !ranged {
		to = from
	}
	lo, err1 := strconv.Atoi(from)
	hi, err2 := strconv.Atoi(to)
	return lo, hi, err1 == nil && err2 == nil && lo >= 0
}

// checkPublished refuses one port of the host for two services. Ranges are
// left alone: the engine picks what is free.
func checkPublished(c *checker) {
	type claim struct {
		service, ip string
	}
	claims := map[string][]claim{}
	for _, name := range c.m.ServiceNames() {
		s := c.m.Services[name]
		if s.NetworkMode == "host" {
			continue
		}
		for _, p := range s.Ports {
			lo, hi, ok := portRange(p.Published)
			if !ok || lo != hi || lo == 0 {
				continue
			}
			key := p.Published + "/" + p.Protocol
			for _, other := range claims[key] {
				if other.ip != p.HostIP && !anyAddress(other.ip) && !anyAddress(p.HostIP) {
					continue
				}
				if other.service == name && (other.ip != p.HostIP) {
					continue
				}
				by := "service " + quote(other.service)
				if other.service == name {
					by = "this service"
				}
				path := []string{"services", name, "ports"}
				c.add(finding{path: path, at: append(slices.Clone(path), p.Published),
					problem: fmt.Sprintf("port %s of the host is published by %s already", p.Published, by), hint: "publish another one"})
				break
			}
			claims[key] = append(claims[key], claim{name, p.HostIP})
		}
	}
}

func anyAddress(ip string) bool { return ip == "" || ip == "0.0.0.0" || ip == "::" }

// checkResources is about the top-level sections.
func checkResources(c *checker) {
	for _, key := range c.m.NetworkNames() {
		for i, pool := range c.m.Networks[key].Ipam.Config {
			path := []string{"networks", key, "ipam", "config", index(i)}
			subnet, err := netip.ParsePrefix(pool.Subnet)
			if pool.Subnet != "" && err != nil {
				c.add(finding{path: append(path, "subnet"), problem: quote(pool.Subnet) + " is not a subnet", hint: "write 172.28.0.0/16"})
				continue
			}
			gw, err := netip.ParseAddr(pool.Gateway)
			switch {
			case pool.Gateway == "":
			case err != nil:
				c.add(finding{path: append(path, "gateway"), problem: quote(pool.Gateway) + " is not an address"})
			case pool.Subnet != "" && !subnet.Contains(gw):
				c.add(finding{path: append(path, "gateway"), problem: fmt.Sprintf("%s lies outside the subnet %s", gw, pool.Subnet)})
			}
			if _, err := netip.ParsePrefix(pool.IPRange); pool.IPRange != "" && err != nil {
				c.add(finding{path: append(path, "ip_range"), problem: quote(pool.IPRange) + " is not a range", hint: "write 172.28.5.0/24"})
			}
		}
	}
}
