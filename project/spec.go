package project

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// unspecific are the keys of a service that do not concern a container that exists: a change
// of them changes nothing on the engine.
func unspecific() []string {
	return []string{"attach", "build", "depends_on", "develop", "env_file", "extends", "label_file", "profiles",
		"pull_policy", "pull_refresh_after", "scale"}
}

// unspecificDeploy are those of deploy.
func unspecificDeploy() []string {
	return []string{"endpoint_mode", "labels", "mode", "placement", "replicas", "rollback_config", "update_config"}
}

// Spec is what concerns a container of a service, as canonical JSON: sorted keys, nothing empty
// on the first level, the same bytes for the same service. It is the label dev.muster.spec and
// one side of the field diff.
func Spec(s Service) ([]byte, error) { return specWithout(s, unspecificDeploy()) }

// DeploySpec is the same for an engine that keeps services by itself: for those all of deploy counts but how many containers
// there are, which is not in the spec.
func DeploySpec(s Service) ([]byte, error) { return specWithout(s, []string{"mode", "replicas"}) }

// specWithout leaves keys of deploy out, beside those that concern no container.
func specWithout(s Service, ofDeploy []string) ([]byte, error) {
	fields, err := plain(s)
	if err != nil {
		return nil, fmt.Errorf("spec of service %q: %w", s.Name, err)
	}
	for _, key := range unspecific() {
		delete(fields, key)
	}
	if deploy, ok := fields["deploy"].(map[string]any); ok {
		for _, key := range ofDeploy {
			delete(deploy, key)
		}
		if r, ok := deploy["resources"].(map[string]any); ok && len(r) == 0 {
			delete(deploy, "resources")
		}
		if len(deploy) == 0 {
			delete(fields, "deploy")
		}
	}
	return canonical(fields)
}

// NetworkSpec is the same for a network.
func NetworkSpec(n Network) ([]byte, error) {
	fields, err := plain(n)
	if err != nil {
		return nil, fmt.Errorf("spec of network %q: %w", n.Name, err)
	}
	if ipam, ok := fields["ipam"].(map[string]any); ok && len(ipam) == 0 {
		delete(fields, "ipam")
	}
	return canonical(fields)
}

// VolumeSpec is the same for a volume.
func VolumeSpec(v Volume) ([]byte, error) {
	fields, err := plain(v)
	if err != nil {
		return nil, fmt.Errorf("spec of volume %q: %w", v.Name, err)
	}
	return canonical(fields)
}

// plain takes a value to maps and lists; numbers stay as they are written.
func plain(v any) (map[string]any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil {
		return nil, err
	}
	return fields, nil
}

func canonical(fields map[string]any) ([]byte, error) {
	for key, value := range fields {
		if value == nil {
			delete(fields, key)
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(fields); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
