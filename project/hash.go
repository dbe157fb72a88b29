package project

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/project/canonical"
)

// ServiceHashes are the values that docker compose's config-hash label may have for a
// service as it is, the one that we write first. Several, because the hash is that of
// compose-go's JSON, whose layout has changed over time:
//
//   - docker compose up to 2.40 (compose-go 2.9): bind mounts say create_host_path: true;
//   - later ones (compose-go up to 2.14): they say it where it is false only, and
//     label_file stays in;
//   - those with compose-go 2.15 and later: another order of the fields, and pull_refresh_after.
//
// A container made by any of them is recognised, and not replaced for a label's sake.
// References to other services (network_mode: service:x and the like) count as they
// stand: docker compose puts container IDs there first, and so must the caller who wants
// to compare.
func ServiceHashes(s Service) ([]string, error) {
	own, fields, err := hashed(s)
	if err != nil {
		return nil, err
	}
	older, err := olderFields(s, slices.Clone(fields))
	if err != nil {
		return nil, err
	}
	hashes := []string{reorderedSum(older)}
	for _, h := range []string{reorderedSum(without(fields, []string{"pull_refresh_after"})), hexSum(own)} {
		if !slices.Contains(hashes, h) {
			hashes = append(hashes, h)
		}
	}
	return hashes, nil
}

// Hash is the first of [ServiceHashes].
func (w Written) Hash() (string, error) {
	var room [usualFields]canonical.Field
	older, err := olderFields(w.service, append(room[:0], w.fields...))
	if err != nil {
		return "", err
	}
	return reorderedSum(older), nil
}

// ServiceHash is that of [Written].
func ServiceHash(s Service) (string, error) {
	w, err := Write(s)
	if err != nil {
		return "", err
	}
	return w.Hash()
}

// hashed is what the hashes of a service are of: its JSON, and the fields of that.
func hashed(s Service) (own []byte, fields []canonical.Field, err error) {
	if own, err = json.Marshal(withoutUnhashed(s)); err == nil {
		fields, err = canonical.Fields(string(own))
	}
	if err != nil {
		err = fmt.Errorf("hash service %q: %w", s.Name, err)
	}
	return own, fields, err
}

// withoutUnhashed drops what docker compose leaves out of the hash.
func withoutUnhashed(s Service) Service {
	s.Build = nil
	s.PullPolicy = ""
	s.Scale = nil
	s.DependsOn = nil
	s.Profiles = nil
	if s.Deploy != nil {
		d := *s.Deploy
		d.Replicas = nil
		s.Deploy = &d
	}
	return s
}

// olderBind is a bind mount's options as compose-go wrote them up to 2.9.
type olderBind struct {
	SELinux        string `json:"selinux,omitempty"`
	Propagation    string `json:"propagation,omitempty"`
	CreateHostPath bool   `json:"create_host_path,omitempty"`
	Recursive      string `json:"recursive,omitempty"`
}

// olderVolume is a mount as compose-go wrote it up to 2.9.
type olderVolume struct {
	Type        string                     `json:"type,omitempty"`
	Source      string                     `json:"source,omitempty"`
	Target      string                     `json:"target,omitempty"`
	ReadOnly    bool                       `json:"read_only,omitempty"`
	Consistency string                     `json:"consistency,omitempty"`
	Bind        *olderBind                 `json:"bind,omitempty"`
	Volume      *types.ServiceVolumeVolume `json:"volume,omitempty"`
	Tmpfs       *types.ServiceVolumeTmpfs  `json:"tmpfs,omitempty"`
	Image       *types.ServiceVolumeImage  `json:"image,omitempty"`
}

// olderFields are the fields of a service as compose-go wrote them up to 2.9.
func olderFields(s Service, fields []canonical.Field) ([]canonical.Field, error) {
	fields = without(fields, []string{"label_file", "pull_refresh_after"})
	if len(s.Volumes) == 0 {
		return fields, nil
	}
	volumes := make([]olderVolume, len(s.Volumes))
	for i, v := range s.Volumes {
		volumes[i] = olderVolume{Type: v.Type, Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly,
			Consistency: v.Consistency, Volume: v.Volume, Tmpfs: v.Tmpfs, Image: v.Image}
		if b := v.Bind; b != nil {
			volumes[i].Bind = &olderBind{b.SELinux, b.Propagation, bool(b.CreateHostPath), b.Recursive}
		}
	}
	data, err := json.Marshal(volumes)
	if err != nil {
		return nil, fmt.Errorf("hash service %q: %w", s.Name, err)
	}
	for i := range fields {
		if fields[i].Name == "volumes" {
			fields[i].Value = string(data)
		}
	}
	return fields, nil
}

// olderCount is how many fields that were.
const olderCount = 92

// olderOrder is the order of a service's fields in compose-go up to 2.14.
func olderOrder() [olderCount]string {
	return [olderCount]string{"annotations", "attach", "develop", "blkio_config", "cap_add", "cap_drop", "cgroup_parent",
		"cgroup", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpus", "cpuset",
		"cpu_shares", "command", "configs", "container_name", "credential_spec", "deploy", "device_cgroup_rules", "devices",
		"dns", "dns_opt", "dns_search", "dockerfile", "domainname", "entrypoint", "provider", "environment", "env_file",
		"expose", "extends", "external_links", "extra_hosts", "group_add", "gpus", "hostname", "healthcheck", "image", "init",
		"ipc", "isolation", "labels", "label_file", "links", "logging", "log_driver", "log_opt", "mem_limit",
		"mem_reservation", "memswap_limit", "mem_swappiness", "mac_address", "models", "net", "network_mode", "networks",
		"oom_kill_disable", "oom_score_adj", "pid", "pids_limit", "platform", "ports", "privileged", "read_only", "restart",
		"runtime", "secrets", "security_opt", "shm_size", "stdin_open", "stop_grace_period", "stop_signal", "storage_opt",
		"sysctls", "tmpfs", "tty", "ulimits", "use_api_socket", "user", "userns_mode", "uts", "volume_driver", "volumes",
		"volumes_from", "working_dir", "pre_start", "post_start", "pre_stop"}
}

// reorderedSum is the digest of a service's JSON in the older order. Fields that this does not know come last, by name.
func reorderedSum(fields []canonical.Field) string {
	order := olderOrder()
	var values [olderCount]string
	var unknown []canonical.Field
	for _, f := range fields {
		if i := slices.Index(order[:], f.Name); i >= 0 {
			values[i] = f.Value
		} else {
			unknown = append(unknown, f)
		}
	}
	var room [4096]byte
	b := append(room[:0], '{')
	write := func(name, value string) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), `":`...)
		b = append(b, value...)
	}
	for i, value := range values {
		if value != "" {
			write(order[i], value)
		}
	}
	for _, f := range unknown {
		write(f.Name, f.Value)
	}
	return hexSum(append(b, '}'))
}

// NetworkHash is docker compose's config-hash of a network.
func NetworkHash(n Network) (string, error) {
	data, err := json.Marshal(n)
	if err != nil {
		return "", fmt.Errorf("hash network %q: %w", n.Name, err)
	}
	return hexSum(data), nil
}

// VolumeHash is docker compose's config-hash of a volume.
func VolumeHash(v Volume) (string, error) {
	if v.Driver == "" {
		v.Driver = "local"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("hash volume %q: %w", v.Name, err)
	}
	return hexSum(data), nil
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
