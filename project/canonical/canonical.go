// Package canonical is for JSON that is compared as text: the same value is the same bytes. Such a text is also read here,
// one level at a time, so that what two of them have in common is never taken apart.
package canonical

import (
	"encoding/json"
	"slices"
	"strings"
)

// Of are the fields of a value that JSON has an object for.
func Of(v any) ([]Field, error) {
	text, err := marshal(v)
	if err != nil {
		return nil, err
	}
	return Fields(text)
}

// marshal leaves keys in the order of their type, and escapes nothing for HTML.
func marshal(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// Object writes an object with these fields, in their order. Their values are what encoding/json has written; in those keys
// are sorted, and nothing is escaped that need not be.
func Object(fields []Field) []byte {
	size := len("{}")
	for _, f := range fields {
		size += len(f.Name) + len(f.Value) + len(`"":,`)
	}
	w := writer{out: make([]byte, 0, size), open: slices.Clone(fields)}
	w.fields(0)
	return w.out
}

// writer writes JSON once more.
type writer struct {
	out  []byte
	open []Field // of the objects that it is in
}

// fields writes those of the innermost object.
func (w *writer) fields(first int) {
	w.out = append(w.out, '{')
	for i := first; i < len(w.open); i++ {
		if i > first {
			w.out = append(w.out, ',')
		}
		w.text(w.open[i].Name)
		w.out = append(w.out, ':')
		w.value(w.open[i].Value)
	}
	w.out = append(w.out, '}')
	w.open = w.open[:first]
}

func (w *writer) value(value string) {
	switch value[0] {
	case '{':
		first := len(w.open)
		w.open, _ = AppendFields(w.open, value)
		w.fields(first)
	case '[':
		w.list(value)
	case '"':
		w.quoted(value)
	default:
		w.out = append(w.out, value...)
	}
}

func (w *writer) list(list string) {
	w.out = append(w.out, '[')
	r := reader{text: list, at: 1}
	for element, ok := r.value(); ok; element, ok = r.value() {
		w.value(element)
		if r.take(',') {
			w.out = append(w.out, ',')
		}
	}
	w.out = append(w.out, ']')
}

// quoted writes a string that is JSON already. Types that write themselves may have escaped more than is needed.
func (w *writer) quoted(value string) {
	if strings.IndexByte(value, '\\') < 0 {
		w.out = append(w.out, value...)
		return
	}
	text, _ := unquoted(value)
	w.text(text)
}

// text writes a string, as encoding/json does.
func (w *writer) text(text string) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c > '~' {
			quoted, _ := marshal(text) // which takes any string
			w.out = append(w.out, quoted...)
			return
		}
	}
	w.out = append(append(append(w.out, '"'), text...), '"')
}
