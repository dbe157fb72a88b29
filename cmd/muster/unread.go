package main

import (
	"os/signal"
	"sync"
	"syscall"
)

// unread keeps muster going in the midst of a change where nobody reads what it prints any more, as behind head: the system would end it there, with the next
// line, and leave what was begun.
type unread struct {
	mu    sync.Mutex
	holds int
}

// hold has muster go on until release is called.
func (u *unread) hold() (release func()) {
	if u == nil {
		return func() {}
	}
	u.count(1)
	return sync.OnceFunc(func() { u.count(-1) })
}

func (u *unread) count(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.holds += n
	if u.holds > 0 {
		signal.Ignore(syscall.SIGPIPE)
	} else {
		signal.Reset(syscall.SIGPIPE)
	}
}
