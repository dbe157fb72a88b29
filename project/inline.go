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
