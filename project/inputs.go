package project

import (
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/cache"
)

// An input is a path beside the given Compose files that a load has looked at, and what for.
type input struct {
	What inputKind
	Path string
}

type inputKind int

const (
	// inputText is a file that may name variables: one that is included or extended, or of variables.
	inputText inputKind = iota + 1
	// inputContent is a file or folder whose content goes into a container.
	inputContent
	// inputPresence is a path that has to be there, or not.
	inputPresence
)

// observe adds what there is now to a digest, and gives the text of what may name variables. ok is false for what may be another
// thing each time that it is read, such as a pipe.
func (in input) observe(h hash.Hash) (text []byte, ok bool) {
	cache.Put(h, fmt.Sprint(in.What), in.Path)
	info, err := os.Stat(in.Path)
	if err != nil {
		cache.Put(h, "none", cause(err))
		return nil, true
	}
	kind := info.Mode().Type()
	cache.Put(h, kind.String())
	switch {
	case in.What == inputPresence:
		return nil, true
	case !kind.IsRegular() && !kind.IsDir():
		return nil, false
	case in.What == inputContent || kind.IsDir() || info.Size() > maxFile:
		sum, err := digestPath(in.Path)
		cache.Put(h, sum)
		return nil, err == nil
	}
	text, err = os.ReadFile(in.Path)
	cache.Put(h, string(text))
	return text, err == nil
}

// sortedInputs drops repetitions.
func sortedInputs(list []input) []input {
	slices.SortFunc(list, func(a, b input) int {
		if a.What != b.What {
			return int(a.What - b.What)
		}
		return strings.Compare(a.Path, b.Path)
	})
	return slices.Compact(list)
}

// inputsOf are all that a load has looked at beside what [begin] reads; ok is false where that is not to be said for sure. before
// is the model with the names of its files, after the one that they were put into.
func (l *loading) inputsOf(before, after *types.Project) (list []input, ok bool) {
	list, ok = l.read(before, after)
	ok = ok && len(l.where.remotes.order) == 0 // what is fetched has its own rules about what counts
	for _, services := range []types.Services{before.Services, before.DisabledServices} {
		for _, s := range services {
			if s.Develop != nil && len(s.Develop.Watch) > 0 {
				ok = false // links are followed in their paths, and what they were before is not known any more
			}
		}
	}
	for _, s := range after.Services {
		list = append(list, contextInputs(s)...)
	}
	return sortedInputs(list), ok
}

// read are those of them that are read, and not only looked for.
func (l *loading) read(before, after *types.Project) (files []input, ok bool) {
	files, ok = l.inputFiles()
	for _, services := range []types.Services{before.Services, before.DisabledServices} {
		for _, s := range services {
			files = append(files, specInputs(s.ContainerSpec)...)
			for _, h := range s.PreStart {
				files = append(files, specInputs(h.ContainerSpec)...)
			}
		}
	}
	for _, j := range before.AllJobs() {
		files = append(files, specInputs(j.ContainerSpec)...)
	}
	for _, c := range after.Configs {
		files = append(files, contentInputs(types.FileObjectConfig(c))...)
	}
	for _, s := range after.Secrets {
		files = append(files, contentInputs(types.FileObjectConfig(s))...)
	}
	return files, ok
}

// withLooked adds what finding the files has looked at. known is false where something was read that cannot be read again: standard input, what was
// fetched, or whether a folder is a worktree of git.
func (l *loading) withLooked(list []input) (all []input, known bool) {
	if l.where.beyond || len(l.where.remotes.order) > 0 || slices.Contains(l.where.files, "-") {
		return nil, false
	}
	return sortedInputs(slices.Concat(list, l.where.looked)), true
}

// Inputs are all paths that the load has looked at, absolute: those that it has read, which may be folders, and those of which only
// counts what kind of file is there, or that none is. known is false where it depends on something else as well. What the
// environment says is not among them.
func (p *Project) Inputs() (read, looked []string, known bool) {
	for _, in := range p.inputs {
		if in.What == inputPresence {
			looked = append(looked, in.Path)
		} else {
			read = append(read, in.Path)
		}
	}
	return read, looked, p.known
}

// readPaths are the paths of those that are read, sorted.
func readPaths(list []input) []string {
	var out []string
	for _, in := range list {
		if in.What != inputPresence {
			out = append(out, in.Path)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// specInputs are the files of variables and labels.
func specInputs(s types.ContainerSpec) []input {
	var out []input
	for _, f := range s.EnvFiles {
		out = append(out, input{inputText, f.Path})
	}
	for _, f := range s.LabelFiles {
		out = append(out, input{inputText, f})
	}
	return out
}

func contentInputs(c types.FileObjectConfig) []input {
	if c.File == "" {
		return nil
	}
	return []input{{inputContent, c.File}}
}

// contextInputs are what [loading.missingContext] looks for.
func contextInputs(s Service) []input {
	if s.Build == nil || !filepath.IsAbs(s.Build.Context) {
		return nil
	}
	out := []input{{inputPresence, s.Build.Context}}
	if file := s.Build.Dockerfile; file != "" {
		if !filepath.IsAbs(file) {
			file = filepath.Join(s.Build.Context, file)
		}
		out = append(out, input{inputPresence, file})
	}
	return out
}

// inputFiles are the files that the given ones include and extend, with the env files and folders of those. They are found by
// going through the nodes once more, and ok is false where compose-go was sent to a file that was not found so.
func (l *loading) inputFiles() (list []input, ok bool) {
	if len(l.asked) == 0 {
		return nil, true
	}
	ps := l.places
	known := map[string]bool{}
	for _, d := range ps.others() {
		list = append(list, input{inputText, d.file})
		known[d.file] = true
	}
	list = append(list, ps.around...)
	dirs := map[string]bool{}
	for i := range len(ps.given) + len(ps.extra) {
		d := ps.nth(i)
		dirs[d.dir], dirs[filepath.Dir(d.file)] = true, true
	}
	for _, path := range l.asked {
		found := known[filepath.Clean(path)]
		for dir := range dirs {
			found = found || known[filepath.Join(dir, path)]
		}
		if !found {
			return nil, false
		}
	}
	return list, len(ps.lost) == 0
}
