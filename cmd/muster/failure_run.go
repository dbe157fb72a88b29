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
	return strings.Join(e.failures(failures), "\n\n") + "\n\n" + e.rest(failures)
}

// failures are the stories of the steps that failed. Those that tell the same of several services are told once.
func (e *runFailure) failures(failures runner.Errors) []string {
	var told []string
	whose := map[string][]string{}
	for _, f := range failures {
		who, text := e.who(f.Step), e.failure(f)
		same, ok := strings.CutPrefix(text, who+": ")
		if !ok {
			who, same = "", text
		}
		if whose[same] == nil {
			told = append(told, same)
		}
		if !slices.Contains(whose[same], who) {
			whose[same] = append(whose[same], who)
		}
	}
	for i, text := range told {
		if names := and(whose[text]); names != "" {
			told[i] = names + ": " + text
		}
	}
	return told
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
	if sick.Unread != nil {
		facts = append(facts, "its last lines could not be read: "+sick.Unread.Error())
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

func isReplacement(s planner.Step) bool { return strings.HasPrefix(s.Group, planner.ReplaceGroup) }

// rest says what else was and was not done, and how to go on.
func (e *runFailure) rest(failures runner.Errors) string {
	var mend, back, said []string
	for _, f := range failures {
		if who := e.who(f.Step); !slices.Contains(mend, who) {
			mend = append(mend, who)
		}
		if end := f.Rollout; end != nil && len(end.Groups) > 1 && end.Failed > 0 {
			if text := rolloutText(end); !slices.Contains(said, text) {
				said = append(said, text)
			}
			continue
		}
		if len(f.Undone) > 0 && f.UndoErr == nil {
			back = append(back, e.takenBack(f)...)
		}
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

// takenBack are the containers of which the change was taken back when a step failed.
func (e *runFailure) takenBack(f *runner.StepError) []string {
	if rest, ok := strings.CutPrefix(f.Step.Group, planner.ReplaceGroup); ok {
		return strings.Split(rest, ", ")
	}
	return []string{e.board.finalRef(f.Step.Action).Name}
}

// rolloutText is what became of the replicas of a service, with the way back where that failed too.
func rolloutText(end *runner.RolloutEnd) string {
	was := func(n int) string {
		if n == 1 {
			return "1 was"
		}
		return fmt.Sprintf("%d were", n)
	}
	text := fmt.Sprintf("%s: of %d replicas %s tried and taken back", end.Service, len(end.Groups), was(end.Failed))
	if end.PutBack > 0 {
		text += fmt.Sprintf(", %s replaced and put back", was(end.PutBack))
	}
	if end.Replaced > 0 {
		text += fmt.Sprintf(", %s replaced", was(end.Replaced))
	}
	if end.Left > 0 {
		text += fmt.Sprintf(", %s not begun", was(end.Left))
	}
	text += "."
	if end.BackErr != nil {
		text += fmt.Sprintf(" Putting back failed as well: %v.", end.BackErr)
	}
	return text
}

// leftOut names the services that were not brought on, by what they need and have not got.
func (e *runFailure) leftOut() []string {
	left := map[string][]string{} // by what they need
	started := true
	for _, r := range e.board.rows {
		if r.state() != runner.Skipped || r.tidies() {
			continue
		}
		var needs []string
		together := false // it was tried with what failed, and taken back with it
		for _, s := range r.steps {
			var cause *runner.StepError
			if errors.As(s.err, &cause) && s.step.Group != "" && s.step.Group == cause.Step.Group {
				together = true
			}
			if errors.As(s.err, &cause) && s.state == runner.Skipped && !slices.Contains(needs, e.who(cause.Step)) {
				needs = append(needs, e.who(cause.Step))
			}
			started = started && !isReplacement(s.step)
		}
		if together {
			continue
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

// tidies says whether a row is only about configs and secrets that nothing uses any more: nobody waits for their end.
func (r *row) tidies() bool {
	return !slices.ContainsFunc(r.steps, func(s *stepView) bool {
		_, tidies := s.step.Action.(planner.RemoveObject)
		return !tidies
	})
}

// and joins names: "a, b and c".
func and(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
