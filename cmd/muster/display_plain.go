package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// plainDisplay prints a line for each thing that happens, in docker compose's form.
type plainDisplay struct {
	w   io.Writer
	now func() time.Time
	// told is when a long action was last spoken of.
	told map[planner.StepID]time.Time
}

// tellEvery is how often a pull says how far it has come.
const tellEvery = 10 * time.Second

func (d *plainDisplay) begin(b *board) {
	d.told = map[planner.StepID]time.Time{}
	for _, name := range b.running {
		d.line("Container "+name, "Running", "")
		if b.goal == "ready" {
			d.line("Container "+name, "Healthy", "")
		}
	}
}

func (d *plainDisplay) event(b *board, e runner.Event) {
	action := eventAction(e)
	id := eventText(b, e)
	w := wordsOf(action)
	if b.hidden(e) {
		return
	}
	switch e.State {
	case runner.Begun:
		d.told[e.Step.ID] = e.At
		d.line(id, w.begun, "")
	case runner.Done:
		if errors.Is(e.Err, runner.ErrNobodyWaits) {
			return
		}
		if e.Err != nil { // an optional wait, in vain
			d.line(id, "Warning", inVain(e))
			return
		}
		d.line(id, w.done, "")
	case runner.Failed:
		d.line(id, "Error", reasonOf(e.Err))
	case runner.Working:
		d.working(id, w.begun, e)
	}
}

// working passes build output on, and says now and then how far a pull is.
func (d *plainDisplay) working(id, word string, e runner.Event) {
	if line := e.Progress.Line; line != "" {
		fmt.Fprintf(d.w, " %s | %s\n", e.Step.Action.Resource().Service, line)
		return
	}
	if e.Progress.Total == 0 || e.At.Sub(d.told[e.Step.ID]) < tellEvery {
		return
	}
	d.told[e.Step.ID] = e.At
	if _, converges := e.Step.Action.(planner.AwaitService); converges {
		d.line(id, word, convergeText(e.Progress))
		return
	}
	d.line(id, word, progressText(e.Progress))
}

func (d *plainDisplay) line(id, word, details string) {
	if word == "" {
		return
	}
	text := " " + id + "  " + word
	if details != "" {
		text += "  " + details
	}
	fmt.Fprintln(d.w, text)
}

func (d *plainDisplay) note(*board, string, string) {}
func (d *plainDisplay) end(*board)                  {}

// eventAction is what an event is about: the step's action, or the one that takes it back.
func eventAction(e runner.Event) planner.Action {
	if e.Undo && e.Action != nil {
		return e.Action
	}
	return e.Step.Action
}

// errorText is an error's text, or nothing.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
