package testreport

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// tapTests reads the Test Anything Protocol, versions 12 to 14: results, plans, directives, diagnostics and subtests. Much
// that is no TAP looks like a line of it, so that nothing of it is believed before a version or a plan was seen.
type tapTests struct {
	into          *collected
	version, plan bool
	planned       int
	ran           int    // of the outermost tests
	skips         string // why there are none
	bailed        *Case
	// names are the subtests that have begun, by their depth.
	names []string
	// last is the latest result, with what was said about it.
	last *Case
	said Tail
	// yaml is the indentation of a block of diagnostics, with its end; negative outside of one. block says that a value goes on
	// in the next line.
	yaml  int
	block string
}

var (
	tapVersion   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^TAP version \d+$`) })
	tapPlan      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^1\.\.(\d{1,9})(?:\s*#\s*(.*))?$`) })
	tapResult    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(not )?ok\b(?:\s+(\d+))?(?:\s+(.*))?$`) })
	tapDirective = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)(?:^|\s)#\s*(skip|todo)\S*\s*(.*)$`) })
	tapTime      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\s#\s*time=([0-9.]+)(ms|s)\s*$`) })
	tapSubtest   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^# Subtest(?::\s*(.*))?$`) })
)

const (
	tapIndent   = 4
	tapDeepest  = 32
	tapVersion0 = -1
)

// believed says whether it was TAP.
func (t *tapTests) believed() bool { return t.version || t.plan || t.bailed != nil && t.ran > 0 }

// read takes a line.
func (t *tapTests) read(line string) {
	text := strings.TrimLeft(line, " ")
	indent := len(line) - len(text)
	if t.last != nil && t.yaml > 0 {
		t.diagnose(text, indent)
		return
	}
	if t.last != nil && text == "---" && indent%tapIndent == tapIndent/2 {
		t.yaml, t.block = indent, ""
		return
	}
	if indent%tapIndent != 0 || indent/tapIndent > tapDeepest {
		t.remark(text)
		return
	}
	depth := indent / tapIndent
	switch {
	case depth == 0 && tapVersion().MatchString(text):
		t.version = true
	case strings.HasPrefix(text, "Bail out!"):
		t.bailed = &Case{Name: "bail out", Outcome: Failed, Message: cmp.Or(strings.TrimSpace(strings.TrimPrefix(text, "Bail out!")), "the test gave up")}
	case tapPlan().MatchString(text):
		if m := tapPlan().FindStringSubmatch(text); depth == 0 {
			t.plan = true
			t.planned, _ = strconv.Atoi(m[1])
			t.skips = m[2]
		}
	case tapSubtest().MatchString(text):
		t.names = append(t.names[:min(depth, len(t.names))], make([]string, max(0, depth-len(t.names)))...)
		t.names = append(t.names, tapSubtest().FindStringSubmatch(text)[1])
	case tapResult().MatchString(text):
		t.result(tapResult().FindStringSubmatch(text), depth)
	default:
		t.remark(text)
	}
}

// result takes a line that says how a test went.
func (t *tapTests) result(m []string, depth int) {
	if m[2] == "" && !t.version && !t.plan {
		return // "ok, let's go"
	}
	t.settle()
	c := Case{Outcome: Passed}
	if m[1] != "" {
		c.Outcome = Failed
	}
	name := strings.TrimPrefix(m[3], "- ")
	if d := tapTime().FindStringSubmatch(name); d != nil {
		n, _ := strconv.ParseFloat(d[1], 64)
		if d[2] == "ms" {
			n /= 1000
		}
		c.Duration, name = seconds(n), strings.TrimSuffix(name, d[0])
	}
	if d := tapDirective().FindStringSubmatchIndex(name); d != nil {
		// What is to be done is known to fail.
		c.Outcome, c.Message = Skipped, strings.TrimSpace(strings.ToLower(name[d[2]:d[3]])+" "+name[d[4]:d[5]])
		name = name[:d[0]]
	}
	name = cmp.Or(strings.TrimSpace(strings.ReplaceAll(name, `\#`, "#")), "test "+cmp.Or(m[2], strconv.Itoa(t.ran+1)))
	for i := min(depth, len(t.names)) - 1; i >= 0; i-- {
		if t.names[i] != "" {
			name = t.names[i] + " > " + name
		}
	}
	t.names = t.names[:min(depth, len(t.names))]
	c.Name = cut(name, maxName)
	if depth == 0 {
		t.ran++
	}
	t.last, t.said, t.yaml = &c, Tail{Room: maxOutput}, tapVersion0
}

// remark takes what stands between results: it belongs to the one before.
func (t *tapTests) remark(text string) {
	if t.last != nil && t.last.Outcome != Passed && text != "" {
		t.said.Add(strings.TrimPrefix(strings.TrimPrefix(text, "#"), " "))
	}
}

// diagnose takes a line of a block of YAML. Of it, what says why, where and how long is read a line at a time.
func (t *tapTests) diagnose(text string, indent int) {
	if text == "..." {
		t.yaml = tapVersion0
		return
	}
	t.said.Add(strings.Repeat(" ", min(max(0, indent-t.yaml), maxName)) + text)
	c := t.last
	if t.block != "" && indent > t.yaml {
		c.Message = cmp.Or(c.Message, text)
		t.block = ""
		return
	}
	key, value, found := strings.Cut(text, ":")
	if !found || indent != t.yaml {
		return
	}
	t.block = ""
	value = strings.Trim(strings.TrimSpace(value), `'"`)
	switch key {
	case "duration_ms":
		n, _ := strconv.ParseFloat(value, 64)
		c.Duration = seconds(n / 1000)
	case "message", "error":
		if strings.HasPrefix(value, "|") || strings.HasPrefix(value, ">") {
			t.block = key
			return
		}
		c.Message = cmp.Or(c.Message, value)
	case "location", "at":
		if m := at().FindStringSubmatch(value); m != nil {
			c.File = m[1]
			c.Line, _ = strconv.Atoi(m[2])
		}
	case "file":
		c.File = value
	case "line":
		c.Line, _ = strconv.Atoi(value)
	}
}

// settle hands on the latest result, now that all is said about it.
func (t *tapTests) settle() {
	if t.last == nil {
		return
	}
	c := *t.last
	t.last = nil
	if c.Outcome != Passed {
		c.Output, _ = t.said.Text()
	}
	if c.Outcome == Failed {
		file, line := c.File, c.Line
		c.locate()
		if file != "" {
			c.File, c.Line = file, line
		}
	}
	t.into.add(c)
}

// end says that nothing more comes.
func (t *tapTests) end() {
	t.settle()
	switch {
	case t.bailed != nil && t.believed():
		t.into.add(*t.bailed)
	case t.plan && t.planned == 0 && t.ran == 0:
		t.into.add(Case{Name: "all tests", Outcome: Skipped, Message: cmp.Or(t.skips, "the plan has none")})
	case t.plan && t.ran < t.planned:
		t.into.add(Case{Name: "plan", Outcome: Failed,
			Message: fmt.Sprintf("%d tests were planned, %d have come to an end", t.planned, t.ran)})
	}
}
