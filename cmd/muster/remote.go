package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/musterhq/muster/project"
)

// confirmRemote is how a user on a terminal is asked about Compose files from elsewhere; nil where
// nobody can be asked, or where the answer would be taken from a file on standard input.
func (p *program) confirmRemote() func(project.RemoteSource) (bool, error) {
	if p.screen == nil || slices.Contains(p.globals.files, "-") {
		return nil
	}
	return func(s project.RemoteSource) (bool, error) {
		by, question := "", "What it says will run on this machine. Read it?"
		if s.By != "" {
			by = s.By + "  "
		}
		if s.Was != "" {
			question = fmt.Sprintf("It has changed, from %s to %s. Take the new version?", shortVersion(s.Was), shortVersion(s.Version))
		} else if s.Version != "" {
			question = fmt.Sprintf("What version %s of it says will run on this machine. Read it?", shortVersion(s.Version))
		}
		err := p.confirm(fmt.Sprintf("%s%s comes from elsewhere. %s", by, s.Source, question))
		if errors.Is(err, errDeclined) {
			return false, nil
		}
		return err == nil, err
	}
}

// shortVersion is a commit or digest as people read it.
func shortVersion(version string) string {
	const digest = len("sha256:") + 12
	switch {
	case len(version) > digest && version[:7] == "sha256:":
		return version[:digest]
	case len(version) > 12:
		return version[:12]
	}
	return version
}

// lockRemotes writes which version of each remote file counts.
func (p *program) lockRemotes(of *project.Project) error {
	if len(of.Remotes) == 0 {
		return &usageError{problem: "the files come from this machine: there is nothing to lock"}
	}
	file, content, err := of.LockFile()
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	for _, s := range of.Remotes {
		fmt.Fprintf(p.err, "%s is locked to %s\n", s.Source, shortVersion(s.Version))
	}
	return nil
}
