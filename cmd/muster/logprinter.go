package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
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
	done  chan error
	work  chan struct{} // wakes who prints: something has come, or it is the end

	mu     sync.Mutex
	next   *logBatch     // what has come while others are printed
	spare  *logBatch     // nil while it is printed
	room   chan struct{} // is closed when there is room again
	closed bool
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

// logBatch is what is printed at a time. The lines of a batch lie in one piece of memory, which is used again: a
// line costs neither an allocation nor a switch between goroutines while the printer has other things to print.
type logBatch struct {
	items []logItem
	ends  []int // where the text of each item ends
	text  []byte
}

// batchText and batchItems are how large a batch becomes, but for its last item. Two of them are in flight.
const (
	batchText  = 1 << 20
	batchItems = 8 << 10
)

func (b *logBatch) full() bool { return len(b.text) >= batchText || len(b.items) >= batchItems }

func (b *logBatch) add(i logItem) {
	b.text = append(b.text, i.chunk.text...)
	i.chunk.text = nil // it is only valid during the call
	b.items, b.ends = append(b.items, i), append(b.ends, len(b.text))
}

func (b *logBatch) clear() {
	clear(b.items) // the sources may go
	b.items, b.ends, b.text = b.items[:0], b.ends[:0], b.text[:0]
}

// each hands over the items with their text.
func (b *logBatch) each(do func(logItem)) {
	from := 0
	for n, item := range b.items {
		item.chunk.text = b.text[from:b.ends[n]]
		from = b.ends[n]
		do(item)
	}
}

// newLogPrinter starts to print to w; labels decide the width of the prefix.
func newLogPrinter(w io.Writer, style logStyle, labels []string) *logPrinter {
	p := &logPrinter{
		style: style, done: make(chan error, 1), work: make(chan struct{}, 1), room: make(chan struct{}),
		next: &logBatch{}, spare: &logBatch{},
	}
	for _, label := range labels {
		p.width = max(p.width, len(label))
	}
	go p.run(w)
	return p
}

// run prints until close is called. After a write has failed it goes on taking,
// so that nobody hangs, and prints no more.
func (p *logPrinter) run(w io.Writer) {
	out := bufio.NewWriterSize(w, 64<<10)
	pen := &logPen{out: out, style: p.style, width: p.width, prefixes: map[*logSource]logPrefix{}}
	var failed error
	for {
		batch, last := p.take()
		if batch == nil {
			if last {
				break
			}
			if failed == nil {
				failed = out.Flush()
			}
			<-p.work
			continue
		}
		if failed == nil {
			batch.each(pen.print)
		}
		p.giveBack(batch)
	}
	pen.finishLine()
	if err := out.Flush(); failed == nil {
		failed = err
	}
	p.done <- failed
}

// take gives what has come, and makes room for more; nil where nothing has, and whether nothing will.
func (p *logPrinter) take() (batch *logBatch, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.next.items) == 0 {
		return nil, p.closed
	}
	batch = p.next
	p.next, p.spare = p.spare, nil
	close(p.room)
	p.room = make(chan struct{})
	return batch, false
}

// giveBack lets the memory of a batch be filled anew.
func (p *logPrinter) giveBack(batch *logBatch) {
	batch.clear()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spare = batch
}

// close waits until all is printed.
func (p *logPrinter) close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.wake()
	return <-p.done
}

func (p *logPrinter) wake() {
	select {
	case p.work <- struct{}{}:
	default: // it is awake, or about to be
	}
}

// widen makes the prefix wide enough for labels, before the first of them prints.
func (p *logPrinter) widen(labels []string) {
	width := 0
	for _, label := range labels {
		width = max(width, len(label))
	}
	p.mu.Lock()
	p.next.add(logItem{width: width})
	p.mu.Unlock()
	p.wake()
}

// chunk prints a piece of a container's output.
func (p *logPrinter) chunk(ctx context.Context, source *logSource, c logChunk) error {
	return p.send(ctx, logItem{source: source, chunk: c}, 0)
}

// remark prints a line of muster's own about a container.
func (p *logPrinter) remark(ctx context.Context, source *logSource, text string) error {
	return p.send(ctx, logItem{source: source, remark: text}, 0)
}

// send waits until there is room; not for longer than patience, where that is not 0.
func (p *logPrinter) send(ctx context.Context, item logItem, patience time.Duration) error {
	var late <-chan time.Time
	for {
		room := p.offer(item)
		if room == nil {
			return nil
		}
		if late == nil && patience > 0 {
			late = time.After(patience)
		}
		select {
		case <-room:
		case <-late:
			return errHeldUp
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// offer takes an item, or gives what is closed when it is worth another try.
func (p *logPrinter) offer(item logItem) (room <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next.full() {
		return p.room
	}
	p.next.add(item)
	if len(p.next.items) == 1 {
		p.wake()
	}
	return nil
}

// logPen knows what stands on the last line.
type logPen struct {
	out   *bufio.Writer
	style logStyle
	width int
	open  *logSource // whose unfinished line the cursor stands in; nil for none
	// prefixes are those of the sources at this width: they are the same for a million lines.
	prefixes map[*logSource]logPrefix
}

// logPrefix is what the lines of a source begin with as long as it has that label.
type logPrefix struct{ label, text string }

// print writes one item. Errors stay in out until it is flushed.
func (p *logPen) print(item logItem) {
	switch {
	case item.source == nil:
		p.widen(item.width)
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
			p.out.Write(append(c.at.UTC().AppendFormat(p.out.AvailableBuffer(), time.RFC3339Nano), ' '))
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
	p.widen(len(source.label))
	prefix := p.prefixes[source]
	if prefix.label != source.label || prefix.text == "" {
		text := fmt.Sprintf("%-*s  | ", p.width, source.label)
		prefix = logPrefix{label: source.label, text: p.style.paint.in(source.colour, text)}
		p.prefixes[source] = prefix
	}
	p.out.WriteString(prefix.text)
}

// widen makes prefixes at least so wide.
func (p *logPen) widen(width int) {
	if width > p.width {
		p.width = width
		clear(p.prefixes)
	}
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
