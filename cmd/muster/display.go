package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/distribution/reference"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// display shows how a run goes on. Its methods are called one at a time.
type display interface {
	// begin is called once, before the first event.
	begin(b *board)
	// event is called after the board has taken note of it.
	event(b *board, e runner.Event)
	// note says what a container printed last, while it is waited for.
	note(b *board, container, line string)
	// end leaves the screen as it is to stay.
	end(b *board)
}

// look is how a run is to be shown.
type look struct {
	mode   string // tty, plain, json or quiet
	status io.Writer
	paint  paint // for status
	logs   paint // for stdout
	// quietPull and quietBuild leave out how far pulls and builds are.
	quietPull, quietBuild bool
}

// hushes says that an event is one of those that are left out.
func (l look) hushes(e runner.Event) bool {
	if e.State != runner.Working {
		return false
	}
	switch e.Step.Action.(type) {
	case planner.PullImage, planner.PushImage:
		return l.quietPull
	case planner.BuildImage:
		return l.quietBuild
	}
	return false
}

// look decides from the flags, the environment and the terminal. want may be nil.
func (p *program) look(want *project.Project) (look, error) {
	l := look{status: p.err}
	screen := p.screen
	if on, err := p.boolSetting(want, "COMPOSE_STATUS_STDOUT"); err != nil {
		return l, err
	} else if on {
		l.status, screen = p.out, p.outScreen
	}
	ansi, err := p.ansi(want)
	if err != nil {
		return l, err
	}
	noColour := p.getenv("NO_COLOR") != ""
	l.paint = paint(ansi == "always" || ansi == "auto" && screen != nil && !noColour)
	l.logs = paint(ansi == "always" || ansi == "auto" && p.outScreen != nil && !noColour)
	capable := screen != nil && ansi != "never" && p.getenv("TERM") != "dumb"
	l.mode = p.globals.progress
	if l.mode == "" {
		l.mode = p.setting(want, "COMPOSE_PROGRESS")
	}
	switch l.mode {
	case "", "auto":
		l.mode = "plain"
		if capable {
			l.mode = "tty"
		}
	case "tty":
		if ansi == "never" {
			return l, &usageError{problem: "can't use --progress tty while ANSI support is disabled"}
		}
	case "plain":
		if ansi == "always" {
			return l, &usageError{problem: "can't use --progress plain while ANSI support is forced"}
		}
	case "json", "quiet":
	case "none":
		l.mode = "quiet"
	default:
		return l, &usageError{
			problem: fmt.Sprintf("unsupported --progress value %q", l.mode),
			hint:    "there are auto, tty, plain, json and quiet",
		}
	}
	return l, nil
}

// ansi is --ansi or COMPOSE_ANSI; the flag wins.
func (p *program) ansi(want *project.Project) (string, error) {
	ansi := p.globals.ansi
	if p.globals.noANSI {
		ansi = "never"
	}
	if ansi == "" || ansi == "auto" {
		if v := p.setting(want, "COMPOSE_ANSI"); v != "" {
			ansi = v
		}
	}
	switch ansi {
	case "", "auto":
		return "auto", nil
	case "always", "never":
		return ansi, nil
	}
	return "", &usageError{problem: fmt.Sprintf("unknown ansi value %q", ansi), hint: "there are auto, always and never"}
}

// display makes the one that look asks for.
func (p *program) display(l look) display {
	switch l.mode {
	case "tty":
		return newLiveDisplay(l, p.screen, p.now)
	case "json":
		return &jsonDisplay{w: l.status}
	case "quiet":
		return quietDisplay{}
	}
	return &plainDisplay{w: l.status, now: p.now}
}

// quietDisplay shows nothing.
type quietDisplay struct{}

func (quietDisplay) begin(*board)                {}
func (quietDisplay) event(*board, runner.Event)  {}
func (quietDisplay) note(*board, string, string) {}
func (quietDisplay) end(*board)                  {}

// words are what docker compose says about an action, so that scripts that
// read its lines read these.
type words struct{ begun, done string }

// wordsOf gives the words; empty ones are not said.
func wordsOf(a planner.Action) words {
	switch a := a.(type) {
	case planner.CreateNetwork, planner.CreateVolume:
		return words{"Creating", "Created"}
	case planner.RemoveNetwork, planner.RemoveVolume, planner.RemoveImage, planner.RemoveContainer:
		return words{"Removing", "Removed"}
	case planner.CopyVolume:
		return words{"Copying", "Copied"}
	case planner.BeginFill:
		return words{"Preparing", "Prepared"}
	case planner.FillVolume:
		return words{"Filling", "Filled"}
	case planner.MoveVolume:
		return words{"Moving", "Moved"}
	case planner.ExchangeVolume:
		return words{"Exchanging", "Exchanged"}
	case planner.PullImage:
		return words{"Pulling", "Pulled"}
	case planner.PushImage:
		return words{"Pushing", "Pushed"}
	case planner.BuildImage:
		return words{"Building", "Built"}
	case planner.CreateContainer:
		if a.Labels[planner.LabelReplaces] != "" {
			return words{"Recreate", ""} // Recreated is said when it has taken over
		}
		return words{"Creating", "Created"}
	case planner.RenameContainer:
		return words{"", "Recreated"}
	case planner.StartContainer:
		return words{"Starting", "Started"}
	case planner.PauseContainer:
		return words{"", "Paused"}
	case planner.UnpauseContainer:
		return words{"", "Unpaused"}
	case planner.KillContainer:
		return words{"Killing", "Killed"}
	case planner.StopContainer:
		return words{"Stopping", "Stopped"}
	case planner.RestartContainer:
		return words{"Restarting", "Started"}
	case planner.Await:
		return awaitWords(a)
	case planner.Delay:
		return words{"Pausing", "Resumed"}
	case planner.RunHook:
		return words{"Running " + a.When, ""}
	case planner.RunProvider:
		return words{"Creating", "Created"}
	case planner.StopProvider:
		if a.Keep {
			return words{"Stopping", "Stopped"}
		}
		return words{"Removing", "Removed"}
	case planner.ConfigureModel:
		return words{"Configuring", "Configured"}
	case planner.UpdateContainer:
		return words{"Updating", "Updated"}
	case planner.ConnectNetwork:
		return words{"Connecting", "Connected"}
	case planner.DisconnectNetwork:
		return words{"Disconnecting", "Disconnected"}
	}
	return serviceWords(a)
}

// serviceWords are the words for what is done to an engine that keeps services by itself.
func serviceWords(a planner.Action) words {
	switch a := a.(type) {
	case planner.ApplyService:
		return words{"Applying", "Applied"}
	case planner.RemoveService, planner.RemoveObject:
		return words{"Removing", "Removed"}
	case planner.CreateObject:
		return words{"Creating", "Created"}
	case planner.AwaitService:
		if a.Condition == planner.IsCompleted {
			return words{"Waiting", "Completed"}
		}
		return words{"Waiting", "Converged"}
	}
	return words{}
}

// awaitWords are the words for a wait.
func awaitWords(a planner.Await) words {
	switch a.Condition {
	case planner.IsRunning:
		return words{}
	case planner.IsSteady:
		if a.Monitor == 0 { // it is only looked at once more
			return words{}
		}
		return words{"Watching", "Steady"}
	case planner.IsCompleted:
		return words{"Waiting", "Exited"}
	}
	return words{"Waiting", "Healthy"}
}

// refText is a resource as docker compose writes it: "Container shop-web-1".
func refText(r planner.Ref) string {
	if r.Kind == "" {
		return r.Name
	}
	return strings.ToUpper(string(r.Kind[:1])) + string(r.Kind[1:]) + " " + r.Name
}

// eventText is what an event is about, by the name that it has in the end; what is taken back
// goes by the name that it has now.
func eventText(b *board, e runner.Event) string {
	if e.Undo {
		return refText(eventAction(e).Resource())
	}
	ref := b.finalRef(e.Step.Action)
	if _, ok := e.Step.Action.(planner.RemoveImage); ok {
		if name, err := reference.ParseNormalizedNamed(ref.Name); err == nil { // docker compose says which of an image's tags goes
			ref.Name = reference.FamiliarString(reference.TagNameOnly(name))
		}
	}
	return refText(ref)
}

// reasonOf is why a step failed, in a line, without the step's own name.
func reasonOf(err error) string {
	var step *runner.StepError
	if errors.As(err, &step) {
		err = step.Cause
	}
	var sick *healthcheck.Failure
	if errors.As(err, &sick) {
		return firstLine(sick.Reason)
	}
	return firstLine(errorText(err))
}

// inVain says that a service goes on without one that it has waited for.
func inVain(e runner.Event) string {
	who := ""
	switch wait := e.Step.Action.(type) {
	case planner.Await:
		who = wait.For
	case planner.AwaitService:
		who = wait.For
	}
	return fmt.Sprintf("%s; %s goes on without", reasonOf(e.Err), who)
}

// firstLine is what fits beside other things.
func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
