package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Root is what is to be watched: a file, or a folder with all that is in it.
type Root struct {
	Path string
	// Skip says that a folder below it need not be looked into; nil: none.
	Skip func(folder string) bool
}

// Options say how a [Watcher] notices changes. The zero value asks the system to tell, and looks every half second where
// it cannot.
type Options struct {
	// Poll looks at all files so often instead of asking the system; 0 does that only where the system cannot tell.
	Poll time.Duration
	// Note is told what is done otherwise than the user may think; nil: nobody.
	Note func(string)
}

// pollEvery is how often what the system does not tell about is looked at.
const pollEvery = 500 * time.Millisecond

// Watcher notices what changes below its roots. Folders that come later are watched too, and a root that is not there is
// waited for.
type Watcher struct {
	o       Options
	changes chan string
	stop    chan struct{}
	all     sync.WaitGroup

	mu      sync.Mutex // guards what follows
	told    *fsnotify.Watcher
	roots   []Root
	folders map[string]bool // that the system tells about
	known   map[string]bool // files in them, to find those that went away while the system could not tell
	looked  map[string]*poll
}

// NewWatcher begins to watch. What changes from now on is told.
func NewWatcher(roots []Root, o Options) (*Watcher, error) {
	if o.Note == nil {
		o.Note = func(string) {}
	}
	w := &Watcher{o: o, changes: make(chan string, 1024), stop: make(chan struct{}), folders: map[string]bool{}, known: map[string]bool{}, looked: map[string]*poll{}}
	if o.Poll == 0 {
		told, err := fsnotify.NewBufferedWatcher(4096)
		if err != nil {
			o.Note(fmt.Sprintf("the system cannot tell about changes (%v); looking at the files every %s instead", err, pollEvery))
			w.o.Poll = pollEvery
		} else {
			w.told = told
			w.all.Go(w.listen)
		}
	}
	return w, w.Watch(roots)
}

// Changes has each path that has changed.
func (w *Watcher) Changes() <-chan string { return w.changes }

// Close ends it.
func (w *Watcher) Close() error {
	close(w.stop)
	var err error
	if w.told != nil {
		err = w.told.Close()
	}
	w.all.Wait()
	return err
}

// Watch has other roots watched from now on. Nothing is missed of those that stay.
func (w *Watcher) Watch(roots []Root) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roots = roots
	for _, r := range roots {
		if err := w.add(r); err != nil {
			return err
		}
	}
	for name, p := range w.looked {
		if !slices.ContainsFunc(roots, func(r Root) bool { return r.Path == name }) {
			close(p.stop)
			delete(w.looked, name)
		}
	}
	for folder := range w.folders {
		if !w.wants(folder) {
			w.forget(folder)
		}
	}
	return nil
}

// wants says whether a folder has to be told about: it is in a root, or on the way to one.
func (w *Watcher) wants(folder string) bool {
	return slices.ContainsFunc(w.roots, func(r Root) bool { return within(r.Path, folder) || within(folder, r.Path) })
}

// add watches one root.
func (w *Watcher) add(r Root) error {
	if w.told == nil || silent(existing(r.Path)) {
		w.look(r)
		return nil
	}
	err := w.addAbove(r.Path)
	if err == nil {
		err = w.addBelow(r.Path)
	}
	if err == nil {
		return nil
	}
	// Mostly it is the limit of watches that a user has.
	w.o.Note(fmt.Sprintf("the system does not tell about changes in %s (%v); looking at its files every %s instead", r.Path, err, pollEvery))
	w.look(r)
	return nil
}

// look begins to look at a root again and again.
func (w *Watcher) look(r Root) {
	if already := w.looked[r.Path]; already != nil {
		already.watch(r)
		return
	}
	every := w.o.Poll
	if every == 0 {
		every = pollEvery
	}
	p := newPoll(r, every, w.send)
	w.looked[r.Path] = p
	w.all.Go(func() { p.run(w.stop) })
}

// existing is the path, or the nearest folder above it that is there.
func existing(name string) string {
	for {
		if _, err := os.Lstat(name); err == nil || filepath.Dir(name) == name {
			return name
		}
		name = filepath.Dir(name)
	}
}

// addAbove watches the folder that a root is in: a file that is written anew, and a root that comes, goes or comes back, are
// told by that one.
func (w *Watcher) addAbove(root string) error {
	return w.addFolder(existing(filepath.Dir(root)))
}

// addBelow watches a folder and those in it. What goes away meanwhile is told by the folder that it was in.
func (w *Watcher) addBelow(root string) error {
	return filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case errors.Is(err, fs.ErrPermission):
			w.o.Note(fmt.Sprintf("%s cannot be read and is not watched: %v", name, err))
			return fs.SkipDir
		case err != nil:
			return err
		case !entry.IsDir():
			w.known[name] = true
			return nil
		case w.skips(name):
			return fs.SkipDir
		}
		return w.addFolder(name)
	})
}

func (w *Watcher) addFolder(name string) error {
	if w.folders[name] {
		return nil
	}
	err := w.told.Add(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	w.folders[name] = true
	return nil
}

// skips says that no root wants a folder.
func (w *Watcher) skips(folder string) bool {
	for _, r := range w.roots {
		if within(folder, r.Path) || within(r.Path, folder) && (r.Skip == nil || !r.Skip(folder)) {
			return false
		}
	}
	return true
}

// forget ends the watch of a folder and of those in it: under their new name they are other ones.
func (w *Watcher) forget(name string) {
	for file := range w.known {
		if within(name, file) {
			delete(w.known, file)
		}
	}
	for folder := range w.folders {
		if within(name, folder) {
			_ = w.told.Remove(folder) // it may be gone
			delete(w.folders, folder)
		}
	}
}

// listen takes what the system tells.
func (w *Watcher) listen() {
	for {
		select {
		case e, ok := <-w.told.Events:
			if !ok {
				return
			}
			if !w.happened(e) {
				return
			}
		case err, ok := <-w.told.Errors:
			if !ok {
				return
			}
			w.failed(err)
		}
	}
}

// happened passes an event on; it is false once nobody listens.
func (w *Watcher) happened(e fsnotify.Event) bool {
	if e.Op == fsnotify.Chmod && runtime.GOOS == "darwin" {
		return true // the search index touches files all the time
	}
	w.mu.Lock()
	if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		delete(w.known, e.Name)
		if w.folders[e.Name] {
			w.forget(e.Name)
		}
	}
	if e.Has(fsnotify.Create) {
		w.came(e.Name)
	}
	matters := slices.ContainsFunc(w.roots, func(r Root) bool { return within(r.Path, e.Name) || e.Has(fsnotify.Create) && within(e.Name, r.Path) })
	w.mu.Unlock()
	return !matters || w.send(e.Name)
}

// came watches a folder that is new, before it is told: what is made in it later is told, what was made before is found
// by whoever looks into it then. A folder on the way to a root brings the root nearer.
func (w *Watcher) came(name string) {
	info, err := os.Lstat(name)
	if err != nil {
		return
	}
	if !info.IsDir() {
		w.known[name] = true
		return
	}
	for _, r := range w.roots {
		var err error
		switch {
		case within(r.Path, name):
			err = w.addBelow(name)
		case within(name, r.Path):
			if err = w.addAbove(r.Path); err == nil {
				err = w.addBelow(r.Path)
			}
		}
		if err != nil {
			w.o.Note(fmt.Sprintf("the system does not tell about changes in %s (%v); looking at its files every %s instead", r.Path, err, pollEvery))
			w.look(r)
		}
	}
}

// failed deals with what the system could not tell.
func (w *Watcher) failed(err error) {
	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		w.o.Note(fmt.Sprintf("watch: %v", err))
		return
	}
	w.o.Note("more changed at once than the system could tell; all files are looked at again")
	w.mu.Lock()
	roots := slices.Clone(w.roots)
	var gone []string
	for name := range w.known {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			gone = append(gone, name)
			delete(w.known, name)
		}
	}
	slices.Sort(gone)
	for _, r := range roots {
		_ = w.addBelow(r.Path) // where it cannot, that was told when it began
	}
	w.mu.Unlock()
	for _, r := range roots {
		if !w.send(r.Path) {
			return
		}
	}
	for _, name := range gone {
		if !w.send(name) {
			return
		}
	}
}

// send passes a path on; it is false once it is closed.
func (w *Watcher) send(name string) bool {
	select {
	case w.changes <- name:
		return true
	case <-w.stop:
		return false
	}
}
