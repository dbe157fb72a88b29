package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/musterhq/muster/project"
)

// filter says which of the files below a rule's path count. A pattern is held against the whole path from the folder that it
// belongs to, and one that begins with ! takes back what those before it said.
type filter struct {
	include *matcher // nil: all
	ignore  []*matcher
}

// ephemeral are files that editors make for themselves, and what a version control system keeps.
func ephemeral() []string {
	return []string{
		"**/.git", "**/.idea", "**/*___jb_old___", "**/*___jb_tmp___", "**/.#*", "**/#*#", "**/4913", "**/*~",
		"**/.*.swp", "**/.*.swx", "**/.*.swo", "**/.*.swn", "**/.*.kate-swp", "**/.DS_Store",
	}
}

func newFilter(root string, include, ignore []string, dockerIgnored *matcher) (filter, error) {
	var f filter
	var err error
	if len(include) > 0 {
		if f.include, err = newMatcher(root, include); err != nil {
			return f, fmt.Errorf("include: %w", err)
		}
	}
	own, err := newMatcher(root, ignore)
	if err != nil {
		return f, fmt.Errorf("ignore: %w", err)
	}
	editors, err := newMatcher(root, ephemeral())
	if err != nil {
		return f, err
	}
	f.ignore = []*matcher{editors, own}
	if dockerIgnored != nil {
		f.ignore = append(f.ignore, dockerIgnored)
	}
	return f, nil
}

// takes says whether a file counts.
func (f filter) takes(name string) bool {
	if f.include != nil && !f.include.matches(name) {
		return false
	}
	return !f.ignores(name)
}

func (f filter) ignores(name string) bool {
	for _, m := range f.ignore {
		if m.matches(name) {
			return true
		}
	}
	return false
}

// skips says that nothing in a folder counts, so that nobody need look into it.
func (f filter) skips(folder string) bool {
	for _, m := range f.ignore {
		if !m.exceptions && m.matches(folder) {
			return true
		}
	}
	return false
}

// matcher is a list of patterns, in the form of .dockerignore, for what is in a folder.
type matcher struct {
	root       string
	exceptions bool // some pattern takes others back

	mu       sync.Mutex // patterns compile themselves when they are first asked
	patterns *patternmatcher.PatternMatcher
}

func newMatcher(root string, patterns []string) (*matcher, error) {
	relative := make([]string, 0, len(patterns))
	for _, p := range patterns {
		relative = append(relative, below(root, p))
	}
	compiled, err := patternmatcher.New(relative)
	if err == nil { // a pattern is compiled, and may be found to be broken, only when it is used
		_, err = compiled.MatchesOrParentMatches("x")
	}
	if err != nil {
		return nil, fmt.Errorf("%w, in %s", err, strings.Join(patterns, ", "))
	}
	return &matcher{root: root, exceptions: compiled.Exclusions(), patterns: compiled}, nil
}

// below writes a pattern with an absolute path as one from the root.
func below(root, pattern string) string {
	bare, not := strings.CutPrefix(strings.TrimSpace(pattern), "!")
	if filepath.IsAbs(bare) {
		if within(root, filepath.Clean(bare)) {
			if rest, err := filepath.Rel(root, bare); err == nil {
				bare = rest
			}
		} else {
			bare = strings.TrimPrefix(filepath.ToSlash(bare), "/")
		}
	}
	if not {
		bare = "!" + bare
	}
	return bare
}

// matches says whether a path is meant; what is not in the folder never is.
func (m *matcher) matches(name string) bool {
	rest, err := filepath.Rel(m.root, name)
	if err != nil || rest == "." || rest == ".." || strings.HasPrefix(rest, ".."+string(filepath.Separator)) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// The deprecation is about callers that walk and ask for each folder too; this asks for one path.
	found, err := m.patterns.MatchesOrParentMatches(rest)
	return err == nil && found
}

// ignoreFiles are those that may say what a service's build leaves out, the more special one first.
func ignoreFiles(s project.Service) []string {
	if s.Build == nil || s.Build.Context == "" || !filepath.IsAbs(s.Build.Context) {
		return nil
	}
	return []string{dockerfile(s) + ".dockerignore", filepath.Join(s.Build.Context, ".dockerignore")}
}

// dockerIgnore reads what a service's build leaves out; nil where nothing says.
func dockerIgnore(s project.Service) (*matcher, error) {
	files := ignoreFiles(s)
	if files == nil {
		return nil, nil
	}
	return readIgnored(s.Build.Context, files)
}

// readIgnored reads what a folder leaves out from the first of the files that is there.
func readIgnored(folder string, files []string) (*matcher, error) {
	for _, name := range files {
		file, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read what builds ignore: %w", err)
		}
		patterns, err := ignorefile.ReadAll(file)
		_ = file.Close()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		m, err := newMatcher(folder, patterns)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		return m, nil
	}
	return nil, nil
}
