package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
	"github.com/musterhq/muster/watch"
)

// inside is the file that stands for a path in a container.
func (e memoryEngine) inside(container, path string) string {
	return filepath.Join(e.file+".files", container, path)
}

// CopyTo copies one file.
func (e memoryEngine) CopyTo(_ context.Context, container, from, to string, in io.Reader, _ docker.CopyOptions) error {
	text, err := os.ReadFile(from)
	if from == docker.Stdio {
		text, err = io.ReadAll(in)
	}
	target := e.inside(container, to)
	return errors.Join(err, os.MkdirAll(filepath.Dir(target), 0o700), os.WriteFile(target, text, 0o600))
}

// CopyFrom copies one file.
func (e memoryEngine) CopyFrom(_ context.Context, container, from, to string, out io.Writer, _ docker.CopyOptions) error {
	text, err := os.ReadFile(e.inside(container, from))
	if err != nil {
		return fmt.Errorf("there is no %s in container %s", from, container)
	}
	if to == docker.Stdio {
		_, err = out.Write(text)
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// Export writes the container's name.
func (e memoryEngine) Export(_ context.Context, container string, out io.Writer) error {
	_, err := fmt.Fprintln(out, "all of", container)
	return err
}

// Commit names an image after what it was asked for.
func (e memoryEngine) Commit(_ context.Context, container string, o docker.CommitOptions) (string, error) {
	return fmt.Sprintf("sha256:%s %s %s %s %v %v", container, o.Reference, o.Author, o.Comment, o.Changes, o.Pause), nil
}

func TestServiceAndPath(t *testing.T) {
	for arg, want := range map[string][2]string{
		"web:/a":  {"web", "/a"},
		"web:a:b": {"web", "a:b"},
		"/a:b":    {"", "/a:b"},
		"./a:b":   {"", "./a:b"},
		"a":       {"", "a"},
		"-":       {"", "-"},
	} {
		if service, path := serviceAndPath(arg); service != want[0] || path != want[1] {
			t.Errorf("%s: %q %q, want %q", arg, service, path, want)
		}
	}
}

// CheckBuild finds a warning in each inline Dockerfile that has the word.
func (e memoryEngine) CheckBuild(_ context.Context, a planner.BuildImage) (docker.BuildCheck, error) {
	if strings.Contains(a.Spec.Build.DockerfileInline, "warning") {
		return docker.BuildCheck{Text: "WARNING: it has one\n", Warnings: 1}, nil
	}
	return docker.BuildCheck{}, nil
}

// Sync copies files and removes others.
func (e memoryEngine) Sync(_ context.Context, container string, files watch.Files) error {
	for _, path := range files.Remove {
		if err := os.RemoveAll(e.inside(container, path)); err != nil {
			return err
		}
	}
	for _, f := range files.Copy {
		text, err := os.ReadFile(f.From)
		if err != nil {
			continue // a folder
		}
		target := e.inside(container, f.To)
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o700), os.WriteFile(target, text, 0o600)); err != nil {
			return err
		}
	}
	return nil
}

// Leftovers has none.
func (e memoryEngine) Leftovers(context.Context, string) ([]string, error) { return nil, nil }

// DiscardImages has nothing to remove.
func (e memoryEngine) DiscardImages(context.Context, []string) error { return nil }
