// Package testreport knows what tests have come to: it finds the cases in what a test prints, in the form of `go test -json`
// (test2json) or of TAP, and writes reports of all suites, as JUnit XML, as a page of HTML, and for GitHub Actions.
//
// What tests print is not trusted: it may be of any length and form. What is kept of it has bounds, and what is left out is said.
package testreport

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Outcome is what a case or a suite has come to.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Broken  Outcome = "broken" // it could not be run, or not to its end
	Skipped Outcome = "skipped"
)

// Bad says whether it lets the whole fail.
func (o Outcome) Bad() bool { return o == Failed || o == Broken }

// Case is one thing that a test has looked at.
type Case struct {
	Name string
	// Class is what it is part of, such as a Go package; empty where nothing says.
	Class string
	// File and Line are where it has failed, as the test says it; empty and 0 where it does not.
	File     string
	Line     int
	Duration time.Duration
	Outcome  Outcome
	// Message is why it has failed or was skipped, in a line.
	Message string
	// Output is what it has printed, of those that failed.
	Output string
}

// Suite is one run of a service as a test.
type Suite struct {
	Name string
	// Outcome is that of the whole; see [Suite.Judge].
	Outcome  Outcome
	Started  time.Time
	Duration time.Duration
	// Attempts is how many times it was run because it failed; 1 where it was run once, 0 where it was not run at all.
	Attempts int
	ExitCode int
	Message  string
	Cases    []Case
	// Output are its last lines, and Left is how many before them are left out.
	Output string
	Left   int
	// Artifacts are the files that were copied out of it, as paths that a report beside them can link to.
	Artifacts []string
}

// Judge settles the outcome of a suite that has run to its end: it has passed where it ended with 0 and none of its cases is
// bad. Each suite has a case that says what happened to it.
func (s *Suite) Judge() {
	bad := 0
	var first Case
	for _, c := range s.Cases {
		if c.Outcome.Bad() {
			if bad++; bad == 1 {
				first = c
			}
		}
	}
	s.Outcome = Passed
	switch {
	case bad > 0:
		s.Outcome, s.Message = Failed, first.Name+": "+first.Message
		if bad > 1 {
			s.Message = fmt.Sprintf("%d cases failed, first %s", bad, s.Message)
		}
	case s.ExitCode != 0:
		s.Outcome, s.Message = Failed, fmt.Sprintf("exit code %d", s.ExitCode)
	}
	if bad == 0 && s.Outcome == Failed || len(s.Cases) == 0 {
		s.Conclude()
	}
}

// Conclude adds a case that says what happened to the suite as a whole.
func (s *Suite) Conclude() {
	c := Case{Name: s.Name, Outcome: s.Outcome, Message: s.Message, Duration: s.Duration}
	if s.Outcome.Bad() {
		c.Output = s.Output
	}
	s.Cases = append(s.Cases, c)
}

// Span is a part of the whole, for the drawing of what took how long.
type Span struct {
	Name    string
	Started time.Time
	Ended   time.Time
}

// Log is what a service around the tests has printed.
type Log struct {
	Name string
	Text string
	Left int // lines before it that are left out
}

// Report is all of it.
type Report struct {
	Project  string
	Started  time.Time
	Duration time.Duration
	// Shard is which part of the tests it is, such as "2/3"; empty for all.
	Shard string
	// Problem is why not all was run; empty where all was.
	Problem string
	Phases  []Span
	Suites  []Suite
	Logs    []Log
}

// Counts are the numbers of cases.
type Counts struct{ Total, Failed, Broken, Skipped int }

// Bad is how many let the whole fail.
func (c Counts) Bad() int { return c.Failed + c.Broken }

// Passed is how many have passed.
func (c Counts) Passed() int { return c.Total - c.Bad() - c.Skipped }

// Counts counts the cases of a suite.
func (s Suite) Counts() Counts {
	var n Counts
	for _, c := range s.Cases {
		n.Total++
		switch c.Outcome {
		case Failed:
			n.Failed++
		case Broken:
			n.Broken++
		case Skipped:
			n.Skipped++
		}
	}
	return n
}

// Counts counts the cases of all suites.
func (r Report) Counts() Counts {
	var n Counts
	for _, s := range r.Suites {
		c := s.Counts()
		n.Total, n.Failed, n.Broken, n.Skipped = n.Total+c.Total, n.Failed+c.Failed, n.Broken+c.Broken, n.Skipped+c.Skipped
	}
	return n
}

// control is what terminals act on and people cannot read: escape sequences.
var control = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)?|\x1b[@-Z\\-_]`)
})

// Plain is text without what only a terminal understands.
func Plain(text string) string {
	if strings.ContainsRune(text, '\x1b') {
		text = control().ReplaceAllString(text, "")
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}
