// Package buildx reads which builder was chosen for docker's buildx, so that a build runs where its user is used to. It writes nothing
// and reaches nobody.
package buildx

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The drivers that a builder may have here; buildx knows more.
const (
	DriverContainer = "docker-container" // BuildKit in a container that buildx has made
	DriverEngine    = "docker"           // the BuildKit inside of an engine
	DriverRemote    = "remote"           // BuildKit at an address
)

// Builder is what `docker buildx create` has noted of one.
type Builder struct {
	Name   string
	Driver string
	Nodes  []Node
}

// Node is one BuildKit of a builder.
type Node struct {
	Name string
	// Endpoint is an address of a BuildKit or, for those in a container, the engine: a docker context or the engine's address.
	Endpoint string
	// Platforms are those that it was created for; none where nobody said.
	Platforms []Platform
	// DriverOpts are such as cacert, cert, key and servername.
	DriverOpts map[string]string
}

// Platform is what a node builds for.
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant"`
}

// String is the platform as people write it.
func (p Platform) String() string {
	text := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		text += "/" + p.Variant
	}
	return text
}

// For is the node that was created for a platform or, where none was, the first.
func (b *Builder) For(platform string) Node {
	for _, n := range b.Nodes {
		for _, p := range n.Platforms {
			if p.String() == platform {
				return n
			}
		}
	}
	return b.Nodes[0]
}

// Named is the builder of a name in the folder dir; the error is [fs.ErrNotExist] where there is none.
func Named(dir, name string) (*Builder, error) {
	if name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		return nil, fs.ErrNotExist
	}
	path := filepath.Join(dir, "instances", strings.ToLower(name))
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out Builder
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(out.Nodes) == 0 {
		return nil, fmt.Errorf("%s: it has no nodes", path)
	}
	return &out, nil
}

// Current is the builder that `docker buildx use` chose for an engine, by its docker context or else its address; nil where that is
// the engine's own.
func Current(dir, engine string) (*Builder, error) {
	text, err := os.ReadFile(filepath.Join(dir, "current"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var chosen struct {
		Key, Name string
		Global    bool
	}
	if err == nil {
		if err := json.Unmarshal(text, &chosen); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "current"), err)
		}
	}
	name := chosen.Name
	if name == "" || !chosen.Global && chosen.Key != engine {
		// What was chosen last is for another engine; this one may have a default.
		sum := sha256.Sum256([]byte(engine))
		text, err := os.ReadFile(filepath.Join(dir, "defaults", hex.EncodeToString(sum[:])[:20]))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		name = strings.TrimSpace(string(text))
	}
	out, err := Named(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it was removed, as buildx sees it
	}
	return out, err
}
