package project

import (
	"slices"

	"gopkg.in/yaml.v3"
)

// nodes goes through what is written in a file along patterns: aliases are followed, and what is merged counts where it is
// merged into. each is asked about every node, with the one that it stands for, its path, and what the patterns have for that
// path; it says whether to go on into it.
type nodes[T any] struct {
	each   func(n, at *yaml.Node, path []string, p *pattern[T]) bool
	budget int
}

// through goes through one document.
func (w *nodes[T]) through(root *yaml.Node, p *pattern[T]) { w.walk(root, nil, p, 0) }

func (w *nodes[T]) walk(n *yaml.Node, path []string, p *pattern[T], depth int) {
	at := followed(n)
	if w.budget--; at == nil || w.budget < 0 || depth > maxDepth || !w.each(n, at, path, p) {
		return
	}
	switch at.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(at.Content); i += 2 {
			k, v := at.Content[i], at.Content[i+1]
			switch from := followed(v); {
			case !isMerge(k):
				w.walk(v, append(slices.Clone(path), k.Value), p.step(k.Value), depth+1)
			case from != nil && from.Kind == yaml.SequenceNode:
				for _, source := range from.Content {
					w.walk(source, path, p, depth+1)
				}
			default:
				w.walk(v, path, p, depth+1)
			}
		}
	case yaml.SequenceNode:
		for i, element := range at.Content {
			w.walk(element, append(slices.Clone(path), index(i)), p.step("[]"), depth+1)
		}
	}
}
