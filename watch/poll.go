package watch

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// poll looks at the files below a root again and again, where no system tells what changes.
type poll struct {
	every time.Duration
	send  func(string) bool
	stop  chan struct{}
	seen  map[string]stamp

	mu   sync.Mutex
	root Root
}

// stamp is what a file is known by. Who changes a file and sets all of it back is not noticed.
type stamp struct {
	mode     fs.FileMode
	size     int64
	modified time.Time
}

func newPoll(r Root, every time.Duration, send func(string) bool) *poll {
	p := &poll{root: r, every: every, send: send, stop: make(chan struct{})}
	p.seen = p.look()
	return p
}

// run tells what differs from the time before, until it or its watcher is stopped.
func (p *poll) run(stop <-chan struct{}) {
	ticker := time.NewTicker(p.every)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-p.stop:
			return
		case <-ticker.C:
		}
		now := p.look()
		for name, s := range now {
			if was, known := p.seen[name]; (!known || was != s) && !p.send(name) {
				return
			}
		}
		for name := range p.seen {
			if _, there := now[name]; !there && !p.send(name) {
				return
			}
		}
		p.seen = now
	}
}

// watch has it look at the root in another way from the next time on.
func (p *poll) watch(r Root) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.root = r
}

// look has all files as they are; those that cannot be looked at are not there.
func (p *poll) look() map[string]stamp {
	p.mu.Lock()
	root := p.root
	p.mu.Unlock()
	out := map[string]stamp{}
	_ = filepath.WalkDir(root.Path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if entry.IsDir() && root.Skip != nil && root.Skip(name) {
			return fs.SkipDir
		}
		info, err := os.Lstat(name)
		if err != nil {
			return nil
		}
		s := stamp{mode: info.Mode(), size: info.Size(), modified: info.ModTime()}
		if info.IsDir() { // its time and size change with what is in it
			s = stamp{mode: info.Mode()}
		}
		out[name] = s
		return nil
	})
	return out
}
