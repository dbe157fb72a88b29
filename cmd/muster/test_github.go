package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// onGitHub says whether this is a step of GitHub Actions.
func (p *program) onGitHub() bool { return p.getenv("GITHUB_ACTIONS") == "true" }

// group folds what is printed until end is called, where this is a step of GitHub Actions.
func (p *program) group(title string) (end func()) {
	if !p.onGitHub() {
		return func() {}
	}
	fmt.Fprintln(p.out, "::group::"+title)
	return func() { fmt.Fprintln(p.out, "::endgroup::") }
}

// tellGitHub marks what has failed, and writes the summary of the step.
func (t *trial) tellGitHub() error {
	root := t.getenv("GITHUB_WORKSPACE")
	if root == "" {
		root = t.want.WorkingDir
	}
	for _, line := range t.report.Annotations(func(class, file string) string { return inRepository(root, t.want.WorkingDir, class, file) }) {
		fmt.Fprintln(t.out, line)
	}
	path := t.getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the summary of the step: %w", err)
	}
	defer f.Close()
	return t.report.WriteSummary(f)
}

// inRepository finds the file that a test has named. The test knows it by where it is in the container, or by no more than its name and that of the
// Go package: the longest end of that which is a file below the folder of the stack, or of the repository, is it. Empty where none is.
func inRepository(root, dir, class, file string) string {
	file = filepath.ToSlash(file)
	if !strings.Contains(file, "/") && strings.Contains(class, "/") {
		file = class + "/" + file
	}
	for rest := strings.TrimPrefix(file, "/"); ; {
		for _, base := range []string{dir, root} {
			path := filepath.Join(base, filepath.FromSlash(rest))
			if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
				continue
			}
			if rel, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rel) {
				return filepath.ToSlash(rel)
			}
		}
		_, after, more := strings.Cut(rest, "/")
		if !more {
			return ""
		}
		rest = after
	}
}
