package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// The bounds of what is fetched.
const (
	maxTime    = 2 * time.Minute
	maxBytes   = 256 << 20 // of the files, and of what git downloads for them
	maxFiles   = 20_000
	maxOneFile = 32 << 20 // of an artifact, whose files are read as a whole
)

// Store is the cache.
type Store struct {
	// Dir is its folder, which need not be there yet.
	Dir string
	// Environ is the process environment as KEY=VALUE; git gets the few variables of it that it
	// needs to reach repositories.
	Environ []string
	// Local lets git read repositories of this machine by file://.
	Local bool
}

// Copy is a source on this machine.
type Copy struct {
	Root    string // the absolute folder of everything that came with it
	File    string // the Compose file in it, absolute
	Version string // its commit or digest
}

// Fetch gives the copy of a source at a version, which is a commit or digest; empty is
// what the source names now. A version that is in the cache is taken from there, and
// the network is left alone. A [*Problem] says why a source cannot be used.
func (s Store) Fetch(ctx context.Context, r Reference, version string) (Copy, error) {
	if version == "" {
		version = r.Fixed()
	}
	if version != "" {
		if root := s.root(r, version); isFolder(root) {
			return located(r, root, version)
		}
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return Copy{}, fmt.Errorf("make the cache of remote files: %w", err)
	}
	work, err := os.MkdirTemp(s.Dir, "fetch-")
	if err != nil {
		return Copy{}, fmt.Errorf("make the cache of remote files: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, &Problem{Text: fmt.Sprintf("took longer than %v to fetch", maxTime)})
	defer cancel()
	fetch := s.git
	if r.Kind == OCI {
		fetch = artifact
	}
	files := filepath.Join(work, "files")
	version, err = fetch(ctx, r, version, work, files)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return Copy{}, err
	}
	root := s.root(r, version)
	if err := os.MkdirAll(filepath.Dir(root), 0o700); err != nil {
		return Copy{}, fmt.Errorf("keep a remote file: %w", err)
	}
	// Who was quicker has written the same.
	if err := os.Rename(files, root); err != nil && !isFolder(root) {
		return Copy{}, fmt.Errorf("keep a remote file: %w", err)
	}
	return located(r, root, version)
}

// root is the folder of a copy.
func (s Store) root(r Reference, version string) string {
	return filepath.Join(s.Dir, string(r.Kind), short(r.Location), strings.TrimPrefix(version, "sha256:"), r.name())
}

func short(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// located finds the Compose file of a copy.
func located(r Reference, root, version string) (Copy, error) {
	in, err := os.OpenRoot(root)
	if err != nil {
		return Copy{}, fmt.Errorf("read the copy of a remote file: %w", err)
	}
	defer func() { _ = in.Close() }()
	at := r.Path
	if at == "" {
		at = "."
	}
	info, err := in.Stat(filepath.FromSlash(at))
	if err != nil {
		return Copy{}, &Problem{Text: fmt.Sprintf("has no %q", r.Path), Hint: "the version is " + version}
	}
	if info.IsDir() {
		at, err = composeFile(in, at)
		if err != nil {
			return Copy{}, err
		}
	}
	return Copy{Root: root, File: filepath.Join(root, filepath.FromSlash(at)), Version: version}, nil
}

// composeFile is the first file of the usual names in a folder.
func composeFile(in *os.Root, folder string) (string, error) {
	names := []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}
	for _, name := range names {
		at := path.Join(folder, name)
		if info, err := in.Stat(filepath.FromSlash(at)); err == nil && !info.IsDir() {
			return at, nil
		}
	}
	return "", &Problem{Text: "has no " + strings.Join(names, ", "), Hint: "name the folder or the file: #VERSION:FOLDER/FILE"}
}

// record is what the cache knows of a source by its text.
type record struct {
	Source  string `json:"source"`
	Version string `json:"version"`
}

func (s Store) recordFile(source string) string {
	return filepath.Join(s.Dir, "sources", short(source)+".json")
}

// Recall gives the version that a source was last remembered with; empty is none.
func (s Store) Recall(source string) string {
	data, err := os.ReadFile(s.recordFile(source))
	if err != nil {
		return ""
	}
	var r record
	if json.Unmarshal(data, &r) != nil || r.Source != source {
		return ""
	}
	return r.Version
}

// Remember notes the version of a source that its user agreed to.
func (s Store) Remember(source, version string) error {
	if s.Recall(source) == version {
		return nil
	}
	data, err := json.Marshal(record{source, version})
	if err != nil {
		return fmt.Errorf("remember %s: %w", source, err)
	}
	file := s.recordFile(source)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("remember %s: %w", source, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), "new-")
	if err != nil {
		return fmt.Errorf("remember %s: %w", source, err)
	}
	_, err = tmp.Write(data)
	if err := errors.Join(err, tmp.Close()); err != nil {
		return fmt.Errorf("remember %s: %w", source, err)
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return fmt.Errorf("remember %s: %w", source, err)
	}
	return nil
}

// write puts one file below in. Its name is checked by [os.Root]: it cannot leave the folder,
// not through symbolic links either.
func write(in *os.Root, name string, mode fs.FileMode, data []byte) error {
	if dir := path.Dir(name); dir != "." {
		if err := in.MkdirAll(filepath.FromSlash(dir), 0o755); err != nil {
			return fmt.Errorf("keep %q: %w", name, err)
		}
	}
	if err := in.WriteFile(filepath.FromSlash(name), data, mode); err != nil {
		return fmt.Errorf("keep %q: %w", name, err)
	}
	return nil
}
