package watch

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// observed is a watcher with what it has told.
type observed struct {
	*Watcher
	t   *testing.T
	dir string
}

func observe(t *testing.T, dir string, roots ...Root) observed {
	t.Helper()
	w, err := NewWatcher(roots, Options{Note: func(text string) { t.Log(text) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return observed{w, t, dir}
}

// tells waits until all the paths have been told, or folders that they are in: whoever is told of a folder looks into it.
func (o observed) tells(names ...string) {
	o.t.Helper()
	missing := map[string]bool{}
	for _, n := range names {
		missing[filepath.Join(o.dir, n)] = true
	}
	deadline := time.After(20 * time.Second)
	for len(missing) > 0 {
		select {
		case name := <-o.Changes():
			maps.DeleteFunc(missing, func(m string, _ bool) bool { return within(name, m) })
		case <-deadline:
			o.t.Fatalf("not told: %v", missing)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatcher(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("src/a"), "1")
	write(t, at("src/skipped/a"), "1")
	write(t, at("one.conf"), "1")
	o := observe(t, dir,
		Root{Path: at("src"), Skip: func(folder string) bool { return folder == at("src/skipped") }},
		Root{Path: at("one.conf")}, Root{Path: at("late/er/src")})

	write(t, at("src/a"), "2")
	o.tells("src/a")
	write(t, at("src/skipped/a"), "2") // must not be told before the next
	must(t, os.Remove(at("src/a")))
	if name := <-o.Changes(); name != at("src/a") {
		t.Errorf("told %s", name)
	}
	// A file that is saved as another one and renamed.
	write(t, at("one.conf.new"), "2")
	must(t, os.Rename(at("one.conf.new"), at("one.conf")))
	o.tells("one.conf")
	// Folders in folders, all at once.
	write(t, at("src/x/y/z/f"), "1")
	o.tells("src/x")
	write(t, at("src/x/y/z/g"), "1")
	o.tells("src/x/y/z/g")
	// A folder that is moved goes by its new name.
	must(t, os.Rename(at("src/x"), at("src/w")))
	o.tells("src/x", "src/w")
	write(t, at("src/w/y/z/h"), "1")
	o.tells("src/w/y/z/h")
	must(t, os.RemoveAll(at("src/w")))
	o.tells("src/w/y/z/h", "src/w")
	// One that is not there comes.
	must(t, os.MkdirAll(at("late"), 0o755))
	o.tells("late")
	must(t, os.MkdirAll(at("late/er/src"), 0o755))
	o.tells("late/er")
	write(t, at("late/er/src/f"), "1")
	o.tells("late/er/src/f")
	// A root that is made anew.
	must(t, os.RemoveAll(at("src")))
	o.tells("src")
	write(t, at("src/again"), "1")
	o.tells("src")
	write(t, at("src/again"), "2")
	o.tells("src/again")
	// Other roots.
	must(t, o.Watch([]Root{{Path: at("src/skipped2")}, {Path: at("late/er/src")}}))
	write(t, at("src/again"), "3") // not told any more
	write(t, at("late/er/src/f"), "2")
	if name := <-o.Changes(); name != at("late/er/src/f") && name != at("src/again") { // one may have been under way
		t.Errorf("told %s", name)
	}
}

// Where the system does not tell, it is looked at.
func TestPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		at := func(name string) string { return filepath.Join(dir, name) }
		write(t, at("src/a"), "1")
		write(t, at("src/b"), "1")
		write(t, at("src/skipped/c"), "1")
		w, err := NewWatcher([]Root{{Path: at("src"), Skip: func(f string) bool { return f == at("src/skipped") }}}, Options{Poll: time.Second})
		must(t, err)
		defer w.Close()
		write(t, at("src/a"), "22")
		write(t, at("src/skipped/c"), "22")
		write(t, at("src/d/e"), "1")
		must(t, os.Remove(at("src/b")))
		must(t, os.Chmod(at("src"), 0o700))
		began := time.Now()
		got := map[string]bool{}
		for range 5 {
			got[<-w.Changes()] = true
		}
		for _, name := range []string{"src", "src/a", "src/b", "src/d", "src/d/e"} {
			if !got[at(name)] {
				t.Errorf("not told: %s; but %v", name, got)
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v", took)
		}
		// Looking in another way loses nothing.
		write(t, at("src/d/e"), "22")
		must(t, w.Watch([]Root{{Path: at("src")}}))
		if name := <-w.Changes(); name != at("src/d/e") && name != at("src/skipped") && name != at("src/skipped/c") {
			t.Errorf("told %s", name)
		}
	})
}

// What went away while more happened than the system could tell is found all the same.
func TestWatcherOverflow(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"src/stays", "src/goes", "src/sub/goes", "src/skipped/goes"} {
		write(t, at(name), "1")
	}
	o := observe(t, dir, Root{Path: at("src"), Skip: func(folder string) bool { return folder == at("src/skipped") }})
	write(t, at("src/came"), "1")
	o.tells("src/came")
	// The system falls silent.
	for _, folder := range []string{"src", "src/sub"} {
		must(t, o.told.Remove(at(folder)))
	}
	for _, name := range []string{"src/goes", "src/sub/goes", "src/skipped/goes", "src/came"} {
		must(t, os.Remove(at(name)))
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		o.failed(fsnotify.ErrEventOverflow)
	}()
	var got []string
	for len(got) < 4 {
		if name := <-o.Changes(); name != at("src/came") || len(got) > 0 { // its first writing may be told twice
			got = append(got, name)
		}
	}
	<-told
	if want := []string{at("src"), at("src/came"), at("src/goes"), at("src/sub/goes")}; !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
