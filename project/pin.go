package project

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"gopkg.in/yaml.v3"
)

// PinImages writes the digest that each service's image has now behind its name, so that the
// model means the same images later on. digest is asked once for each image that has none and
// is not built.
func (p *Project) PinImages(digestOf func(image string) (string, error)) error {
	if p.Model == nil {
		return fmt.Errorf("images have digests only where variables are replaced")
	}
	pinned := map[string]string{}
	for _, name := range sortedKeys(p.Services) {
		s := p.Services[name]
		if s.Image == "" || s.Build != nil || s.Provider != nil {
			continue
		}
		if pinned[s.Image] == "" {
			image, err := withDigest(s.Image, digestOf)
			if err != nil {
				return fmt.Errorf("find the digest of %s: %w", s.Image, err)
			}
			pinned[s.Image] = image
		}
		s.Image = pinned[s.Image]
		p.Services[name] = s
		p.Model.Services[name] = s
	}
	return nil
}

func withDigest(image string, digestOf func(string) (string, error)) (string, error) {
	named, err := reference.ParseDockerRef(image)
	if err != nil {
		return "", err
	}
	if _, has := named.(reference.Digested); has {
		return image, nil
	}
	sum, err := digestOf(image)
	if err != nil {
		return "", err
	}
	with, err := reference.WithDigest(named, digest.Digest(sum))
	if err != nil {
		return "", err
	}
	return with.String(), nil
}

// MarshalImages writes a Compose file that only says which images the services have: to be
// merged over the files that they come from.
func (p *Project) MarshalImages(format string) ([]byte, error) {
	services := map[string]any{}
	for name, s := range p.Services {
		if s.Image != "" && s.Build == nil {
			services[name] = map[string]string{"image": s.Image}
		}
	}
	model := map[string]any{"services": services}
	switch format {
	case "", "yaml":
		var b bytes.Buffer
		enc := yaml.NewEncoder(&b)
		enc.SetIndent(2)
		if err := enc.Encode(model); err != nil {
			return nil, fmt.Errorf("write the images: %w", err)
		}
		return b.Bytes(), enc.Close()
	case "json":
		return json.MarshalIndent(model, "", "  ")
	}
	return nil, fmt.Errorf("format %q is not known; write yaml or json", format)
}
