package project

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	yaml4 "go.yaml.in/yaml/v4"
)

// syntaxError says what is wrong with the YAML. yaml.v3, which we read nodes with, often names
// the line before; the parser that compose-go uses knows the column too.
func (d *document) syntaxError(v3 error) *Error {
	text := v3.Error()
	if v4 := yaml4Error(d.content); v4 != "" {
		text = v4
	}
	lines := strings.Split(string(d.content), "\n")
	m := markOf(text, len(lines))
	e := &Error{File: d.name, Line: m.line, Column: m.column, Problem: m.message}
	m.explain(e, lines)
	if e.Line > len(lines) {
		e.Line = len(lines)
	}
	if e.Line > 0 && e.Column == 0 {
		text := lines[e.Line-1]
		e.Column = len(text) - len(strings.TrimLeft(text, " \t")) + 1
	}
	return e
}

func yaml4Error(content []byte) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = ""
		}
	}()
	dec := yaml4.NewDecoder(bytes.NewReader(content))
	for {
		var n yaml4.Node
		err := dec.Decode(&n)
		if err == nil {
			continue
		}
		if err.Error() == "EOF" {
			return ""
		}
		return err.Error()
	}
}

// mark is a parser's message taken apart.
type mark struct {
	line, column int    // 0 where unknown
	context      string // what was being read
	begun, col   int    // where that began
	message      string
}

var (
	yamlContext = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^while (parsing|scanning) (.*?) at line (\d+)(?:, column (\d+))?: `)
	})
	yamlMark = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^line (\d+)(?:, column (\d+))?: `) })
)

func markOf(text string, lines int) mark {
	text = strings.TrimPrefix(text, "yaml: ")
	var m mark
	// The parser counts lines from 0, the scanner below it from 1.
	from := 0
	if c := yamlContext().FindStringSubmatch(text); c != nil {
		if c[1] == "parsing" {
			from = 1
		}
		m.context, m.begun, m.col = c[2], number0(c[3])+from, max(1, number0(c[4]))
		text = text[len(c[0]):]
		m.line, m.column = m.begun, m.col
	}
	if l := yamlMark().FindStringSubmatch(text); l != nil {
		m.line, m.column = min(number0(l[1])+from, lines), number0(l[2])
		text = text[len(l[0]):]
	}
	m.message = text
	return m
}

func number0(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// explain puts the message into the words of somebody who looks at the file.
func (m mark) explain(e *Error, lines []string) {
	line := func(n int) string {
		if n < 1 || n > len(lines) {
			return ""
		}
		return lines[n-1]
	}
	says := func(part string) bool { return strings.Contains(m.message, part) }
	switch {
	case says("cannot start any token") && strings.Contains(leading(line(e.Line)), "\t"):
		e.Problem, e.Hint = "a tab cannot indent YAML", "use spaces"
	case says("cannot start any token"):
		e.Problem, e.Hint = "text cannot begin with this character", "put the value in quotes"
	case says("mapping values are not allowed"):
		m.explainColon(e, line)
	case says("did not find expected key"):
		e.Problem, e.Hint = "a key is expected here", "is the line indented as its neighbours are?"
	case says("did not find expected '-' indicator"):
		e.Problem, e.Hint = "a list item is expected here", "begin it with -, indented as the items above"
	case says("could not find expected ':'"):
		e.Line, e.Column = m.begun, m.col
		e.Problem, e.Hint = "a colon is missing", "write key: value"
	case says("unexpected end of stream"):
		e.Line, e.Column = m.begun, m.col
		e.Problem, e.Hint = "the text that begins here is not closed", "add the closing quote"
	case says("did not find expected ',' or"):
		e.Line, e.Column = m.begun, m.col
		e.Problem, e.Hint = "what is opened here is not closed", "add "+m.message[len(m.message)-2:len(m.message)-1]
	case says("unknown anchor"):
		name := strings.TrimSuffix(strings.TrimPrefix(m.message, "unknown anchor '"), "' referenced")
		if col := strings.Index(line(e.Line), "*"+name); col >= 0 {
			e.Column = col + 1
		}
		e.Problem, e.Hint = "no anchor "+quote(name), "define it with &"+name+", above this place"
	case says("control characters"), says("UTF-8"), says("UTF-16"):
		e.Problem, e.Hint = "is not text in UTF-8", "is it the right file?"
	default:
		e.Problem = "YAML: " + m.message
	}
}

// explainColon tells a line without a colon, which the parser notices at the next one, from a
// value that needs quotes.
func (m mark) explainColon(e *Error, line func(int) string) {
	above := strings.TrimSpace(line(e.Line - 1))
	if above != "" && !strings.ContainsAny(above, ":#[]{}-") {
		e.Line--
		e.Column = 0
		word, _, _ := strings.Cut(above, " ")
		e.Problem, e.Hint = "a colon is missing", fmt.Sprintf("write %s: …", word)
		return
	}
	e.Problem, e.Hint = "a second colon is not allowed here", "put the value in quotes; or is the line indented wrongly?"
}

func leading(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " \t"))] }
