package project

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"
)

// maxFile bounds every file that is read as a whole, in bytes. The largest
// honest Compose file is a thousandth of it.
const maxFile = 32 << 20

// document is one Compose file.
type document struct {
	file     string // absolute, or "-"
	name     string // as the user would name it
	content  []byte
	dir      string        // that paths in it start from
	env      types.Mapping // that it is interpolated with
	base     bool          // only extended from: just the services in extended count
	extended []string

	// tree stands for the content where it is not nil: of an included file without what is
	// wrong in it.
	tree map[string]any

	parsed bool
	roots  []*yaml.Node // what each YAML document in it holds, mostly one
	err    *Error
}

func tooLarge(name string) *Error {
	return &Error{File: name, Problem: fmt.Sprintf("is larger than %d MiB", maxFile>>20), Hint: "is it the right file?"}
}

// read reads the Compose files; what cannot be read is told for all of them.
func (w *location) read(stdin io.Reader) ([]*document, error) {
	var docs []*document
	var errs Errors
	for _, file := range w.files {
		w.looked = append(w.looked, input{inputText, file})
		d, err := w.readFile(file, stdin)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		docs = append(docs, d)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return docs, nil
}

func (w *location) readFile(file string, stdin io.Reader) (*document, *Error) {
	d := &document{file: file, name: w.show(file), dir: w.dir, env: w.env}
	var in io.Reader
	if file == "-" {
		if in = stdin; in == nil {
			return nil, &Error{File: "-", Problem: "there is no standard input to read"}
		}
	} else {
		f, err := os.Open(file)
		if err != nil {
			return nil, &Error{File: d.name, Problem: "cannot be read: " + cause(err)}
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, &Error{File: d.name, Problem: "cannot be read: " + cause(err)}
	}
	if len(content) > maxFile {
		return nil, tooLarge(d.name)
	}
	d.content = content
	return d, nil
}

// parse gives the root nodes. It is done at most once, and for good files
// only where a place is asked for.
func (d *document) parse() (roots []*yaml.Node, err *Error) {
	if d.parsed {
		return d.roots, d.err
	}
	d.parsed = true
	defer func() {
		// yaml.v3 panics on a few malformed inputs.
		if r := recover(); r != nil {
			d.err = &Error{File: d.name, Problem: fmt.Sprintf("is not YAML: %v", r)}
			roots, err = nil, d.err
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(d.content))
	for {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			d.err = d.syntaxError(err)
			return nil, d.err
		}
		if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
			d.roots = append(d.roots, n.Content[0])
		}
	}
	return d.roots, nil
}

// child finds a key in a mapping, the last one where it is there twice, through
// aliases and merge keys.
func child(n *yaml.Node, key string) (k, v *yaml.Node) {
	return childWithin(n, key, 32)
}

func childWithin(n *yaml.Node, key string, depth int) (k, v *yaml.Node) {
	n = followed(n)
	if n == nil || n.Kind != yaml.MappingNode || depth == 0 {
		return nil, nil
	}
	for i := len(n.Content) - 2; i >= 0; i -= 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		from := followed(n.Content[i+1])
		if from != nil && from.Kind == yaml.SequenceNode {
			for _, e := range from.Content {
				if k, v = childWithin(e, key, depth-1); k != nil {
					return k, v
				}
			}
			continue
		}
		if k, v = childWithin(from, key, depth-1); k != nil {
			return k, v
		}
	}
	return nil, nil
}

func isMerge(key *yaml.Node) bool {
	return key.Value == "<<" && (key.Tag == "!!merge" || key.Tag == "")
}

// followed is what an alias stands for, and any other node itself.
func followed(n *yaml.Node) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.AliasNode && i < 32; i++ {
		n = n.Alias
	}
	return n
}
