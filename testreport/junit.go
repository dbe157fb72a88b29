package testreport

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"time"
)

// The elements of JUnit XML, as Jenkins, GitLab and GitHub's actions read it.
type (
	junitAll struct {
		XMLName xml.Name `xml:"testsuites"`
		Name    string   `xml:"name,attr"`
		junitCounts
		Suites []junitSuite `xml:"testsuite"`
	}
	junitCounts struct {
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Errors   int    `xml:"errors,attr"`
		Skipped  int    `xml:"skipped,attr"`
		Time     string `xml:"time,attr"`
		At       string `xml:"timestamp,attr,omitempty"`
	}
	junitSuite struct {
		Name string `xml:"name,attr"`
		junitCounts
		Properties []junitProperty `xml:"properties>property,omitempty"`
		Cases      []junitCase     `xml:"testcase"`
		Output     string          `xml:"system-out,omitempty"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string      `xml:"name,attr"`
		Class   string      `xml:"classname,attr"`
		File    string      `xml:"file,attr,omitempty"`
		Line    int         `xml:"line,attr,omitempty"`
		Time    string      `xml:"time,attr"`
		Failure *junitWords `xml:"failure"`
		Error   *junitWords `xml:"error"`
		Skipped *junitWords `xml:"skipped"`
	}
	junitWords struct {
		Message string `xml:"message,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report as JUnit XML: a suite for each test.
func (r Report) WriteJUnit(w io.Writer) error {
	all := junitAll{Name: r.Project, junitCounts: junitOf(r.Counts(), r.Duration, r.Started)}
	for _, s := range r.Suites {
		all.Suites = append(all.Suites, s.junit())
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write the JUnit report: %w", err)
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return fmt.Errorf("write the JUnit report: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("write the JUnit report: %w", err)
	}
	return nil
}

func (s Suite) junit() junitSuite {
	out := junitSuite{Name: s.Name, junitCounts: junitOf(s.Counts(), s.Duration, s.Started), Output: s.Output}
	if s.Left > 0 {
		out.Output = fmt.Sprintf("(%d lines before these are left out)\n%s", s.Left, s.Output)
	}
	if s.Attempts > 0 {
		out.Properties = append(out.Properties, junitProperty{"exit code", strconv.Itoa(s.ExitCode)})
	}
	if s.Attempts > 1 {
		out.Properties = append(out.Properties, junitProperty{"attempts", strconv.Itoa(s.Attempts)})
	}
	for _, c := range s.Cases {
		j := junitCase{Name: c.Name, Class: c.Class, File: c.File, Line: c.Line, Time: junitTime(c.Duration)}
		if j.Class == "" {
			j.Class = s.Name
		}
		words := &junitWords{Message: c.Message, Text: c.Output}
		switch c.Outcome {
		case Failed:
			j.Failure = words
		case Broken:
			j.Error = words
		case Skipped:
			j.Skipped = words
		}
		out.Cases = append(out.Cases, j)
	}
	return out
}

func junitOf(n Counts, took time.Duration, at time.Time) junitCounts {
	out := junitCounts{Tests: n.Total, Failures: n.Failed, Errors: n.Broken, Skipped: n.Skipped, Time: junitTime(took)}
	if !at.IsZero() {
		out.At = at.UTC().Format("2006-01-02T15:04:05")
	}
	return out
}

func junitTime(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }
