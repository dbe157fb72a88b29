package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// message is one line that a provider prints.
type message struct {
	Type    string `json:"type"` // info, error, debug, setenv, rawsetenv, get-service-config
	Message string `json:"message"`
}

// metadata is what a provider says of itself, where it does.
type metadata struct {
	Up   *command `json:"up"`
	Down *command `json:"down"`
	Stop *command `json:"stop"`
}

type command struct {
	Parameters []struct {
		Name     string `json:"name"`
		Required bool   `json:"required"`
	} `json:"parameters"`
}

// runProvider answers with the variables that containers get.
func (e *Engine) runProvider(ctx context.Context, a planner.RunProvider, report func(runner.Progress)) (map[string]string, error) {
	given := map[string]string{}
	set := func(prefix, text string) error {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return fmt.Errorf("it set a variable without a name: %q", name)
		}
		given[prefix+name] = value
		return nil
	}
	err := e.provider(ctx, call{verb: "up", project: a.Project, service: a.Service, kind: a.Type, options: a.Options, spec: a.Spec}, func(m message) error {
		switch m.Type {
		case "setenv":
			return set(planner.EnvName(a.Service)+"_", m.Message)
		case "rawsetenv":
			return set("", m.Message)
		}
		return tell(m, report)
	})
	return given, err
}

// call is one command of a provider.
type call struct {
	verb, project, service, kind string
	options                      map[string][]string
	spec                         project.Service
}

func (e *Engine) stopProvider(ctx context.Context, a planner.StopProvider, report func(runner.Progress)) error {
	c := call{verb: "down", project: a.Project, service: a.Service, kind: a.Type, options: a.Options, spec: a.Spec}
	if a.Keep {
		c.verb = "stop"
	}
	return e.provider(ctx, c, func(m message) error {
		if m.Type == "setenv" || m.Type == "rawsetenv" {
			return nil
		}
		return tell(m, report)
	})
}

// tell passes on what a provider says; what it calls an error is one.
func tell(m message, report func(runner.Progress)) error {
	switch m.Type {
	case "error":
		return errors.New(m.Message)
	case "info":
		report(runner.Progress{Text: m.Message})
	}
	return nil // debug, and what newer ones may say
}

// provider runs one command of a provider's program.
func (e *Engine) provider(ctx context.Context, c call, take func(message) error) error {
	path := e.find(c.kind, true)
	if path == "" || c.kind == "compose" {
		return &Error{
			Problem: fmt.Sprintf("%s: there is no program for provider %q: neither a docker plugin docker-%s nor %s in PATH", c.service, c.kind, c.kind, c.kind),
			Advice:  "install it, or correct services." + c.service + ".provider.type",
		}
	}
	options, knows, err := e.declared(ctx, path, c)
	if err != nil || !knows {
		return err
	}
	args := []string{"compose", "--project-name=" + c.project, c.verb}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		for _, value := range options[name] {
			args = append(args, "--"+name+"="+value)
		}
	}
	err = e.converse(ctx, path, append(args, c.service), func(line string, answer func([]byte) error) error {
		var m message
		if json.Unmarshal([]byte(line), &m) != nil || m.Type == "" {
			return fmt.Errorf("it prints what is no message: %.80q", line)
		}
		if m.Type == "get-service-config" {
			text, err := json.Marshal(c.spec)
			if err != nil {
				return err
			}
			return answer(append(text, '\n'))
		}
		return take(m)
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: provider %s: %w", c.service, c.kind, context.Cause(ctx))
	}
	return &Error{
		Problem: fmt.Sprintf("%s: provider %s failed: %v", c.service, c.kind, err),
		Advice:  fmt.Sprintf("`%s compose --project-name=%s %s %s` shows all that it says", path, c.project, c.verb, c.service), Cause: err,
	}
}

// declared leaves the options that the command takes, and notices required ones that are missing. A provider
// that does not describe itself gets all of them, and knows up and down only.
func (e *Engine) declared(ctx context.Context, path string, c call) (options map[string][]string, knows bool, err error) {
	var text strings.Builder
	err = e.run(ctx, path, []string{"compose", "metadata"}, func(line string) error {
		text.WriteString(line + "\n")
		return nil
	})
	if ctx.Err() != nil {
		return nil, false, context.Cause(ctx)
	}
	var about metadata
	if err != nil || json.Unmarshal([]byte(text.String()), &about) != nil {
		return c.options, c.verb != "stop", nil
	}
	takes := map[string]*command{"up": about.Up, "down": about.Down, "stop": about.Stop}[c.verb]
	if takes == nil {
		return c.options, c.verb != "stop", nil
	}
	out := map[string][]string{}
	for _, p := range takes.Parameters {
		values, given := c.options[p.Name]
		if !given && p.Required {
			return nil, false, &Error{
				Problem: fmt.Sprintf("%s: its provider needs the option %s", c.service, p.Name),
				Advice:  "add it to services." + c.service + ".provider.options",
			}
		}
		if given {
			out[p.Name] = values
		}
	}
	return out, true, nil
}
