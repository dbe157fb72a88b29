package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// frame lays the board out on a screen: the headline, then a line for each
// service, and below those that are waited for what they printed last, as far as
// there is room.
func (d *liveDisplay) frame(columns, rows int) []string {
	b := d.board
	now := d.now()
	room := rows - 2 // the headline, and the line that the cursor is on
	shown, more := b.shown(room)
	w := widths{name: 4}
	for _, r := range shown {
		w.name = max(w.name, min(len(r.label()), 24))
		if status, detail := b.describe(r, now); detail != "" {
			w.status = max(w.status, min(len(status), 18))
		}
	}
	lines := []string{d.headline(columns, now)}
	room -= len(shown)
	if more != "" {
		room--
	}
	for _, r := range shown {
		lines = append(lines, d.rowLine(r, w, columns, now))
		if r.lastLine != "" && room > 0 && r.current() != nil {
			text := plainCells(fmt.Sprintf("    %s │ %s", r.lastFrom, r.lastLine), columns-1)
			lines = append(lines, d.paint.in(faint, text))
			room--
		}
	}
	if more != "" {
		lines = append(lines, plainCells("  "+more, columns-1))
	}
	return lines
}

// headline says how many are where they should be.
func (d *liveDisplay) headline(columns int, now time.Time) string {
	done, all := d.board.services()
	text := fmt.Sprintf("%s  %d/%d %s", d.board.project, done, all, d.board.goal)
	clock := seconds1(now.Sub(d.board.began))
	width := min(columns-1, 80)
	if pad := width - len([]rune(text)) - len(clock); pad > 0 {
		text += strings.Repeat(" ", pad) + clock
	}
	return plainCells(text, columns-1)
}

// widths are those of a frame's columns.
type widths struct{ name, status int }

// rowLine is one service's line.
func (d *liveDisplay) rowLine(r *row, w widths, columns int, now time.Time) string {
	sign, c := d.sign(r)
	status, detail := d.board.describe(r, now)
	text := fmt.Sprintf("%s %-*s  %-*s  %s", sign, w.name, r.label(), w.status, status, detail)
	text = plainCells("  "+strings.TrimRight(text, " "), columns-1)
	return strings.Replace(text, sign, d.paint.in(c, sign), 1)
}

// sign stands at the head of a row.
func (d *liveDisplay) sign(r *row) (string, colour) {
	switch r.state() {
	case runner.Done:
		return "✔", green
	case runner.Failed:
		return "✘", red
	case runner.Skipped, runner.Cancelled:
		return "-", yellow
	case runner.Working:
		if r.current() != nil || r.undoing != nil {
			return []string{"◐", "◓", "◑", "◒"}[d.tick%4], yellow
		}
	}
	return "·", faint
}

// label is the row's name; what is no service says what it is.
func (r *row) label() string {
	if r.kind == planner.KindService {
		return r.name
	}
	return string(r.kind) + " " + r.name
}

// describe says how a row stands, and what it waits for.
func (b *board) describe(r *row, now time.Time) (status, detail string) {
	if r.undoing != nil {
		return "taking back", refText(r.undoing.Resource())
	}
	switch r.state() {
	case runner.Done:
		return r.outcome(), seconds1(r.span(now))
	case runner.Failed:
		for _, s := range r.steps {
			if s.state == runner.Failed {
				return "failed", reasonOf(s.err)
			}
		}
	case runner.Skipped:
		return "skipped", ""
	case runner.Cancelled:
		return "cancelled", ""
	}
	status = "waiting"
	if done, all := r.replacements(); all > 0 && r.state() == runner.Working {
		status = fmt.Sprintf("%d/%d replaced", done, all)
	}
	current := r.current()
	if current == nil {
		needs := strings.Join(b.waitsFor(r), ", ")
		switch {
		case needs == "":
			return status, ""
		case status == "waiting":
			return "waits for " + needs, ""
		}
		return status, "waits for " + needs
	}
	word, detail := b.doing(current, now)
	if status == "waiting" {
		status = word
	} else if detail == "" {
		detail = word
	}
	return status, detail
}

// doing says what a step is at.
func (b *board) doing(s *stepView, now time.Time) (word, detail string) {
	ref := b.finalRef(s.step.Action)
	name := strings.TrimPrefix(ref.Name, b.project+"-")
	switch a := s.step.Action.(type) {
	case planner.Await:
		detail = waitText(s.progress)
		if s.row.awaits() > 1 { // it must be said whom
			detail = strings.TrimSuffix("waiting for "+name+": "+detail, ": ")
		}
		if a.Condition == planner.IsCompleted {
			return "running", detail
		}
		return "starting", detail
	case planner.AwaitService:
		if a.Condition == planner.IsCompleted {
			return "running", convergeText(s.progress)
		}
		return "converging", convergeText(s.progress)
	case planner.Delay:
		return "pausing", seconds1(now.Sub(s.began)) + " of " + seconds1(a.For) + " before the next"
	case planner.PullImage, planner.BuildImage:
		if s.progress.Line != "" {
			return strings.ToLower(wordsOf(a).begun), s.progress.Line
		}
		return strings.ToLower(wordsOf(a).begun), strings.TrimSpace(ref.Name + " " + progressText(s.progress))
	case planner.StopContainer:
		detail = name + " " + seconds1(now.Sub(s.began))
		if a.Grace != nil {
			detail += " of " + seconds1(*a.Grace)
		}
		return "stopping", detail
	}
	return strings.ToLower(wordsOf(s.step.Action).begun), ""
}

// convergeText is how many containers of a service are there, and what the next one is at.
func convergeText(p runner.Progress) string {
	if p.Total <= 0 {
		return firstLine(p.Text)
	}
	return strings.TrimSpace(fmt.Sprintf("%d/%d  %s", p.Current, p.Total, firstLine(p.Text)))
}

// waitText is what a wait is at: the number of the last check and what it said.
func waitText(p runner.Progress) string {
	said := firstLine(p.Text)
	switch {
	case p.Current == 0 && p.Trying != "" && said != "":
		return p.Trying + ": " + said
	case p.Current == 0:
		return said
	case said == "":
		return fmt.Sprintf("%s, try %d", p.Trying, p.Current)
	}
	return fmt.Sprintf("%s, try %d, %q", p.Trying, p.Current, said)
}

// progressText is how far something has come: "45% of 31.2MB".
func progressText(p runner.Progress) string {
	if p.Total <= 0 {
		return p.Text
	}
	return fmt.Sprintf("%d%% of %s", 100*p.Current/p.Total, megabytes(p.Total))
}

// megabytes writes a size in one unit, so that the eye can compare.
func megabytes(n int64) string { return fmt.Sprintf("%.1fMB", float64(n)/1e6) }

// seconds1 writes a time as the displays do: "4.1s", "2m05s".
func seconds1(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

// shown picks the rows that fit into room: what is under way and what failed
// first, and says how many others there are. Networks and volumes show only
// while there is something to see.
func (b *board) shown(room int) (rows []*row, more string) {
	for _, r := range b.rows {
		if state := r.state(); r.kind == planner.KindService || state == runner.Working || state == runner.Failed {
			rows = append(rows, r)
		}
	}
	switch {
	case len(rows) <= room:
		return rows, ""
	case room <= 0:
		return nil, ""
	}
	room--
	kept := slices.Clone(rows)
	slices.SortStableFunc(kept, func(a, c *row) int { return urgency(a) - urgency(c) })
	kept = kept[:room]
	hidden := map[string]int{}
	var out []*row
	for _, r := range rows {
		if slices.Contains(kept, r) {
			out = append(out, r)
		} else {
			hidden[hiddenAs(r)]++
		}
	}
	var parts []string
	for _, word := range []string{"under way", "waiting", "done"} {
		if hidden[word] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", hidden[word], word))
		}
	}
	return out, "… and " + strings.Join(parts, ", ")
}

// awaits counts the waits that a row has.
func (r *row) awaits() int {
	n := 0
	for _, s := range r.steps {
		if _, ok := s.step.Action.(planner.Await); ok {
			n++
		}
	}
	return n
}

// urgency orders rows by how much they matter now.
func urgency(r *row) int {
	switch r.state() {
	case runner.Failed:
		return 0
	case runner.Working:
		return 1
	case "":
		return 2
	}
	return 3
}

func hiddenAs(r *row) string {
	switch r.state() {
	case runner.Failed, runner.Working:
		return "under way"
	case "":
		return "waiting"
	}
	return "done"
}

// noteLine keeps what a container printed last.
func (b *board) noteLine(container, line string) {
	for _, r := range b.rows {
		for _, s := range r.steps {
			if ref := s.step.Action.Resource(); ref.Kind == planner.KindContainer && ref.Name == container {
				r.lastLine = line
				r.lastFrom = strings.TrimPrefix(b.finalRef(s.step.Action).Name, b.project+"-")
				return
			}
		}
	}
}

// plainCells makes a text safe to draw in at most width columns: control
// characters, escape sequences and characters of unsure width are replaced,
// since a line that is wider than it seems would break the drawing.
func plainCells(s string, width int) string {
	var out []rune
	escape := false
	for _, r := range s {
		switch {
		case r == '\x1b':
			escape = true
			continue
		case escape:
			escape = !unicode.IsLetter(r) && r != '\a'
			continue
		case r == '\t':
			r = ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Mn, r):
			continue
		case wide(r):
			out = append(out, '?')
			r = '?'
		}
		out = append(out, r)
	}
	if len(out) > width {
		if width < 1 {
			return ""
		}
		out = append(out[:width-1], '…')
	}
	return string(out)
}

// wide says that terminals give a character two columns, or do not agree.
func wide(r rune) bool {
	return r >= 0x1100 && r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
		r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 ||
		r >= 0xffe0 && r <= 0xffe6 || r >= 0x1f000 || r == 0x200d
}
