package swarm

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/go-units"

	"github.com/musterhq/muster/planner"
)

// normal is a specification in a form in which two are equal when the engine would treat them the same: without defaults that the
// engine writes out, without IDs, and without what is no part of the service, such as how often it was forced to update.
// networks are the names of networks by ID.
func normal(spec swarm.ServiceSpec, networks map[string]string) swarm.ServiceSpec {
	spec.Labels = maps.Clone(spec.Labels)
	delete(spec.Labels, labelApplied)
	spec.TaskTemplate = normalTask(spec.TaskTemplate, networks)
	if len(spec.Networks) > 0 { //nolint:staticcheck // what older clients write
		spec.TaskTemplate.Networks = normalNetworks(spec.Networks, networks) //nolint:staticcheck // the same
		spec.Networks = nil                                                  //nolint:staticcheck // the same
	}
	spec.UpdateConfig, spec.RollbackConfig = normalUpdate(spec.UpdateConfig), normalUpdate(spec.RollbackConfig)
	if e := spec.EndpointSpec; e != nil {
		out := swarm.EndpointSpec{Mode: e.Mode}
		if out.Mode == swarm.ResolutionModeVIP {
			out.Mode = ""
		}
		for _, p := range e.Ports {
			if p.Protocol == "" {
				p.Protocol = swarm.PortConfigProtocolTCP
			}
			if p.PublishMode == "" {
				p.PublishMode = swarm.PortConfigPublishModeIngress
			}
			out.Ports = append(out.Ports, p)
		}
		spec.EndpointSpec = nil
		if out.Mode != "" || len(out.Ports) > 0 {
			spec.EndpointSpec = &out
		}
	}
	return spec
}

// normalTask does the same for what containers are made by.
func normalTask(t swarm.TaskSpec, networks map[string]string) swarm.TaskSpec {
	t.ForceUpdate, t.Runtime = 0, ""
	t.Networks = normalNetworks(t.Networks, networks)
	if r := t.RestartPolicy; r != nil {
		out := *r
		if out.Condition == "" {
			out.Condition = swarm.RestartPolicyConditionAny
		}
		if out.MaxAttempts != nil && *out.MaxAttempts == 0 {
			out.MaxAttempts = nil
		}
		t.RestartPolicy = &out
	}
	if c := t.ContainerSpec; c != nil {
		t.ContainerSpec = normalContainer(*c)
	}
	return t
}

func normalContainer(c swarm.ContainerSpec) *swarm.ContainerSpec {
	if c.Isolation == container.IsolationDefault {
		c.Isolation = ""
	}
	c.Env, c.Hosts = sorted(c.Env), sorted(c.Hosts)
	mounts := c.Mounts
	c.Mounts = nil
	for _, m := range mounts {
		m.Consistency = "" // not kept
		if b := m.BindOptions; b != nil {
			out := *b
			if out.Propagation == mount.PropagationRPrivate {
				out.Propagation = ""
			}
			m.BindOptions = &out
		}
		c.Mounts = append(c.Mounts, m)
	}
	configs, secrets := c.Configs, c.Secrets
	c.Configs, c.Secrets = nil, nil
	for _, r := range configs {
		out := *r
		out.ConfigID = ""
		if f := out.File; f != nil {
			file := *f
			file.Name = strings.TrimPrefix(file.Name, "/") // relative ones are below the root
			out.File = &file
		}
		c.Configs = append(c.Configs, &out)
	}
	for _, r := range secrets {
		out := *r
		out.SecretID = ""
		if f := out.File; f != nil {
			file := *f
			file.Name = strings.TrimPrefix(file.Name, secretsFolder)
			out.File = &file
		}
		c.Secrets = append(c.Secrets, &out)
	}
	slices.SortFunc(c.Configs, func(a, b *swarm.ConfigReference) int { return strings.Compare(configKey(a), configKey(b)) })
	slices.SortFunc(c.Secrets, func(a, b *swarm.SecretReference) int { return strings.Compare(secretKey(a), secretKey(b)) })
	if p := c.Privileges; p != nil && p.CredentialSpec != nil {
		out, credentials := *p, *p.CredentialSpec
		credentials.Config = "" // its ID; the name is among the configs
		out.CredentialSpec, c.Privileges = &credentials, &out
	}
	return &c
}

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}

func normalNetworks(list []swarm.NetworkAttachmentConfig, names map[string]string) []swarm.NetworkAttachmentConfig {
	var out []swarm.NetworkAttachmentConfig
	for _, n := range list {
		if name := names[n.Target]; name != "" {
			n.Target = name
		}
		n.Aliases = sorted(n.Aliases)
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b swarm.NetworkAttachmentConfig) int { return strings.Compare(a.Target, b.Target) })
	return out
}

func normalUpdate(c *swarm.UpdateConfig) *swarm.UpdateConfig {
	if c == nil {
		return nil
	}
	out := *c
	if out.FailureAction == "" {
		out.FailureAction = swarm.UpdateFailureActionPause
	}
	if out.Order == "" {
		out.Order = swarm.UpdateOrderStopFirst
	}
	return &out
}

// tree is a specification as plain data, without what is empty.
func tree(spec swarm.ServiceSpec) map[string]any {
	text, err := json.Marshal(spec)
	if err != nil { // it came from JSON, or from a file that has none but plain values
		return nil
	}
	return treeOf(text)
}

func treeOf(text []byte) map[string]any {
	var out map[string]any
	if json.Unmarshal(text, &out) != nil {
		return nil
	}
	pruned, _ := prune(out).(map[string]any)
	return pruned
}

// prune takes out what says nothing: null, false, 0, and what is empty.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, each := range v {
			// No init is something else than nothing said of it: the engine has a default of its own.
			if each = prune(each); each != nil && (each != false || key == "Init") {
				out[key] = each
			}
		}
		if len(out) > 0 {
			return out
		}
		return nil
	case []any:
		for i, each := range v {
			if each = prune(each); each != nil {
				v[i] = each
			}
		}
		if len(v) > 0 {
			return v
		}
		return nil
	case string:
		if v != "" {
			return v
		}
		return nil
	case float64:
		if v != 0 {
			return v
		}
		return nil
	}
	return v
}

// same says whether two specifications, in their normal forms, ask for the same.
func same(a, b swarm.ServiceSpec) bool { return reflect.DeepEqual(tree(a), tree(b)) }

// sameTask says the same of two kinds of container, wherever they are placed: a task is not replaced for where it runs already.
func sameTask(a, b swarm.TaskSpec, networks map[string]string) bool {
	a.Placement, b.Placement = nil, nil
	x := normal(swarm.ServiceSpec{TaskTemplate: a}, networks)
	y := normal(swarm.ServiceSpec{TaskTemplate: b}, networks)
	return a.ForceUpdate == b.ForceUpdate && same(x, y)
}

// stamp is the value of the label that says what was applied.
func stamp(spec swarm.ServiceSpec) string {
	spec.Labels = declaredLabels(spec.Labels)
	text, err := json.Marshal(spec)
	if err != nil {
		return ""
	}
	return planner.EncodeSpec(text)
}

// declaredLabels are those of the user, and not those of tools.
func declaredLabels(labels map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range labels {
		if !planner.OwnLabel(key) && key != labelStack && key != labelImage {
			out[key] = value
		}
	}
	return out
}

// driftOf is what somebody has changed of a service since it was applied. Of one that was not applied by muster nothing is known.
func driftOf(now swarm.ServiceSpec, networks map[string]string) []planner.Change {
	label := now.Labels[labelApplied]
	if label == "" {
		return nil
	}
	text, err := planner.DecodeSpec(label)
	if err != nil {
		return nil
	}
	now = normal(now, networks)
	now.Labels = declaredLabels(now.Labels)
	var out []planner.Change
	differ(nil, treeOf(text), tree(now), &out)
	slices.SortFunc(out, func(a, b planner.Change) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// differ finds the fields that differ, and gives them the names that they have in files.
func differ(path []string, from, to any, out *[]planner.Change) {
	if reflect.DeepEqual(from, to) {
		return
	}
	a, isMap := from.(map[string]any)
	b, isAlso := to.(map[string]any)
	if (isMap || from == nil) && (isAlso || to == nil) && (isMap || isAlso) {
		for _, key := range slices.Sorted(maps.Keys(union(a, b))) {
			differ(append(slices.Clone(path), key), a[key], b[key], out)
		}
		return
	}
	at := strings.Join(path, ".")
	if at == "TaskTemplate.ContainerSpec.Env" {
		differ([]string{"Env"}, variables(from), variables(to), out)
		return
	}
	name := inFile(at)
	change := planner.Change{Path: name, From: shown(at, from), To: shown(at, to), Drift: true}
	change.Secret = planner.Secretive(name, change.From) || planner.Secretive(name, change.To)
	*out = append(*out, change)
}

func union(a, b map[string]any) map[string]any {
	out := map[string]any{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// variables are KEY=VALUE by key.
func variables(list any) any {
	out := map[string]any{}
	entries, _ := list.([]any)
	for _, each := range entries {
		text, _ := each.(string)
		key, value, _ := strings.Cut(text, "=")
		out[key] = value
	}
	return out
}

// inFile is the name that a field has in files.
func inFile(path string) string {
	for _, n := range fieldNames() {
		if path == n.engine {
			return n.file
		}
		if rest, ok := strings.CutPrefix(path, n.engine+"."); ok {
			return n.file + "." + rest
		}
	}
	return path
}

type fieldName struct{ engine, file string }

// fieldNames are longest first where one begins another.
func fieldNames() []fieldName {
	const c, t = "TaskTemplate.ContainerSpec.", "TaskTemplate."
	return []fieldName{
		{"Env", "environment"},
		{"Labels", "deploy.labels"},
		{c + "Image", "image"},
		{c + "Labels", "labels"},
		{c + "Command", "entrypoint"},
		{c + "Args", "command"},
		{c + "Hostname", "hostname"},
		{c + "Dir", "working_dir"},
		{c + "User", "user"},
		{c + "Groups", "group_add"},
		{c + "Privileges.CredentialSpec", "credential_spec"},
		{c + "Privileges", "security_opt"},
		{c + "Init", "init"},
		{c + "StopSignal", "stop_signal"},
		{c + "StopGracePeriod", "stop_grace_period"},
		{c + "TTY", "tty"},
		{c + "OpenStdin", "stdin_open"},
		{c + "ReadOnly", "read_only"},
		{c + "Mounts", "volumes"},
		{c + "Healthcheck.Test", "healthcheck.test"},
		{c + "Healthcheck.Interval", "healthcheck.interval"},
		{c + "Healthcheck.Timeout", "healthcheck.timeout"},
		{c + "Healthcheck.Retries", "healthcheck.retries"},
		{c + "Healthcheck.StartPeriod", "healthcheck.start_period"},
		{c + "Healthcheck.StartInterval", "healthcheck.start_interval"},
		{c + "Hosts", "extra_hosts"},
		{c + "DNSConfig.Nameservers", "dns"},
		{c + "DNSConfig.Search", "dns_search"},
		{c + "DNSConfig.Options", "dns_opt"},
		{c + "Secrets", "secrets"},
		{c + "Configs", "configs"},
		{c + "Isolation", "isolation"},
		{c + "Sysctls", "sysctls"},
		{c + "CapabilityAdd", "cap_add"},
		{c + "CapabilityDrop", "cap_drop"},
		{c + "Ulimits", "ulimits"},
		{c + "OomScoreAdj", "oom_score_adj"},
		{t + "Resources.Limits.NanoCPUs", "deploy.resources.limits.cpus"},
		{t + "Resources.Limits.MemoryBytes", "deploy.resources.limits.memory"},
		{t + "Resources.Limits.Pids", "deploy.resources.limits.pids"},
		{t + "Resources.Reservations.NanoCPUs", "deploy.resources.reservations.cpus"},
		{t + "Resources.Reservations.MemoryBytes", "deploy.resources.reservations.memory"},
		{t + "Resources.Reservations.GenericResources", "deploy.resources.reservations.generic_resources"},
		{t + "RestartPolicy.Condition", "deploy.restart_policy.condition"},
		{t + "RestartPolicy.Delay", "deploy.restart_policy.delay"},
		{t + "RestartPolicy.MaxAttempts", "deploy.restart_policy.max_attempts"},
		{t + "RestartPolicy.Window", "deploy.restart_policy.window"},
		{t + "Placement.Constraints", "deploy.placement.constraints"},
		{t + "Placement.Preferences", "deploy.placement.preferences"},
		{t + "Placement.MaxReplicas", "deploy.placement.max_replicas_per_node"},
		{t + "Placement.Platforms", "platform"},
		{t + "Networks", "networks"},
		{t + "LogDriver.Name", "logging.driver"},
		{t + "LogDriver.Options", "logging.options"},
		{"Mode.Replicated.Replicas", "deploy.replicas"},
		{"Mode.ReplicatedJob.MaxConcurrent", "deploy.replicas"},
		{"Mode.ReplicatedJob.TotalCompletions", "deploy.replicas"},
		{"UpdateConfig.Parallelism", "deploy.update_config.parallelism"},
		{"UpdateConfig.Delay", "deploy.update_config.delay"},
		{"UpdateConfig.Monitor", "deploy.update_config.monitor"},
		{"UpdateConfig.FailureAction", "deploy.update_config.failure_action"},
		{"UpdateConfig.MaxFailureRatio", "deploy.update_config.max_failure_ratio"},
		{"UpdateConfig.Order", "deploy.update_config.order"},
		{"RollbackConfig.Parallelism", "deploy.rollback_config.parallelism"},
		{"RollbackConfig.Delay", "deploy.rollback_config.delay"},
		{"RollbackConfig.Monitor", "deploy.rollback_config.monitor"},
		{"RollbackConfig.FailureAction", "deploy.rollback_config.failure_action"},
		{"RollbackConfig.MaxFailureRatio", "deploy.rollback_config.max_failure_ratio"},
		{"RollbackConfig.Order", "deploy.rollback_config.order"},
		{"EndpointSpec.Mode", "deploy.endpoint_mode"},
		{"EndpointSpec.Ports", "ports"},
	}
}

// shown is a value as people write it.
func shown(path string, v any) string {
	switch v := v.(type) {
	case nil:
		if inFile(path) == "deploy.replicas" {
			return "0"
		}
		return ""
	case string:
		return v
	case float64:
		return quantity(path, v)
	case []any:
		var parts []string
		for _, each := range v {
			parts = append(parts, shown(path, each))
		}
		return strings.Join(parts, " ")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// quantity gives a number its unit.
func quantity(path string, v float64) string {
	last := path[strings.LastIndex(path, ".")+1:]
	switch last {
	case "MemoryBytes":
		return units.BytesSize(v)
	case "NanoCPUs":
		return fmt.Sprintf("%g", v/1e9)
	case "Delay", "Window", "Monitor", "Interval", "Timeout", "StartPeriod", "StartInterval", "StopGracePeriod":
		return time.Duration(v).String()
	}
	return fmt.Sprintf("%g", v)
}
