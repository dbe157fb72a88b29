package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// printFailure says what went wrong and what to do about it: the first line is
// the outcome and the last one says what to do.
func (p *program) printFailure(err error) {
	text := p.failureText(err)
	if text == "" {
		return
	}
	if p.globals.progress == "json" || p.globals.progress == "" && p.getenv("COMPOSE_PROGRESS") == "json" {
		p.printJSONFailure(err)
		return
	}
	fmt.Fprintln(p.err, text)
}

// failureLine is an error as one object, with docker compose's keys first.
type failureLine struct {
	Error   bool   `json:"error"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Problems are the mistakes in the files, Failures the steps that failed.
	Problems []problemLine  `json:"problems,omitempty"`
	Failures []stepFailLine `json:"failures,omitempty"`
}

// problemLine is one mistake in the files.
type problemLine struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Path    string `json:"path,omitempty"`
	Problem string `json:"problem"`
	Hint    string `json:"hint,omitempty"`
}

// stepFailLine is one step that failed.
type stepFailLine struct {
	Step     string   `json:"step"`
	Service  string   `json:"service,omitempty"`
	Problem  string   `json:"problem"`
	Hint     string   `json:"hint,omitempty"`
	ExitCode int      `json:"exit_code,omitempty"`
	Probe    string   `json:"probe,omitempty"`
	Log      []string `json:"log,omitempty"`
	// Undone are the actions that took back what the step's group had done.
	Undone []string `json:"undone,omitempty"`
}

// printJSONFailure says it as one object.
func (p *program) printJSONFailure(err error) {
	line := failureLine{Error: true, Message: err.Error(), Hint: hintOf(err)}
	var mistakes project.Errors
	if errors.As(err, &mistakes) {
		for _, m := range mistakes {
			line.Problems = append(line.Problems, problemLine{m.File, m.Line, m.Column, m.Path, m.Problem, m.Hint})
		}
	}
	var failures runner.Errors
	errors.As(err, &failures)
	for _, f := range failures {
		l := stepFailLine{
			Step: string(f.Step.ID), Service: f.Step.Action.Resource().Service, Problem: f.Cause.Error(), Hint: f.Hint,
		}
		var sick *healthcheck.Failure
		if errors.As(f.Cause, &sick) {
			l.ExitCode, l.Probe, l.Log = sick.ExitCode, sick.Probe, sick.Log
		}
		for _, a := range f.Undone {
			l.Undone = append(l.Undone, refText(a.Resource())+" "+wordsOf(a).done)
		}
		line.Failures = append(line.Failures, l)
	}
	_ = encodeLine(p.err, line)
}

// failureText is the whole message.
func (p *program) failureText(err error) string {
	var mistakes project.Errors
	var run *runFailure
	var unplanned planner.Errors
	switch {
	case errors.As(err, &run):
		return run.text()
	case errors.As(err, &unplanned):
		return unplanned.Error() // with the hint of each
	case errors.As(err, &mistakes):
		return mistakes.Error() + "\n" + count(len(mistakes), "problem") + "; nothing was changed."
	}
	return withHint(err)
}

// withHint is an error with what to do about it in the next line.
func withHint(err error) string {
	if hint := hintOf(err); hint != "" {
		return err.Error() + "\n  " + hint
	}
	return err.Error()
}

// hintOf is what the error itself knows to do about it.
func hintOf(err error) string {
	var hinter runner.Hinter
	if errors.As(err, &hinter) {
		return hinter.Hint()
	}
	return ""
}

// warn prints a warning; it is never more than a line or two.
func (p *program) warn(text string) {
	if p.globals.progress == "json" {
		fmt.Fprintln(p.err, mustJSON(map[string]any{"warning": true, "message": text}))
		return
	}
	fmt.Fprintln(p.err, "warning: "+text)
}

// mustJSON encodes what cannot fail to encode.
func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%q", err.Error())
	}
	return string(text)
}
