package project

import "slices"

func topLevelRows() []Row {
	return slices.Concat(
		honoured("", "name", "include", "services", "networks", "volumes", "configs", "secrets"),
		[]Row{{Key: "version", Support: Warned, Note: "obsolete: the newest form of the format always counts"}},
		[]Row{{Key: "models", Support: Honoured, Note: "with docker's plugin docker-model; an error says where it is missing"}},
		[]Row{{Key: "jobs", Support: Honoured, Note: "experimental; `muster run --rm JOB` runs one, when what it depends on is ready; `up` leaves them alone"}},
		warned("jobs.*.triggers.", "no engine that muster knows keeps schedules: let cron call `muster run --rm JOB`", "schedule"),
		honoured("networks.*.", "name", "driver", "driver_opts", "ipam", "external", "internal", "attachable", "enable_ipv4", "enable_ipv6", "labels"),
		honoured("volumes.*.", "name", "driver", "driver_opts", "external", "labels"),
		honoured("configs.*.", "name", "file", "content", "environment"),
		honoured("secrets.*.", "name", "file", "environment"),
		warned("configs.*.", "configs are files here and have no labels", "labels"),
		warned("secrets.*.", "secrets are files here and have no labels", "labels"),
		refused("configs.*.", "the docker target keeps no configs", "external", "template_driver"),
		refused("secrets.*.", "the docker target keeps no secrets", "external", "driver", "driver_opts", "template_driver"),
	)
}

// serviceRows has a row for each key of a service.
func serviceRows() []Row {
	const s = "services.*."
	return slices.Concat(
		honoured(s,
			"attach", "blkio_config", "build", "cap_add", "cap_drop", "cgroup", "cgroup_parent",
			"command", "configs", "container_name", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota",
			"cpu_rt_period", "cpu_rt_runtime", "cpu_shares", "cpus", "cpuset", "depends_on", "deploy",
			"device_cgroup_rules", "devices", "dns", "dns_opt", "dns_search", "domainname", "entrypoint", "env_file",
			"environment", "expose", "extends", "external_links", "extra_hosts", "gpus", "group_add", "healthcheck",
			"hostname", "image", "init", "ipc", "label_file", "labels", "links", "logging", "mac_address",
			"mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit", "network_mode", "networks",
			"oom_kill_disable", "oom_score_adj", "pid", "pids_limit", "platform", "ports", "post_start", "pre_start", "pre_stop",
			"privileged", "profiles", "pull_policy", "pull_refresh_after",
			"read_only", "restart", "runtime", "scale", "secrets",
			"security_opt", "shm_size", "stdin_open", "stop_grace_period", "stop_signal", "storage_opt", "sysctls",
			"tmpfs", "tty", "ulimits", "user", "userns_mode", "uts", "volumes", "volumes_from", "working_dir"),
		[]Row{
			{Key: s + "credential_spec", Support: Honoured, Note: "by engines of Windows containers; others refuse it"},
			{Key: s + "isolation", Support: Honoured, Note: "by engines of Windows containers; others have default only"},
			{Key: s + "use_api_socket", Support: Honoured, Note: "the engine's socket, without your registry credentials: give those as a secret"},
		},
		honoured(s, "develop", "models", "provider"),
		refused(s, "the engine's API has no umask", "umask"),
	)
}
