package project

import (
	"fmt"
	"slices"
	"strings"

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

// Written is a service as JSON has it, of which its specs and its hash are made. To write it is most of the work for each.
type Written struct {
	service Service
	fields  []canonical.Field // without what docker compose leaves out of the hash, which is in no spec either
}

// usualFields are as many as services have, mostly.
const usualFields = 32

// Write writes a service.
func Write(s Service) (Written, error) {
	s = withoutUnhashed(s)
	environment := s.Environment
	s.Environment = nil
	fields, err := canonical.Of(s)
	if err != nil {
		return Written{}, fmt.Errorf("write service %q as JSON: %w", s.Name, err)
	}
	s.Environment = environment
	if len(environment) > 0 {
		f := canonical.Field{Name: "environment", Value: canonical.Variables(environment)}
		at, _ := slices.BinarySearchFunc(fields, f.Name, func(f canonical.Field, name string) int { return strings.Compare(f.Name, name) })
		fields = slices.Insert(fields, at, f)
	}
	return Written{s, fields}, nil
}

// Spec is what concerns a container of a service, as canonical JSON: sorted keys, nothing empty
// on the first level, the same bytes for the same service. It is the label dev.muster.spec and
// one side of the field diff.
func (w Written) Spec() (string, error) { return w.specWithout(unspecificDeploy()) }

// DeploySpec is the same for an engine that keeps services by itself: for those all of deploy counts but how many containers
// there are, which is not in the spec.
func (w Written) DeploySpec() (string, error) { return w.specWithout([]string{"mode", "replicas"}) }

// Spec is that of [Written].
func Spec(s Service) ([]byte, error) {
	w, err := Write(s)
	if err != nil {
		return nil, err
	}
	text, err := w.Spec()
	return []byte(text), err
}

// specWithout leaves keys of deploy out, beside those that concern no container.
func (w Written) specWithout(ofDeploy []string) (string, error) {
	var room [usualFields]canonical.Field
	fields := filled(without(append(room[:0], w.fields...), unspecific()))
	for i := range fields {
		if fields[i].Name == "deploy" {
			var err error
			if fields[i].Value, err = deployWithout(fields[i].Value, ofDeploy); err != nil {
				return "", fmt.Errorf("spec of service %q: %w", w.service.Name, err)
			}
		}
	}
	return canonical.Object(withoutEmpty(fields, "deploy")), nil
}

func deployWithout(deploy string, keys []string) (string, error) {
	fields, err := canonical.Fields(deploy)
	return canonical.Object(withoutEmpty(without(fields, keys), "resources")), err
}

// NetworkSpec is the same for a network.
func NetworkSpec(n Network) ([]byte, error) {
	fields, err := canonical.Of(n)
	if err != nil {
		return nil, fmt.Errorf("spec of network %q: %w", n.Name, err)
	}
	return []byte(canonical.Object(withoutEmpty(filled(fields), "ipam"))), nil
}

// VolumeSpec is the same for a volume.
func VolumeSpec(v Volume) ([]byte, error) {
	var room [usualFields]canonical.Field
	fields, err := canonical.AppendOf(room[:0], v)
	if err != nil {
		return nil, fmt.Errorf("spec of volume %q: %w", v.Name, err)
	}
	return []byte(canonical.Object(filled(fields))), nil
}

// filled are the fields that have a value.
func filled(fields []canonical.Field) []canonical.Field {
	return slices.DeleteFunc(fields, func(f canonical.Field) bool { return f.Value == "null" })
}

func without(fields []canonical.Field, names []string) []canonical.Field {
	return slices.DeleteFunc(fields, func(f canonical.Field) bool { return slices.Contains(names, f.Name) })
}

// withoutEmpty leaves a field out that is an object with nothing in it.
func withoutEmpty(fields []canonical.Field, name string) []canonical.Field {
	return slices.DeleteFunc(fields, func(f canonical.Field) bool { return f.Name == name && f.Value == "{}" })
}
