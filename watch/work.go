package watch

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/musterhq/muster/project"
)

// File is a file or a folder of this machine and its place in a container.
type File struct{ From, To string }

// Files are what a container is to be given and what to be rid of.
type Files struct {
	Copy   []File   // sorted by their places; folders come before what is in them, and are only made where they are not there
	Remove []string // places in the container, with all that is in them
}

// Empty says that there is nothing to do.
func (f Files) Empty() bool { return len(f.Copy)+len(f.Remove) == 0 }

// then is both, one after the other.
func (f Files) then(next Files) Files {
	w := newWork()
	for _, of := range []Files{f, next} {
		for _, to := range of.Remove {
			w.drop(to)
		}
		for _, c := range of.Copy {
			w.put(c.To, c.From)
		}
	}
	return w.files()
}

// Roots are what has to be watched for rules, and for files whose change is of another kind.
func Roots(rules []Rule, files []string) []Root {
	by := map[string][]filter{}
	for _, r := range rules {
		by[r.Path] = append(by[r.Path], r.filter)
	}
	var out []Root
	for path, filters := range by {
		out = append(out, Root{Path: path, Skip: func(folder string) bool {
			return !slices.ContainsFunc(filters, func(f filter) bool { return !f.skips(folder) })
		}})
	}
	for _, f := range files {
		if by[f] == nil {
			out = append(out, Root{Path: f})
		}
	}
	slices.SortFunc(out, func(a, b Root) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// work is what is to be done for one service.
type work struct {
	rebuild, restart bool
	copy             map[string]string // place in the container → here
	remove           map[string]bool
	exec             map[int]bool // rules, by their number
}

func newWork() *work {
	return &work{copy: map[string]string{}, remove: map[string]bool{}, exec: map[int]bool{}}
}

// put notes that a path is to be in the container; what was to be removed there is replaced.
func (w *work) put(to, from string) {
	w.copy[to] = from
	delete(w.remove, to)
}

// drop notes that a path is not to be in the container any more.
func (w *work) drop(to string) {
	for name := range w.copy {
		if name == to || strings.HasPrefix(name, to+"/") {
			delete(w.copy, name)
		}
	}
	w.remove[to] = true
}

// files is what it says about files. What lies in a folder that is removed is not told apart.
func (w *work) files() Files {
	var f Files
	for to, from := range w.copy {
		f.Copy = append(f.Copy, File{From: from, To: to})
	}
	slices.SortFunc(f.Copy, func(a, b File) int { return strings.Compare(a.To, b.To) })
	for to := range w.remove {
		f.Remove = append(f.Remove, to)
	}
	slices.Sort(f.Remove)
	var last string
	f.Remove = slices.DeleteFunc(f.Remove, func(to string) bool {
		if last != "" && strings.HasPrefix(to, last+"/") {
			return true
		}
		last = to
		return false
	})
	return f
}

// memory has what was brought into the containers of each service since the beginning, so that one that is made anew can be
// given it too: place in the container → here.
type memory map[string]map[string]string

func (m memory) note(service, to, from string) {
	if m[service] == nil {
		m[service] = map[string]string{}
	}
	m[service][to] = from
}

// sort works out what a batch asks for, by service.
func (s *Session) sort(batch Batch, into map[string]*work) {
	for _, name := range batch.Paths() {
		for i, r := range s.rules {
			s.apply(i, r, name, into)
		}
	}
}

// apply holds one path against one rule.
func (s *Session) apply(i int, r Rule, name string, into map[string]*work) {
	if name != r.Path && within(name, r.Path) {
		name = r.Path // a folder on the way to it has come
	}
	if !within(r.Path, name) || r.filter.skips(name) {
		return
	}
	var there, gone []string
	if info, err := os.Lstat(name); err == nil {
		there = s.found(r, name, info)
	} else {
		gone = s.lost(r, name)
	}
	if len(there)+len(gone) == 0 {
		return
	}
	w := into[r.Service]
	if w == nil {
		w = newWork()
		into[r.Service] = w
	}
	w.rebuild = w.rebuild || r.Action == Rebuild
	w.restart = w.restart || r.Action == Restart || r.Action == SyncRestart
	if !r.Action.copies() {
		return
	}
	if r.Action == SyncExec {
		w.exec[i] = true
	}
	for _, from := range there {
		w.put(r.In(from), from)
	}
	for _, from := range gone {
		w.drop(r.In(from))
	}
}

// found are the paths that count at one that is there: the file, or the folder and what is in it.
func (s *Session) found(r Rule, name string, info fs.FileInfo) []string {
	if !info.IsDir() {
		if copyable(info.Mode()) && r.Covers(name) {
			return []string{name}
		}
		return nil
	}
	return walk(r, name, nil)
}

// walk lists what counts in a folder, and the folder itself if all of it may be there.
func walk(r Rule, folder string, but []string) []string {
	var out []string
	_ = filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil { // it went away while we looked, which will be told
			return nil
		}
		if entry.IsDir() {
			if r.filter.skips(name) {
				return fs.SkipDir
			}
			if name != r.Path && r.Covers(name) {
				out = append(out, name)
			}
			return nil
		}
		if copyable(entry.Type()) && r.Covers(name) && !slices.Contains(but, name) {
			out = append(out, name)
		}
		return nil
	})
	return out
}

// copyable leaves out sockets, pipes and devices.
func copyable(mode fs.FileMode) bool {
	return mode.IsRegular() || mode&fs.ModeSymlink != 0 || mode.IsDir()
}

// lost are the paths that count at one that is gone: itself, or where only some of what was in it counts, what of that was
// brought to the containers.
func (s *Session) lost(r Rule, name string) []string {
	if r.Covers(name) {
		return []string{name}
	}
	var out []string
	for _, from := range s.memory[r.Service] {
		if from != name && within(name, from) && r.Covers(from) {
			out = append(out, from)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// beginning is what the containers of each service get when all begins: what rules ask for, and what containers that were
// there before had been given.
func (s *Session) beginning(service string) Files {
	w := newWork()
	for _, from := range s.memory[service] {
		if _, err := os.Lstat(from); err != nil {
			continue
		}
		for _, r := range s.rules {
			if r.Service == service && r.Action.copies() && r.Covers(from) {
				w.put(r.In(from), from)
			}
		}
	}
	for _, r := range s.rules {
		if r.Service != service || !r.InitialSync || !r.Action.copies() {
			continue
		}
		info, err := os.Lstat(r.Path)
		if err != nil {
			continue
		}
		for _, from := range s.initially(r, info) {
			w.put(r.In(from), from)
		}
	}
	return w.files()
}

// initially lists what an initial sync brings over: not the Dockerfile, nor the Compose files.
func (s *Session) initially(r Rule, info fs.FileInfo) []string {
	if !info.IsDir() {
		return s.found(r, r.Path, info)
	}
	return walk(r, r.Path, r.first)
}

// hooks are the commands of a service's rules, by their numbers.
func (s *Session) hooks(rules map[int]bool) []project.ServiceHook {
	var out []project.ServiceHook
	for i, r := range s.rules {
		if rules[i] {
			out = append(out, r.Exec)
		}
	}
	return out
}
