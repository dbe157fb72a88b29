package main

import (
	"errors"
	"io"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// jsonDisplay prints an object a line for each thing that happens, with docker
// compose's keys.
type jsonDisplay struct{ w io.Writer }

// progressLine is one such object.
type progressLine struct {
	ID       string `json:"id,omitempty"`
	ParentID string `json:"parent_id,omitempty"`
	Status   string `json:"status,omitempty"`
	Text     string `json:"text,omitempty"`
	Details  string `json:"details,omitempty"`
	Current  int64  `json:"current,omitempty"`
	Total    int64  `json:"total,omitempty"`
	Percent  int    `json:"percent,omitempty"`
}

func (d *jsonDisplay) begin(b *board) {
	for _, name := range b.running {
		d.print(progressLine{ID: "Container " + name, Status: "Done", Text: "Running"})
		if b.goal == "ready" {
			d.print(progressLine{ID: "Container " + name, Status: "Done", Text: "Healthy"})
		}
	}
}

func (d *jsonDisplay) event(b *board, e runner.Event) {
	if b.hidden(e) {
		return
	}
	action := eventAction(e)
	line := progressLine{ID: eventText(b, e)}
	w := wordsOf(action)
	switch e.State {
	case runner.Begun:
		line.Status, line.Text = "Working", w.begun
	case runner.Done:
		if errors.Is(e.Err, runner.ErrNobodyWaits) {
			return
		}
		if e.Err != nil { // an optional wait, in vain
			line.Status, line.Text, line.Details = "Warning", "Warning", inVain(e)
			break
		}
		line.Status, line.Text = "Done", w.done
	case runner.Failed:
		line.Status, line.Text, line.Details = "Error", "Error", reasonOf(e.Err)
	case runner.Skipped:
		line.Status, line.Text, line.Details = "Warning", "Skipped", reasonOf(e.Err)
	case runner.Working:
		if _, converges := action.(planner.AwaitService); converges {
			line.Status, line.Text, line.Details = "Working", w.begun, convergeText(e.Progress)
			break
		}
		line = workingLine(line, w.begun, e.Progress)
		if _, waits := action.(planner.Await); waits {
			line.Details, line.Current = waitText(e.Progress), 0
		}
	default:
		return
	}
	if line.Text != "" {
		d.print(line)
	}
}

// workingLine fills in how far a long action has come.
func workingLine(line progressLine, word string, p runner.Progress) progressLine {
	line.Status, line.Text, line.Details = "Working", word, p.Line
	if p.ID != "" {
		line.ID, line.ParentID, line.Text = p.ID, line.ID, p.Text
	}
	line.Current, line.Total = p.Current, p.Total
	if p.Total > 0 {
		line.Percent = int(100 * p.Current / p.Total)
	}
	return line
}

// print writes one line; what cannot be written has no reader.
func (d *jsonDisplay) print(line progressLine) {
	_ = encodeLine(d.w, line)
}

func (d *jsonDisplay) note(*board, string, string) {}
func (d *jsonDisplay) end(*board)                  {}
