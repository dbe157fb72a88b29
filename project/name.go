package project

import (
	"path/filepath"
	"regexp"
	"sync"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"gopkg.in/yaml.v3"
)

// givenName is the name from -p or COMPOSE_PROJECT_NAME.
func (w *location) givenName() string {
	if w.o.Name != "" {
		return w.o.Name
	}
	return w.env["COMPOSE_PROJECT_NAME"]
}

func (w *location) givenBy() string {
	if w.o.Name != "" {
		return "-p"
	}
	return "COMPOSE_PROJECT_NAME"
}

// checkedName refuses a name that no engine resource can carry.
func checkedName(name, by string) (string, error) {
	if loader.NormalizeProjectName(name) == name {
		return name, nil
	}
	return "", Errors{invalidName(&Error{Path: by}, name)}
}

func invalidName(e *Error, name string) *Error {
	e.Problem = quote(name) + " is not a project name"
	e.Hint = "use lower-case letters, digits, - and _, beginning with a letter or digit"
	if n := loader.NormalizeProjectName(name); n != "" {
		e.Hint = "write " + n + "; " + e.Hint
	}
	return e
}

// projectName applies the rules of precedence: given, then the last file that
// has a top-level name, then the project's folder, then the current one.
func (w *location) projectName(src []*document) (string, error) {
	if name := w.givenName(); name != "" {
		return checkedName(name, w.givenBy())
	}
	for i := len(src) - 1; i >= 0; i-- {
		node := src[i].topLevelName()
		if node == nil || node.Value == "" {
			continue
		}
		name := node.Value
		e := &Error{File: src[i].name, Line: node.Line, Column: node.Column, Path: "name"}
		if !w.o.NoInterpolate {
			text, err := w.substituted(e, name)
			if err != nil {
				return "", err
			}
			name = text
		}
		// docker compose makes a name of the file usable without a word. Text that
		// leaves nothing is a mistake.
		if n := loader.NormalizeProjectName(name); n != "" {
			return n, nil
		}
		if name != "" {
			return "", Errors{invalidName(e, name)}
		}
	}
	for _, dir := range []string{w.dir, w.cwd} {
		if n := loader.NormalizeProjectName(filepath.Base(dir)); n != "" {
			return n, nil
		}
	}
	return "", Errors{{File: w.show(w.dir), Problem: "the folder's name makes no project name",
		Hint: "give one with -p, COMPOSE_PROJECT_NAME or a top-level name in the file"}}
}

// substituted puts variables into a text that stands at a place.
func (w *location) substituted(at *Error, text string) (string, error) {
	out, err := template.SubstituteWithOptions(text, w.env.Resolve, template.WithoutLogging)
	if err != nil {
		return "", Errors{templateError(at, text, err)}
	}
	return out, nil
}

// mayHaveName finds out without parsing that a file has no top-level name,
// which is the common case. A file in flow style begins with a brace.
var mayHaveName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^\s*(["']?name["']?\s*:|[{?])`) })

// topLevelName is the node of the file's top-level name; see [document.topLevel].
func (d *document) topLevelName() *yaml.Node {
	if !mayHaveName().Match(d.content) {
		return nil
	}
	return d.topLevel("name")
}

// topLevel is the node of a value below keys at the top of the file; the last YAML document that has one counts. Nil for none, and for a file
// that does not parse.
func (d *document) topLevel(keys ...string) *yaml.Node {
	roots, err := d.parse()
	if err != nil {
		return nil // told with all the other mistakes
	}
	var found *yaml.Node
	for _, n := range roots {
		for _, key := range keys {
			_, n = child(n, key)
		}
		if n != nil && n.Kind == yaml.ScalarNode {
			found = n
		}
	}
	return found
}
