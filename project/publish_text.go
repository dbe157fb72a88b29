package project

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/DefangLabs/secret-detector/pkg/dataformat"
	"github.com/DefangLabs/secret-detector/pkg/scanner"
	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"
)

// scalarExtent finds the bytes of a scalar that is written on one line, quotes included. What does not read as the
// node says is not taken for it.
func scalarExtent(text []byte, n *yaml.Node) (from, to int, ok bool) {
	from, ok = offsetOf(text, n.Line, n.Column)
	if !ok {
		return 0, 0, false
	}
	line, _, _ := bytes.Cut(text[from:], []byte("\n"))
	for len(line) > 0 && (line[0] == '&' || line[0] == '!') { // an anchor or a tag stands before it
		i := bytes.IndexByte(line, ' ')
		if i < 0 {
			return 0, 0, false
		}
		rest := bytes.TrimLeft(line[i:], " \t")
		from += len(line) - len(rest)
		line = rest
	}
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		to = closingQuote(line, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		to = closingQuote(line, '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && n.Value != "" && bytes.HasPrefix(line, []byte(n.Value)):
		to = len(n.Value)
	}
	if to <= 0 {
		return 0, 0, false
	}
	var again yaml.Node
	if yaml.Unmarshal(line[:to], &again) != nil || len(again.Content) != 1 || again.Content[0].Value != n.Value {
		return 0, 0, false
	}
	return from, from + to, true
}

// closingQuote is the length of a quoted text at the beginning of a line; 0 where it does not end on it.
func closingQuote(line []byte, quote byte) int {
	if len(line) == 0 || line[0] != quote {
		return 0
	}
	for i := 1; i < len(line); i++ {
		switch {
		case quote == '"' && line[i] == '\\':
			i++
		case line[i] == quote && quote == '\'' && i+1 < len(line) && line[i+1] == quote:
			i++ // two of them stand for one
		case line[i] == quote:
			return i + 1
		}
	}
	return 0
}

// offsetOf is the byte at a line and a column, both from 1, columns counted in characters.
func offsetOf(text []byte, line, column int) (int, bool) {
	at := 0
	for ; line > 1; line-- {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return 0, false
		}
		at += i + 1
	}
	for ; column > 1; column-- {
		if at >= len(text) {
			return 0, false
		}
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at, at < len(text)
}

// boundSource is what of the host a mount names, in either form.
func boundSource(d *document, mount *yaml.Node) (string, bool) {
	switch mount.Kind {
	case yaml.ScalarNode:
		source, _, mounted := strings.Cut(d.substitute(mount.Value), ":")
		return source, mounted && strings.HasPrefix(source, "/") || strings.HasPrefix(source, ".") || strings.HasPrefix(source, "~")
	case yaml.MappingNode:
		if _, kind := child(mount, "type"); kind == nil || kind.Value != types.VolumeTypeBind {
			return "", false
		}
		if _, v := child(mount, "source"); v != nil {
			return d.substitute(v.Value), true
		}
	}
	return "", false
}

// credentials notes what in a file's text looks like a key or a password. It is the library's judgement, as it is docker
// compose's: it knows the forms of many services' keys.
func (w *publisher) credentials(d *document) {
	// What it cannot take apart it has nothing to say about: the loader has read the file.
	secrets, _ := scanner.NewDefaultScanner().ScanStringWithFormat(string(d.content), dataformat.YAML)
	roots, _ := d.parse()
	for _, s := range secrets {
		path := strings.Split(strings.ReplaceAll(s.Key, "[", ".["), ".")
		at := spot{doc: d}
		for _, root := range roots {
			if found := descend(d, root, path); found.depth > at.depth {
				at = found
			}
		}
		w.out.Credentials = append(w.out.Credentials, found(at, s.Key, s.Type))
	}
}
