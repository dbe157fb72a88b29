package project

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// specification is the Compose Specification's schema, to validate with and to
// look keys up in.
type specification struct {
	compiled *jsonschema.Schema
	root     map[string]any
}

// composeSpec compiles the schema once. It costs some 20 ms, and only files with
// mistakes need it.
var composeSpec = sync.OnceValues(func() (*specification, error) {
	s := &specification{}
	if err := json.Unmarshal([]byte(schema.Schema), &s.root); err != nil {
		return nil, fmt.Errorf("read the compose schema: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema.Schema))
	if err != nil {
		return nil, fmt.Errorf("read the compose schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("compose-spec.json", doc); err != nil {
		return nil, fmt.Errorf("read the compose schema: %w", err)
	}
	if s.compiled, err = c.Compile("compose-spec.json"); err != nil {
		return nil, fmt.Errorf("compile the compose schema: %w", err)
	}
	return s, nil
})

// expand gives a schema node with everything that it refers to or combines.
func (s *specification) expand(node map[string]any, depth int) []map[string]any {
	out := []map[string]any{node}
	if depth == 0 {
		return out
	}
	if ref, ok := node["$ref"].(string); ok {
		defs, _ := s.root["$defs"].(map[string]any)
		if def, ok := defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any); ok {
			out = append(out, s.expand(def, depth-1)...)
		}
	}
	for _, word := range []string{"allOf", "oneOf", "anyOf"} {
		parts, _ := node[word].([]any)
		for _, part := range parts {
			if m, ok := part.(map[string]any); ok {
				out = append(out, s.expand(m, depth-1)...)
			}
		}
	}
	return out
}

// at are the schema nodes that speak for a path of the model. Elements of lists are
// numbers or [numbers].
func (s *specification) at(path []string) []map[string]any {
	nodes := s.expand(s.root, 8)
	for _, part := range path {
		var next []map[string]any
		for _, n := range nodes {
			for _, sub := range below(n, part) {
				next = append(next, s.expand(sub, 8)...)
			}
		}
		nodes = next
	}
	return nodes
}

func below(n map[string]any, part string) []map[string]any {
	if props, ok := n["properties"].(map[string]any); ok {
		if sub, ok := props[part].(map[string]any); ok {
			return []map[string]any{sub}
		}
	}
	var out []map[string]any
	if patterns, ok := n["patternProperties"].(map[string]any); ok {
		for _, p := range sortedKeys(patterns) {
			if re, err := regexp.Compile(p); err == nil && re.MatchString(part) {
				if sub, ok := patterns[p].(map[string]any); ok {
					out = append(out, sub)
				}
			}
		}
	}
	_, isIndex := indexOf(part)
	if _, err := strconv.Atoi(part); err == nil || isIndex {
		if sub, ok := n["items"].(map[string]any); ok {
			out = append(out, sub)
		}
	}
	return out
}

// keys are the names of what may stand at a path.
func (s *specification) keys(path []string) []string {
	set := map[string]bool{}
	for _, n := range s.at(path) {
		props, _ := n["properties"].(map[string]any)
		for k := range props {
			set[k] = true
		}
	}
	return sortedKeys(set)
}

// flaw is one leaf of what the validator says.
type flaw struct {
	path []string // elements of lists as numbers
	kind jsonschema.ErrorKind
	want []string // types, where several branches of a choice want different ones
}

// flaws lists the leaves, and of a choice the branch that fits best only.
func (s *specification) flaws(e *jsonschema.ValidationError) []flaw {
	switch k := e.ErrorKind.(type) {
	case *kind.FalseSchema:
		// unevaluatedProperties blames every key once one of them is wrong.
		loc := e.InstanceLocation
		if len(loc) > 0 && slices.Contains(s.keys(loc[:len(loc)-1]), loc[len(loc)-1]) {
			return nil
		}
	case *kind.OneOf:
		if k.Subschemas == nil {
			return s.best(e)
		}
	case *kind.AnyOf:
		return s.best(e)
	}
	if len(e.Causes) == 0 {
		return []flaw{{path: slices.Clone(e.InstanceLocation), kind: e.ErrorKind}}
	}
	var out []flaw
	for _, c := range e.Causes {
		out = append(out, s.flaws(c)...)
	}
	return out
}

// best chooses among the branches of a choice: those which want another
// type of value are not meant, unless all do.
func (s *specification) best(e *jsonschema.ValidationError) []flaw {
	var chosen []flaw
	var types []string
	got := ""
	for _, c := range e.Causes {
		fs := s.flaws(c)
		if len(fs) == 1 && len(fs[0].path) == len(e.InstanceLocation) {
			if t, ok := fs[0].kind.(*kind.Type); ok {
				got = t.Got
				types = append(types, t.Want...)
				types = append(types, fs[0].want...)
				continue
			}
		}
		if chosen == nil || len(fs) > 0 && len(fs) < len(chosen) {
			chosen = fs
		}
	}
	if chosen != nil {
		return chosen
	}
	slices.Sort(types)
	types = slices.Compact(types)
	return []flaw{{path: slices.Clone(e.InstanceLocation), kind: &kind.Type{Got: got, Want: types}}}
}

// typeRank puts types in the order that they are named in.
func typeRank(t string) int {
	return slices.Index([]string{"string", "number", "integer", "boolean", "array", "object", "null"}, t)
}

// typeWords names a type of value as people do.
func typeWords(t string) string {
	switch t {
	case "object":
		return "a mapping (key: value)"
	case "array":
		return "a list"
	case "string":
		return "text"
	case "integer":
		return "a whole number"
	case "number":
		return "a number"
	case "boolean":
		return "true or false"
	case "null":
		return "empty"
	}
	return t
}
