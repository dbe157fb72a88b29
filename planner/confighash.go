package planner

import "github.com/musterhq/muster/project"

// ConfigHash is the value of [LabelConfigHash] for a service: what docker compose
// computes for it, so that each finds what the other has made.
func ConfigHash(s project.Service) (string, error) {
	hashes, err := project.ServiceHashes(s)
	if err != nil {
		return "", err
	}
	return hashes[0], nil
}
