package planner

import (
	"encoding/json"
	"fmt"
	"strings"
)

// serviceRules compare two services. What is not in a table here is a
// plain field: compared as it is, and a difference replaces the container. So a new key
// of the specification is safe before anybody thinks of it.
type serviceRules struct{}

// ignored are the fields that no container is made from.
func (serviceRules) ignored(path string) bool {
	switch path {
	case "name", "profiles", "depends_on", "develop", "attach", "build", "dockerfile", "extends", "provider",
		"scale", "pull_policy", "pull_refresh_after",
		// Their content is in environment and labels by now.
		"env_file", "label_file",
		// A wrong name is mended by renaming.
		"container_name",
		// Runs from the file when a container is about to stop.
		"pre_stop",
		"deploy.mode", "deploy.replicas", "deploy.labels", "deploy.endpoint_mode", "deploy.placement",
		"deploy.update_config", "deploy.rollback_config",
		"deploy.restart_policy.delay", "deploy.restart_policy.window",
		"deploy.resources.limits.generic_resources", "deploy.resources.reservations.generic_resources":
		return true
	}
	return false
}

func (serviceRules) identity(path string) func(any) string {
	switch path {
	case "ports":
		return func(v any) string {
			protocol := field(v, "protocol")
			if protocol == "" || protocol == "tcp" {
				return field(v, "target")
			}
			return field(v, "target") + "/" + protocol
		}
	case "volumes", "devices":
		return func(v any) string { return field(v, "target") }
	case "configs", "secrets":
		return func(v any) string { return field(v, "source") }
	case "cap_add", "cap_drop", "device_cgroup_rules", "expose", "external_links", "group_add", "links",
		"security_opt", "tmpfs", "volumes_from", "dns_opt", "extra_hosts":
		return func(v any) string { return fmt.Sprint(v) }
	}
	if strings.HasPrefix(path, "networks.") && (strings.HasSuffix(path, ".aliases") || strings.HasSuffix(path, ".link_local_ips")) {
		return func(v any) string { return fmt.Sprint(v) }
	}
	return nil
}

func (serviceRules) text(path string, value any) (string, bool) {
	switch path {
	case "ports.*":
		return portText(value), value != nil
	case "volumes.*":
		return mountText(value)
	case "devices.*":
		return deviceText(value), value != nil
	case "command", "entrypoint":
		return commandText(value)
	case "healthcheck.test":
		return testText(value)
	case "mem_limit", "mem_reservation", "memswap_limit", "shm_size",
		"deploy.resources.limits.memory", "deploy.resources.reservations.memory":
		if s, ok := value.(string); ok {
			return bytesText(s)
		}
	}
	return "", false
}

// plainRules compare networks and volumes: no sets and no special texts. The name on the engine is how
// they were found.
type plainRules struct{}

func (plainRules) ignored(path string) bool { return path == "name" || path == "external" }

func (plainRules) identity(string) func(any) string { return nil }

func (plainRules) text(string, any) (string, bool) { return "", false }

func field(v any, name string) string {
	m, ok := v.(map[string]any)
	if !ok || m[name] == nil {
		return ""
	}
	return fmt.Sprint(m[name])
}

// portText is the short form: 127.0.0.1:8080:80/udp.
func portText(v any) string {
	out := field(v, "target")
	if p := field(v, "published"); p != "" {
		out = p + ":" + out
	} else if out != "" {
		out = "any:" + out
	}
	if ip := field(v, "host_ip"); ip != "" {
		out = ip + ":" + out
	}
	if p := field(v, "protocol"); p != "" && p != "tcp" {
		out += "/" + p
	}
	if p := field(v, "mode"); p != "" && p != "ingress" {
		out += " mode " + p
	}
	for _, name := range []string{"name", "app_protocol"} {
		if p := field(v, name); p != "" {
			out += " " + name + " " + p
		}
	}
	return out
}

// mountText is the short form where it says everything.
func mountText(v any) (string, bool) {
	m, ok := v.(map[string]any)
	if !ok {
		return "", false
	}
	for key := range m {
		switch key {
		case "type", "source", "target", "read_only", "bind", "volume":
		default:
			return "", false
		}
	}
	for _, options := range []string{"bind", "volume"} {
		o, _ := m[options].(map[string]any)
		if len(o) > 1 || len(o) == 1 && o["create_host_path"] == nil {
			return "", false
		}
	}
	out := field(v, "source")
	if out == "" {
		out = "anonymous " + field(v, "type")
	}
	if field(v, "read_only") == "true" {
		out += " (read-only)"
	}
	return out, true
}

func deviceText(v any) string {
	out := field(v, "source")
	if p := field(v, "permissions"); p != "" && p != "rwm" {
		out += ":" + p
	}
	return out
}

// commandText writes a command as it would be typed; null is the image's own.
func commandText(v any) (string, bool) {
	list, ok := v.([]any)
	if !ok {
		return "", false
	}
	if len(list) == 0 {
		return "(none)", true
	}
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = quoted(fmt.Sprint(e))
	}
	return strings.Join(parts, " "), true
}

// testText drops the word that says how the check is run.
func testText(v any) (string, bool) {
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return "", false
	}
	if fmt.Sprint(list[0]) == "CMD-SHELL" && len(list) == 2 {
		return fmt.Sprint(list[1]), true
	}
	if fmt.Sprint(list[0]) == "CMD" {
		return commandText(list[1:])
	}
	return commandText(list)
}

// quoted puts quotes around a word that would not stand as one.
func quoted(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\n\"'\\$`&|;<>()*?[]{}~#!") {
		return word
	}
	text, err := json.Marshal(word)
	if err != nil {
		return word
	}
	return string(text)
}
