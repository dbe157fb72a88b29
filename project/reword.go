package project

import (
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// reworded gives an error of compose-go a place and plainer words, as far as its text
// allows. Most mistakes are found by our own checks and never come here.
func (l *loading) reworded(err error) *Error {
	var crash *panicked
	if asError(err, &crash) {
		e := &Error{Problem: "the file could not be read: " + crash.Error(), Hint: "please report this, with the file"}
		if len(l.places.given) > 0 {
			e.File = l.places.given[0].name
		}
		return e
	}
	text := strings.TrimSpace(err.Error())
	text = strings.TrimSuffix(text, ": invalid compose project")
	if rest, ok := strings.CutPrefix(text, "validating "); ok {
		if _, after, ok := strings.Cut(rest, ": "); ok {
			text = after
		}
	}
	text = strings.TrimPrefix(text, "error while interpolating ")
	for _, r := range rewordings() {
		if m := r.pattern.FindStringSubmatch(text); m != nil {
			path, problem, hint := r.words(m)
			return l.placed(path, problem, hint)
		}
	}
	e := &Error{Problem: text}
	if len(l.places.given) > 0 {
		e.File = l.places.given[0].name
	}
	return e
}

func (l *loading) placed(path, problem, hint string) *Error {
	s := l.places.find(pathParts(path)...)
	e := s.at()
	if strings.HasSuffix(problem, "missing") || s.depth < len(pathParts(path)) {
		e = s.atKey()
	}
	e.Path, e.Problem, e.Hint = path, problem, hint
	return e
}

// rewording is a form of compose-go's errors and what we make of it.
type rewording struct {
	pattern *regexp.Regexp
	words   func(m []string) (path, problem, hint string)
}

func rewordings() []rewording {
	re := regexp.MustCompile
	return []rewording{
		{re(`^(configs|secrets)\.(\S+): one of (\S+) must be set$`), func(m []string) (string, string, string) {
			return m[1] + "." + m[2], "says nowhere what is in it", "give one of " + strings.ReplaceAll(m[3], "|", ", ")
		}},
		{re(`^(configs|secrets)\.(\S+): (\S+) attributes are mutually exclusive$`), func(m []string) (string, string, string) {
			return m[1] + "." + m[2], "has several sources", "leave one of " + strings.ReplaceAll(m[3], "|", ", ") + " only"
		}},
		{re(`^(volumes\.\S+): conflicting parameters "external" and "(\S+)" specified$`), func(m []string) (string, string, string) {
			return m[1] + "." + m[2], "has no effect on an external volume", "take it out, or take external out"
		}},
		{re(`(?s)^decoding failed due to the following error\(s\):\s+'([a-z]+)\[([^]]+)\]\.(\S+)' (.+)$`), func(m []string) (string, string, string) {
			return m[1] + "." + m[2] + "." + m[3], strings.TrimSpace(m[4]), ""
		}},
		{re(`^(\S+): invalid ip address: (.*)$`), func(m []string) (string, string, string) {
			return strings.ReplaceAll(m[1], ".[]", "") + ".host_ip", quote(m[2]) + " is not an IP address", "write 127.0.0.1"
		}},
		{re(`^(\S+): "count" and "device_ids" attributes are exclusive$`), func(m []string) (string, string, string) {
			return strings.ReplaceAll(m[1], ".[]", ""), "count and device_ids are both given", "leave one of the two out"
		}},
		{re(`^invalid mount config for type "bind": field Source must not be empty$`), func([]string) (string, string, string) {
			return "services", "a bind mount has no source", "write source: PATH"
		}},
		{re(`^cannot override (\S+)$`), func(m []string) (string, string, string) {
			return m[1], "has another form than in the file before", "write both as a list, or both as a mapping"
		}},
		{re(`^((?:services|networks|volumes|configs|secrets|jobs|include|models)(?:\.[^\s:]+)?):? (?:additional properties '(.+)' not allowed|.*)$`), func(m []string) (string, string, string) {
			problem := strings.TrimSpace(strings.TrimLeft(strings.TrimPrefix(m[0], m[1]), ": "))
			if required := re(`^missing propert(?:y|ies) (.*)$`).FindStringSubmatch(problem); required != nil {
				problem = strings.ReplaceAll(required[1], "'", `"`) + " is missing"
			}
			return m[1], problem, ""
		}},
		{re(`^empty compose file$`), func([]string) (string, string, string) {
			return "", "the file is empty", "it has to have services"
		}},
		{re(`^top-level object must be a mapping$`), func([]string) (string, string, string) {
			return "", "the file has to be a mapping (key: value)", "begin with services:"
		}},
	}
}

// pathParts takes a path apart; compose-go writes dots in names as a ghost.
func pathParts(path string) []string {
	if path == "" {
		return nil
	}
	var out []string
	for _, part := range strings.Split(path, ".") {
		part = strings.ReplaceAll(part, "👻", ".")
		for {
			i := strings.LastIndexByte(part, '[')
			if i <= 0 {
				break
			}
			out = append(out, part[:i])
			part = part[i:]
		}
		if part != "" && part != "[]" {
			out = append(out, part)
		}
	}
	return out
}

// extends looks for services that extend what is not there, or themselves.
func (d *diagnosis) extends(docs []*document) {
	for _, doc := range docs {
		roots, err := doc.parse()
		if err != nil {
			continue
		}
		for _, root := range roots {
			_, services := child(root, "services")
			services = followed(services)
			if services == nil || services.Kind != yaml.MappingNode {
				continue
			}
			for i := 0; i+1 < len(services.Content); i += 2 {
				d.extending(doc, services.Content[i].Value)
			}
		}
	}
}

// base is a service that another one extends, and where.
type base struct {
	doc  *document
	name string
}

// extending follows one service's extends to its end.
func (d *diagnosis) extending(doc *document, service string) {
	var trail []base
	at := base{doc, service}
	for len(trail) < 100 {
		s := d.l.places.findIn(at.doc, []string{"services", at.name})
		name, file := extendsOf(s.value)
		if s.depth < 2 || name == "" {
			if k, v := child(s.value, "extends"); v != nil && s.depth == 2 && len(trail) == 0 && followed(v).Kind == yaml.ScalarNode && followed(v).Tag == "!!str" {
				d.report(doc, k, v, []string{"services", service, "extends"}, "names no service", "write the name of the service to extend")
			}
			return
		}
		if slices.Contains(trail, at) {
			d.extendsCycle(trail, at)
			return
		}
		trail = append(trail, at)
		from := at.doc
		if file != "" {
			if from = d.l.places.opened(d.l.places.fileOf(at.doc, file)); from == nil {
				return // told as a missing file
			}
		}
		known := serviceNames(from)
		if !slices.Contains(known, name) {
			if len(trail) == 1 {
				d.noBase(doc, service, s, name, from, known)
			}
			return
		}
		at = base{from, name}
	}
}

// extendsCycle tells a ring once, at its first name.
func (d *diagnosis) extendsCycle(trail []base, at base) {
	if at != trail[0] {
		return // the ring's own members tell it
	}
	names := make([]string, 0, len(trail)+1)
	for _, b := range trail {
		if b.name < at.name {
			return
		}
		names = append(names, b.name)
	}
	s := d.l.places.findIn(at.doc, []string{"services", at.name})
	k, v := child(s.value, "extends")
	problem := "the services extend each other: " + strings.Join(append(names, at.name), " → ")
	if len(trail) == 1 {
		problem = "the service extends itself"
	}
	d.report(at.doc, k, v, []string{"services", at.name, "extends"}, problem, "take one extends out")
}

func (d *diagnosis) noBase(doc *document, service string, s spot, name string, from *document, known []string) {
	k, v := child(s.value, "extends")
	at := followed(v)
	if _, n := child(v, "service"); n != nil {
		at = n
	}
	if at == nil {
		at = k
	}
	problem := "no service " + quote(name)
	if from != doc {
		problem += " in " + from.name
	}
	d.report(doc, at, v, []string{"services", service, "extends"}, problem, didYouMean(name, known))
}

func serviceNames(d *document) []string {
	var names []string
	roots, _ := d.parse()
	for _, root := range roots {
		_, services := child(root, "services")
		services = followed(services)
		if services == nil || services.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(services.Content); i += 2 {
			names = append(names, services.Content[i].Value)
		}
	}
	return names
}
