package project

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// diagnosis goes through files that compose-go refused, to find every mistake
// and not the first one. What is wrong is cut out of the node trees, so that what
// is left can be loaded and its references checked.
type diagnosis struct {
	l     *loading
	errs  Errors
	cut   cuts
	nodes map[*yaml.Node]bool // values to take out
	forms *pattern[form]
}

func (l *loading) diagnose(ctx context.Context, first error) error {
	d := &diagnosis{l: l, cut: cuts{}, nodes: map[*yaml.Node]bool{}, forms: newPattern(formTable())}
	broken := false
	docs := slices.Concat(l.places.given, l.places.seek(func(source, by string) *fetched { return l.where.remotes.get(ctx, source, by) }))
	for i, doc := range docs {
		if _, err := doc.parse(); err != nil {
			d.errs = append(d.errs, err)
			broken = true
			continue
		}
		d.document(doc, i > 0)
	}
	d.errs = append(d.errs, l.places.lost...)
	d.extends(docs)
	// What a missing or broken file holds would only be told once more, as unknown names.
	if !broken && len(l.places.lost) == 0 {
		d.rest(ctx)
	}
	if len(d.errs) == 0 {
		d.errs = Errors{l.reworded(first)}
	}
	return d.errs.withoutNoise().sorted(l.places)
}

// withoutNoise drops what is said about the inside of a value that has the wrong type as a
// whole.
func (es Errors) withoutNoise() Errors {
	return slices.DeleteFunc(es, func(e *Error) bool {
		return slices.ContainsFunc(es, func(above *Error) bool {
			return above.File == e.File && above.Path != "" && strings.HasPrefix(e.Path, above.Path+".") &&
				strings.Contains(above.Problem, "has to be a list") && strings.HasSuffix(e.Problem, "is not text")
		})
	})
}

// document looks at one file: keys, values and the specification's schema.
func (d *diagnosis) document(doc *document, partial bool) {
	roots, _ := doc.parse()
	for _, root := range roots {
		d.duplicates(doc, root)
		b := &builder{d: d, doc: doc, budget: maxNodes, kept: kept{}}
		if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
			continue
		}
		tree, _ := b.value(root, nil, d.forms, 0)
		if b.failed {
			continue
		}
		if doc.base {
			tree = onlyServices(tree, doc.extended)
		}
		d.schema(doc, root, tree, b.kept, partial || doc.base || len(roots) > 1)
	}
}

// onlyServices leaves of a file what is extended from it: nothing else in it counts.
func onlyServices(tree any, names []string) any {
	m, _ := tree.(map[string]any)
	services, _ := m["services"].(map[string]any)
	out := map[string]any{}
	for _, name := range names {
		if s, ok := services[name]; ok {
			out[name] = s
		}
	}
	return map[string]any{"services": out}
}

// report adds an error about a node and cuts the node.
func (d *diagnosis) report(doc *document, at, cut *yaml.Node, path []string, problem, hint string) {
	e := &Error{File: doc.name, Path: dotted(path), Problem: problem, Hint: hint}
	if at != nil {
		e.Line, e.Column = at.Line, at.Column
	}
	d.errs = append(d.errs, e)
	if cut != nil {
		d.nodes[cut] = true
		d.cut[dotted(path)] = true
	}
}

// duplicates finds keys that a mapping has twice; all but the last are cut.
func (d *diagnosis) duplicates(doc *document, root *yaml.Node) {
	budget := maxNodes
	var walk func(n *yaml.Node, path []string)
	walk = func(n *yaml.Node, path []string) {
		if budget--; budget < 0 {
			return
		}
		switch n.Kind {
		case yaml.MappingNode:
			first := map[string]*yaml.Node{}
			for i := 0; i+1 < len(n.Content); i += 2 {
				k, v := n.Content[i], n.Content[i+1]
				next := append(slices.Clone(path), k.Value)
				if was, ok := first[k.Value]; ok {
					d.report(doc, k, v, next, "the key is there already, in line "+itoa(was.Line), "join the two, or take one out")
					continue
				}
				first[k.Value] = k
				walk(v, next)
			}
		case yaml.SequenceNode:
			for i, e := range n.Content {
				walk(e, append(slices.Clone(path), index(i)))
			}
		}
	}
	walk(root, nil)
}

func (d *diagnosis) schema(doc *document, root *yaml.Node, tree any, left kept, partial bool) {
	spec, err := composeSpec()
	if err != nil {
		d.errs = append(d.errs, &Error{File: doc.name, Problem: err.Error()})
		return
	}
	var invalid *jsonschema.ValidationError
	if err := spec.compiled.Validate(tree); err == nil || !errors.As(err, &invalid) {
		return
	}
	for _, f := range spec.flaws(invalid) {
		for _, t := range spec.tell(f, root, left) {
			// In an override a value may be completed by the file before it.
			if partial && strings.HasSuffix(t.words, "missing") {
				continue
			}
			d.tell(doc, root, t)
		}
	}
}

func (d *diagnosis) tell(doc *document, root *yaml.Node, t told) {
	s := descend(doc, root, t.path)
	if s.depth < len(t.path) {
		s = descend(doc, root, t.path[:max(0, s.depth)])
	}
	e := s.at()
	if t.key {
		e = s.atKey()
	}
	e.Path, e.Problem, e.Hint = dotted(t.path), t.words, t.hint
	d.errs = append(d.errs, e)
	if t.meant != "" {
		// What a misspelled key says is not missing.
		d.cut[dotted(append(slices.Clone(t.path[:len(t.path)-1]), t.meant))] = true
	}
	if s.value != nil && s.value != root {
		d.nodes[s.value] = true
		d.cut[dotted(t.path)] = true
	}
}

// rest loads what is left after the cuts, and lets compose-go name what only it sees. What
// it names is cut too, so that one finding does not hide the next.
func (d *diagnosis) rest(ctx context.Context) {
	const tries = 25
	l := d.l
	// Included files are read by compose-go itself, with what is wrong in them.
	l.lenient = len(d.errs) > 0
	inlined := d.includedCuts()
	d.leaveBases()
	for range tries {
		docs, ok := d.left(inlined)
		if !ok {
			return
		}
		m, err := l.compose(ctx, docs)
		if err == nil {
			d.references(m, inlined)
			return
		}
		if inlined {
			return // it may come from the inlining
		}
		e := l.reworded(err)
		if d.known(e) {
			return // it follows from what was said
		}
		d.errs = append(d.errs, e)
		if !d.cutAt(e.Path) {
			return
		}
	}
}

// references runs the checks of good files on what is left.
func (d *diagnosis) references(m *model, inlined bool) {
	if m.project == nil {
		return
	}
	enabled, errs := d.l.enable(m.project)
	d.errs = append(d.errs, errs...)
	if enabled == nil {
		return
	}
	errs = d.l.checkWithout(enabled, d.cut)
	d.errs = append(d.errs, errs...)
	if len(errs) == 0 && !inlined { // paths in an inlined file start from another folder
		_, errs = d.l.resolveFiles(enabled)
		d.errs = append(d.errs, errs...)
	}
}

// known says whether an error is about something that was told already.
func (d *diagnosis) known(e *Error) bool {
	if len(d.errs) == 0 {
		return false
	}
	if e.Path == "" {
		return true
	}
	for _, other := range d.errs {
		if other.Path == e.Path || strings.HasPrefix(other.Path, e.Path+".") || strings.HasPrefix(e.Path, other.Path+".") ||
			strings.HasPrefix(other.Path, e.Path+"[") || strings.HasPrefix(e.Path, other.Path+"[") {
			return true
		}
	}
	return false
}

// cutAt takes the value at a path out of every given file.
func (d *diagnosis) cutAt(path string) bool {
	parts := pathParts(path)
	if len(parts) < 2 {
		return false
	}
	found := false
	for _, doc := range d.l.places.given {
		roots, _ := doc.parse()
		for _, root := range roots {
			if s := descend(doc, root, parts); s.depth == len(parts) && s.value != nil && !d.nodes[s.value] {
				d.nodes[s.value], found = true, true
			}
		}
	}
	d.cut[path] = true
	return found
}

// left writes the given files without what was cut.
func (d *diagnosis) left(inlined bool) ([]*document, bool) {
	var docs []*document
	if inlined {
		docs = d.inline()
	}
	for _, doc := range d.l.places.given {
		roots, err := doc.parse()
		if err != nil {
			return nil, false
		}
		var b bytes.Buffer
		enc := yaml.NewEncoder(&b)
		for _, root := range roots {
			p := &pruner{cut: d.nodes, anchors: map[*yaml.Node]bool{}}
			p.keep(root, 0)
			p.prune(root, 0)
			if err := enc.Encode(plain(root, map[*yaml.Node]*yaml.Node{})); err != nil {
				return nil, false
			}
		}
		if len(roots) > 0 {
			if err := enc.Close(); err != nil {
				return nil, false
			}
		}
		docs = append(docs, &document{file: doc.file, name: doc.name, content: b.Bytes(), dir: doc.dir, env: doc.env})
	}
	return docs, true
}
