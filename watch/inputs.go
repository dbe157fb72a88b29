package watch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/project"
)

// Inputs reads what the build of a service goes by: a digest of each file that BuildKit would see, by its path from the project's
// folder, and of each key of the build section, as build.KEY. Owners and times do not count, as they do not for BuildKit. Of
// what is not on this machine only the address counts. A context that is not there has no files.
func Inputs(of *project.Project, s project.Service) (map[string]string, error) {
	r := inputs{dir: of.WorkingDir, out: map[string]string{}}
	r.files.SetLimit(runtime.GOMAXPROCS(0))
	if err := r.section(of.Name, s); err != nil {
		return nil, err
	}
	err := r.contexts(s)
	if err = errors.Join(err, r.files.Wait()); err != nil {
		return nil, fmt.Errorf("look at what the build of %s goes by: %w", s.Name, err)
	}
	return r.out, nil
}

// inputs are being read.
type inputs struct {
	dir   string
	files errgroup.Group

	mu  sync.Mutex // guards out
	out map[string]string
}

func (r *inputs) note(name, digest string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out[name] = digest
}

// section notes the keys of a build section, but for those that say where and how to build and not what. Arguments may be
// secret, though they should not be.
func (r *inputs) section(name string, s project.Service) error {
	b := *s.Build
	b.Context, b.Dockerfile, b.CacheFrom, b.CacheTo, b.NoCache, b.NoCacheFilter, b.Pull, b.Secrets, b.SSH = "", "", nil, nil, false, nil, false, nil, nil
	b.AdditionalContexts = nil
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("read the build section of %s: %w", s.Name, err)
	}
	keys := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &keys); err != nil {
		return fmt.Errorf("read the build section of %s: %w", s.Name, err)
	}
	for key, value := range keys {
		if text := string(value); text == `""` || text == "null" || text == "{}" {
			continue
		}
		if key == "args" {
			r.files.Go(func() error {
				digest, err := project.SlowDigest(name, "build.args", string(value))
				r.note("build.args", digest)
				return err
			})
			continue
		}
		r.note("build."+key, digestOf(value))
	}
	if s.Platform != "" {
		r.note("platform", digestOf([]byte(s.Platform)))
	}
	return nil
}

// contexts notes the files.
func (r *inputs) contexts(s project.Service) error {
	ignored, err := dockerIgnore(s)
	if err != nil {
		return err
	}
	if err := r.context("build.context", s.Build.Context, ignored); err != nil {
		return err
	}
	if s.Build.DockerfileInline == "" && (filepath.IsAbs(s.Build.Context) || filepath.IsAbs(s.Build.Dockerfile)) {
		if err := r.file(dockerfile(s)); err != nil {
			return err
		}
	}
	for name, where := range s.Build.AdditionalContexts {
		ignored = nil
		if filepath.IsAbs(where) {
			if ignored, err = readIgnored(where, []string{filepath.Join(where, ".dockerignore")}); err != nil {
				return err
			}
		}
		if err := r.context("build.additional_contexts."+name, where, ignored); err != nil {
			return err
		}
	}
	return nil
}

// context notes the files of a folder, or the address of what is none.
func (r *inputs) context(key, where string, ignored *matcher) error {
	if !filepath.IsAbs(where) {
		r.note(key, digestOf([]byte(where)))
		return nil
	}
	// The separator leads into a folder that is a link.
	return filepath.WalkDir(where+string(filepath.Separator), func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // the build says so, or it went away while we looked
		case err != nil:
			return err
		case entry.IsDir() && ignored != nil && !ignored.exceptions && ignored.matches(name):
			return fs.SkipDir
		case ignored != nil && ignored.matches(name), filepath.Clean(name) == where:
			return nil
		}
		return r.file(name)
	})
}

// file notes a file, a folder or a link; others are in no image.
func (r *inputs) file(name string) error {
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !copyable(info.Mode()) {
		return err
	}
	short, err := filepath.Rel(r.dir, name)
	if err != nil {
		short = name
	}
	short = filepath.ToSlash(short)
	head := info.Mode().String() + "\x00"
	switch {
	case info.IsDir():
		r.note(short+"/", digestOf([]byte(head)))
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(name)
		r.note(short, digestOf([]byte(head+target)))
		return err
	default:
		r.files.Go(func() error {
			digest, err := digestFile(name, head)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			r.note(short, digest)
			return err
		})
	}
	return nil
}

func digestFile(name, head string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	_, _ = io.WriteString(sum, head)
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
