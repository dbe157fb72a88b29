package project

import (
	"slices"
	"strings"
)

// swarmRows is the table for Docker's swarm mode: that of docker with what is otherwise there.
func swarmRows(docker []Row) []Row {
	others := map[string]Row{}
	for _, row := range swarmDiffers() {
		row.Target = TargetSwarm
		others[row.Key] = row
	}
	var out []Row
	known := map[string]bool{}
	for _, row := range docker {
		row.Target, row.Dropped, row.Attached = TargetSwarm, false, false
		if other, ok := others[row.Key]; ok {
			out = append(out, other)
			known[row.Key] = true
			continue
		}
		// A key below one that does not count does not count either, and goes by that row.
		if above, ok := aboveOf(others, row.Key); ok && above.Support != Honoured {
			row.Support, row.API, row.Note = above.Support, "", above.Note
		}
		out = append(out, row)
	}
	for key, row := range others {
		if !known[key] {
			out = append(out, row)
		}
	}
	return out
}

// aboveOf is the row of the nearest key above a key that differs.
func aboveOf(rows map[string]Row, key string) (Row, bool) {
	parts := strings.Split(key, ".")
	for n := len(parts) - 1; n > 2; n-- {
		if row, ok := rows[strings.Join(parts[:n], ".")]; ok {
			return row, true
		}
	}
	return Row{}, false
}

// swarmDiffers has the keys that mean something else in a swarm than on one engine.
func swarmDiffers() []Row {
	const s, d, n, v = "services.*.", "services.*.deploy.", "services.*.networks.*.", "services.*.volumes.[]."
	return slices.Concat(
		honoured("configs.*.", "external", "labels", "template_driver"),
		honoured("secrets.*.", "external", "labels", "driver", "driver_opts", "template_driver"),
		honoured(d, "labels", "endpoint_mode", "placement", "placement.constraints", "placement.max_replicas_per_node",
			"placement.preferences", "placement.preferences.[].spread"),
		honoured(d+"resources.reservations.", "cpus", "generic_resources", "generic_resources.[].discrete_resource_spec",
			"generic_resources.[].discrete_resource_spec.kind", "generic_resources.[].discrete_resource_spec.value"),
		honoured(d+"restart_policy.", "delay", "window"),
		refused(d+"resources.reservations.", "a swarm hands devices out as generic_resources", "devices"),
		honoured(s+"credential_spec.", "config"),
		[]Row{
			{Key: s + "restart", Support: Honoured, Note: "where deploy.restart_policy does not say"},
			{Key: s + "build", Support: Honoured, Note: "the image is pushed to its registry, where the other nodes fetch it"},
			{Key: s + "network_mode", Support: Honoured, Note: "host, none and bridge: those of the node"},
			{Key: s + "shm_size", Support: Honoured, Note: "as a tmpfs on /dev/shm"},
			{Key: s + "security_opt", Support: Honoured, API: "1.44", Note: "seccomp, apparmor, no-new-privileges and label"},
			{Key: s + "ports.[].mode", Support: Honoured, Note: "ingress, or host for the port of the node that a container runs on"},
			{Key: s + "ports.[].host_ip", Support: Refused, Note: "a swarm publishes on all addresses of a node"},
		},
		refused(s, "containers of a swarm's services share no namespaces", "ipc", "pid", "uts", "cgroup", "volumes_from"),
		refused(s, "a swarm gives its containers no such rights", "privileged", "devices", "device_cgroup_rules", "gpus", "use_api_socket"),
		refused(s, "it runs on one machine, and the services on others", "provider", "models"),
		refused(s, "muster cannot reach into containers on other nodes; make it a service that others wait for with service_completed_successfully", "pre_start"),
		refused(s, "a swarm starts containers again on any node without muster, which would run it in some only; let the container's own command do it, or a job that waits for the service", "post_start"),
		refused(s, "a swarm stops containers on any node without muster, which would run it in some only; let the program do it at its stop_signal, within stop_grace_period", "pre_stop"),
		refused(s, "a container of another project may run on another node", "external_links"),
		warned(s, "a swarm names its containers itself", "container_name"),
		warned(s, "services of a swarm find each other by their names", "links"),
		warned(s, "a swarm has no such setting", "annotations", "blkio_config", "cgroup_parent", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota",
			"cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpuset", "domainname", "mac_address", "mem_swappiness", "memswap_limit",
			"oom_kill_disable", "runtime", "storage_opt", "userns_mode"),
		warned(s, "files are not brought into containers on other nodes", "develop"),
		informing(s, "containers on a network reach all ports of each other", "expose"),
		warned(s+"depends_on.*.", "a swarm does not restart what depends on a service that is replaced", "restart"),
		warned(n, "a swarm chooses the addresses itself", "ipv4_address", "ipv6_address", "link_local_ips", "mac_address"),
		warned(n, "a swarm has no such setting", "priority", "gw_priority", "interface_name"),
		warned(v, "a swarm has no such setting", "bind.selinux", "bind.recursive"),
		refused(v, "a swarm mounts no images", "image", "image.subpath"),
	)
}
