package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
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
		text := f.Cause.Error()
		if strings.HasPrefix(text, who+":") || strings.HasPrefix(text, who+" ") {
			return text
		}
		return who + ": " + text
	}
	if !isReplacement(f.Step) {
		return fmt.Sprintf("%s: %s %s.", who, sick.Name, sick.Reason)
	}
	return fmt.Sprintf("%s: the new version %s; %s.", who, sickText(sick), e.oldOne(f))
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
		facts = append(facts, fmt.Sprintf("%s: %q", cmp.Or(sick.Asked, "health check"), firstLine(sick.Probe)))
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
	var mend, back, said []string
	for _, f := range failures {
		if who := e.who(f.Step); !slices.Contains(mend, who) {
			mend = append(mend, who)
		}
		if len(f.Undone) == 0 || f.UndoErr != nil {
			continue
		}
		if view := e.board.steps[f.Step.ID]; view != nil {
			if done, all := view.row.replacements(); all > 1 {
				said = append(said, fmt.Sprintf("%s: 1 of %d replicas was tried and taken back, %d replaced before.", view.row.name, all, done))
				continue
			}
		}
		back = append(back, e.board.finalRef(f.Step.Action).Name)
	}
	if len(back) > 0 {
		said = append(said, fmt.Sprintf("The change of %s was taken back.", and(back)))
	}
	said = append(said, e.leftOut()...)
	last := fmt.Sprintf("Mend %s and run `%s` again.", and(mend), e.again)
	if len(said) == 0 {
		return last
	}
	return strings.Join(said, " ") + "\n" + last
}

// leftOut names the services that were not brought on, by what they need and have not got.
func (e *runFailure) leftOut() []string {
	left := map[string][]string{} // by what they need
	started := true
	for _, r := range e.board.rows {
		if r.state() != runner.Skipped {
			continue
		}
		var needs []string
		for _, s := range r.steps {
			var cause *runner.StepError
			if errors.As(s.err, &cause) && s.state == runner.Skipped && !slices.Contains(needs, e.who(cause.Step)) {
				needs = append(needs, e.who(cause.Step))
			}
			started = started && !isReplacement(s.step)
		}
		left[and(needs)] = append(left[and(needs)], r.name)
	}
	var said []string
	for _, needs := range slices.Sorted(maps.Keys(left)) {
		was, it, need := "was", "it", "needs"
		if len(left[needs]) > 1 {
			was, it, need = "were", "they", "need"
		}
		what := "not started"
		if !started {
			what = "left as " + it + " " + was
		}
		said = append(said, fmt.Sprintf("%s %s %s because %s %s %s.", and(left[needs]), was, what, it, need, needs))
	}
	return said
}

// and joins names: "a, b and c".
func and(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
