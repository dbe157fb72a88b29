package project

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/xhit/go-str2duration/v2"
)

// extensionKey is the one key for what Compose has none for.
const extensionKey = "x-muster"

// Muster is what a service says below x-muster. None of it concerns the container: it is in no
// hash and in no spec, and a change of it replaces nothing.
type Muster struct {
	// Ready says when the service is ready; nil leaves it to the healthcheck.
	Ready *Ready
	// SharedVolumes are those that two of its containers may write at the same time: names in the file or, of
	// one without a name, where it is mounted.
	SharedVolumes []string
	// Build is when up builds the image: "on-change", "missing", or empty where it does not say.
	Build string
	// Test is how it is run as a test; nil where it is none.
	Test *Test
}

// Ready is a probe with the time that it has.
type Ready struct {
	Probe
	// Timeout bounds the wait; 0 is no bound of its own.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// Probe is one way to find out that a service is ready. Exactly one of its fields is set.
type Probe struct {
	TCP  int        `json:"tcp,omitempty"`  // a port of the container that has to accept a connection
	HTTP *HTTPProbe `json:"http,omitempty"` // a request that has to be answered
	Log  string     `json:"log,omitempty"`  // a regular expression that a line of the log has to match
	Exec []string   `json:"exec,omitempty"` // a command in the container that has to exit with 0, as CMD … or CMD-SHELL …
	All  []Probe    `json:"all,omitempty"`  // all of them have to succeed
	Any  []Probe    `json:"any,omitempty"`  // one of them has to succeed
}

// HTTPProbe is a GET request to a port of the container.
type HTTPProbe struct {
	Port    int               `json:"port"`
	Path    string            `json:"path"`             // begins with /
	Status  []int             `json:"status,omitempty"` // that count as ready; empty is any from 200 to 399
	Headers map[string]string `json:"headers,omitempty"`
}

// Extension reads what a service says below x-muster. A service of a loaded project has
// been checked, and gives no error.
func Extension(s Service) (Muster, error) {
	value, ok := s.Extensions[extensionKey]
	if !ok || value == nil {
		return Muster{}, nil
	}
	spec, err := musterSpec("service")
	if err != nil {
		return Muster{}, err
	}
	data, err := json.Marshal(spec.cast(value, nil))
	if err != nil {
		return Muster{}, fmt.Errorf("read x-muster of service %q: %w", s.Name, err)
	}
	var raw struct {
		Ready         *rawReady `json:"ready"`
		SharedVolumes []string  `json:"shared_volumes"`
		Build         string    `json:"build"`
		Test          *rawTest  `json:"test"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return Muster{}, fmt.Errorf("read x-muster of service %q: %w", s.Name, err)
	}
	out := Muster{SharedVolumes: raw.SharedVolumes, Build: raw.Build}
	if out.Test, err = raw.Test.test(); err != nil {
		return Muster{}, fmt.Errorf("read x-muster of service %q: %w", s.Name, err)
	}
	if raw.Ready == nil {
		return out, nil
	}
	ready := &Ready{Probe: raw.Ready.probe()}
	if raw.Ready.Timeout != "" {
		if ready.Timeout, err = str2duration.ParseDuration(raw.Ready.Timeout); err != nil {
			return Muster{}, fmt.Errorf("read x-muster of service %q: %w", s.Name, err)
		}
	}
	out.Ready = ready
	return out, nil
}

// Scenarios are the scenarios of faults at the top of the file, by their names.
func (p *Project) Scenarios() map[string][]string {
	out := map[string][]string{}
	if p.Model == nil {
		return out
	}
	top, _ := p.Model.Extensions[extensionKey].(map[string]any)
	named, _ := top["faults"].(map[string]any)
	for name, lines := range named {
		list, _ := lines.([]any)
		for _, line := range list {
			if text, ok := line.(string); ok {
				out[name] = append(out[name], text)
			}
		}
	}
	return out
}

// BuildsOnChange says whether the image of a service is built where a file of its build has changed, by its x-muster or, where
// that does not say, by the one at the top.
func (p *Project) BuildsOnChange(s Service) bool {
	when, _ := Extension(s) // it has been checked
	if when.Build == "" && p.Model != nil {
		top, _ := p.Model.Extensions[extensionKey].(map[string]any)
		when.Build, _ = top["build"].(string)
	}
	return s.Build != nil && when.Build == "on-change"
}

// DependencyTimeout is how long the dependent waits for this dependency, by the x-muster of
// its entry in depends_on; 0 is no bound of its own. That of a loaded project has been checked, and gives no error.
func DependencyTimeout(d ServiceDependency) (time.Duration, error) {
	value, _ := d.Extensions[extensionKey].(map[string]any)
	text, _ := value["timeout"].(string)
	if text == "" {
		return 0, nil
	}
	timeout, err := str2duration.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("read x-muster of a dependency: %w", err)
	}
	return timeout, nil
}

// rawReady is the JSON of a probe.
type rawReady struct {
	TCP  int `json:"tcp"`
	HTTP *struct {
		Port    int            `json:"port"`
		Path    string         `json:"path"`
		Status  oneOrMore[int] `json:"status"`
		Headers map[string]any `json:"headers"`
	} `json:"http"`
	Log     string          `json:"log"`
	Exec    json.RawMessage `json:"exec"`
	All     []rawReady      `json:"all"`
	Any     []rawReady      `json:"any"`
	Timeout string          `json:"timeout"`
}

// oneOrMore reads a value or a list of them.
type oneOrMore[T any] []T

// UnmarshalJSON takes either form.
func (o *oneOrMore[T]) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]T)(o))
	}
	var one T
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*o = []T{one}
	return nil
}

func (r rawReady) probe() Probe {
	p := Probe{TCP: r.TCP, Log: r.Log, Exec: command(r.Exec)}
	if r.HTTP != nil {
		p.HTTP = &HTTPProbe{Port: r.HTTP.Port, Path: r.HTTP.Path, Status: r.HTTP.Status}
		if p.HTTP.Path == "" {
			p.HTTP.Path = "/"
		}
		for key, value := range r.HTTP.Headers {
			if p.HTTP.Headers == nil {
				p.HTTP.Headers = map[string]string{}
			}
			p.HTTP.Headers[key] = fmt.Sprint(value)
		}
	}
	for _, each := range r.All {
		p.All = append(p.All, each.probe())
	}
	for _, each := range r.Any {
		p.Any = append(p.Any, each.probe())
	}
	return p
}

// command gives both forms of exec as a healthcheck has them.
func command(data json.RawMessage) []string {
	var words []string
	if json.Unmarshal(data, &words) == nil && len(words) > 0 {
		return append([]string{"CMD"}, words...)
	}
	var line string
	if json.Unmarshal(data, &line) == nil && line != "" {
		return []string{"CMD-SHELL", line}
	}
	return nil
}

//go:embed xmuster.schema.json
var extensionSchema string

// musterSpec is the part of our schema for the "top", for a "service" or for a "dependency" of one.
func musterSpec(part string) (*specification, error) {
	specs, err := extensionSpecs()
	return specs[part], err
}

// extensionSpecs compiles our schema, once and only for files that have the key.
var extensionSpecs = sync.OnceValues(func() (map[string]*specification, error) {
	const name = "xmuster.schema.json"
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(extensionSchema))
	if err != nil {
		return nil, fmt.Errorf("read the schema of x-muster: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("read the schema of x-muster: %w", err)
	}
	specs := map[string]*specification{}
	for _, part := range []string{"top", "service", "dependency"} {
		s := &specification{root: map[string]any{}}
		if err := json.Unmarshal([]byte(extensionSchema), &s.root); err != nil {
			return nil, fmt.Errorf("read the schema of x-muster: %w", err)
		}
		s.root["$ref"] = "#/$defs/" + part
		if s.compiled, err = c.Compile(name + "#/$defs/" + part); err != nil {
			return nil, fmt.Errorf("compile the schema of x-muster: %w", err)
		}
		specs[part] = s
	}
	return specs, nil
})

// cast makes numbers of text where the schema has numbers: a value that came from a
// variable is text.
func (s *specification) cast(value any, path []string) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, each := range v {
			out[key] = s.cast(each, append(slices.Clone(path), key))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, each := range v {
			out[i] = s.cast(each, append(slices.Clone(path), index(i)))
		}
		return out
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && s.has(path, "type", "integer") && !s.has(path, "type", "string") {
			return n
		}
	}
	return value
}

// has says whether the schema has a word with a value at a path.
func (s *specification) has(path []string, word, value string) bool {
	return slices.ContainsFunc(s.at(path), func(n map[string]any) bool { return n[word] == value })
}
