package main

import (
	"context"
	"os"
	"sync"

	"golang.org/x/term"
)

// terminal is a real one.
type terminal struct{ fd int }

// terminalOf is the terminal that a file leads to; nil where it is none.
func terminalOf(f *os.File) screen {
	if !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return terminal{int(f.Fd())}
}

// Size gives columns and rows; zero where unknown.
func (t terminal) Size() (columns, rows int) {
	columns, rows, err := term.GetSize(t.fd)
	if err != nil {
		return 0, 0
	}
	return columns, rows
}

// console is a terminal that the user types at.
type console interface {
	screen
	// Raw hands over each key as it is pressed, Ctrl-C too, until Restore is called.
	Raw() error
	// Keys hands over each key as it is pressed, but for those that are signals, such as Ctrl-C, until Restore is called. Lines are
	// printed as usual. It is an error where the system has no such mode.
	Keys() error
	// Restore puts the terminal back; it may be called at any time, and more than once.
	Restore()
	// Resized tells of each change of the size until ctx ends.
	Resized(ctx context.Context) <-chan struct{}
}

// keyboard is a real one.
type keyboard struct {
	terminal
	mu     sync.Mutex
	before *term.State // nil while it is not raw
}

// keyboardOf is the terminal that a file comes from; nil where it is none.
func keyboardOf(f *os.File) console {
	if !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &keyboard{terminal: terminal{int(f.Fd())}}
}

// Raw hands over each key as it is pressed.
func (k *keyboard) Raw() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.before != nil {
		return nil
	}
	before, err := term.MakeRaw(k.fd)
	if err != nil {
		return err
	}
	k.before = before
	return nil
}

// Keys hands over each key as it is pressed, but for those that are signals.
func (k *keyboard) Keys() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.before == nil {
		before, err := term.GetState(k.fd)
		if err != nil {
			return err
		}
		k.before = before
	}
	return unbuffered(k.fd)
}

// Restore puts the terminal back.
func (k *keyboard) Restore() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.before != nil {
		_ = term.Restore(k.fd, k.before) // there is nobody to tell
		k.before = nil
	}
}
