package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// runFailure is a run that did not come to its end, with all that is known of it.
type runFailure struct {
	cause error // runner.Errors, or the cause of the cancellation
	board *board
	again string // the command that carries on
}

func (e *runFailure) Error() string { return e.cause.Error() }
func (e *runFailure) Unwrap() error { return e.cause }

// printFailure says what went wrong and what to do about it: the first line is
// the outcome and the last one says what to do.
func (p *program) printFailure(err error) {
	text := p.failureText(err)
	if text == "" {
		return
	}
	if p.globals.progress == "json" || p.globals.progress == "" && p.getenv("COMPOSE_PROGRESS") == "json" {
		p.printJSONFailure(err, text)
		return
	}
	fmt.Fprintln(p.err, text)
}

// printJSONFailure says it as one object, with docker compose's keys first.
func (p *program) printJSONFailure(err error, text string) {
	line := struct {
		Error   bool   `json:"error"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
		Text    string `json:"text,omitempty"`
	}{Error: true, Message: err.Error(), Hint: hintOf(err)}
	if text != line.Message {
		line.Text = text
	}
	encoder := json.NewEncoder(p.err)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(line)
}

// failureText is the whole message.
func (p *program) failureText(err error) string {
	var mistakes project.Errors
	var run *runFailure
	switch {
	case errors.As(err, &run):
		return run.text()
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

// text tells the story of the run: what failed and why, what was taken back, what
// was left out, and how to go on.
func (e *runFailure) text() string {
	var failures runner.Errors
	switch {
	case errors.As(e.cause, &failures):
	case errors.Is(e.cause, errInterrupted), errors.Is(e.cause, context.Canceled):
		return e.interruptedText()
	default:
		return withHint(e.cause)
	}
	var parts []string
	for _, f := range failures {
		if text := e.failure(f); !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "\n\n") + "\n\n" + e.rest(failures)
}

// interruptedText is for a run that was cancelled.
func (e *runFailure) interruptedText() string {
	done := 0
	for _, s := range e.board.steps {
		if s.state == runner.Done {
			done++
		}
	}
	return fmt.Sprintf("interrupted: %d of %s done, the rest was not begun.\n`%s` carries on from here.",
		done, count(len(e.board.steps), "step"), e.again)
}

// failure is one failed step: the headline, the hint, and what the container said.
func (e *runFailure) failure(f *runner.StepError) string {
	var b strings.Builder
	b.WriteString(e.headline(f))
	hint := f.Hint
	if hint == "" {
		hint = hintOf(f.Cause)
	}
	if hint != "" {
		b.WriteString("\n  " + hint)
	}
	var sick *healthcheck.Failure
	if errors.As(f.Cause, &sick) {
		b.WriteString(e.lastWords(f, sick))
	}
	if f.UndoErr != nil {
		fmt.Fprintf(&b, "\n  taking it back failed as well: %v", f.UndoErr)
	}
	return b.String()
}

// headline is the outcome in a line.
func (e *runFailure) headline(f *runner.StepError) string {
	who := e.who(f.Step)
	var sick *healthcheck.Failure
	if !errors.As(f.Cause, &sick) {
		return fmt.Sprintf("%s: %s", who, e.without(f.Cause.Error(), who))
	}
	if !isReplacement(f.Step) {
		return fmt.Sprintf("%s: %s %s.", who, sick.Name, sick.Reason)
	}
	return fmt.Sprintf("%s: the new version %s; %s.", who, sickText(sick), e.oldOne(f))
}

// without drops a service name that the message already begins with.
func (e *runFailure) without(message, who string) string {
	return strings.TrimPrefix(message, who+": ")
}

// sickText puts a reason behind "the new version".
func sickText(sick *healthcheck.Failure) string {
	if rest, ok := strings.CutPrefix(sick.Reason, "not "); ok {
		return "did not become " + rest
	}
	if sick.Reason == "unhealthy" {
		return "became unhealthy"
	}
	return sick.Reason
}

// oldOne says what the old container does now.
func (e *runFailure) oldOne(f *runner.StepError) string {
	if f.UndoErr != nil {
		return "the old one may be down"
	}
	for _, a := range f.Undone {
		if _, started := a.(planner.StartContainer); started {
			return "the old one runs again"
		}
	}
	return "the old one keeps serving"
}

// lastWords are the container's last check and its last lines.
func (e *runFailure) lastWords(f *runner.StepError, sick *healthcheck.Failure) string {
	var b strings.Builder
	about := e.board.finalRef(f.Step.Action).Name
	if isReplacement(f.Step) {
		about += " (new)"
	}
	var facts []string
	if sick.OOMKilled {
		facts = append(facts, "the engine killed it because it was out of memory")
	}
	if sick.Probe != "" {
		facts = append(facts, fmt.Sprintf("health check: %q", firstLine(sick.Probe)))
	}
	if len(facts) == 0 && len(sick.Log) == 0 {
		return ""
	}
	if len(facts) == 0 {
		facts = []string{"its last lines"}
	}
	fmt.Fprintf(&b, "\n\n  %s  %s", about, strings.Join(facts, "; "))
	for _, line := range sick.Log {
		b.WriteString("\n    │ " + strings.TrimRight(line, " \r\n"))
	}
	return b.String()
}

// who is the service, or the resource, that a step is about.
func (e *runFailure) who(s planner.Step) string {
	if pull, ok := s.Action.(planner.PullImage); ok && len(pull.Services) > 0 {
		return strings.Join(pull.Services, ", ")
	}
	ref := s.Action.Resource()
	if ref.Service != "" {
		return ref.Service
	}
	return string(ref.Kind) + " " + ref.Name
}

func isReplacement(s planner.Step) bool { return strings.HasPrefix(s.Group, "replace ") }

// rest says what else was and was not done, and how to go on.
func (e *runFailure) rest(failures runner.Errors) string {
	var lines []string
	var mend, back []string
	for _, f := range failures {
		if who := e.who(f.Step); !slices.Contains(mend, who) {
			mend = append(mend, who)
		}
		if len(f.Undone) > 0 && f.UndoErr == nil {
			back = append(back, e.board.finalRef(f.Step.Action).Name)
		}
	}
	var all []string
	if len(back) > 0 {
		all = append(all, fmt.Sprintf("The change of %s was taken back.", strings.Join(back, ", ")))
	}
	if left := e.leftOut(); left != "" {
		all = append(all, left)
	}
	if len(all) > 0 {
		lines = append(lines, strings.Join(all, " "))
	}
	lines = append(lines, fmt.Sprintf("Mend %s and run `%s` again.", strings.Join(mend, ", "), e.again))
	return strings.Join(lines, "\n")
}

// leftOut names the services that were not brought on because they need one that failed.
func (e *runFailure) leftOut() string {
	var failed, left []string
	for _, r := range e.board.rows {
		switch r.state() {
		case runner.Failed:
			failed = append(failed, r.name)
		case runner.Skipped:
			left = append(left, r.name)
		}
	}
	switch len(left) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%s was left as it was because it needs %s.", left[0], strings.Join(failed, " and "))
	}
	return fmt.Sprintf("%s were left as they were because they need %s.", strings.Join(left, ", "), strings.Join(failed, " and "))
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
