package project

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// checkExtensions holds what is written below x-muster against our schema.
func checkExtensions(c *checker) {
	c.extension("top", c.m.Extensions[extensionKey], []string{extensionKey})
	services := c.m.AllServices()
	for _, name := range sortedKeys(services) {
		c.extension("service", services[name].Extensions[extensionKey], []string{"services", name, extensionKey})
		c.sharedVolumes(services[name], []string{"services", name, extensionKey, "shared_volumes"})
		for _, to := range sortedKeys(services[name].DependsOn) {
			c.dependency(services[name].DependsOn[to], []string{"services", name, "depends_on", to, extensionKey})
		}
	}
}

// sharedVolumes checks that the volumes which a service may share are among its own. Where the image has one, nobody knows.
func (c *checker) sharedVolumes(s Service, path []string) {
	says, err := Extension(s)
	if err != nil {
		return // told already
	}
	for i, name := range says.SharedVolumes {
		known := strings.HasPrefix(name, "/") || slices.ContainsFunc(s.Volumes, func(v ServiceVolume) bool { return v.Source == name })
		if !known {
			c.add(finding{path: append(slices.Clone(path), index(i)), problem: "the service has no volume " + quote(name),
				hint: "write the name of one of its volumes or, for one without a name, the path where it is mounted"})
		}
	}
}

// dependency checks what is written below x-muster of an entry of depends_on.
func (c *checker) dependency(d ServiceDependency, path []string) {
	c.extension("dependency", d.Extensions[extensionKey], path)
	value, _ := d.Extensions[extensionKey].(map[string]any)
	if value["timeout"] != nil && (d.Condition == "" || d.Condition == ConditionStarted) && d.Required {
		c.add(finding{path: append(path, "timeout"), key: true, problem: "bounds no wait, since service_started waits for nothing",
			hint: "take it out, or wait for service_healthy or service_completed_successfully"})
	}
}

func (c *checker) extension(part string, value any, path []string) {
	if value == nil {
		return
	}
	spec, err := musterSpec(part)
	if err != nil {
		c.add(finding{path: path, problem: err.Error()})
		return
	}
	value = spec.cast(value, nil)
	root := &yaml.Node{}
	if err := root.Encode(value); err != nil {
		c.add(finding{path: path, problem: "cannot be read: " + err.Error()})
		return
	}
	var invalid *jsonschema.ValidationError
	if err := spec.compiled.Validate(value); errors.As(err, &invalid) {
		for _, f := range spec.flaws(invalid) {
			for _, t := range spec.tell(f, root, nil) {
				c.add(finding{path: slices.Concat(path, t.path), key: t.key, problem: t.words, hint: t.hint})
			}
		}
		return
	}
	c.extensionForms(spec, value, nil, path)
	if m, ok := value.(map[string]any); ok && part == "service" && m["ready"] != nil {
		c.probe(m["ready"], append(slices.Clone(path), "ready"))
	}
}

// extensionForms checks what the text of values has to look like.
func (c *checker) extensionForms(spec *specification, value any, at, path []string) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range sortedKeys(v) {
			c.extensionForms(spec, v[key], append(slices.Clone(at), key), path)
		}
	case []any:
		for i, each := range v {
			c.extensionForms(spec, each, append(slices.Clone(at), index(i)), path)
		}
	case string:
		problem, hint := "", ""
		switch {
		case spec.has(at, "format", "duration"):
			problem, hint = duration(v)
		case spec.has(at, "format", "regexp"):
			if _, err := regexp.Compile(v); err != nil {
				problem, hint = quote(v)+" is not a regular expression: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "),
					`a character with a meaning of its own is written with \ before it`
			}
		}
		if problem != "" {
			c.add(finding{path: slices.Concat(path, at), problem: problem, hint: hint})
		}
	}
}

// probe refuses one that asks nothing, and one that asks several things and does not say
// how they go together.
func (c *checker) probe(value any, path []string) {
	m, _ := value.(map[string]any)
	var kinds []string
	for _, kind := range []string{"tcp", "http", "log", "exec", "all", "any"} {
		if _, ok := m[kind]; ok {
			kinds = append(kinds, kind)
		}
	}
	switch {
	case len(kinds) == 0:
		c.add(finding{path: path, key: true, problem: "says nothing to look for", hint: "write one of tcp, http, log, exec, all and any"})
	case len(kinds) > 1:
		c.add(finding{path: path, key: true, problem: sentence(kinds, "and") + " stand side by side",
			hint: "make a list of them below all (each has to succeed) or any (one has to)"})
	}
	for _, kind := range []string{"all", "any"} {
		list, _ := m[kind].([]any)
		for i, each := range list {
			c.probe(each, append(slices.Clone(path), kind, index(i)))
		}
	}
}

// warnReserved points to keys below x-muster that have a name but no meaning yet.
func (l *loading) warnReserved(m *model) Errors {
	var out Errors
	reserved := func(part string, value any, path []string) {
		keys, _ := value.(map[string]any)
		spec, err := musterSpec(part)
		if err != nil {
			return // told by the check
		}
		for _, key := range sortedKeys(keys) {
			if !slices.ContainsFunc(spec.at([]string{key}), func(n map[string]any) bool { return n["reserved"] == true }) {
				continue
			}
			at := append(slices.Clone(path), key)
			e := l.places.find(at...).atKey()
			e.Path, e.Problem, e.Hint = dotted(at), "is not supported yet: it has no effect", "take it out until it is"
			out = append(out, e)
		}
	}
	if value := m.project.Extensions[extensionKey]; value != nil {
		reserved("top", value, []string{extensionKey})
	}
	for _, name := range m.project.ServiceNames() {
		if value := m.project.Services[name].Extensions[extensionKey]; value != nil {
			reserved("service", value, []string{"services", name, extensionKey})
		}
	}
	return out
}
