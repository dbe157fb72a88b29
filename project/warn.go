package project

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"
)

// warn says what works otherwise than a reader of the files would expect. Keys without
// effect are errors with Strict, and those that the target refuses always are.
func (l *loading) warn(m *model) ([]Warning, Errors) {
	var warnings []Warning
	var errs Errors
	for _, f := range l.ignored(m) {
		if f.row.Support == Refused || l.o.Strict {
			errs = append(errs, f.err)
		} else {
			warnings = append(warnings, Warning(*f.err))
		}
	}
	for _, e := range l.warnReserved(m) {
		if l.o.Strict {
			errs = append(errs, e)
		} else {
			warnings = append(warnings, Warning(*e))
		}
	}
	if l.unset {
		warnings = append(warnings, l.warnUnset()...)
	}
	warnings = append(warnings, l.warnVersion()...)
	warnings = append(warnings, l.warnOdd(m)...)
	return warnings, errs
}

// ignoredKey is a key in the model that the target does not honour.
type ignoredKey struct {
	row Row
	err *Error
}

// trie is the support table's unhonoured part, to walk a model along.
type trie struct {
	row  *Row
	next map[string]*trie
}

func unhonoured(target string) *trie {
	root := &trie{}
	for _, row := range SupportOn(target) {
		if row.Support == Honoured || row.Support == Informing || row.ofMuster() {
			continue
		}
		at := root
		for _, part := range strings.Split(row.Key, ".") {
			if at.next == nil {
				at.next = map[string]*trie{}
			}
			if at.next[part] == nil {
				at.next[part] = &trie{}
			}
			at = at.next[part]
		}
		at.row = &row
	}
	return root
}

func (l *loading) ignored(m *model) []ignoredKey {
	target := l.o.Target
	var out []ignoredKey
	var walk func(t *trie, value any, path []string)
	walk = func(t *trie, value any, path []string) {
		if t.row != nil {
			if l.misses(m, t.row, value, path) {
				out = append(out, ignoredKey{*t.row, l.ignoredError(*t.row, target, path)})
			}
			return
		}
		switch v := value.(type) {
		case map[string]any:
			for _, key := range sortedKeys(v) {
				next := t.next[key]
				if next == nil {
					next = t.next["*"]
				}
				if next != nil {
					walk(next, v[key], append(slices.Clone(path), key))
				}
			}
		case []any:
			if next := t.next["[]"]; next != nil {
				for i, e := range v {
					walk(next, e, append(slices.Clone(path), index(i)))
				}
			}
		}
	}
	walk(unhonoured(target), m.dict, nil)
	return out
}

// misses says whether anybody misses what a key that is not honoured asks for.
func (l *loading) misses(m *model, row *Row, value any, path []string) bool {
	switch value {
	case nil, false, "", "false", "default":
		return false
	}
	if row.Attached && l.o.Attached {
		return false
	}
	return path[0] != "services" || len(path) == 1 || l.active(m, path[1])
}

func (l *loading) active(m *model, service string) bool {
	_, ok := m.project.Services[service]
	return ok
}

func (l *loading) ignoredError(row Row, target string, path []string) *Error {
	e := l.places.find(path...).atKey()
	e.Path, e.Hint = dotted(path), row.Note
	e.Problem = "has no effect on " + target
	if row.Attached {
		e.Hint = "`muster up` keeps it while it stays attached; else " + row.Note
	}
	if row.Support == Refused {
		e.Problem = target + " cannot do this"
	}
	return e
}

// warnUnset names the variables that became empty text, each at its first place in
// each file. The files are parsed for it, which is why it is asked only when there is one.
func (l *loading) warnUnset() []Warning {
	var out []Warning
	docs := slices.Concat(l.places.given, l.places.others())
	for _, d := range docs {
		seen := map[string]bool{}
		d.scalars(func(n *yaml.Node, path []string) {
			for _, name := range unsetVariables(n.Value, d.env.Resolve) {
				if seen[name] {
					continue
				}
				seen[name] = true
				out = append(out, Warning{File: d.name, Line: n.Line, Column: n.Column, Path: dotted(path),
					Problem: "variable " + name + " is not set: it is empty",
					Hint:    "set it in the environment or in .env, or give it a default: ${" + name + ":-…}"})
			}
		})
	}
	return out
}

// scalars visits each value that can hold variables, once, in the order of the file.
func (d *document) scalars(visit func(n *yaml.Node, path []string)) {
	roots, _ := d.parse()
	budget := maxNodes
	var walk func(n *yaml.Node, path []string)
	walk = func(n *yaml.Node, path []string) {
		if budget--; budget < 0 {
			return
		}
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				next := append(slices.Clone(path), n.Content[i].Value)
				if isMerge(n.Content[i]) {
					next = path
				}
				walk(n.Content[i+1], next)
			}
		case yaml.SequenceNode:
			for i, e := range n.Content {
				walk(e, append(slices.Clone(path), index(i)))
			}
		case yaml.ScalarNode:
			if strings.Contains(n.Value, "$") {
				visit(n, path)
			}
		}
	}
	for _, r := range roots {
		walk(r, nil)
	}
}

// maxNodes bounds how many values a file may have once its aliases are followed.
const maxNodes = 500_000

// warnVersion points to the obsolete version key.
func (l *loading) warnVersion() []Warning {
	var out []Warning
	for _, d := range l.places.given {
		if !hasVersion().Match(d.content) {
			continue
		}
		roots, _ := d.parse()
		for _, r := range roots {
			if k, _ := child(r, "version"); k != nil {
				out = append(out, Warning{File: d.name, Line: k.Line, Column: k.Column, Path: "version",
					Problem: "is obsolete and has no effect", Hint: "take the line out"})
			}
		}
	}
	return out
}

var hasVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^\s*(["']?version["']?\s*:|[{?])`) })

// warnOdd is about combinations that work and are hardly meant.
func (l *loading) warnOdd(m *model) []Warning {
	var out []Warning
	add := func(e *Error, problem, hint string, path ...string) {
		e.Path, e.Problem, e.Hint = dotted(path), problem, hint
		out = append(out, Warning(*e))
	}
	completed := map[string]bool{}
	for _, name := range m.project.ServiceNames() {
		for dep, d := range m.project.Services[name].DependsOn {
			if d.Condition == types.ServiceConditionCompletedSuccessfully {
				completed[dep] = true
			}
		}
	}
	for _, name := range m.project.ServiceNames() {
		s := m.project.Services[name]
		if s.NetworkMode == "host" && len(s.Ports) > 0 {
			add(l.places.find("services", name, "ports").atKey(), "has no effect with network_mode: host",
				"the service's ports are the host's already", "services", name, "ports")
		}
		if s.PullRefreshAfter != "" && s.PullPolicy != PullRefresh {
			add(l.places.find("services", name, "pull_refresh_after").atKey(), "has no effect without pull_policy: refresh",
				"write pull_policy: refresh, or take it out", "services", name, "pull_refresh_after")
		}
		if completed[name] && (s.Restart == types.RestartPolicyAlways || s.Restart == types.RestartPolicyUnlessStopped) {
			add(l.places.find("services", name, "restart").at(), "the service is awaited to complete, but is started again whenever it ends",
				`write restart: "no" or on-failure`, "services", name, "restart")
		}
	}
	return out
}
