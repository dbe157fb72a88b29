package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// configureModel makes a model ready with docker's plugin "model", and answers with the address that containers
// reach models at.
func (e *Engine) configureModel(ctx context.Context, a planner.ConfigureModel, report func(runner.Progress)) (string, error) {
	path := e.find("model", false)
	if path == "" {
		return "", &Error{
			Problem: fmt.Sprintf("models.%s: docker's model runner is not installed: there is no plugin docker-model", a.Key),
			Advice:  "install it (https://docs.docker.com/ai/model-runner/), or take the model out",
		}
	}
	there, err := e.models(ctx, path)
	if err == nil && !slices.Contains(there, a.Model) {
		report(runner.Progress{Text: "pulling " + a.Model})
		err = e.run(ctx, path, []string{"pull", a.Model}, func(line string) error {
			report(runner.Progress{Line: line})
			return nil
		})
	}
	if err == nil {
		args := []string{"configure"}
		if a.ContextSize > 0 {
			args = append(args, "--context-size", strconv.Itoa(a.ContextSize))
		}
		args = append(args, a.Model)
		if len(a.RuntimeFlags) > 0 {
			args = append(append(args, "--"), a.RuntimeFlags...)
		}
		err = e.run(ctx, path, args, func(string) error { return nil })
	}
	var status struct {
		Endpoint string `json:"endpoint"`
	}
	if err == nil {
		err = e.ask(ctx, path, &status, "status", "--json")
	}
	if err == nil && status.Endpoint == "" {
		err = fmt.Errorf("it does not say where models are reached")
	}
	switch {
	case err == nil:
		return status.Endpoint, nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("models.%s: %w", a.Key, context.Cause(ctx))
	}
	return "", &Error{
		Problem: fmt.Sprintf("models.%s: docker's model runner failed with %s: %v", a.Key, a.Model, err),
		Advice:  "`docker model status` shows how it is", Cause: err,
	}
}

// models are the references of the models that are there.
func (e *Engine) models(ctx context.Context, path string) ([]string, error) {
	var listed []struct {
		Tags []string `json:"tags"`
	}
	if err := e.ask(ctx, path, &listed, "ls", "--json"); err != nil {
		return nil, err
	}
	var out []string
	for _, m := range listed {
		out = append(out, m.Tags...)
	}
	return out, nil
}

// ask runs a command that answers in JSON.
func (e *Engine) ask(ctx context.Context, path string, into any, args ...string) error {
	var text strings.Builder
	err := e.run(ctx, path, args, func(line string) error {
		text.WriteString(line + "\n")
		return nil
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(text.String()), into); err != nil {
		return fmt.Errorf("what %s says is no JSON: %w", strings.Join(args, " "), err)
	}
	return nil
}
