package planner

import (
	"fmt"
	"strings"
)

// Error is one thing that keeps a plan from being made although the file is
// right: the engine lacks what it counts on, or the command asks for what cannot be.
type Error struct {
	Ref     Ref
	Problem string // "external volume data does not exist"
	Advice  string // what to do; empty where nothing can be said
}

// Error gives the problem.
func (e *Error) Error() string { return e.Problem }

// Hint says what to do about it.
func (e *Error) Hint() string { return e.Advice }

// Errors is everything that keeps a plan from being made, sorted by resource.
type Errors []*Error

// Error lists the problems, each with its hint in the line below.
func (es Errors) Error() string {
	var lines []string
	for _, e := range es {
		lines = append(lines, e.Problem)
		if e.Advice != "" {
			lines = append(lines, "  "+e.Advice)
		}
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As reach each.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// fail notes a problem; all of them are reported together.
func (b *builder) fail(ref Ref, advice, format string, args ...any) {
	b.problems = append(b.problems, &Error{Ref: ref, Problem: fmt.Sprintf(format, args...), Advice: advice})
}
