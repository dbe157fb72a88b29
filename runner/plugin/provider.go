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
	"github.com/musterhq/muster/runner"
)

// message is one line that a provider prints.
type message struct {
	Type    string `json:"type"` // info, error, debug, setenv, rawsetenv
	Message string `json:"message"`
}

// metadata is what a provider says of itself, where it does.
type metadata struct {
	Up   *command `json:"up"`
	Down *command `json:"down"`
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
	err := e.provider(ctx, "up", a.Project, a.Service, a.Type, a.Options, func(m message) error {
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

func (e *Engine) stopProvider(ctx context.Context, a planner.StopProvider, report func(runner.Progress)) error {
	return e.provider(ctx, "down", a.Project, a.Service, a.Type, a.Options, func(m message) error {
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
func (e *Engine) provider(ctx context.Context, verb, project, service, kind string, options map[string][]string, take func(message) error) error {
	path := e.find(kind, true)
	if path == "" || kind == "compose" {
		return &Error{
			Problem: fmt.Sprintf("%s: there is no program for provider %q: neither a docker plugin docker-%s nor %s in PATH", service, kind, kind, kind),
			Advice:  "install it, or correct services." + service + ".provider.type",
		}
	}
	options, err := e.declared(ctx, path, verb, service, options)
	if err != nil {
		return err
	}
	args := []string{"compose", "--project-name=" + project, verb}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		for _, value := range options[name] {
			args = append(args, "--"+name+"="+value)
		}
	}
	err = e.run(ctx, path, append(args, service), func(line string) error {
		var m message
		if json.Unmarshal([]byte(line), &m) != nil || m.Type == "" {
			return fmt.Errorf("it prints what is no message: %.80q", line)
		}
		return take(m)
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: provider %s: %w", service, kind, context.Cause(ctx))
	}
	return &Error{
		Problem: fmt.Sprintf("%s: provider %s failed: %v", service, kind, err),
		Advice:  fmt.Sprintf("`%s compose --project-name=%s %s %s` shows all that it says", path, project, verb, service), Cause: err,
	}
}

// declared leaves the options that the command takes, and notices required ones that are missing. A provider
// that does not describe itself gets all of them.
func (e *Engine) declared(ctx context.Context, path, verb, service string, options map[string][]string) (map[string][]string, error) {
	var text strings.Builder
	err := e.run(ctx, path, []string{"compose", "metadata"}, func(line string) error {
		text.WriteString(line + "\n")
		return nil
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var about metadata
	if err != nil || json.Unmarshal([]byte(text.String()), &about) != nil {
		return options, nil
	}
	takes := about.Up
	if verb == "down" {
		takes = about.Down
	}
	if takes == nil {
		return options, nil
	}
	out := map[string][]string{}
	for _, p := range takes.Parameters {
		values, given := options[p.Name]
		if !given && p.Required {
			return nil, &Error{
				Problem: fmt.Sprintf("%s: its provider needs the option %s", service, p.Name),
				Advice:  "add it to services." + service + ".provider.options",
			}
		}
		if given {
			out[p.Name] = values
		}
	}
	return out, nil
}
