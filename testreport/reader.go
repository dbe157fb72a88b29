package testreport

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The bounds of what is kept of what a test prints.
const (
	maxLine   = 1 << 20  // bytes of a line that is read; the rest is not
	maxCases  = 20_000   // of a suite
	maxName   = 1 << 10  // bytes of a name or a message
	maxOutput = 32 << 10 // bytes of a case
	maxKept   = 8 << 20  // bytes of all cases of a suite
	suiteRoom = 1 << 20  // bytes of the suite's own last lines
)

// Reader finds the cases in what a test prints, whatever forms it prints them in. It is not for several goroutines.
type Reader struct {
	line   strings.Builder // that has begun
	gotest goTests
	tap    tapTests
	cases  collected
	output Tail
}

// NewReader is a reader that has read nothing.
func NewReader() *Reader {
	r := &Reader{output: Tail{Room: suiteRoom}}
	r.gotest.into, r.tap.into = &r.cases, &collected{}
	return r
}

// Write takes a line, or a piece of one that goes on with the next. The answer is the text to show for it: of test2json that is what
// the test itself has printed. Where there is nothing to show, show is false.
func (r *Reader) Write(text []byte, more bool) (shown []byte, show bool) {
	long := more || r.line.Len() > 0
	if !long && !r.gotest.seen && (len(text) == 0 || text[0] != '{') {
		r.read(string(text))
		return text, true
	}
	if room := maxLine - r.line.Len(); room > 0 {
		r.line.Write(text[:min(len(text), room)])
	}
	if more {
		return text, !r.gotest.seen
	}
	line := r.line.String()
	r.line.Reset()
	if out, is := r.gotest.read(line); is {
		for each := range strings.Lines(out) {
			r.output.Add(strings.TrimSuffix(each, "\n"))
		}
		return []byte(strings.TrimSuffix(out, "\n")), out != ""
	}
	r.read(line)
	return text, true
}

// read takes a line that is not test2json.
func (r *Reader) read(line string) {
	r.output.Add(strings.TrimSuffix(line, "\r"))
	r.tap.read(strings.TrimRight(Plain(cut(line, maxOutput)), " \t\r"))
}

// Output are the last lines, and how many before them are left out.
func (r *Reader) Output() (text string, left int) { return r.output.Text() }

// Last are the last n lines.
func (r *Reader) Last(n int) []string { return r.output.Last(n) }

// Cases are those that were found, now that all is read. A case that has begun and not ended has failed.
func (r *Reader) Cases() []Case {
	r.gotest.end()
	r.tap.end()
	if r.tap.believed() {
		for _, c := range r.tap.into.cases {
			r.cases.add(c)
		}
		r.cases.dropped += r.tap.into.dropped
	}
	out := r.cases.cases
	if n := r.cases.dropped; n > 0 {
		outcome := Passed
		if r.cases.droppedBad > 0 || r.tap.into.droppedBad > 0 {
			outcome = Failed
		}
		out = append(out, Case{Name: fmt.Sprintf("%d more cases", n), Outcome: outcome, Message: "there are more cases than a report has room for"})
	}
	return out
}

// collected are cases, within bounds.
type collected struct {
	cases               []Case
	kept                int
	dropped, droppedBad int
}

func (c *collected) add(one Case) {
	if len(c.cases) >= maxCases {
		c.dropped++
		if one.Outcome.Bad() {
			c.droppedBad++
		}
		return
	}
	one.Name, one.Class, one.Message = cut(Plain(one.Name), maxName), cut(Plain(one.Class), maxName), cut(Plain(one.Message), maxName)
	if one.Outcome == Passed {
		one.Output = ""
	}
	if c.kept += len(one.Output); c.kept > maxKept && one.Output != "" {
		one.Output = "(left out: the report has no room for more)\n"
	}
	c.cases = append(c.cases, one)
}

// at is a place in a file as tests print it: "    page_test.go:12: it is empty".
var at = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\s*(?:at )?([^\s:()]*[^\s:()/]\.[A-Za-z]{1,5}):(\d+)(?::\d+)?(?::\s*(.*))?$`)
})

// locate finds where a case has failed, and why, in what it has printed.
func (c *Case) locate() {
	first := ""
	for line := range strings.Lines(c.Output) {
		line = strings.TrimRight(line, "\n")
		if m := at().FindStringSubmatch(line); m != nil {
			c.File = m[1]
			c.Line, _ = strconv.Atoi(m[2])
			c.Message = cmp.Or(c.Message, m[3])
			break
		}
		text := strings.TrimSpace(line)
		if first == "" && text != "" && !strings.HasPrefix(text, "=== ") && !strings.HasPrefix(text, "--- ") {
			first = text
		}
	}
	c.Message = cmp.Or(c.Message, first, "failed")
}

// seconds is a time that came as a number; what is no sensible one is 0.
func seconds(n float64) time.Duration {
	if n > 0 && n < 1e8 {
		return time.Duration(n * float64(time.Second))
	}
	return 0
}
