package canonical

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// marshalled writes itself, and escapes more than is needed.
type marshalled string

func (m marshalled) MarshalJSON() ([]byte, error) { return json.Marshal(string(m)) }

// throughMaps is the long way to the same.
func throughMaps(t *testing.T, text []byte) string {
	t.Helper()
	var v any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestOf(t *testing.T) {
	type inner struct {
		Z, A any
		List []any
	}
	for _, v := range []any{
		struct{}{}, inner{Z: 1.50, A: json.Number("1.50"), List: []any{[]any{}, "", nil, true}},
		inner{Z: "a<b>&c", A: marshalled("a<b>&c\u2028 \" ü"), List: []any{1, "x,]}", []any{}, inner{}, map[string]any{}}},
		map[string]any{"b": inner{A: `\`}, "a b": 1, "a": nil, "a\"b": 2, "ü\u2028": 3, "<": 4, "\x7f\x01": "\x7f\x01"},
		map[string][]inner{"": {{}, {Z: map[marshalled]int{"b": 1, "a": 2}}}},
	} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fields, err := Of(v)
		if got, want := string(Object(fields)), throughMaps(t, text); err != nil || got != want {
			t.Errorf("%s is written as %s, %v; want %s", text, got, err, want)
		}
	}
	for _, v := range []any{nil, 1, []int{1}, func() {}} {
		if fields, err := Of(v); err == nil {
			t.Errorf("%T has the fields %v", v, fields)
		}
	}
}

func TestFields(t *testing.T) {
	fields, err := Fields(" {\"b\" : {\"x\":\"}\\\"\"} , \"\\u0061\":[1, 2],\t\"c\":null}\n")
	if err != nil || string(Object(fields)) != `{"a":[1,2],"b":{"x":"}\""},"c":null}` {
		t.Errorf("got %s, %v", Object(fields), err)
	}
	if Value(fields, "a") != "[1, 2]" || Value(fields, "d") != "" {
		t.Errorf("a is %s and d %q", Value(fields, "a"), Value(fields, "d"))
	}
	if fields, err = Fields(`{"a":1,"b":2,"a":3}`); err != nil || string(Object(fields)) != `{"a":3,"b":2}` {
		t.Errorf("got %s, %v", Object(fields), err)
	}
	for _, text := range []string{
		"", " ", "null", "[]", "{", "}", `{"`, `{"a`, `{"a\`, `{"a"`, `{"a":`, `{"a":}`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a":"b`, `{"a":[`, `{"a":{"b"}`,
		`{a:1}`, `{1:1}`, `{"a" 1}`, `{"a":1 "b":2}`, `{} {}`, `{"\x":1}`, `{,}`, `{:}`,
	} {
		if fields, err := Fields(text); err == nil {
			t.Errorf("%s has the fields %v", text, fields)
		}
	}
}

// FuzzFields: what is JSON is taken apart and put together to the same, and nothing else can do any harm.
func FuzzFields(f *testing.F) {
	f.Add(`{"b":{"c":[1,"\"]"]},"a":null}`)
	f.Add(`{"a":"\u003c","<":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		fields, err := Fields(text)
		var v map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &v) != nil || v == nil || !utf8.ValidString(text) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range fields {
			delete(v, field.Name)
		}
		if len(v) > 0 {
			t.Errorf("there is no %v", v)
		}
		if want, got := throughMaps(t, []byte(text)), throughMaps(t, []byte(Object(fields))); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// FuzzVariables: a map is written as encoding/json does, and of what that escapes Object leaves only what has to be.
func FuzzVariables(f *testing.F) {
	f.Add("A", "b")
	f.Add("a<b>&c", "\u2028 \" \\u003c \\n\n\x00\x7f\xff")
	f.Fuzz(func(t *testing.T, name, value string) {
		for _, m := range []map[string]*string{nil, {name: nil}, {name: &value, value: &name, "PATH": &value, "EMPTY": nil}} {
			want, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if m == nil {
				want = []byte("{}")
			}
			got := Variables(m)
			if got != string(want) {
				t.Errorf("got %s, want %s", got, want)
			}
			if again, long := Object([]Field{{"x", got}, {"y", "[" + got + "]"}}), throughMaps(t, []byte(`{"x":`+got+`,"y":[`+got+`]}`)); again != long {
				t.Errorf("got %s, want %s", again, long)
			}
		}
	})
}
