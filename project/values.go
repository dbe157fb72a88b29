package project

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/format"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"
	"github.com/mattn/go-shellwords"
	"github.com/xhit/go-str2duration/v2"
)

// form is what the text of a value has to look like. It gives what is wrong
// with it and a hint, or nothing.
type form func(text string) (problem, hint string)

// formTable says which values have a form, by path. compose-go converts them
// too, but stops at the first one that fails, and mostly without saying where.
func formTable() map[string]form {
	table := map[string]form{}
	add := func(f form, prefix string, keys ...string) {
		for _, k := range keys {
			table[prefix+k] = f
		}
	}
	const s = "services.*."
	add(size, s, "mem_limit", "mem_reservation", "memswap_limit", "shm_size", "build.shm_size", "deploy.resources.limits.memory",
		"deploy.resources.reservations.memory", "volumes.[].tmpfs.size", "blkio_config.device_read_bps.[].rate",
		"blkio_config.device_write_bps.[].rate", "blkio_config.device_read_iops.[].rate", "blkio_config.device_write_iops.[].rate")
	add(duration, s, durations()...)
	add(truthValue, s, "init", "oom_kill_disable", "privileged", "read_only", "stdin_open", "tty", "attach", "healthcheck.disable",
		"volumes.[].read_only", "volumes.[].volume.nocopy", "volumes.[].bind.create_host_path", "depends_on.*.required",
		"depends_on.*.restart", "build.no_cache", "build.pull", "build.privileged", "networks.*.use_service_name_alias",
		"env_file.[].required", "develop.watch.[].initial_sync", "post_start.[].privileged", "pre_stop.[].privileged")
	add(truthValue, "networks.*.", "external", "internal", "attachable", "enable_ipv4", "enable_ipv6")
	add(truthValue, "", "volumes.*.external", "secrets.*.external", "configs.*.external")
	add(whole, s, "cpu_count", "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "oom_score_adj",
		"pids_limit", "ulimits.*", "ulimits.*.hard", "ulimits.*.soft", "healthcheck.retries", "scale", "deploy.replicas",
		"deploy.update_config.parallelism", "deploy.rollback_config.parallelism", "deploy.restart_policy.max_attempts",
		"deploy.placement.max_replicas_per_node", "mem_swappiness", "deploy.resources.limits.pids", "blkio_config.weight",
		"blkio_config.weight_device.[].weight")
	add(number, s, "cpus", "cpu_percent", "deploy.resources.limits.cpus", "deploy.resources.reservations.cpus",
		"deploy.update_config.max_failure_ratio", "deploy.rollback_config.max_failure_ratio")
	add(portMapping, s, "ports.[]")
	add(portNumber, s, "ports.[].target")
	add(exposed, s, "expose.[]")
	add(device, s, "devices.[]")
	add(mount, s, "volumes.[]")
	add(commandLine, s, "command", "entrypoint", "post_start.[].command", "pre_stop.[].command")
	add(fileMode, s, "configs.[].mode", "secrets.[].mode")
	add(hostAddress, s, "extra_hosts.[]")
	add(assignment, s, "environment.[]")
	return table
}

func durations() []string {
	return []string{"stop_grace_period", "healthcheck.interval", "healthcheck.timeout", "healthcheck.start_period",
		"healthcheck.start_interval", "deploy.update_config.delay", "deploy.update_config.monitor",
		"deploy.rollback_config.delay", "deploy.rollback_config.monitor", "deploy.restart_policy.delay",
		"deploy.restart_policy.window"}
}

// isDuration says whether a path's value is a time.
func isDuration(path []string) bool {
	if len(path) == 2 && path[0] == "ready" && path[1] == "timeout" {
		return true // below x-muster
	}
	if len(path) < 3 || path[0] != "services" {
		return false
	}
	for _, d := range durations() {
		if strings.Join(path[2:], ".") == d {
			return true
		}
	}
	return false
}

func size(text string) (string, string) {
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return "", ""
	}
	if _, err := units.RAMInBytes(text); err == nil {
		return "", ""
	}
	hint := "write 64m, 64mb or a number of bytes"
	if m := sizeLike().FindStringSubmatch(text); m != nil {
		unit := strings.ToLower(m[2][:1])
		hint = fmt.Sprintf("write %s%s, %s%sb or a number of bytes", m[1], unit, m[1], unit)
	}
	return quote(text) + " is not a size", hint
}

var sizeLike = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\s*([0-9]+)\s*((?i)[kmgtp])`) })

func duration(text string) (string, string) {
	if _, err := str2duration.ParseDuration(text); err == nil {
		return "", ""
	}
	if _, err := strconv.Atoi(text); err == nil {
		return quote(text) + " has no unit", "write " + text + "s"
	}
	if m := durationLike().FindStringSubmatch(text); m != nil {
		return quote(text) + " is not a time", "write " + m[1] + strings.ToLower(m[2])
	}
	return quote(text) + " is not a time", "write 10s, 1m30s or 500ms"
}

var durationLike = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\s*([0-9]+)\s*(?i)(ms|[smhdw])(illi)?(ec|in|our|ay|eek|onds?|econds?|inutes?|ours?)*s?\s*$`)
})

func truthValue(text string) (string, string) {
	switch strings.ToLower(text) {
	case "true", "false", "y", "yes", "on", "n", "no", "off":
		return "", ""
	}
	return quote(text) + " is neither true nor false", ""
}

func whole(text string) (string, string) {
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return "", ""
	}
	return quote(text) + " is not a whole number", ""
}

func number(text string) (string, string) {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return "", ""
	}
	if strings.HasSuffix(text, "m") {
		if n, err := strconv.Atoi(strings.TrimSuffix(text, "m")); err == nil {
			return quote(text) + " is not a number", fmt.Sprintf("write %g", float64(n)/1000)
		}
	}
	return quote(text) + " is not a number", `write 0.5 or "1.5"`
}

func portMapping(text string) (string, string) {
	if ports, err := types.ParsePortConfig(text); err == nil {
		if slices.ContainsFunc(ports, func(p types.ServicePortConfig) bool { return p.Target == 0 }) {
			return "port 0 is not between 1 and 65535", ""
		}
		return "", ""
	}
	for _, n := range regexp.MustCompile(`\d+`).FindAllString(text, -1) {
		if p, err := strconv.Atoi(n); !strings.Contains(text, ".") && (err != nil || p > 65535) {
			return "port " + n + " is not between 1 and 65535", ""
		}
	}
	if i := strings.LastIndex(text, "/"); i >= 0 {
		switch strings.ToLower(text[i+1:]) {
		case "tcp", "udp", "sctp":
		default:
			return fmt.Sprintf("%s: %s is not a protocol", quote(text), quote(text[i+1:])), "write tcp, udp or sctp"
		}
	}
	return quote(text) + " is not a port mapping", `write "8080:80", "127.0.0.1:8080:80" or "80"`
}

func portNumber(text string) (string, string) {
	if p, err := strconv.Atoi(text); err == nil && p > 0 && p < 65536 {
		return "", ""
	}
	return quote(text) + " is not a port between 1 and 65535", ""
}

func exposed(text string) (string, string) {
	ports, _, _ := strings.Cut(text, "/")
	if lo, hi, ok := portRange(ports); ok && lo > 0 && lo <= hi && hi < 65536 {
		return "", ""
	}
	return quote(text) + " is not a port between 1 and 65535", `write "80", "80/udp" or "8000-8010"`
}

func mount(text string) (string, string) {
	if _, err := format.ParseVolume(text); err == nil {
		return "", ""
	}
	if text == "" {
		return "is empty", "write SOURCE:TARGET"
	}
	return quote(text) + " is not a mount", "write SOURCE:TARGET or SOURCE:TARGET:ro"
}

func commandLine(text string) (string, string) {
	if _, err := shellwords.Parse(text); err == nil {
		return "", ""
	}
	return quote(text) + " is not a command line: a quote or bracket is not closed", "write a list: [sh, -c, …]"
}

func fileMode(text string) (string, string) {
	if m, err := strconv.ParseInt(text, 8, 64); err == nil && m >= 0 && m <= 0o7777 {
		return "", ""
	}
	return quote(text) + " is not a file mode", `write "0444"`
}

func hostAddress(text string) (string, string) {
	if host, ip, ok := strings.Cut(text, "="); ok && host != "" && ip != "" {
		return "", ""
	}
	if host, ip, ok := strings.Cut(text, ":"); ok && host != "" && ip != "" {
		return "", ""
	}
	return quote(text) + " has no address", "write HOST=ADDRESS"
}

// device is one of the host, or a name of the container device interface.
func device(text string) (string, string) {
	if strings.Count(text, ":") > 2 {
		return quote(text) + " is not a device", "write /dev/x, /dev/x:/dev/y or /dev/x:/dev/y:rw; with other colons in it: source, target, permissions"
	}
	return "", ""
}

func assignment(text string) (string, string) {
	name, _, _ := strings.Cut(text, "=")
	switch {
	case name == "":
		return quote(text) + " has no name", "write NAME=value"
	case strings.TrimRight(name, " \t") != name:
		return quote(strings.TrimSpace(name)) + " has a space before the =", "write " + strings.TrimSpace(name) + "=…"
	case strings.Contains(name, ": "):
		k, v, _ := strings.Cut(name, ": ")
		return quote(text) + " is not an assignment", fmt.Sprintf("write %s=%s, or leave the dash out", k, v)
	}
	return "", ""
}
