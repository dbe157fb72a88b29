package project

import (
	"fmt"
	"slices"

	"github.com/musterhq/muster/project/canonical"
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
	fields, err := filled(s)
	if err != nil {
		return nil, fmt.Errorf("spec of service %q: %w", s.Name, err)
	}
	fields = without(fields, unspecific())
	for i := range fields {
		if fields[i].Name == "deploy" {
			if fields[i].Value, err = deployWithout(fields[i].Value, ofDeploy); err != nil {
				return nil, fmt.Errorf("spec of service %q: %w", s.Name, err)
			}
		}
	}
	return canonical.Object(withoutEmpty(fields, "deploy")), nil
}

func deployWithout(deploy string, keys []string) (string, error) {
	fields, err := canonical.Fields(deploy)
	return string(canonical.Object(withoutEmpty(without(fields, keys), "resources"))), err
}

// NetworkSpec is the same for a network.
func NetworkSpec(n Network) ([]byte, error) {
	fields, err := filled(n)
	if err != nil {
		return nil, fmt.Errorf("spec of network %q: %w", n.Name, err)
	}
	return canonical.Object(withoutEmpty(fields, "ipam")), nil
}

// VolumeSpec is the same for a volume.
func VolumeSpec(v Volume) ([]byte, error) {
	fields, err := filled(v)
	if err != nil {
		return nil, fmt.Errorf("spec of volume %q: %w", v.Name, err)
	}
	return canonical.Object(fields), nil
}

// filled are the fields of a value that have one.
func filled(v any) ([]canonical.Field, error) {
	fields, err := canonical.Of(v)
	return slices.DeleteFunc(fields, func(f canonical.Field) bool { return f.Value == "null" }), err
}

func without(fields []canonical.Field, names []string) []canonical.Field {
	return slices.DeleteFunc(fields, func(f canonical.Field) bool { return slices.Contains(names, f.Name) })
}

// withoutEmpty leaves a field out that is an object with nothing in it.
func withoutEmpty(fields []canonical.Field, name string) []canonical.Field {
	return slices.DeleteFunc(fields, func(f canonical.Field) bool { return f.Name == name && f.Value == "{}" })
}
