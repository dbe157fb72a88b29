package project

import (
	"slices"

	"gopkg.in/yaml.v3"
)

// includedCuts says whether something was cut out of an included file. compose-go would read it
// from the disk, with what is wrong in it.
func (d *diagnosis) includedCuts() bool {
	for _, doc := range d.l.places.others() {
		roots, _ := doc.parse()
		for _, root := range roots {
			if !doc.base && d.cutIn(root, 0) {
				return true
			}
		}
	}
	return false
}

func (d *diagnosis) cutIn(n *yaml.Node, depth int) bool {
	return depth < 10*maxDepth && (d.nodes[n] || slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return d.cutIn(c, depth+1) }))
}

// inline gives the included files without what was cut, as files that the given ones are
// merged over, and takes the includes out.
func (d *diagnosis) inline() []*document {
	var docs []*document
	others := d.l.places.others()
	for _, doc := range slices.Concat(d.l.places.given, others) {
		roots, _ := doc.parse()
		for _, root := range roots {
			if _, include := child(root, "include"); include != nil {
				d.nodes[include] = true
			}
		}
	}
	for _, doc := range slices.Backward(others) {
		roots, _ := doc.parse()
		for _, root := range roots {
			b := &builder{d: d, doc: doc, budget: maxNodes, kept: kept{}}
			value, _ := b.value(root, nil, nil, 0)
			if tree, ok := narrowed(value).(map[string]any); ok && !doc.base && !b.failed {
				docs = append(docs, &document{file: doc.file, name: doc.name, tree: tree})
			}
		}
	}
	return docs
}

// narrowed has the numbers as compose-go reads them.
func narrowed(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, each := range v {
			v[key] = narrowed(each)
		}
	case []any:
		for i, each := range v {
			v[i] = narrowed(each)
		}
	case int64:
		return int(v)
	}
	return value
}

// leaveBases takes the extends out of services whose base something was cut out of: compose-go would read
// the file from the disk, with what is wrong in it. The checks know that such a service is not all there.
func (d *diagnosis) leaveBases() {
	for _, doc := range d.l.places.given {
		for _, name := range serviceNames(doc) {
			s := d.l.places.findIn(doc, []string{"services", name})
			if s.depth == 2 && d.cutBase(doc, s.value, 0) {
				_, extends := child(s.value, "extends")
				d.nodes[extends] = true
				d.cut[dotted([]string{"services", name, "extends"})] = true
			}
		}
	}
}

// cutBase says whether something was cut out of a file that a service extends, directly or not.
func (d *diagnosis) cutBase(doc *document, service *yaml.Node, depth int) bool {
	name, file := extendsOf(service)
	if name == "" || depth > 100 {
		return false
	}
	from := doc
	if file != "" {
		if from = d.l.places.opened(d.l.places.fileOf(doc, file)); from == nil {
			return false
		}
		roots, _ := from.parse()
		if from.base && slices.ContainsFunc(roots, func(r *yaml.Node) bool { return d.cutIn(r, 0) }) {
			return true
		}
	}
	next := d.l.places.findIn(from, []string{"services", name})
	return next.depth == 2 && d.cutBase(from, next.value, depth+1)
}
