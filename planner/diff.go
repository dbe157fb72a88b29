package planner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/musterhq/muster/project/canonical"
)

// diffSpecs compares two canonical specs field by field. prefix begins every path. It returns
// nothing where they differ only in what rule says does not matter.
func diffSpecs(prefix string, from, to []byte, rule rules) ([]Change, error) {
	if bytes.Equal(from, to) {
		return nil, nil
	}
	a, b, err := differing(string(from), string(to))
	if err != nil {
		return nil, fmt.Errorf("read spec: %w", err)
	}
	d := differ{rules: rule, prefix: prefix}
	d.maps("", a, b)
	sort.SliceStable(d.changes, func(i, j int) bool { return d.changes[i].Path < d.changes[j].Path })
	return d.changes, nil
}

// differing takes two specs apart, without the fields that are the same text in both: those are no change, and most are such.
func differing(from, to string) (a, b map[string]any, err error) {
	left, errLeft := canonical.Fields(from)
	right, errRight := canonical.Fields(to)
	a, b, err = map[string]any{}, map[string]any{}, errors.Join(errLeft, errRight)
	for _, f := range left {
		switch other := canonical.Value(right, f.Name); {
		case err != nil || other == f.Value:
		case f.Value[0] == '{' && strings.HasPrefix(other, "{"):
			a[f.Name], b[f.Name], err = differing(f.Value, other)
		default:
			a[f.Name], err = read(f.Value)
		}
	}
	for _, f := range right {
		if _, done := b[f.Name]; err == nil && !done && canonical.Value(left, f.Name) != f.Value {
			b[f.Name], err = read(f.Value)
		}
	}
	return a, b, err
}

// read reads JSON without losing the digits of its numbers.
func read(text string) (any, error) {
	if strings.HasPrefix(text, `"`) { // most are, and a decoder is large
		var out string
		err := json.Unmarshal([]byte(text), &out)
		return out, err
	}
	var out any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	err := decoder.Decode(&out)
	return out, err
}

// tree takes a spec apart.
func tree(text []byte) (map[string]any, error) {
	v, err := read(string(text))
	out, ok := v.(map[string]any)
	if err == nil && !ok {
		err = errors.New("it is no JSON object")
	}
	if err != nil {
		return nil, fmt.Errorf("read spec: %w", err)
	}
	return out, nil
}

// rules say how the fields of a spec are compared, by their path without list indices and
// with * for keys that the user chose.
type rules interface {
	// ignored fields concern muster and not the resource.
	ignored(path string) bool
	// identity says how the elements of a list are told apart; nil keeps their order.
	identity(path string) func(any) string
	// text prints a scalar or a whole list; ok is false where there is no special way.
	text(path string, value any) (string, bool)
}

// differ walks two trees at the same time.
type differ struct {
	rules
	prefix  string
	changes []Change
}

func (d *differ) values(path string, a, b any) {
	a, b = tidy(a), tidy(b)
	if d.ignored(path) || equal(a, b) {
		return
	}
	ma, aMap := a.(map[string]any)
	mb, bMap := b.(map[string]any)
	if aMap && bMap || aMap && b == nil || bMap && a == nil {
		d.maps(path, ma, mb)
		return
	}
	la, aList := a.([]any)
	lb, bList := b.([]any)
	if aList && bList || aList && b == nil || bList && a == nil {
		d.lists(path, la, lb)
		return
	}
	d.report(path, a, b)
}

func (d *differ) maps(path string, a, b map[string]any) {
	both := make(map[string]bool, len(a)+len(b))
	for k := range a {
		both[k] = true
	}
	for k := range b {
		both[k] = true
	}
	for _, k := range keys(both) {
		va, inA := a[k]
		vb, inB := b[k]
		next := joinPath(path, k)
		// A key without a value is something else than no key: it is taken from the
		// environment, or it is the short form of an entry.
		if inA != inB && tidy(va) == nil && tidy(vb) == nil {
			if !d.ignored(next) && meaningful(path) {
				d.presence(next, inB)
			}
			continue
		}
		d.values(next, va, vb)
	}
}

// meaningful says whether a key without value counts in the map at path: it does where users name the keys.
func meaningful(path string) bool {
	switch path {
	case "environment", "networks":
		return true
	}
	return false
}

func (d *differ) presence(path string, added bool) {
	c := Change{Path: d.prefix + path, From: "", To: "set"}
	if !added {
		c.From, c.To = "set", ""
	}
	d.changes = append(d.changes, c)
}

func (d *differ) lists(path string, a, b []any) {
	identity := d.identity(path)
	if identity == nil {
		d.report(path, listOrNil(a), listOrNil(b))
		return
	}
	left, right := byIdentity(a, identity), byIdentity(b, identity)
	both := map[string]bool{}
	for k := range left {
		both[k] = true
	}
	for k := range right {
		both[k] = true
	}
	for _, k := range keys(both) {
		va, vb := left[k], right[k]
		if equal(va, vb) {
			continue
		}
		next := path
		if isMap(va) || isMap(vb) {
			next = joinPath(path, k)
		}
		_, fromOK := d.text(path+".*", va)
		_, toOK := d.text(path+".*", vb)
		if isMap(va) && isMap(vb) && !(fromOK && toOK) {
			d.values(next, va, vb)
			continue
		}
		d.reportAs(next, path+".*", va, vb)
	}
}

func isMap(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

func listOrNil(list []any) any {
	if list == nil {
		return nil
	}
	return list
}

// byIdentity keys a list's elements; equal ones get a number, so that none is lost.
func byIdentity(list []any, identity func(any) string) map[string]any {
	out := make(map[string]any, len(list))
	for _, v := range list {
		k := identity(v)
		for n := 2; out[k] != nil; n++ {
			k = identity(v) + " (" + strconv.Itoa(n) + ")"
		}
		out[k] = v
	}
	return out
}

func (d *differ) report(path string, a, b any) { d.reportAs(path, path, a, b) }

func (d *differ) reportAs(path, kind string, a, b any) {
	from, to := d.print(kind, a), d.print(kind, b)
	d.changes = append(d.changes, Change{
		Path: d.prefix + path, From: from, To: to,
		Secret: secretPath(path) || userinfo().MatchString(from) || userinfo().MatchString(to),
	})
}

func (d *differ) print(path string, v any) string {
	if v == nil {
		return ""
	}
	if text, ok := d.text(path, v); ok {
		return text
	}
	switch v := v.(type) {
	case string:
		if v == "" {
			return `""`
		}
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = d.print(path+".*", e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, k := range keys(v) {
			parts = append(parts, k+": "+d.print(joinPath(path, k), v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// secretPath says whether the key at the end of a path, below where keys
// are the user's, is that of a credential.
func secretPath(path string) bool {
	for _, root := range []string{"environment.", "labels.", "annotations.", "logging.options.", "driver_opts.", "storage_opt."} {
		if key, ok := strings.CutPrefix(path, root); ok {
			return secretKey(key)
		}
	}
	return false
}
