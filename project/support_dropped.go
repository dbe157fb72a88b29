package project

// droppedByPeer are the keys that docker compose 2.40.3 accepts and does nothing with, without a word. They are measured, by
// TestDroppedByDockerCompose of runner/docker, on files with one key each.
func droppedByPeer() []string {
	return []string{
		"configs.*.labels",
		"networks.*.ipam.options",
		"secrets.*.labels",
		"services.*.credential_spec",
		"services.*.deploy.endpoint_mode",
		"services.*.deploy.labels",
		"services.*.deploy.mode",
		"services.*.deploy.placement.constraints",
		"services.*.deploy.placement.max_replicas_per_node",
		"services.*.deploy.placement.preferences",
		"services.*.deploy.resources.reservations.cpus",
		"services.*.deploy.resources.reservations.generic_resources",
		"services.*.deploy.restart_policy.delay",
		"services.*.deploy.restart_policy.window",
		"services.*.deploy.rollback_config.delay",
		"services.*.deploy.rollback_config.failure_action",
		"services.*.deploy.rollback_config.max_failure_ratio",
		"services.*.deploy.rollback_config.monitor",
		"services.*.deploy.rollback_config.order",
		"services.*.deploy.rollback_config.parallelism",
		"services.*.deploy.update_config.delay",
		"services.*.deploy.update_config.failure_action",
		"services.*.deploy.update_config.max_failure_ratio",
		"services.*.deploy.update_config.monitor",
		"services.*.deploy.update_config.order",
		"services.*.deploy.update_config.parallelism",
		"services.*.ports.[].app_protocol",
		"services.*.ports.[].mode",
		"services.*.ports.[].name",
		"services.*.pull_refresh_after",
		"services.*.volumes.[].bind.selinux",
	}
}
