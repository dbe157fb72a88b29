package planner

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/musterhq/muster/project"
)

func serviceSpec(s project.Service) ([]byte, error) { return json.Marshal(s) }

func serviceHashes(s project.Service) ([]string, error) {
	s.Build, s.PullPolicy, s.Scale, s.DependsOn, s.Profiles = nil, "", nil, nil, nil
	if s.Deploy != nil {
		d := *s.Deploy
		d.Replicas = nil
		s.Deploy = &d
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return []string{hash(text)}, nil
}

func networkSpec(n project.Network) []byte { text, _ := json.Marshal(n); return text }
func volumeSpec(v project.Volume) []byte   { text, _ := json.Marshal(v); return text }
func networkHash(n project.Network) string { return hash(networkSpec(n)) }
func volumeHash(v project.Volume) string {
	if v.Driver == "" {
		v.Driver = "local"
	}
	return hash(volumeSpec(v))
}

func hash(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }
