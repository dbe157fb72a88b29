package testreport

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// read gives what the reader makes of a text: the cases, and what is shown.
func read(text string) (cases []Case, shown string, r *Reader) {
	r = NewReader()
	var b strings.Builder
	for line := range strings.Lines(text) {
		if out, show := r.Write([]byte(strings.TrimSuffix(line, "\n")), false); show {
			b.Write(out)
			b.WriteByte('\n')
		}
	}
	return r.Cases(), b.String(), r
}

// describe is a case in a line, with its output below.
func describe(cases []Case) string {
	var b strings.Builder
	for _, c := range cases {
		fmt.Fprintf(&b, "%s: %s", c.Outcome, c.Name)
		if c.Class != "" {
			fmt.Fprintf(&b, " of %s", c.Class)
		}
		if c.Duration > 0 {
			fmt.Fprintf(&b, " in %s", c.Duration)
		}
		if c.File != "" {
			fmt.Fprintf(&b, " at %s:%d", c.File, c.Line)
		}
		if c.Message != "" {
			fmt.Fprintf(&b, ": %s", c.Message)
		}
		b.WriteByte('\n')
		for line := range strings.Lines(c.Output) {
			b.WriteString("    | " + line)
		}
	}
	return b.String()
}

// TestReader holds what is found in the output of tests against what people would find there.
func TestReader(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[string]string{}
			for _, f := range a.Files {
				parts[f.Name] = string(f.Data)
			}
			cases, shown, _ := read(parts["output"])
			got := describe(cases)
			if *update {
				a.Files = []txtar.File{{Name: "output", Data: []byte(parts["output"])}, {Name: "cases", Data: []byte(got)}}
				if _, has := parts["shown"]; has {
					a.Files = append(a.Files, txtar.File{Name: "shown", Data: []byte(shown)})
				}
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(parts["cases"], got); diff != "" {
				t.Errorf("the cases differ (- golden, + now):\n%s", diff)
			}
			if want, has := parts["shown"]; has {
				if diff := cmp.Diff(want, shown); diff != "" {
					t.Errorf("what is shown differs (- golden, + now):\n%s", diff)
				}
			}
		})
	}
}

// TestReaderIsBounded: neither long lines, nor many cases, nor tests that never end let it keep more than it has room for.
func TestReaderIsBounded(t *testing.T) {
	r := NewReader()
	long := bytes.Repeat([]byte("x"), 1<<20)
	for range 40 {
		r.Write(long, true)
	}
	r.Write([]byte("end"), false)
	r.Write([]byte("1..100000"), false)
	long = bytes.Repeat([]byte("x"), 40)
	for i := range maxCases + 1000 {
		if i == maxCases/2 {
			long = bytes.Repeat([]byte("x"), 60<<10)
		}
		if i == maxCases/2+60 {
			long = long[:40]
		}
		r.Write(fmt.Appendf(nil, "not ok %d - %s", i, long), false)
		r.Write(append([]byte("# "), long...), false)
	}
	for i := range maxCases + 1000 {
		for _, e := range []goEvent{
			{Action: "run", Package: "p", Test: fmt.Sprint("T", i)},
			{Action: "output", Package: "p", Test: fmt.Sprint("T", i), Output: strings.Repeat("z", 500) + "\n"},
		} {
			line, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			r.Write(line, false)
		}
	}
	cases := r.Cases()
	size := 0
	for _, c := range cases {
		size += len(c.Name) + len(c.Message) + len(c.Output)
	}
	output, left := r.Output()
	if len(cases) > maxCases+1 || size > maxKept+(maxCases+1)*(2*maxName+200) || len(output) > suiteRoom+maxName || left == 0 {
		t.Errorf("it has kept %d cases with %d bytes and %d bytes of output, %d lines left out", len(cases), size, len(output), left)
	}
	if last := cases[len(cases)-1]; !strings.HasSuffix(last.Name, " more cases") || last.Outcome != Failed {
		t.Errorf("the last case is %+v, want one that says how many more there are", last)
	}
}

// FuzzReader: whatever a test prints, nothing breaks, and the reports can be written and read.
func FuzzReader(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(a.Files[0].Data))
	}
	f.Add("1..2\nok 1 # skip\n  ---\n  message: |-\n    x\n  ...\nBail out!\n    ok 1\n\x00\x1b[31m\xff")
	f.Fuzz(func(t *testing.T, text string) {
		cases, _, r := read(text)
		s := Suite{Name: "fuzz", ExitCode: 1, Attempts: 1, Cases: cases}
		s.Output, s.Left = r.Output()
		s.Judge()
		if s.Outcome != Failed || len(s.Cases) == 0 {
			t.Errorf("a suite with exit code 1 is %+v", s)
		}
		var b bytes.Buffer
		report := Report{Project: "p", Suites: []Suite{s}}
		if err := report.WriteJUnit(&b); err != nil {
			t.Fatal(err)
		}
		var again junitAll
		if err := xml.Unmarshal(b.Bytes(), &again); err != nil {
			t.Errorf("the JUnit report cannot be read: %v\n%s", err, &b)
		}
		for _, err := range []error{report.WriteHTML(io.Discard), report.WriteSummary(io.Discard)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, line := range report.Annotations(func(_, file string) string { return file }) {
			if strings.ContainsAny(line, "\r\n") {
				t.Errorf("an annotation has several lines: %q", line)
			}
		}
	})
}

// What is not known is left out of an annotation; that not all could be run is one, too.
func TestAnnotations(t *testing.T) {
	report := Report{Project: "shop-test", Problem: "web is not ready:\nno such image", Suites: []Suite{{Name: "e2e", Cases: []Case{
		{Name: "buys, pays", Outcome: Failed, Message: "100% wrong", File: "pay.js"}, {Name: "sells", Outcome: Failed, File: "sell.js", Line: 7}, {Name: "e2e", Outcome: Failed},
	}}}}
	want := []string{
		"::error title=shop-test::web is not ready:%0Ano such image",
		"::error file=pay.js,title=e2e%3A buys%2C pays::100%25 wrong",
		"::error file=sell.js,line=7,title=e2e%3A sells::failed",
		"::error title=e2e::failed",
	}
	if diff := cmp.Diff(want, report.Annotations(func(_, file string) string { return file })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTail(t *testing.T) {
	tail := Tail{Room: 20}
	for i := range 9 {
		tail.Add(fmt.Sprint("line ", i))
	}
	text, left := tail.Text()
	if text != "line 7\nline 8\n" || left != 7 {
		t.Errorf("it has kept %q and left %d out", text, left)
	}
	if last := tail.Last(1); len(last) != 1 || last[0] != "line 8" {
		t.Errorf("the last line is %q", last)
	}
	tail.Add("\x1b[31mred\x1b[0m\a and \x1b]0;title\x07long, too long by far")
	if text, _ := tail.Text(); !strings.HasSuffix(text, "red and lo…\n") {
		t.Errorf("a long line with colours is %q", text)
	}
}

// sample is a report with one of each.
func sample() Report {
	at := time.Date(2026, 11, 29, 1, 2, 3, 0, time.UTC)
	failed := Suite{Name: "e2e", Started: at.Add(2 * time.Second), Duration: 3 * time.Second, Attempts: 2, ExitCode: 1, Output: "<all> & more\n", Left: 7,
		Artifacts: []string{"out/e2e/report"}, Cases: []Case{
			{Name: "buys", Class: "shop/cart", Outcome: Passed, Duration: time.Second},
			{Name: "pays, twice: 100%", Class: "shop/cart", File: "cart_test.go", Line: 12, Outcome: Failed, Message: "got <500>, want 200", Output: "cart_test.go:12: got <500>, want 200\n"},
			{Name: "refunds", Class: "shop/cart", Outcome: Skipped, Message: "later"},
		}}
	failed.Judge()
	passed := Suite{Name: "unit", Started: at.Add(2 * time.Second), Duration: time.Second, Attempts: 1}
	passed.Judge()
	broken := Suite{Name: "load", Outcome: Broken, Message: "no such image", Started: at}
	broken.Conclude()
	return Report{
		Project: "shop-test-1", Started: at, Duration: 6 * time.Second, Shard: "1/2",
		Phases: []Span{{Name: "bring up", Started: at, Ended: at.Add(2 * time.Second)}},
		Suites: []Suite{broken, failed, passed},
		Logs:   []Log{{Name: "web-1", Text: "GET /cart 500\n", Left: 3}},
	}
}

// TestReports holds each kind of report against the golden one.
func TestReports(t *testing.T) {
	for name, write := range map[string]func(io.Writer) error{
		"report.xml": sample().WriteJUnit, "report.html": sample().WriteHTML, "summary.md": sample().WriteSummary,
		"annotations.txt": func(w io.Writer) error {
			_, err := io.WriteString(w, strings.Join(sample().Annotations(func(class, file string) string { return class + "/" + file }), "\n")+"\n")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("%s differs (- golden, + now); go test -update writes it anew:\n%s", golden, diff)
			}
		})
	}
}

// TestJudge: a suite has failed where it ended with another code than 0, or where one of its cases says so.
func TestJudge(t *testing.T) {
	bad := Case{Name: "c", Outcome: Failed, Message: "no"}
	good := Case{Name: "c", Outcome: Passed}
	for _, c := range []struct {
		name    string
		suite   Suite
		outcome Outcome
		message string
		cases   int
	}{
		{"nothing", Suite{}, Passed, "", 1},
		{"code", Suite{ExitCode: 3}, Failed, "exit code 3", 1},
		{"code with good cases", Suite{ExitCode: 3, Cases: []Case{good}}, Failed, "exit code 3", 2},
		{"a case", Suite{Cases: []Case{good, bad}}, Failed, "c: no", 2},
		{"cases", Suite{ExitCode: 1, Cases: []Case{bad, bad}}, Failed, "2 cases failed, first c: no", 2},
	} {
		c.suite.Judge()
		if s := c.suite; s.Outcome != c.outcome || s.Message != c.message || len(s.Cases) != c.cases {
			t.Errorf("%s: %s, %q, %d cases; want %s, %q, %d", c.name, s.Outcome, s.Message, len(s.Cases), c.outcome, c.message, c.cases)
		}
	}
}
