package project

import "slices"

// nestedRows has a row for each key below a service's keys and below the top-level sections.
func nestedRows() []Row {
	return slices.Concat(buildRows(), containerRows(), deployRows(), mountRows(), networkRows(), laterRows(), sectionRows())
}

func buildRows() []Row {
	const b = "services.*.build."
	const attests = "by engines with a containerd image store, and where a builder of buildx pushes; else the build refuses it"
	return slices.Concat(
		honoured(b, "additional_contexts", "args", "cache_from", "cache_to", "context", "dockerfile", "dockerfile_inline", "entitlements",
			"extra_hosts", "labels", "network", "no_cache", "no_cache_filter", "platforms", "privileged", "pull", "secrets", "shm_size",
			"ssh", "tags", "target", "ulimits", "ulimits.*.hard", "ulimits.*.soft"),
		honoured(b+"secrets.[].", "source", "target"),
		warned(b+"secrets.[].", "BuildKit gives secrets to root with mode 0400", "uid", "gid", "mode"),
		[]Row{
			{Key: b + "provenance", Support: Honoured, Note: attests},
			{Key: b + "sbom", Support: Honoured, Note: attests},
		},
		refused(b, "only Windows engines have it, and they have no BuildKit", "isolation"),
	)
}

// containerRows are the keys below those that make a container.
func containerRows() []Row {
	const s = "services.*."
	device := []string{"capabilities", "count", "device_ids", "driver", "options"}
	return slices.Concat(
		honoured(s+"blkio_config.", "weight", "weight_device", "weight_device.[].path", "weight_device.[].weight",
			"device_read_bps", "device_read_bps.[].path", "device_read_bps.[].rate", "device_read_iops", "device_read_iops.[].path",
			"device_read_iops.[].rate", "device_write_bps", "device_write_bps.[].path", "device_write_bps.[].rate",
			"device_write_iops", "device_write_iops.[].path", "device_write_iops.[].rate"),
		honoured(s+"configs.[].", "source", "target", "uid", "gid", "mode"),
		honoured(s+"secrets.[].", "source", "target", "uid", "gid", "mode"),
		honoured(s+"credential_spec.", "file", "registry"),
		refused(s+"credential_spec.", "only swarm has such configs; use file or registry", "config"),
		honoured(s+"depends_on.*.", "condition", "required", "restart"),
		honoured(s+"devices.[].", "source", "target", "permissions"),
		honoured(s+"env_file.[].", "path", "required", "format"),
		honoured(s+"extends.", "file", "service"),
		honoured(s+"gpus.[].", device...),
		honoured(s+"healthcheck.", "disable", "interval", "retries", "start_period", "test", "timeout"),
		[]Row{{Key: s + "healthcheck.start_interval", Support: Honoured, API: "1.44"}},
		honoured(s+"logging.", "driver", "options"),
		honoured(s+"post_start.[].", "command", "environment", "privileged", "user", "working_dir"),
		honoured(s+"pre_start.[].", "command", "environment", "privileged", "user", "working_dir", "image", "per_replica"),
		honoured(s+"pre_stop.[].", "command", "environment", "privileged", "user", "working_dir"),
		honoured(s+"ulimits.*.", "hard", "soft"),
		[]Row{{Key: s + "annotations", Support: Honoured, API: "1.43"}},
	)
}

func deployRows() []Row {
	const d = "services.*.deploy."
	update := []string{"delay", "failure_action", "max_failure_ratio", "monitor", "order", "parallelism"}
	const placement = "there is one host to place containers on"
	return slices.Concat(
		honoured(d, "mode", "replicas", "resources", "restart_policy", "update_config", "rollback_config"),
		honoured(d+"update_config.", update...),
		honoured(d+"rollback_config.", update...),
		honoured(d+"resources.", "limits", "limits.cpus", "limits.memory", "limits.pids", "reservations", "reservations.memory", "reservations.devices"),
		honoured(d+"resources.reservations.devices.[].", "capabilities", "count", "device_ids", "driver", "options"),
		warned(d+"resources.reservations.", "one host reserves memory and devices only", "cpus", "generic_resources",
			"generic_resources.[].discrete_resource_spec", "generic_resources.[].discrete_resource_spec.kind",
			"generic_resources.[].discrete_resource_spec.value"),
		honoured(d+"restart_policy.", "condition", "max_attempts"),
		attached(warned(d+"restart_policy.", "the engine restarts by its own schedule", "delay", "window")),
		warned(d, "labels of a service exist in a swarm only; labels of its containers are the service's labels", "labels"),
		warned(d, placement, "placement", "placement.constraints", "placement.max_replicas_per_node", "placement.preferences",
			"placement.preferences.[].spread"),
		warned(d, "clients find the containers by the engine's DNS", "endpoint_mode"),
	)
}

func mountRows() []Row {
	const v = "services.*.volumes.[]."
	return slices.Concat(
		honoured(v, "type", "source", "target", "read_only", "consistency", "bind", "bind.create_host_path", "bind.propagation",
			"bind.recursive", "bind.selinux", "tmpfs", "tmpfs.mode", "tmpfs.size", "volume", "volume.labels", "volume.nocopy"),
		[]Row{
			{Key: v + "image", Support: Honoured, API: "1.48"},
			{Key: v + "image.subpath", Support: Honoured, API: "1.48"},
			{Key: v + "volume.subpath", Support: Honoured, API: "1.45"},
		},
	)
}

func networkRows() []Row {
	const n, p = "services.*.networks.*.", "services.*.ports.[]."
	return slices.Concat(
		honoured(n, "aliases", "driver_opts", "ipv4_address", "ipv6_address", "link_local_ips", "mac_address", "priority"),
		[]Row{
			{Key: n + "interface_name", Support: Honoured, API: "1.49"},
			{Key: n + "gw_priority", Support: Honoured, API: "1.48"},
		},
		warned(n, "a container is always found by its service's name", "use_service_name_alias"),
		honoured(p, "host_ip", "protocol", "published", "target"),
		informing(p, "for readers of the file and for other tools; an engine has no field for it", "name", "app_protocol"),
		informing(p, "on one host a port is always that host's", "mode"),
	)
}

// laterRows are below keys that are not honoured yet.
func laterRows() []Row {
	const s = "services.*."
	return slices.Concat(
		honoured(s+"develop.", "watch", "watch.[].action", "watch.[].exec", "watch.[].exec.command", "watch.[].exec.environment",
			"watch.[].exec.privileged", "watch.[].exec.user", "watch.[].exec.working_dir", "watch.[].ignore", "watch.[].include",
			"watch.[].initial_sync", "watch.[].path", "watch.[].target"),
		honoured(s+"models.*.", "endpoint_var", "model_var"),
		honoured(s+"provider.", "type", "options"),
		honoured("models.*.", "context_size", "model", "name", "runtime_flags"),
	)
}

// sectionRows are below the top-level sections.
func sectionRows() []Row {
	return slices.Concat(
		honoured("include.[].", "path", "env_file", "project_directory"),
		honoured("networks.*.ipam.", "config", "config.[].aux_addresses", "config.[].gateway", "config.[].ip_range", "config.[].subnet",
			"driver", "options"),
	)
}
