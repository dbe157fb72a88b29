package project

import (
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// places knows where in the files a piece of the model was written.
type places struct {
	where  *location
	given  []*document // in the order of merging
	extra  []*document // included and extended ones, once sought
	sought bool
	// around are the env files and folders of what is included, there or not.
	around []input
	// lost are the files that an include or extends names in vain.
	lost Errors
	// jobs are those that count as services.
	jobs []string
}

func newPlaces(w *location, given []*document) *places { return &places{where: w, given: given} }

// spot is a piece of a file: a key with its value, or an element of a list,
// which has no key.
type spot struct {
	doc        *document
	key, value *yaml.Node
	depth      int // how many parts of the path led here
}

// find looks for a path of the merged model in the file that wrote it last. Where the
// path is not written anywhere the nearest piece above it answers. Parts of a
// path name keys; in lists they name an element by its text, by the
// text before = or :, by its source, target, name or path, or as [index].
func (ps *places) find(path ...string) spot {
	path = ps.written(path)
	best := spot{}
	look := func(docs []*document) {
		for i := len(docs) - 1; i >= 0; i-- {
			if s := ps.findIn(docs[i], path); s.depth > best.depth || best.doc == nil {
				best = s
			}
		}
	}
	look(ps.given)
	if best.depth < len(path) {
		// A given file may get it from one that it extends, known only now.
		others := ps.others()
		look(ps.given)
		look(others)
	}
	return best
}

// written is a path of the model as the files have it: what counts as a service may be a job.
func (ps *places) written(path []string) []string {
	if len(path) > 1 && path[0] == "services" && slices.Contains(ps.jobs, path[1]) {
		return append([]string{"jobs"}, path[1:]...)
	}
	return path
}

func (ps *places) findIn(d *document, path []string) spot {
	best := spot{doc: d}
	roots, _ := d.parse()
	for i := len(roots) - 1; i >= 0; i-- {
		s := descend(d, roots[i], path)
		if s.depth < len(path) && len(path) > 2 && path[0] == "services" {
			if b := ps.findExtended(d, roots[i], path, 16); b.depth > s.depth {
				s = b
			}
		}
		if s.depth > best.depth {
			best = s
		}
	}
	return best
}

// findExtended looks for the rest of a service's path in what it extends.
func (ps *places) findExtended(d *document, root *yaml.Node, path []string, depth int) spot {
	if depth == 0 {
		return spot{}
	}
	service := descend(d, root, path[:2])
	if service.depth < 2 {
		return spot{}
	}
	name, file := extendsOf(service.value)
	if name == "" {
		return spot{}
	}
	from := d
	if file != "" {
		if from = ps.opened(ps.fileOf(d, file)); from == nil {
			return spot{}
		}
	}
	basePath := append([]string{"services", name}, path[2:]...)
	roots, _ := from.parse()
	best := spot{}
	for _, r := range roots {
		s := descend(from, r, basePath)
		if s.depth < len(path) {
			if deeper := ps.findExtended(from, r, basePath, depth-1); deeper.depth > s.depth {
				s = deeper
			}
		}
		if s.depth > best.depth {
			best = s
		}
	}
	return best
}

// extendsOf reads a service's extends, in either form.
func extendsOf(service *yaml.Node) (name, file string) {
	_, v := child(service, "extends")
	v = followed(v)
	switch {
	case v == nil:
	case v.Kind == yaml.ScalarNode:
		name = v.Value
	case v.Kind == yaml.MappingNode:
		if _, s := child(v, "service"); s != nil {
			name = s.Value
		}
		if _, f := child(v, "file"); f != nil {
			file = f.Value
		}
	}
	return name, file
}

// descend follows a path from a node as far as it goes.
func descend(d *document, n *yaml.Node, path []string) spot {
	s := spot{doc: d, value: n}
	for _, part := range path {
		at := followed(s.value)
		if at == nil {
			return s
		}
		switch at.Kind {
		case yaml.MappingNode:
			k, v := child(at, part)
			if k == nil {
				return s
			}
			s.key, s.value = k, v
		case yaml.SequenceNode:
			e := element(at, part)
			if e == nil {
				return s
			}
			s.key, s.value = nil, e
		default:
			return s
		}
		s.depth++
	}
	return s
}

// element finds what a part of a path means in a list.
func element(list *yaml.Node, part string) *yaml.Node {
	if i, ok := indexOf(part); ok {
		if i < len(list.Content) {
			return list.Content[i]
		}
		return nil
	}
	for i := len(list.Content) - 1; i >= 0; i-- {
		e := followed(list.Content[i])
		switch e.Kind {
		case yaml.ScalarNode:
			rest, ok := strings.CutPrefix(e.Value, part)
			if ok && (rest == "" || rest[0] == ':' || rest[0] == '=') || strings.HasSuffix(e.Value, ":"+part) {
				return list.Content[i]
			}
		case yaml.MappingNode:
			for _, key := range []string{"source", "target", "name", "path", "published"} {
				if _, v := child(e, key); v != nil && v.Value == part {
					return list.Content[i]
				}
			}
		}
	}
	return nil
}

// indexOf reads [3].
func indexOf(part string) (int, bool) {
	if len(part) < 3 || part[0] != '[' || part[len(part)-1] != ']' {
		return 0, false
	}
	i, err := strconv.Atoi(part[1 : len(part)-1])
	return i, err == nil && i >= 0
}

// at begins an error about the value of a spot.
func (s spot) at() *Error { return s.error(s.value, s.key) }

// atKey begins an error about its key.
func (s spot) atKey() *Error { return s.error(s.key, s.value) }

func (s spot) error(first, second *yaml.Node) *Error {
	e := &Error{}
	if s.doc == nil {
		return e
	}
	e.File = s.doc.name
	for _, n := range []*yaml.Node{first, second} {
		if n == nil || n.Line == 0 {
			continue
		}
		// A block mapping has no mark of its own: what it belongs to is the key.
		if n == first && second != nil && n.Kind != yaml.ScalarNode && n.Style&yaml.FlowStyle == 0 && n.Kind != yaml.AliasNode && second.Line > 0 {
			continue
		}
		e.Line, e.Column = n.Line, n.Column
		break
	}
	return e
}

// rank orders files for printing: given ones in their order, then the others.
func (ps *places) rank(file string) int {
	for i, d := range ps.given {
		if d.name == file {
			return i
		}
	}
	for i, d := range ps.extra {
		if d.name == file {
			return len(ps.given) + i
		}
	}
	return len(ps.given) + len(ps.extra)
}

// dotted writes a path as the model's.
func dotted(path []string) string {
	var b strings.Builder
	for i, part := range path {
		if _, ok := indexOf(part); !ok && i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(part)
	}
	return b.String()
}
