package project

import (
	"fmt"
	"strings"
)

// Error is one mistake in what the user wrote.
type Error struct {
	File    string // as the user would name it: relative to the current folder where shorter
	Line    int    // from 1; 0 where there is no place
	Column  int    // from 1
	Path    string // in the model, such as "services.web.depends_on"
	Problem string // what is wrong, without the path
	Hint    string // what to write instead; empty where nothing can be said
}

// Error gives the place, the path and the problem in one line, and the hint,
// where there is one, in the next.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.Place() + "  ")
	}
	indent := b.Len()
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Problem)
	if e.Hint != "" {
		b.WriteString("\n" + strings.Repeat(" ", indent) + e.Hint)
	}
	return b.String()
}

// Place is FILE:LINE:COLUMN, as far as that is known.
func (e *Error) Place() string {
	if e.File == "" || e.Line == 0 {
		return e.File
	}
	return fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
}

// Errors is every mistake that loading found, in the order of their places.
type Errors []*Error

// Error lists them all.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}
