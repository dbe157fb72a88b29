package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/musterhq/muster/runner"
)

// liveDisplay draws the board over itself at the lower end of a terminal. It
// moves the cursor only upward and back, hides nothing, and so leaves a usable
// screen behind however it ends.
type liveDisplay struct {
	w      io.Writer
	above  io.Writer // where what is printed above goes; on the same screen
	screen screen
	paint  paint
	now    func() time.Time

	mu      sync.Mutex
	board   *board // nil before begin and after end
	drawn   []string
	columns int // of the screen when drawn
	tick    int
	held    []byte // the unfinished last line of what was written above
	foot    string // the line below all, while nothing else is drawn; empty is none
	footed  bool   // it is on the screen
	stop    chan struct{}
	stopped sync.WaitGroup
}

// frameEvery is the pace of the spinner and the clock.
const frameEvery = 120 * time.Millisecond

func newLiveDisplay(l look, s screen, now func() time.Time) *liveDisplay {
	return &liveDisplay{w: l.status, above: l.status, screen: s, paint: l.paint, now: now}
}

func (d *liveDisplay) begin(b *board) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.eraseFoot()
	d.board, d.stop = b, make(chan struct{})
	d.draw()
	d.stopped.Go(func() { d.animate(d.stop) })
}

// animate redraws until stop is closed.
func (d *liveDisplay) animate(stop <-chan struct{}) {
	ticker := time.NewTicker(frameEvery)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			d.mu.Lock()
			d.tick++
			d.draw()
			d.mu.Unlock()
		}
	}
}

// event waits for the next frame: a run of many steps draws no more often than
// an eye can follow.
func (d *liveDisplay) event(*board, runner.Event) {}

func (d *liveDisplay) note(b *board, container, line string) {
	b.noteLine(container, line)
}

func (d *liveDisplay) end(*board) {
	d.mu.Lock()
	close(d.stop)
	d.erase()
	d.board = nil
	if len(d.held) > 0 {
		_, _ = d.above.Write(append(d.held, '\n'))
		d.held = nil
	}
	d.drawFoot()
	d.mu.Unlock()
	d.stopped.Wait()
}

// setFoot changes the line at the foot of the screen, and answers with the one before; empty takes it away.
func (d *liveDisplay) setFoot(text string) (was string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.eraseFoot()
	was, d.foot = d.foot, text
	d.drawFoot()
	return was
}

// drawFoot leaves the cursor behind the line, so that whatever is printed next has to erase it before.
func (d *liveDisplay) drawFoot() {
	if d.board != nil || d.foot == "" || d.footed {
		return
	}
	columns, _ := d.size()
	fmt.Fprint(d.w, d.paint.in(faint, plainCells(d.foot, columns-1)))
	d.footed = true
}

func (d *liveDisplay) eraseFoot() {
	if d.footed {
		fmt.Fprint(d.w, "\r\x1b[K")
		d.footed = false
	}
}

// guard runs change while nothing is drawn: the board has one owner at a time.
func (d *liveDisplay) guard(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// Write prints above what is drawn, whole lines at a time.
func (d *liveDisplay) Write(text []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.board == nil {
		d.eraseFoot()
		n, err := d.above.Write(text)
		if bytes.HasSuffix(text, []byte("\n")) {
			d.drawFoot()
		}
		return n, err
	}
	d.held = append(d.held, text...)
	end := bytes.LastIndexByte(d.held, '\n') + 1
	if end == 0 {
		return len(text), nil
	}
	d.erase()
	_, err := d.above.Write(d.held[:end])
	d.held = append([]byte(nil), d.held[end:]...)
	d.draw()
	return len(text), err
}

// say prints a line of muster's own above what is drawn.
func (d *liveDisplay) say(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.eraseFoot()
	d.erase()
	fmt.Fprintln(d.w, line)
	d.draw()
	d.drawFoot()
}

// erase takes away what is drawn.
func (d *liveDisplay) erase() {
	if len(d.drawn) == 0 {
		return
	}
	fmt.Fprint(d.w, up(d.height(d.drawnWidth()))+"\r\x1b[J")
	d.drawn = nil
}

// drawnWidth is the width that what is drawn has now: a terminal that got
// narrower has wrapped its lines.
func (d *liveDisplay) drawnWidth() int {
	columns, _ := d.size()
	return columns
}

// height is how many rows the drawn lines take on a screen of that width.
func (d *liveDisplay) height(columns int) int {
	rows := 0
	for _, line := range d.drawn {
		rows += max(1, (visibleWidth(line)+columns-1)/columns)
	}
	return rows
}

// size is the screen's, or a usual one.
func (d *liveDisplay) size() (columns, rows int) {
	if d.screen != nil {
		columns, rows = d.screen.Size()
	}
	if columns <= 0 {
		columns = 80
	}
	if rows <= 0 {
		rows = 24
	}
	return columns, rows
}

// draw brings the screen up to date and writes only the lines that differ.
func (d *liveDisplay) draw() {
	if d.board == nil {
		return
	}
	columns, rows := d.size()
	if d.columns != columns {
		d.erase()
		d.columns = columns
	}
	lines := d.frame(columns, rows)
	if same(lines, d.drawn) {
		return
	}
	var out strings.Builder
	out.WriteString("\x1b[?2026h" + up(len(d.drawn)) + "\r")
	for i, line := range lines {
		if i >= len(d.drawn) || d.drawn[i] != line {
			out.WriteString(line + "\x1b[K")
		}
		out.WriteString("\r\n")
	}
	if len(lines) < len(d.drawn) {
		out.WriteString("\x1b[J")
	}
	out.WriteString("\x1b[?2026l")
	fmt.Fprint(d.w, out.String())
	d.drawn = lines
}

// up moves the cursor to the start of an earlier line.
func up(lines int) string {
	if lines == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA", lines)
}

func same(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// visibleWidth counts the columns of a line: colour takes none. Wide characters do not
// occur in what is drawn; [plainCells] has replaced them.
func visibleWidth(line string) int {
	n, escape := 0, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			n++
		}
	}
	return n
}
