package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"
)

// logStyle is how lines of logs are printed.
type logStyle struct {
	noPrefix   bool
	timestamps bool
	json       bool
	paint      paint
}

// logPrinter prints what many containers say, a line at a time and in order for
// each. One goroutine owns the output; what is in flight is bounded, so that
// containers that print faster than the reader reads are held back and not kept in memory.
//
// A line too long to be held is printed in pieces. While it is unfinished the
// others need not wait: when one of them prints, the line is broken, and goes on
// behind a prefix of its own.
type logPrinter struct {
	style logStyle
	width int
	in    chan logItem
	done  chan error
	room  *semaphore.Weighted // bytes that may be in flight
}

// logSource is one container among those that print.
type logSource struct {
	container, service string
	label              string // what the prefix says: "web-1"
	colour             colour
}

// logItem is a piece of output, or a remark about a container.
type logItem struct {
	source *logSource
	chunk  logChunk
	remark string
	width  int // instead of the rest: the prefix is to be at least so wide
}

const (
	// logQueue and logRoom bound what is in flight, in chunks and in bytes.
	logQueue = 512
	logRoom  = 8 << 20
)

// newLogPrinter starts to print to w; labels decide the width of the prefix.
func newLogPrinter(w io.Writer, style logStyle, labels []string) *logPrinter {
	p := &logPrinter{
		style: style, in: make(chan logItem, logQueue), done: make(chan error, 1),
		room: semaphore.NewWeighted(logRoom),
	}
	for _, label := range labels {
		p.width = max(p.width, len(label))
	}
	go p.run(w)
	return p
}

// run prints until in is closed. After a write has failed it goes on reading,
// so that nobody hangs, and prints no more.
func (p *logPrinter) run(w io.Writer) {
	out := bufio.NewWriterSize(w, 64<<10)
	pen := &logPen{out: out, style: p.style, width: p.width}
	var failed error
	for item := range p.in {
		if failed == nil {
			pen.print(item)
		}
		p.room.Release(item.size())
		if failed != nil {
			continue
		}
		if len(p.in) == 0 {
			failed = out.Flush()
		}
	}
	pen.finishLine()
	if err := out.Flush(); failed == nil {
		failed = err
	}
	p.done <- failed
}

// close waits until all is printed.
func (p *logPrinter) close() error {
	close(p.in)
	return <-p.done
}

// widen makes the prefix wide enough for labels, before the first of them prints.
func (p *logPrinter) widen(labels []string) {
	width := 0
	for _, label := range labels {
		width = max(width, len(label))
	}
	p.in <- logItem{width: width}
}

// chunk prints a piece of a container's output.
func (p *logPrinter) chunk(ctx context.Context, source *logSource, c logChunk) error {
	c.text = append([]byte(nil), c.text...) // it is only valid during the call
	return p.send(ctx, logItem{source: source, chunk: c})
}

// remark prints a line of muster's own about a container.
func (p *logPrinter) remark(ctx context.Context, source *logSource, text string) error {
	return p.send(ctx, logItem{source: source, remark: text})
}

func (p *logPrinter) send(ctx context.Context, item logItem) error {
	if err := p.room.Acquire(ctx, item.size()); err != nil {
		return context.Cause(ctx)
	}
	select {
	case p.in <- item:
		return nil
	case <-ctx.Done():
		p.room.Release(item.size())
		return context.Cause(ctx)
	}
}

// size is what an item takes of the room; a chunk too large for it all takes it all.
func (i logItem) size() int64 { return int64(min(len(i.chunk.text), logRoom)) }

// logPen knows what stands on the last line.
type logPen struct {
	out   *bufio.Writer
	style logStyle
	width int
	open  *logSource // whose unfinished line the cursor stands in; nil for none
}

// print writes one item. Errors stay in out until it is flushed.
func (p *logPen) print(item logItem) {
	switch {
	case item.source == nil:
		p.width = max(p.width, item.width)
	case p.style.json:
		p.printJSON(item)
	case item.remark != "":
		p.finishLine()
		p.out.WriteString(item.remark + "\n")
	default:
		p.printText(item.source, item.chunk)
	}
}

func (p *logPen) printText(source *logSource, c logChunk) {
	if p.open != source {
		p.finishLine()
		p.prefix(source)
		if p.style.timestamps && !c.at.IsZero() {
			p.out.WriteString(c.at.UTC().Format(time.RFC3339Nano) + " ")
		}
	}
	p.out.Write(c.text)
	p.open = source
	if !c.more {
		p.finishLine()
	}
}

// finishLine ends the line that somebody has begun.
func (p *logPen) finishLine() {
	if p.open != nil {
		p.out.WriteByte('\n')
		p.open = nil
	}
}

func (p *logPen) prefix(source *logSource) {
	if p.style.noPrefix {
		return
	}
	p.width = max(p.width, len(source.label))
	text := fmt.Sprintf("%-*s  | ", p.width, source.label)
	p.out.WriteString(p.style.paint.in(source.colour, text))
}

// logLine is a line of logs as JSON.
type logLine struct {
	Container string `json:"container"`
	Service   string `json:"service"`
	Time      string `json:"time,omitempty"`
	Stream    string `json:"stream,omitempty"`
	Line      string `json:"line"`
	// Partial says that the line goes on in the container's next object.
	Partial bool   `json:"partial,omitempty"`
	Event   string `json:"event,omitempty"` // instead of a line: what happened to the container
}

func (p *logPen) printJSON(item logItem) {
	line := logLine{Container: item.source.container, Service: item.source.service, Event: item.remark}
	if item.remark == "" {
		line.Line, line.Partial = strings.ToValidUTF8(string(item.chunk.text), "\ufffd"), item.chunk.more
		line.Stream = "stdout"
		if item.chunk.stderr {
			line.Stream = "stderr"
		}
		if !item.chunk.at.IsZero() {
			line.Time = item.chunk.at.UTC().Format(time.RFC3339Nano)
		}
	}
	_ = encodeLine(p.out, line)
}
