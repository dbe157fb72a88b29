package main

import (
	"os"

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
