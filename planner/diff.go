package planner

import (
	"cmp"
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
func diffSpecs(prefix, from, to string, rule rules) ([]Change, error) {
	d := differ{rules: rule, prefix: prefix}
	return d.specs(from, to)
}

func (d *differ) specs(from, to string) ([]Change, error) {
	if from == to {
		return nil, nil
	}
	var room [usualFields]canonical.Field
	if err := d.objects(room[:0], "", from, to); err != nil {
		return nil, fmt.Errorf("read spec: %w", err)
	}
	sort.SliceStable(d.changes, func(i, j int) bool { return d.changes[i].Path < d.changes[j].Path })
	return d.changes, nil
}

// usualFields are as many as those of two services and of their environments, mostly.
const usualFields = 96

// objects walks two objects that are still JSON. What is the same text in both is no change, and most is: only the rest is read. The
// fields are put where there is room.
func (d *differ) objects(room []canonical.Field, path, from, to string) error {
	left, errLeft := canonical.AppendFields(room, from)
	both, errRight := canonical.AppendFields(left, to)
	if err := errors.Join(errLeft, errRight); err != nil {
		return err
	}
	right := both[len(left):]
	for len(left)+len(right) > 0 {
		var x, y canonical.Field
		order := first(left, right)
		if order <= 0 {
			x, left = left[0], left[1:]
		}
		if order >= 0 {
			y, right = right[0], right[1:]
		}
		if x.Value == y.Value {
			continue
		}
		if err := d.field(both[len(both):], path, x, y); err != nil {
			return err
		}
	}
	return nil
}

// first says which of two lists of fields has the first name, as [strings.Compare] does of names.
func first(left, right []canonical.Field) int {
	switch {
	case len(left) == 0:
		return 1
	case len(right) == 0:
		return -1
	}
	return strings.Compare(left[0].Name, right[0].Name)
}

// field compares one that differs as text; its value is empty where it is not there.
func (d *differ) field(room []canonical.Field, path string, x, y canonical.Field) error {
	name := cmp.Or(x.Name, y.Name)
	if path == "" {
		d.fields = append(d.fields, name)
	}
	next := joinPath(path, name)
	if strings.HasPrefix(x.Value, "{") && strings.HasPrefix(y.Value, "{") && !d.ignored(next) {
		return d.objects(room, next, x.Value, y.Value)
	}
	var from, to any
	var errFrom, errTo error
	if x.Value != "" {
		from, errFrom = read(x.Value)
	}
	if y.Value != "" {
		to, errTo = read(y.Value)
	}
	d.entry(path, next, entry{x.Value != "", from}, entry{y.Value != "", to})
	return errors.Join(errFrom, errTo)
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
func tree(text string) (map[string]any, error) {
	v, err := read(text)
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
	fields  []string // of the first level, that are another text
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
		d.entry(path, joinPath(path, k), entry{inA, va}, entry{inB, vb})
	}
}

// entry is what a map has, or has not, for a key.
type entry struct {
	there bool
	value any
}

// entry compares what two maps at path have for the key at next.
func (d *differ) entry(path, next string, a, b entry) {
	// A key without a value is something else than no key: it is taken from the
	// environment, or it is the short form of an entry.
	if a.there != b.there && tidy(a.value) == nil && tidy(b.value) == nil {
		if !d.ignored(next) && meaningful(path) {
			d.presence(next, b.there)
		}
		return
	}
	d.values(next, a.value, b.value)
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
		Secret: secretPath(path) || userinfo.MatchString(from) || userinfo.MatchString(to),
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
