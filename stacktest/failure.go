package stacktest

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// told is an error as muster tells it: what and why, what to do about it, and of a container the last that it said.
func told(err error) string {
	var mistakes project.Errors
	var unplanned planner.Errors
	var failures runner.Errors
	switch {
	case errors.As(err, &failures):
		var texts []string
		for _, f := range failures {
			texts = append(texts, toldStep(f))
		}
		return strings.Join(texts, "\n\n")
	case errors.As(err, &mistakes), errors.As(err, &unplanned):
		return err.Error() // with the hint of each
	}
	return hinted(err.Error(), err)
}

// toldStep is why one step failed.
func toldStep(f *runner.StepError) string {
	who := f.Step.Action.Resource().Service
	if pull, ok := f.Step.Action.(planner.PullImage); ok {
		who = strings.Join(pull.Services, ", ")
	}
	if who == "" {
		ref := f.Step.Action.Resource()
		who = string(ref.Kind) + " " + ref.Name
	}
	var sick *healthcheck.Failure
	if !errors.As(f.Cause, &sick) {
		text := f.Cause.Error()
		if !strings.HasPrefix(text, who+":") && !strings.HasPrefix(text, who+" ") {
			text = who + ": " + text
		}
		if f.Hint != "" {
			return text + "\n  " + f.Hint
		}
		return hinted(text, f.Cause)
	}
	text := hinted(fmt.Sprintf("%s: %s %s.", who, sick.Name, sick.Reason), sick)
	if sick.Probe != "" {
		text += fmt.Sprintf("\n  %s: %q", cmp.Or(sick.Asked, "health check"), strings.TrimSpace(sick.Probe))
	}
	for _, line := range sick.Log {
		text += "\n    │ " + strings.TrimRight(line, " \r\n")
	}
	return text
}

// hinted is a text with what an error knows to do about it in the next line.
func hinted(text string, err error) string {
	var hinter runner.Hinter
	if errors.As(err, &hinter) {
		if hint := hinter.Hint(); hint != "" {
			return text + "\n  " + hint
		}
	}
	return text
}
