// Package canonical is for JSON that is compared as text: the same value is the same bytes. Such a text is also read here,
// one level at a time, so that what two of them have in common is never taken apart.
package canonical

import (
	"encoding/json"
	"slices"
	"strings"
)

// Of are the fields of a value that JSON has an object for, as [json.Marshal] writes them.
func Of(v any) ([]Field, error) { return AppendOf(make([]Field, 0, usual), v) }

// AppendOf adds them to others, for who has room for them.
func AppendOf(to []Field, v any) ([]Field, error) {
	text, err := marshal(v, true)
	if err != nil {
		return nil, err
	}
	return AppendFields(to, text)
}

// Variables writes a map, where nil is a value, as [json.Marshal] does. That takes four times as long: it has no type to go by
// but the map's, and copies all that is in it.
func Variables(m map[string]*string) string {
	type variable struct {
		name  string
		value *string
	}
	var room [32]variable
	variables, size := room[:0], len("{}")
	for name, value := range m {
		variables = append(variables, variable{name, value})
		if size += len(name) + len(`"":"",`); value != nil {
			size += len(*value)
		}
	}
	slices.SortFunc(variables, func(a, b variable) int { return strings.Compare(a.name, b.name) })
	w := writer{html: true}
	w.Grow(size)
	w.WriteByte('{')
	for i, v := range variables {
		if i > 0 {
			w.WriteByte(',')
		}
		w.text(v.name)
		w.WriteByte(':')
		if v.value != nil {
			w.text(*v.value)
		} else {
			w.WriteString("null")
		}
	}
	w.WriteByte('}')
	return w.String()
}

// marshal leaves keys in the order of their type.
func marshal(v any, html bool) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(html)
	err := enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// Object writes an object with these fields, in their order. Their values are what encoding/json has written; in those keys
// are sorted, and nothing is escaped that need not be.
func Object(fields []Field) string {
	size := len("{}")
	for _, f := range fields {
		size += len(f.Name) + len(f.Value) + len(`"":,`)
	}
	var w writer
	var room [48]Field
	w.Grow(size)
	w.object(fields, room[:0])
	return w.String()
}

// writer writes JSON once more.
type writer struct {
	strings.Builder
	html bool // <, > and & are escaped
}

// object writes fields. Those of the objects in it are put where there is room.
func (w *writer) object(fields, room []Field) {
	w.WriteByte('{')
	for i, f := range fields {
		if i > 0 {
			w.WriteByte(',')
		}
		w.text(f.Name)
		w.WriteByte(':')
		w.value(f.Value, room)
	}
	w.WriteByte('}')
}

func (w *writer) value(value string, room []Field) {
	switch value[0] {
	case '{':
		fields, _ := AppendFields(room, value)
		w.object(fields, fields[len(fields):])
	case '[':
		w.list(value, room)
	case '"':
		w.quoted(value)
	default:
		w.WriteString(value)
	}
}

func (w *writer) list(list string, room []Field) {
	w.WriteByte('[')
	r := reader{text: list, at: 1}
	for element, ok := r.value(); ok; element, ok = r.value() {
		w.value(element, room)
		if r.take(',') {
			w.WriteByte(',')
		}
	}
	w.WriteByte(']')
}

// quoted writes a string that is JSON already. Types that write themselves may have escaped more than is needed.
func (w *writer) quoted(value string) {
	switch {
	case strings.IndexByte(value, '\\') < 0:
		w.WriteString(value)
	case plain(value):
		w.relaxed(value)
	default:
		text, _ := unquoted(value)
		w.text(text)
	}
}

// plain says whether a string has no other escapes than those that are needed and those for HTML.
func plain(value string) bool {
	for at := strings.IndexByte(value, '\\'); at >= 0; at = strings.IndexByte(value, '\\') {
		value = value[at:]
		switch _, html := forHTML(value); {
		case html:
			value = value[len(`\u003c`):]
		case strings.IndexByte(`"\nrt`, value[1]) >= 0:
			value = value[len(`\n`):]
		default:
			return false
		}
	}
	return true
}

// forHTML is what a text begins with, where that is escaped for HTML.
func forHTML(text string) (sign byte, ok bool) {
	switch {
	case strings.HasPrefix(text, `\u003c`):
		return '<', true
	case strings.HasPrefix(text, `\u003e`):
		return '>', true
	case strings.HasPrefix(text, `\u0026`):
		return '&', true
	}
	return 0, false
}

// relaxed writes a plain string without the escapes for HTML.
func (w *writer) relaxed(value string) {
	for at := strings.IndexByte(value, '\\'); at >= 0; at = strings.IndexByte(value, '\\') {
		w.WriteString(value[:at])
		value = value[at:]
		if sign, html := forHTML(value); html {
			w.WriteByte(sign)
			value = value[len(`\u003c`):]
			continue
		}
		w.WriteString(value[:len(`\n`)])
		value = value[len(`\n`):]
	}
	w.WriteString(value)
}

// text writes a string, as encoding/json does.
func (w *writer) text(text string) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c > '~' || w.html && (c == '<' || c == '>' || c == '&') {
			quoted, _ := marshal(text, w.html) // which takes any string
			w.WriteString(quoted)
			return
		}
	}
	w.WriteByte('"')
	w.WriteString(text)
	w.WriteByte('"')
}
