package project

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"
)

func checkImage(c *checker, name string, s Service) {
	if s.Build == nil && s.Image == "" && s.Provider == nil {
		if c.cut.within("services", name, "image") || c.cut.within("services", name, "build") ||
			c.cut.within("services", name, "extends") || c.cut.within("services", name, "provider") {
			return
		}
		c.add(finding{path: []string{"services", name}, key: true, problem: "neither image nor build is given",
			hint: "write image: NAME, or build: FOLDER"})
		return
	}
	if s.Image == "" {
		return
	}
	if _, err := reference.ParseNormalizedNamed(s.Image); err != nil && !imageID().MatchString(s.Image) {
		hint := "write [REGISTRY/]NAME[:TAG]"
		if lower := strings.ToLower(s.Image); lower != s.Image {
			if _, err := reference.ParseNormalizedNamed(lower); err == nil {
				hint = "image names are lower-case: " + lower
			}
		}
		c.add(finding{path: []string{"services", name, "image"}, problem: quote(s.Image) + " is not an image name", hint: hint})
	}
}

var imageID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(sha256:)?[0-9a-f]{12,64}$`) })

func checkBuild(c *checker, name string, s Service) {
	b := s.Build
	if b == nil {
		return
	}
	path := func(parts ...string) []string { return append([]string{"services", name, "build"}, parts...) }
	if b.DockerfileInline != "" && b.Dockerfile != "" && c.places.find(path("dockerfile")...).depth == 4 {
		c.add(finding{path: path("dockerfile_inline"), key: true, problem: "dockerfile is given too", hint: "leave one of the two out"})
	}
	if s.Platform != "" && len(b.Platforms) > 0 && !slices.Contains(b.Platforms, s.Platform) {
		c.add(finding{path: path("platforms"), problem: fmt.Sprintf("the service's platform %s is not among them", quote(s.Platform)),
			hint: "add it, or the service could not run what is built"})
	}
}

func checkNetworks(c *checker, name string, s Service) {
	path := func(parts ...string) []string { return append([]string{"services", name}, parts...) }
	if s.NetworkMode != "" && len(s.Networks) > 0 {
		c.add(finding{path: path("network_mode"), key: true, problem: "networks is given too", hint: "leave one of the two out"})
	}
	if _, shared := strings.CutPrefix(s.NetworkMode, types.ServicePrefix); shared && len(s.Ports) > 0 {
		c.add(finding{path: path("ports"), key: true, problem: "a service in another one's network cannot publish ports",
			hint: "publish them on that service"})
	}
	for _, key := range sortedKeys(s.Networks) {
		n := s.Networks[key]
		if n == nil {
			continue
		}
		for _, a := range []struct{ key, value string }{{"ipv4_address", n.Ipv4Address}, {"ipv6_address", n.Ipv6Address}} {
			if a.value == "" {
				continue
			}
			ip, err := netip.ParseAddr(a.value)
			if err != nil || ip.Is4() != (a.key == "ipv4_address") {
				c.add(finding{path: path("networks", key, a.key), problem: quote(a.value) + " is not such an address"})
				continue
			}
			c.checkSubnet(path("networks", key, a.key), key, ip)
		}
	}
}

// checkSubnet refuses an address that lies outside the network's own subnets.
func (c *checker) checkSubnet(path []string, key string, ip netip.Addr) {
	n, ok := c.m.Networks[key]
	if !ok || bool(n.External) {
		return
	}
	var subnets []string
	for _, pool := range n.Ipam.Config {
		prefix, err := netip.ParsePrefix(pool.Subnet)
		if err != nil || prefix.Addr().Is4() != ip.Is4() {
			continue
		}
		if prefix.Contains(ip) {
			return
		}
		subnets = append(subnets, pool.Subnet)
	}
	if len(subnets) == 0 {
		c.add(finding{path: path, problem: fmt.Sprintf("network %q has no subnet of its own, so no address in it can be fixed", key),
			hint: fmt.Sprintf("give it one: networks.%s.ipam.config: [{subnet: …}]", key)})
		return
	}
	c.add(finding{path: path, problem: fmt.Sprintf("%s lies outside the network's subnet %s", ip, sentence(subnets, "and"))})
}

func checkHealth(c *checker, name string, s Service) {
	h := s.HealthCheck
	if h == nil || h.Disable {
		return
	}
	path := []string{"services", name, "healthcheck", "test"}
	if h.Test != nil && len(h.Test) == 0 {
		c.add(finding{path: path, problem: "is empty", hint: "write a command, or disable: true"})
	}
	if len(h.Test) == 0 {
		return // the image's test, with this file's times
	}
	switch h.Test[0] {
	case "NONE":
	case "CMD", "CMD-SHELL":
		if len(h.Test) < 2 {
			c.add(finding{path: path, problem: h.Test[0] + " has no command after it"})
		}
	default:
		c.add(finding{path: path, problem: "a list has to begin with CMD, CMD-SHELL or NONE",
			hint: fmt.Sprintf("write [CMD, %s]", strings.Join(h.Test, ", "))})
	}
}

// checkDependencies refuses waits that can never end.
func checkDependencies(c *checker, name string, s Service) {
	for _, dep := range sortedKeys(s.DependsOn) {
		to, ok := c.m.Services[dep]
		if !ok || s.DependsOn[dep].Condition != types.ServiceConditionHealthy || to.HealthCheck == nil {
			continue
		}
		if to.HealthCheck.Disable || len(to.HealthCheck.Test) > 0 && to.HealthCheck.Test[0] == "NONE" {
			c.add(finding{path: []string{"services", name, "depends_on"}, at: []string{"services", name, "depends_on", dep, "condition"},
				problem: fmt.Sprintf("%q never becomes healthy: its health check is disabled", dep),
				hint:    "wait for service_started, or give it a test"})
		}
	}
}

func checkScale(c *checker, name string, s Service) {
	path := func(parts ...string) []string { return append([]string{"services", name}, parts...) }
	replicas := path("deploy", "replicas")
	var declared *int
	if s.Deploy != nil {
		declared = s.Deploy.Replicas
	}
	if s.Scale != nil {
		if declared != nil && *declared != *s.Scale {
			c.add(finding{path: path("scale"), problem: fmt.Sprintf("%d, but deploy.replicas says %d", *s.Scale, *declared), hint: "leave one of the two out"})
		}
		replicas = path("scale")
	}
	n := s.GetScale()
	if n < 0 {
		c.add(finding{path: replicas, problem: "cannot be negative", hint: "0 is none"})
	}
	if n > 1 && s.ContainerName != "" && !c.shared {
		c.add(finding{path: path("container_name"), problem: fmt.Sprintf("%d replicas cannot share one container name", n),
			hint: "leave container_name out"})
	}
	if n < 2 || s.NetworkMode == "host" || c.shared {
		return
	}
	for _, p := range s.Ports {
		if p.Published != "" && p.Published != "0" && !strings.Contains(p.Published, "-") {
			c.add(finding{path: path("ports"), at: path("ports", p.Published), problem: fmt.Sprintf("%d replicas cannot share port %s of the host", n, p.Published),
				hint: "publish a range with a port for each replica, or the container's port only"})
		}
	}
}

// checkTwice refuses limits that are given in two places and differ.
func checkTwice(c *checker, name string, s Service) {
	if s.Deploy == nil {
		return
	}
	limits, reserved := s.Deploy.Resources.Limits, s.Deploy.Resources.Reservations
	if limits == nil {
		limits = &types.Resource{}
	}
	if reserved == nil {
		reserved = &types.Resource{}
	}
	for _, pair := range []struct {
		key, other string
		differ     bool
	}{
		{"cpus", "limits.cpus", s.CPUS != 0 && limits.NanoCPUs != 0 && limits.NanoCPUs.Value() != s.CPUS},
		{"mem_limit", "limits.memory", s.MemLimit != 0 && limits.MemoryBytes != 0 && limits.MemoryBytes != s.MemLimit},
		{"mem_reservation", "reservations.memory", s.MemReservation != 0 && reserved.MemoryBytes != 0 && reserved.MemoryBytes != s.MemReservation},
		{"pids_limit", "limits.pids", s.PidsLimit != 0 && limits.Pids != 0 && limits.Pids != s.PidsLimit},
	} {
		if pair.differ {
			c.add(finding{path: []string{"services", name, pair.key}, problem: "deploy.resources." + pair.other + " says something else", hint: "leave one of the two out"})
		}
	}
}

// checkMounts refuses two mounts at one place.
func checkMounts(c *checker, name string, s Service) {
	seen := map[string]string{}
	claim := func(target, key string, i int) {
		if target == "" {
			c.add(finding{path: []string{"services", name, key, index(i)}, problem: "has no target", hint: "write target: PATH, the place in the container"})
			return
		}
		if first, ok := seen[target]; ok {
			c.add(finding{path: []string{"services", name, key}, at: []string{"services", name, key, target},
				problem: fmt.Sprintf("%s is mounted twice, by %s too", quote(target), first)})
			return
		}
		seen[target] = fmt.Sprintf("%s[%d]", key, i)
	}
	for i, t := range s.Tmpfs {
		target, _, _ := strings.Cut(t, ":")
		claim(target, "tmpfs", i)
	}
	for i, v := range s.Volumes {
		claim(v.Target, "volumes", i)
		if v.Target != "" && !strings.HasPrefix(v.Target, "/") && !windowsPath().MatchString(v.Target) {
			c.add(finding{path: []string{"services", name, "volumes"}, at: []string{"services", name, "volumes", v.Target},
				problem: quote(v.Target) + " is not an absolute path in the container", hint: "write SOURCE:/PATH"})
		}
	}
}

var windowsPath = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([a-zA-Z]:[\\/]|\\\\)`) })

func checkWatch(c *checker, name string, s Service) {
	if s.Develop == nil {
		return
	}
	for i, w := range s.Develop.Watch {
		path := []string{"services", name, "develop", "watch", index(i)}
		if w.Target == "" && strings.HasPrefix(string(w.Action), "sync") { // an unknown one is told of elsewhere
			c.add(finding{path: path, problem: fmt.Sprintf("action %s has no target", w.Action), hint: "write target: PATH, where the files go in the container"})
		}
	}
}

// checkEnvFiles refuses forms of env files that nobody reads.
func checkEnvFiles(c *checker, name string, s Service) {
	for i, f := range s.EnvFiles {
		if f.Format != "" && f.Format != "raw" {
			c.add(finding{path: []string{"services", name, "env_file", index(i), "format"},
				problem: quote(f.Format) + " is no format of env files", hint: "write raw, or leave it out for the usual one"})
		}
	}
}
