package canonical

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// Field is one of an object's.
type Field struct {
	Name  string
	Value string // JSON
}

func (f Field) compare(other Field) int { return strings.Compare(f.Name, other.Name) }

// usual is how many fields objects have at most, mostly.
const usual = 16

// Fields takes an object apart, sorted by name; of several with the same name the last counts. The values are left as they
// are: whether one is right shows when it is read.
func Fields(object string) ([]Field, error) {
	return AppendFields(make([]Field, 0, usual), object)
}

// AppendFields adds them to others, for who has room for them.
func AppendFields(to []Field, object string) ([]Field, error) {
	r := reader{text: object}
	fields, ok := r.object(to)
	if r.skipBlanks(); !ok || r.at < len(object) {
		return to, errors.New("it is no JSON object")
	}
	added := fields[len(to):]
	if inOrder(added) {
		return fields, nil
	}
	slices.SortStableFunc(added, Field.compare)
	fields = fields[:len(to)]
	for i, f := range added {
		if i+1 == len(added) || added[i+1].Name != f.Name {
			fields = append(fields, f)
		}
	}
	return fields, nil
}

// inOrder says whether fields are sorted, each with another name: mostly they were written so.
func inOrder(fields []Field) bool {
	for i := 1; i < len(fields); i++ {
		if fields[i-1].Name >= fields[i].Name {
			return false
		}
	}
	return true
}

// Value is that of a field, of those that Fields answers with; empty for none.
func Value(fields []Field, name string) string {
	i, found := slices.BinarySearchFunc(fields, Field{Name: name}, Field.compare)
	if !found {
		return ""
	}
	return fields[i].Value
}

// unquoted reads a string.
func unquoted(value string) (string, error) {
	if strings.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], nil
	}
	var text string
	err := json.Unmarshal([]byte(value), &text)
	return text, err
}

// reader goes through JSON, and looks no closer than it has to.
type reader struct {
	text string
	at   int
}

// object adds the fields of an object.
func (r *reader) object(to []Field) (fields []Field, ok bool) {
	if !r.take('{') {
		return nil, false
	}
	if r.take('}') {
		return to, true
	}
	for {
		f, ok := r.field()
		if !ok {
			return nil, false
		}
		if to = append(to, f); !r.take(',') {
			return to, r.take('}')
		}
	}
}

func (r *reader) field() (f Field, ok bool) {
	name, ok := r.value()
	if !ok || name[0] != '"' || !r.take(':') {
		return f, false
	}
	var err error
	f.Name, err = unquoted(name)
	f.Value, ok = r.value()
	return f, ok && err == nil
}

func (r *reader) skipBlanks() {
	for ; r.at < len(r.text) && r.text[r.at] <= ' '; r.at++ { // most of what comes is more
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
		default:
			return
		}
	}
}

// take goes past a sign, if that is what comes next.
func (r *reader) take(sign byte) bool {
	r.skipBlanks()
	if r.at == len(r.text) || r.text[r.at] != sign {
		return false
	}
	r.at++
	return true
}

// value goes past the next value; ok is false where there is none.
func (r *reader) value() (value string, ok bool) {
	r.skipBlanks()
	if r.at == len(r.text) {
		return "", false
	}
	start := r.at
	switch r.text[start] {
	case '"':
		ok = r.skipText()
	case '{', '[':
		ok = r.skipNested()
	default:
		ok = r.skipWord()
	}
	return r.text[start:r.at], ok
}

// skipText goes past a string.
func (r *reader) skipText() bool {
	for r.at++; r.at < len(r.text); r.at++ {
		switch r.text[r.at] {
		case '\\':
			r.at++
		case '"':
			r.at++
			return true
		}
	}
	r.at = len(r.text)
	return false
}

// skipNested goes past an object or a list.
func (r *reader) skipNested() bool {
	for depth := 0; r.at < len(r.text); {
		switch r.text[r.at] {
		case '"':
			if !r.skipText() {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if r.at++; depth == 0 {
			return true
		}
	}
	return false
}

// skipWord goes past a number, true, false or null.
func (r *reader) skipWord() bool {
	start := r.at
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n,:]}", r.text[r.at]) < 0 {
		r.at++
	}
	return r.at > start
}
