package project

import (
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"gopkg.in/yaml.v3"
)

func itoa(i int) string { return strconv.Itoa(i) }

// maxDepth bounds how deep values may be nested, aliases followed.
const maxDepth = 60

// pattern is a set of path patterns with a value each, to walk a model along.
type pattern[T any] struct {
	value *T
	next  map[string]*pattern[T]
}

func newPattern[T any](table map[string]T) *pattern[T] {
	root := &pattern[T]{}
	for _, key := range sortedKeys(table) {
		at := root
		for _, part := range strings.Split(key, ".") {
			if at.next == nil {
				at.next = map[string]*pattern[T]{}
			}
			if at.next[part] == nil {
				at.next[part] = &pattern[T]{}
			}
			at = at.next[part]
		}
		v := table[key]
		at.value = &v
	}
	return root
}

// step goes to a key or, with [], to an element; nil is nowhere.
func (p *pattern[T]) step(part string) *pattern[T] {
	if p == nil {
		return nil
	}
	if n := p.next[part]; n != nil {
		return n
	}
	if part == "[]" {
		return nil
	}
	return p.next["*"]
}

// builder makes a plain value of a node tree, as compose-go would see it: aliases
// followed, merge keys applied, variables replaced. On the way it reports what is
// wrong with keys, variables and the text of values.
type builder struct {
	d      *diagnosis
	doc    *document
	budget int
	failed bool
	kept   kept
}

// kept says, for lists that lost elements, which of them are left.
type kept map[*yaml.Node][]int

// index is the place in the file of an element of the plain list.
func (k kept) index(list *yaml.Node, i int) string {
	if at, ok := k[list]; ok && i < len(at) {
		i = at[i]
	}
	return index(i)
}

// value gives false for what is wrong, and therefore left out.
func (b *builder) value(n *yaml.Node, path []string, p *pattern[form], depth int) (any, bool) {
	if b.failed {
		return nil, false
	}
	if b.budget--; b.budget < 0 || depth > maxDepth {
		b.failed = true
		problem := "has more than " + itoa(maxNodes) + " values once its aliases are followed"
		if depth > maxDepth {
			problem = "is nested more than " + itoa(maxDepth) + " deep"
		}
		b.d.report(b.doc, n, nil, nil, problem, "is an alias (*) inside of its own anchor (&)?")
		return nil, false
	}
	at := followed(n)
	if at == nil {
		return nil, true
	}
	switch at.Kind {
	case yaml.MappingNode:
		return b.mapping(at, path, p, depth), true
	case yaml.SequenceNode:
		list := make([]any, 0, len(at.Content))
		var from []int
		for i, e := range at.Content {
			if b.out(e) {
				continue
			}
			if v, ok := b.value(e, append(slices.Clone(path), index(i)), p.step("[]"), depth+1); ok {
				list, from = append(list, v), append(from, i)
			}
		}
		if len(list) < len(at.Content) {
			b.kept[at] = from
		}
		return list, true
	}
	return b.scalar(at, path, p)
}

// out says whether a value does not count: it is cut, or reset.
func (b *builder) out(n *yaml.Node) bool {
	return b.d.nodes[n] || n.Tag == "!reset" || followed(n) != nil && followed(n).Tag == "!reset"
}

func (b *builder) mapping(n *yaml.Node, path []string, p *pattern[form], depth int) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if isMerge(n.Content[i]) {
			b.merge(m, n.Content[i+1], path, p, depth)
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		next := append(slices.Clone(path), k.Value)
		switch {
		case isMerge(k):
		case followed(k).Kind != yaml.ScalarNode:
			b.d.report(b.doc, k, v, path, "a key has to be text", "")
		case k.ShortTag() != "!!str" && k.Kind == yaml.ScalarNode && !b.d.nodes[v]:
			b.d.report(b.doc, k, v, next, "the key "+k.Value+" is not text", "put it in quotes: "+strconv.Quote(k.Value))
		case !b.out(v):
			if value, ok := b.value(v, next, p.step(k.Value), depth+1); ok {
				m[k.Value] = value
			}
		}
	}
	b.complete(n, m, path)
	return m
}

// complete reports entries of lists that lack what compose-go cannot do without, and names
// badly.
func (b *builder) complete(n *yaml.Node, m map[string]any, path []string) {
	if len(path) != 4 || path[0] != "services" || b.d.nodes[n] {
		return
	}
	switch {
	case path[2] == "volumes" && m["type"] == "bind" && m["source"] == nil:
		b.d.report(b.doc, n, n, path, "a bind mount has no source", "write source: PATH")
	case path[2] == "ports" && m["target"] == nil:
		b.d.report(b.doc, n, n, path, "the container's port is missing", "write target: 80")
	}
}

func (b *builder) merge(m map[string]any, from *yaml.Node, path []string, p *pattern[form], depth int) {
	at := followed(from)
	if at == nil {
		return
	}
	var sources []*yaml.Node
	switch at.Kind {
	case yaml.MappingNode:
		sources = []*yaml.Node{at}
	case yaml.SequenceNode:
		sources = at.Content
	default:
		b.d.report(b.doc, from, from, append(slices.Clone(path), "<<"), "only a mapping can be merged", "write <<: *ANCHOR")
		return
	}
	for _, s := range sources {
		value, _ := b.value(s, path, p, depth+1)
		values, _ := value.(map[string]any)
		for _, k := range sortedKeys(values) {
			if _, there := m[k]; !there {
				m[k] = values[k]
			}
		}
	}
}

// scalar gives a value with its YAML type, variables replaced.
func (b *builder) scalar(n *yaml.Node, path []string, p *pattern[form]) (any, bool) {
	text := n.Value
	if b.d.nodes[n] {
		return nil, false
	}
	tag := n.ShortTag()
	if tag == "!!str" && strings.Contains(text, "$") && !b.d.l.o.NoInterpolate {
		out, err := template.SubstituteWithOptions(text, b.doc.env.Resolve, template.WithoutLogging)
		if err != nil {
			e := templateError(&Error{}, text, err)
			b.d.report(b.doc, n, n, path, e.Problem, e.Hint)
			return nil, false
		}
		text = out
	}
	if p != nil && p.value != nil && tag != "!!null" && !b.d.l.o.NoInterpolate {
		if problem, hint := (*p.value)(text); problem != "" && wanted(tag) {
			b.d.report(b.doc, n, n, path, problem, hint)
			return nil, false
		}
	}
	return typed(tag, text), true
}

// wanted says whether a form is asked about values of a YAML type. A boolean in
// the place of a number is the schema's to tell.
func wanted(tag string) bool { return tag == "!!str" || tag == "!!int" || tag == "!!float" }

func typed(tag, text string) any {
	switch tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(text, "true")
	case "!!int":
		clean := strings.ReplaceAll(text, "_", "")
		if i, err := strconv.ParseInt(clean, 0, 64); err == nil {
			return i
		}
	case "!!float":
		if f, err := strconv.ParseFloat(text, 64); err == nil && f == f && f < 1e300 && f > -1e300 {
			return f
		}
	}
	return text
}

// pruner takes nodes out of a tree, and the aliases that would be left without their
// anchor.
type pruner struct {
	cut     map[*yaml.Node]bool
	anchors map[*yaml.Node]bool // that stay
}

func (p *pruner) keep(n *yaml.Node, depth int) {
	if n == nil || p.cut[n] || depth > 10*maxDepth {
		return
	}
	if n.Anchor != "" {
		p.anchors[n] = true
	}
	for _, c := range n.Content {
		p.keep(c, depth+1)
	}
}

func (p *pruner) gone(n *yaml.Node) bool {
	return p.cut[n] || n.Kind == yaml.AliasNode && (!p.anchors[n.Alias] || p.cut[n.Alias])
}

func (p *pruner) prune(n *yaml.Node, depth int) {
	if depth > 10*maxDepth {
		return
	}
	var kept []*yaml.Node
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !p.gone(n.Content[i+1]) {
				kept = append(kept, n.Content[i], n.Content[i+1])
			}
		}
	case yaml.SequenceNode:
		for _, e := range n.Content {
			if !p.gone(e) {
				kept = append(kept, e)
			}
		}
	default:
		return
	}
	n.Content = kept
	for _, c := range n.Content {
		p.prune(c, depth+1)
	}
}

// plain is a copy of a tree in a style that is read back as what it is: the encoder makes text of what is empty within braces,
// and adds lines to folded text that has indented ones. copies has what is copied already, which aliases stand for.
func plain(n *yaml.Node, copies map[*yaml.Node]*yaml.Node) *yaml.Node {
	if n == nil || copies[n] != nil {
		return copies[n]
	}
	c := &yaml.Node{Kind: n.Kind, Style: n.Style & (yaml.TaggedStyle | yaml.FlowStyle), Tag: n.Tag, Value: n.Value, Anchor: n.Anchor}
	copies[n] = c
	c.Alias = plain(n.Alias, copies)
	for _, child := range n.Content {
		c.Content = append(c.Content, plain(child, copies))
	}
	if n.Kind == yaml.ScalarNode {
		switch n.ShortTag() {
		case "!!null":
			c.Value = "null"
		case "!!str":
			c.Style |= yaml.DoubleQuotedStyle
		}
	}
	return c
}
