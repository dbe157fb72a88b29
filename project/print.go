package project

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"
)

// Marshal writes the resolved model as docker compose's config does, in "yaml" or "json". What
// no active service uses is left out. Each $ is doubled, so that the output is a Compose file
// that means the same. The values of secrets are never written.
func (p *Project) Marshal(format string) ([]byte, error) {
	if p.Model == nil {
		return marshalRaw(p.raw, format)
	}
	m := p.Model
	if !p.allResources {
		m = m.WithoutUnnecessaryResources()
	}
	m = withoutAbsent(m)
	var data []byte
	var err error
	switch format {
	case "", "yaml":
		data, err = m.MarshalYAML()
	case "json":
		data, err = m.MarshalJSON()
	default:
		return nil, fmt.Errorf("format %q is not known; write yaml or json", format)
	}
	if err != nil {
		return nil, fmt.Errorf("write the model: %w", err)
	}
	return bytes.ReplaceAll(data, []byte("$"), []byte("$$")), nil
}

// withoutAbsent leaves out that services depend on ones that are not active, which is allowed where these are not required: they are not written, and nobody
// could read a reference to them.
func withoutAbsent(m *types.Project) *types.Project {
	out := *m
	out.Services = maps.Clone(m.Services)
	for name, s := range out.Services {
		s.DependsOn = maps.Clone(s.DependsOn)
		maps.DeleteFunc(s.DependsOn, func(on string, _ types.ServiceDependency) bool {
			_, active := m.Services[on]
			return !active
		})
		out.Services[name] = s
	}
	return &out
}

// marshalRaw writes a model that was not interpolated and therefore fits no types.
func marshalRaw(raw map[string]any, format string) ([]byte, error) {
	switch format {
	case "", "yaml":
		var b bytes.Buffer
		enc := yaml.NewEncoder(&b)
		enc.SetIndent(2)
		if err := enc.Encode(raw); err != nil {
			return nil, fmt.Errorf("write the model: %w", err)
		}
		return b.Bytes(), enc.Close()
	case "json":
		return json.MarshalIndent(raw, "", "  ")
	}
	return nil, fmt.Errorf("format %q is not known; write yaml or json", format)
}

// Images are the images of the active services, each once, sorted: what they run, and the name
// that a build without one is tagged with.
func (p *Project) Images() []string {
	var images []string
	for _, s := range p.Services {
		if s.Provider == nil {
			images = append(images, p.ImageName(s))
		}
	}
	slices.Sort(images)
	return slices.Compact(images)
}

// Profiles are the profiles that any service of the files belongs to, sorted.
func (p *Project) Profiles() []string {
	set := map[string]bool{}
	for _, services := range []map[string]Service{p.Services, p.Inactive} {
		for _, s := range services {
			for _, profile := range s.Profiles {
				set[profile] = true
			}
		}
	}
	return sortedKeys(set)
}

// Hashes are the config hashes of the active services, by name.
func (p *Project) Hashes() (map[string]string, error) {
	out := map[string]string{}
	for name, s := range p.Services {
		h, err := ServiceHashes(s)
		if err != nil {
			return nil, err
		}
		out[name] = h[0]
	}
	return out, nil
}

// Variable is one that the files are interpolated with.
type Variable struct {
	Name      string
	Required  bool
	Default   string `json:"DefaultValue"`
	Alternate string `json:"PresenceValue"` // what it stands for where it is set
}

// Variables are those that the model of a project uses which was loaded with NoInterpolate,
// sorted by name.
func (p *Project) Variables() []Variable {
	found := template.ExtractVariables(p.raw, template.DefaultPattern)
	out := make([]Variable, 0, len(found))
	for _, name := range sortedKeys(found) {
		v := found[name]
		out = append(out, Variable{Name: name, Required: v.Required, Default: v.DefaultValue, Alternate: v.PresenceValue})
	}
	return out
}

// EnvironmentList is what interpolation saw, as KEY=VALUE, sorted.
func (p *Project) EnvironmentList() []string {
	return types.Mapping(p.Environment).Values()
}

// ConfigText is the text of a config that comes from content or environment; ok is false
// for one from a file.
func ConfigText(c Config) (text string, ok bool) {
	return c.Content, c.File == ""
}

// SecretText is the value of a secret that comes from the environment; ok is false for one
// from a file. It must not be printed.
func SecretText(s Secret) (text string, ok bool) {
	return s.Content, s.File == ""
}

// ConfigTarget is where a config is put in a container: its target, or /NAME.
func ConfigTarget(c types.ServiceConfigObjConfig) string {
	return target(c.Target, c.Source, "/")
}

// SecretTarget is where a secret is put: its target, relative ones below /run/secrets.
func SecretTarget(s types.ServiceSecretConfig) string {
	return target(s.Target, s.Source, "/run/secrets/")
}

func target(given, source, folder string) string {
	switch {
	case given == "":
		return folder + source
	case strings.HasPrefix(given, "/"), windowsPath().MatchString(given):
		return given
	}
	return folder + given
}
