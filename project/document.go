package project

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"
)

// maxFile bounds every file that is read as a whole, in bytes. The largest
// honest Compose file is a thousandth of it.
const maxFile = 32 << 20

// document is one Compose file.
type document struct {
	file     string // absolute, or "-"
	name     string // as the user would name it
	content  []byte
	dir      string        // that paths in it start from
	env      types.Mapping // that it is interpolated with
	base     bool          // only extended from: just the services in extended count
	extended []string

	parsed bool
	roots  []*yaml.Node // what each YAML document in it holds, mostly one
	err    *Error
}

func tooLarge(name string) *Error {
	return &Error{File: name, Problem: fmt.Sprintf("is larger than %d MiB", maxFile>>20), Hint: "is it the right file?"}
}

// read reads the Compose files; what cannot be read is told for all of them.
func (w *location) read(stdin io.Reader) ([]*document, error) {
	var docs []*document
	var errs Errors
	for _, file := range w.files {
		d, err := w.readFile(file, stdin)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		docs = append(docs, d)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return docs, nil
}

func (w *location) readFile(file string, stdin io.Reader) (*document, *Error) {
	d := &document{file: file, name: w.show(file), dir: w.dir, env: w.env}
	var in io.Reader
	if file == "-" {
		if in = stdin; in == nil {
			return nil, &Error{File: "-", Problem: "there is no standard input to read"}
		}
	} else {
		f, err := os.Open(file)
		if err != nil {
			return nil, &Error{File: d.name, Problem: "cannot be read: " + cause(err)}
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, &Error{File: d.name, Problem: "cannot be read: " + cause(err)}
	}
	if len(content) > maxFile {
		return nil, tooLarge(d.name)
	}
	d.content = content
	return d, nil
}

// parse gives the root nodes. It is done at most once, and for good files
// only where a place is asked for.
func (d *document) parse() (roots []*yaml.Node, err *Error) {
	if d.parsed {
		return d.roots, d.err
	}
	d.parsed = true
	defer func() {
		// yaml.v3 panics on a few malformed inputs.
		if r := recover(); r != nil {
			d.err = &Error{File: d.name, Problem: fmt.Sprintf("is not YAML: %v", r)}
			roots, err = nil, d.err
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(d.content))
	for {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			d.err = d.syntaxError(err)
			return nil, d.err
		}
		if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
			d.roots = append(d.roots, n.Content[0])
		}
	}
	return d.roots, nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (?s:(.*))$`)

// syntaxError puts the parser's words into ours, with the place.
func (d *document) syntaxError(err error) *Error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &Error{File: d.name, Problem: text}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Problem = m[2]
	}
	lines := strings.Split(string(d.content), "\n")
	e.Line, e.Column = syntaxPlace(lines, e.Line, e.Problem)
	var line string
	if e.Line > 0 && e.Line <= len(lines) {
		line = lines[e.Line-1]
	}
	e.Problem, e.Hint = syntaxWords(e.Problem, line)
	return e
}

// syntaxPlace corrects the parser's line, which for some mistakes is the one
// before, and gives the column of the first character.
func syntaxPlace(lines []string, line int, problem string) (int, int) {
	if strings.Contains(problem, "cannot start any token") {
		for i := max(line-1, 0); i < min(line+1, len(lines)); i++ {
			if col := strings.IndexAny(lines[i], "\t@`%"); col >= 0 {
				return i + 1, col + 1
			}
		}
	}
	if line < 1 || line > len(lines) {
		return line, 1
	}
	text := lines[line-1]
	return line, len(text) - len(strings.TrimLeft(text, " \t")) + 1
}

// syntaxWords says what a parser's message mostly comes from.
func syntaxWords(problem, line string) (string, string) {
	switch {
	case strings.Contains(problem, "cannot start any token") && strings.Contains(line, "\t"):
		return "a tab cannot indent YAML", "use spaces"
	case strings.Contains(problem, "cannot start any token"):
		return "text cannot begin with this character", "put the value in quotes"
	case strings.Contains(problem, "mapping values are not allowed"):
		return "a colon is not allowed here", "is the line indented as its neighbours are? A value with a colon and a space in it needs quotes"
	case strings.Contains(problem, "did not find expected key"):
		return "a key is expected here", "is the line indented as its neighbours are?"
	case strings.Contains(problem, "did not find expected '-' indicator"):
		return "a list item is expected here", "begin it with -, indented as the items above"
	case strings.Contains(problem, "could not find expected ':'"):
		return "a colon is missing", "write key: value"
	case strings.Contains(problem, "unexpected end of stream"), strings.Contains(problem, "found unexpected end"):
		return "the file ends inside a quoted text", "is the closing quote there?"
	case strings.Contains(problem, "did not find expected ',' or"):
		return "a comma or a closing bracket is missing", ""
	case strings.Contains(problem, "unknown anchor"):
		return strings.Replace(problem, "unknown anchor", "no anchor", 1), "define it with &, above the place that uses it"
	case strings.Contains(problem, "control characters"), strings.Contains(problem, "invalid leading UTF-8"),
		strings.Contains(problem, "incomplete UTF-8"), strings.Contains(problem, "invalid trailing UTF-8"):
		return "is not text in UTF-8", "is it the right file?"
	}
	return "YAML: " + problem, ""
}

// child finds a key in a mapping, the last one where it is there twice, through
// aliases and merge keys.
func child(n *yaml.Node, key string) (k, v *yaml.Node) {
	return childWithin(n, key, 32)
}

func childWithin(n *yaml.Node, key string, depth int) (k, v *yaml.Node) {
	n = followed(n)
	if n == nil || n.Kind != yaml.MappingNode || depth == 0 {
		return nil, nil
	}
	for i := len(n.Content) - 2; i >= 0; i -= 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		from := followed(n.Content[i+1])
		if from != nil && from.Kind == yaml.SequenceNode {
			for _, e := range from.Content {
				if k, v = childWithin(e, key, depth-1); k != nil {
					return k, v
				}
			}
			continue
		}
		if k, v = childWithin(from, key, depth-1); k != nil {
			return k, v
		}
	}
	return nil, nil
}

func isMerge(key *yaml.Node) bool {
	return key.Value == "<<" && (key.Tag == "!!merge" || key.Tag == "")
}

// followed is what an alias stands for, and any other node itself.
func followed(n *yaml.Node) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.AliasNode && i < 32; i++ {
		n = n.Alias
	}
	return n
}
