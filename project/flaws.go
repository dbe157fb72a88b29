package project

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"gopkg.in/yaml.v3"
)

// told is a flaw in words: where, what, and what of the file has to go so that
// the rest can be judged.
type told struct {
	path  []string
	key   bool // point to the key
	words string
	hint  string
	meant string // the key that an unknown one was likely meant to be
}

// tell puts a flaw into words. root is the node that the paths start from.
func (s *specification) tell(f flaw, root *yaml.Node, left kept) []told {
	t := told{path: modelPath(root, f.path, left)}
	switch k := f.kind.(type) {
	case *kind.Type:
		return s.tellType(t, k, root)
	case *kind.FalseSchema:
		return []told{s.tellUnknown(t)}
	case *kind.AdditionalProperties:
		var out []told
		names := slices.Clone(k.Properties)
		slices.Sort(names)
		for _, name := range names {
			out = append(out, s.tellUnknown(told{path: append(slices.Clone(t.path), name)}))
		}
		return out
	case *kind.Required:
		t.key = true
		t.words = sentence(quoted(k.Missing), "and") + " is missing"
		if slices.Contains(k.Missing, "condition") {
			t.hint = "write condition: service_started"
		}
		if slices.Contains(k.Missing, "triggers") {
			t.hint = "write triggers: {manual: true}"
		}
		if len(k.Missing) > 1 {
			t.words = sentence(quoted(k.Missing), "and") + " are missing"
		}
	case *kind.Enum:
		t.words, t.hint = tellEnum(fmt.Sprint(k.Got), k.Want)
	case *kind.Pattern:
		t.words, t.hint = tellPattern(t.path, k.Got)
	case *kind.Minimum:
		t.words = fmt.Sprintf("%s is below the least value, %s", k.Got.RatString(), k.Want.RatString())
	case *kind.Maximum:
		t.words = fmt.Sprintf("%s is above the largest value, %s", k.Got.RatString(), k.Want.RatString())
	case *kind.MinItems, *kind.MinLength:
		t.words = "is empty"
	case *kind.UniqueItems:
		list := followed(descend(nil, root, t.path).value)
		t.path = append(t.path, left.index(list, k.Duplicates[1]))
		t.words, t.hint = "is in the list twice", "take one out"
	case *kind.OneOf:
		t.words = "fits several forms at once"
	default:
		t.words = "is not valid here"
	}
	return []told{t}
}

func quoted(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = quote(w)
	}
	return out
}

// modelPath writes the numbers of list elements as [n].
func modelPath(root *yaml.Node, path []string, left kept) []string {
	out := make([]string, 0, len(path))
	n := root
	for _, part := range path {
		at := followed(n)
		if at != nil && at.Kind == yaml.SequenceNode {
			i, _ := strconv.Atoi(part)
			part = left.index(at, i)
		}
		out = append(out, part)
		if at != nil {
			n = descend(nil, at, []string{part}).value
		}
	}
	return out
}

func (s *specification) tellType(t told, k *kind.Type, root *yaml.Node) []told {
	node := followed(descend(nil, root, t.path).value)
	want := slices.Clone(k.Want)
	slices.SortFunc(want, func(a, b string) int { return typeRank(a) - typeRank(b) })
	if len(want) > 1 {
		want = slices.DeleteFunc(want, func(w string) bool { return w == "null" })
	}
	// A number is mostly welcome where text is; say the one that people write.
	if slices.Contains(want, "integer") && slices.Contains(want, "number") {
		want = slices.DeleteFunc(want, func(w string) bool { return w == "integer" })
	}
	words := make([]string, len(want))
	for i, w := range want {
		words[i] = typeWords(w)
	}
	got := typeWords(k.Got)
	if k.Got == "boolean" {
		got = "a truth value"
	}
	t.words = fmt.Sprintf("is %s, and has to be %s", got, sentence(words, "or"))
	value := ""
	if node != nil && node.Kind == yaml.ScalarNode {
		value = node.Value
	}
	last, above := "", ""
	if len(t.path) > 1 {
		last, above = t.path[len(t.path)-1], t.path[len(t.path)-2]
	}
	_, inList := indexOf(last)
	switch {
	case above == "services" && len(t.path) == 2 && slices.Contains(s.keys([]string{"services", "x"}), last):
		t.key, t.words, t.hint = true, "is a key of a service, not a service", "indent it below its service"
	case k.Got == "null":
		t.words, t.key = "is empty, and has to be "+sentence(words, "or"), true
		if slices.Contains(want, "object") {
			t.hint = "are its keys indented below it?"
		}
	case slices.Contains(want, "string") && value != "":
		t.words = fmt.Sprintf("%s is %s, and has to be %s", value, got, sentence(words, "or"))
		t.hint = "put it in quotes: " + strconv.Quote(value)
		if isDuration(t.path) {
			t.words, t.hint = value+" has no unit", "write "+value+"s"
		}
	case slices.Contains(want, "array") && k.Got == "string" && len(value) < 40:
		t.words = fmt.Sprintf("%s is text, and has to be %s", quote(value), sentence(words, "or"))
		t.hint = "write [" + value + "]"
		if strings.ContainsAny(value, ":#{}[],&*") {
			t.hint = "write [" + strconv.Quote(value) + "]"
		}
	case slices.Contains(want, "object") && k.Got == "array":
		t.hint = "write key: value, without the dash"
	case slices.Contains(want, "string") && k.Got == "object" && node != nil && len(node.Content) == 2:
		k, v := node.Content[0].Value, node.Content[1].Value
		t.hint = fmt.Sprintf("put it in quotes: \"%s: %s\"", k, v)
		switch {
		case !inList:
			t.hint = ""
		case above == "depends_on" || above == "networks":
			t.hint = "leave the dashes out: this form is a mapping"
		case isAssignments(t.path):
			t.hint = fmt.Sprintf("write %s=%s, or leave the dashes out", k, v)
		}
	case slices.Contains(want, "string") && k.Got == "object" && slices.Contains(want, "array"):
		t.hint = "write a list, each element with a dash"
	}
	return []told{t}
}

// isAssignments says whether a path is in a list of NAME=value.
func isAssignments(path []string) bool {
	for _, part := range path[max(0, len(path)-2):] {
		switch part {
		case "environment", "labels", "args", "annotations", "sysctls":
			return true
		}
	}
	return false
}

// movedKeys are keys of old formats and of docker run, and what they are called now.
func movedKeys() map[string]string {
	return map[string]string{
		"net": "network_mode", "dockerfile": "build.dockerfile", "context": "build.context", "args": "build.args",
		"log_driver": "logging.driver", "log_opt": "logging.options", "memory": "mem_limit", "mem": "mem_limit",
		"cpu": "cpus", "replicas": "deploy.replicas", "resources": "deploy.resources", "publish": "ports",
		"mounts": "volumes", "volume": "volumes", "env": "environment", "network": "networks", "depends": "depends_on",
		"workdir": "working_dir", "rm": "", "cmd": "command", "healthy": "healthcheck", "health": "healthcheck",
		"dns_opts": "dns_opt", "ulimit": "ulimits", "restart_policy": "restart", "add_host": "extra_hosts", "host": "hostname",
		"cap-add": "cap_add", "name": "container_name", "watch": "develop.watch", "test": "healthcheck.test",
	}
}

// tellUnknown is about a key that the specification does not have there.
func (s *specification) tellUnknown(t told) told {
	t.key = true
	name, above := t.path[len(t.path)-1], t.path[:len(t.path)-1]
	known := s.keys(above)
	t.meant = Nearest(name, known)
	if len(known) == 0 {
		t.words = quote(name) + " is not a name"
		t.hint = "use letters, digits, ., _ and -"
		return t
	}
	t.words = "unknown key"
	moved, isMoved := movedKeys()[name]
	service := len(above) == 2 && above[0] == "services"
	switch {
	case service && isMoved && moved != "":
		t.hint = "write " + moved
	case service && slices.Contains(s.keys(nil), name):
		t.hint = "it belongs to the top of the file, not to a service"
	case len(above) == 0 && slices.Contains(s.keys([]string{"services", "x"}), name):
		t.hint = "it belongs to a service: indent it below one"
	case len(above) > 2 && above[0] == "services" && slices.Contains(s.keys(above[:2]), name):
		t.hint = fmt.Sprintf("it belongs to the service: indent it as %s is", above[2])
	case t.meant != "":
		t.hint = fmt.Sprintf("did you mean %q?", t.meant)
	case s.deeper(above, name) != "":
		t.hint = "write " + s.deeper(above, name)
	case len(known) <= 8:
		t.hint = "known here: " + strings.Join(known, ", ")
	case len(above) == 0:
		t.hint = "for a key of your own begin it with x-"
	}
	return t
}

// deeper finds a key below others: subnet is ipam.config[].subnet.
func (s *specification) deeper(above []string, name string) string {
	for _, key := range s.keys(above) {
		first := append(slices.Clone(above), key)
		if slices.Contains(s.keys(first), name) {
			return key + "." + name
		}
		for _, second := range s.keys(first) {
			below := append(slices.Clone(first), second)
			if slices.Contains(s.keys(below), name) {
				return key + "." + second + "." + name
			}
			if slices.Contains(s.keys(append(below, "[0]")), name) {
				return key + "." + second + ": [{" + name + ": …}]"
			}
		}
	}
	return ""
}

func tellEnum(got string, want []any) (string, string) {
	words := make([]string, len(want))
	for i, w := range want {
		words[i] = fmt.Sprint(w)
	}
	if near := Nearest(got, words); near != "" {
		return quote(got) + " is not known here", fmt.Sprintf("did you mean %q?", near)
	}
	return quote(got) + " is not known here", "write " + sentence(words, "or")
}

func tellPattern(path []string, got string) (string, string) {
	last := path[len(path)-1]
	if len(path) > 1 && path[len(path)-2] == "artifacts" {
		last = "path"
	}
	switch last {
	case "pull_policy":
		known := []string{"always", "never", "missing", "build", "refresh", "daily", "weekly", "every_12h"}
		if near := Nearest(got, known); near != "" {
			return quote(got) + " is not a pull policy", fmt.Sprintf("did you mean %q?", near)
		}
		return quote(got) + " is not a pull policy", "write " + sentence(known, "or")
	case "path":
		return quote(got) + " does not begin with /", "write /" + got
	case "container_name":
		return quote(got) + " is not a container name", "use letters, digits, _, . and -, beginning with a letter or digit, two at least"
	}
	return quote(got) + " does not have the form that is wanted here", ""
}
