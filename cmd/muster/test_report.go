package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/testreport"
)

// The bounds of what a report has of the services around the tests.
const (
	logLines = 500
	logBytes = 128 << 10
)

// finish writes the reports, removes what was made, and says how it went.
func (t *trial) finish(ctx context.Context, failed error) error {
	t.report.Duration = t.now().Sub(t.began)
	slices.SortStableFunc(t.report.Suites, func(a, b testreport.Suite) int { return a.Started.Compare(b.Started) })
	if failed != nil {
		t.report.Problem = strings.TrimSpace(testreport.Plain(t.failureText(failed)))
	}
	written, reportErr := t.writeReports(ctx)
	removeErr := t.remove(ctx)
	t.say(written)
	switch {
	case errors.Is(failed, errInterrupted):
		return &exitError{code: exitInterrupted, cause: errors.Join(errInterrupted, reportErr, removeErr)}
	case errors.Is(failed, errTooLong):
		return &exitError{code: exitTooLong, cause: errors.Join(fmt.Errorf("the tests were ended: %w", errTooLong), reportErr, removeErr)}
	case failed != nil:
		return failed
	case reportErr != nil || removeErr != nil:
		return errors.Join(reportErr, removeErr)
	case t.bad() > 0:
		return &exitError{code: exitTestsFailed}
	}
	return nil
}

// writeReports writes all that are wanted, and says where.
func (t *trial) writeReports(ctx context.Context) (written []string, _ error) {
	var failed error
	write := func(path string, how func(io.Writer) error) {
		if path == "" {
			return
		}
		if err := writeReport(path, how); err != nil {
			failed = errors.Join(failed, err)
			return
		}
		written = append(written, path)
	}
	write(t.o.junit, t.report.WriteJUnit)
	if t.o.html != "" {
		t.report.Logs = t.around(ctx)
		page := t.report
		page.Suites = slices.Clone(page.Suites)
		for i, s := range page.Suites { // links are from where the page is
			page.Suites[i].Artifacts = slices.Clone(s.Artifacts)
			for j, path := range s.Artifacts {
				if rel, err := filepath.Rel(filepath.Dir(t.o.html), path); err == nil {
					page.Suites[i].Artifacts[j] = filepath.ToSlash(rel)
				}
			}
		}
		write(t.o.html, page.WriteHTML)
	}
	if t.onGitHub() {
		failed = errors.Join(failed, t.tellGitHub())
	}
	return written, failed
}

// writeReport writes a file, with the folder that it is in.
func writeReport(path string, how func(io.Writer) error) error {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = writeWhole(path, how)
	}
	if err != nil {
		return fmt.Errorf("write the report %s: %w", path, err)
	}
	return nil
}

// around is what the services around the tests have printed, as far as it can be read.
func (t *trial) around(ctx context.Context) []testreport.Log {
	have, err := t.on.Observe(ctx, planner.Scope{Project: t.want.Name})
	if err != nil {
		return nil
	}
	var out []testreport.Log
	for _, c := range have.Containers {
		if c.OneOff {
			continue
		}
		tail := testreport.Tail{Room: logBytes}
		_ = t.on.Logs(ctx, c.Name, logOptions{tail: logLines}, func(c logChunk) error {
			tail.Add(string(c.text))
			return nil
		})
		log := testreport.Log{Name: labelOf(t.want.Name, c.Name)}
		if log.Text, log.Left = tail.Text(); log.Text != "" {
			out = append(out, log)
		}
	}
	slices.SortFunc(out, func(a, b testreport.Log) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// remove takes away what was made for the tests: all of the copy, and of one that was there before nothing, since each test removes its own
// container.
func (t *trial) remove(ctx context.Context) error {
	if t.found || t.o.keep {
		return nil
	}
	defer t.group("Remove " + t.want.Name)()
	look := t.look
	if look.mode == "plain" {
		look.mode = "quiet"
	}
	return t.removeInstance(ctx, t.on, t.want.Name, look)
}

// say is how it went, for people: the outcome first, what to do last.
func (t *trial) say(written []string) {
	if t.look.mode == "quiet" || t.look.mode == "json" {
		return
	}
	if len(t.tests) == 0 {
		fmt.Fprintf(t.out, "shard %s has no tests: there are fewer of them than shards.\n", t.o.shard)
	}
	if len(t.report.Suites) > 0 {
		t.sayTests()
	}
	if len(written) > 0 {
		fmt.Fprintf(t.out, "\nWritten: %s\n", strings.Join(written, ", "))
	}
	if len(t.tests) > 0 {
		t.sayLeft()
	}
}

// sayTests is a line for each test, and of those that have failed why.
func (t *trial) sayTests() {
	paint, width, passed := t.look.logs && paint(!t.o.noColor), 0, 0
	for _, s := range t.report.Suites {
		width = max(width, len(s.Name))
		if s.Outcome == testreport.Passed {
			passed++
		}
	}
	n := len(t.report.Suites)
	fmt.Fprintf(t.out, "\n%d of %s passed, %s, %s\n", passed, count(n, "test"), count(t.report.Counts().Total, "case"), seconds1(t.report.Duration))
	for _, s := range t.report.Suites {
		mark, hue := "✔", green
		switch {
		case s.Outcome.Bad():
			mark, hue = "✘", red
		case s.Outcome == testreport.Skipped:
			mark, hue = "-", yellow
		}
		line := fmt.Sprintf("  %s %-*s  %-7s  %6s", paint.in(hue, mark), width, s.Name, s.Outcome, seconds1(s.Duration))
		switch {
		case s.Outcome == testreport.Passed && s.Attempts > 1:
			line += fmt.Sprintf("  at attempt %d", s.Attempts)
		case s.Outcome == testreport.Passed, tells(s):
			line += "  " + s.Counts().String()
		default:
			line += "  " + firstLine(s.Message)
		}
		fmt.Fprintln(t.out, strings.TrimRight(line, " "))
		if s.Outcome.Bad() {
			t.sayFailure(s)
		}
	}
}

// tells says whether a suite has cases that tell why it has failed.
func tells(s testreport.Suite) bool {
	return slices.ContainsFunc(s.Cases, func(c testreport.Case) bool { return c.Outcome.Bad() && c.Name != s.Name })
}

// sayFailure are the cases that failed, a few of them, or the last lines of a test where it has none that tell.
func (t *trial) sayFailure(s testreport.Suite) {
	const most, lines = 5, 10
	told, bad := 0, 0
	for _, c := range s.Cases {
		if !c.Outcome.Bad() || c.Name == s.Name {
			continue
		}
		if bad++; told == most {
			continue
		}
		told++
		place := ""
		if c.File != "" {
			place = fmt.Sprintf("  (%s:%d)", c.File, c.Line)
		}
		fmt.Fprintf(t.out, "      %s: %s%s\n", c.Name, firstLine(c.Message), place)
	}
	if bad > told {
		fmt.Fprintf(t.out, "      …and %d more\n", bad-told)
	}
	if bad > 0 {
		return
	}
	all := strings.Split(strings.TrimRight(s.Output, "\n"), "\n")
	if all[0] == "" && len(all) == 1 {
		return
	}
	for _, line := range all[max(0, len(all)-lines):] {
		fmt.Fprintln(t.out, "      │ "+line)
	}
}

// sayLeft is what is left of it, and how to go on.
func (t *trial) sayLeft() {
	name := t.want.Instance
	switch {
	case t.o.keep && !t.found:
		fmt.Fprintf(t.out, "\n%s is left as it is. Look with `muster --instance %s ps -a`, `logs` and `exec`; remove it with `muster --instance %s down -v --rmi local`.\n",
			t.want.Name, name, name)
	case t.found:
		fmt.Fprintf(t.out, "\n%s was there before, and is left up.\n", t.want.Name)
	case t.bad() > 0 || t.report.Problem != "":
		fmt.Fprintf(t.out, "\n%s is removed. `muster test --keep` leaves it, to be looked into.\n", t.want.Name)
	}
}
