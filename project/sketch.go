package project

import (
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
)

// sketch gives a project that was not interpolated what lists of it need: names, images and profiles. The
// rest fits no types as long as there are variables in it.
func (p *Project) sketch(active []string) {
	p.Services, p.Inactive = map[string]Service{}, map[string]Service{}
	p.Networks, p.Volumes = map[string]Network{}, map[string]Volume{}
	for name, value := range entriesOf(p.raw, "services") {
		s := Service{Name: name}
		s.Image = textOf(value, "image")
		if _, provided := value["provider"]; provided {
			s.Provider = &types.ServiceProviderConfig{}
		}
		if list, ok := value["profiles"].([]any); ok {
			for _, profile := range list {
				if text, ok := profile.(string); ok {
					s.Profiles = append(s.Profiles, text)
				}
			}
		}
		if s.HasProfile(active) || slices.Contains(active, "*") {
			p.Services[name] = s
		} else {
			p.Inactive[name] = s
		}
	}
	for name, value := range entriesOf(p.raw, "networks") {
		p.Networks[name] = Network{Name: textOf(value, "name")}
	}
	for name, value := range entriesOf(p.raw, "volumes") {
		p.Volumes[name] = Volume{Name: textOf(value, "name")}
	}
}

// entriesOf are the entries of a top-level key; one without anything below it is empty.
func entriesOf(raw map[string]any, key string) map[string]map[string]any {
	out := map[string]map[string]any{}
	entries, _ := raw[key].(map[string]any)
	for name, value := range entries {
		out[name], _ = value.(map[string]any)
	}
	return out
}

func textOf(entry map[string]any, key string) string {
	text, _ := entry[key].(string)
	return text
}
