package timeline

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Options say how a timeline is drawn. The zero value works.
type Options struct {
	Columns int // of the screen; 0 is 80
}

// line is all spans of one kind of one service.
type line struct {
	service, word string
	spans         []Span
	critical      bool
}

const (
	narrowest = 20
	mark      = "  ← critical"
)

// Text draws the run: a bar for each thing that was done for a service, marks on the chain that decided how long
// it took, and what to do about that.
func (r Record) Text(o Options) string {
	lines := r.lines()
	if len(lines) == 0 {
		return r.summary()
	}
	first, second := 0, 0
	for _, l := range lines {
		first, second = max(first, utf8.RuneCountInString(l.service)), max(second, utf8.RuneCountInString(l.word))
	}
	indent := first + second + 4
	width := max(narrowest, cmp.Or(o.Columns, 80)-indent-utf8.RuneCountInString(mark)-1)
	s := newScale(r.Took(), width)
	var b strings.Builder
	b.WriteString(strings.TrimRight(strings.Repeat(" ", indent)+s.ruler(), " ") + "\n")
	before := ""
	for _, l := range lines {
		service := l.service
		if service == before {
			service = ""
		}
		before = l.service
		text := fmt.Sprintf("%s  %s  %s", pad(service, first), pad(l.word, second), s.bar(l.spans, r.Began))
		if l.critical {
			text = pad(text, indent+width) + mark
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	return b.String() + "\n" + r.summary()
}

// lines are the bars, by service in the order of their first span, and in that by time.
func (r Record) lines() []line {
	critical := map[string]bool{}
	for _, s := range r.Critical() {
		critical[s.ID] = true
	}
	var out []line
	for _, s := range r.Spans {
		if !r.shows(s, critical[s.ID]) {
			continue
		}
		who := cmp.Or(s.Service, s.Name)
		i := slices.IndexFunc(out, func(l line) bool { return l.service == who && l.word == string(s.Kind) })
		if i < 0 {
			i = len(out)
			out = append(out, line{service: who, word: string(s.Kind)})
		}
		out[i].spans = append(out[i].spans, s)
		out[i].critical = out[i].critical || critical[s.ID]
	}
	begins := map[string]time.Time{}
	for _, l := range out {
		if at, ok := begins[l.service]; !ok || l.began().Before(at) {
			begins[l.service] = l.began()
		}
	}
	slices.SortStableFunc(out, func(a, b line) int {
		return cmp.Or(begins[a.service].Compare(begins[b.service]), cmp.Compare(a.service, b.service), a.began().Compare(b.began()))
	})
	return out
}

// shows says whether a span has a place in the drawing. What belongs to no service, and what is not a step of
// its start, is of interest only where everything else waited for it, and for long enough to see.
func (r Record) shows(s Span, critical bool) bool {
	const visible = 20 // of so many parts of the whole
	switch s.Kind {
	case Created, Started, Restarted, Healthy, Ready, Stable, Completed, Pulled, Built:
		if s.Service != "" {
			return true
		}
	}
	return critical && s.Took() >= r.Took()/visible
}

func (l line) began() time.Time {
	return slices.MinFunc(l.spans, func(a, b Span) int { return a.Began.Compare(b.Began) }).Began
}

// scale turns times into columns.
type scale struct {
	width int
	per   time.Duration // of one column
	tick  time.Duration
}

func newScale(total time.Duration, width int) scale {
	total = max(total, time.Millisecond)
	s := scale{width: width, per: total / time.Duration(width)}
	const ticks = 5
	s.tick = time.Millisecond
	for i := 0; s.tick*ticks < total; i++ {
		if i%3 == 1 { // 1, 2, 5, 10, …
			s.tick = s.tick / 2 * 5
		} else {
			s.tick *= 2
		}
	}
	return s
}

func (s scale) column(d time.Duration) int {
	return min(max(int(math.Round(float64(d)/float64(s.per))), 0), s.width)
}

// ruler has a time at each tick.
func (s scale) ruler() string {
	out := []rune(strings.Repeat(" ", s.width+8))
	for at := time.Duration(0); s.column(at) < s.width; at += s.tick {
		for i, r := range at.String() {
			out[s.column(at)+i] = r
		}
	}
	return string(out)
}

// bar marks the columns in which one of the spans goes on.
func (s scale) bar(spans []Span, from time.Time) string {
	out := []rune(strings.Repeat(" ", s.width))
	for _, span := range spans {
		begin, end := s.column(span.Began.Sub(from)), s.column(span.Ended.Sub(from))
		if begin >= s.width {
			begin = s.width - 1
		}
		if end <= begin && out[begin] == ' ' {
			out[begin] = '▏'
		}
		for i := begin; i < end; i++ {
			out[i] = '█'
		}
	}
	return string(out)
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// summary is the outcome, and what to do about it.
func (r Record) summary() string {
	verb := "done"
	switch {
	case r.Failed:
		verb = "failed"
	case slices.ContainsFunc(r.Spans, Span.Waits):
		verb = "ready"
	}
	text := fmt.Sprintf("%s after %s.", verb, seconds(r.Took()))
	if advice := r.Advice(); advice != "" {
		text += " " + advice
	}
	return text + "\n"
}

// Advice is what to look at first to be faster, in a sentence or two; empty where there is nothing worth it.
func (r Record) Advice() string {
	chain := r.Critical()
	if len(chain) == 0 {
		return ""
	}
	longest := slices.MaxFunc(chain, func(a, b Span) int { return cmp.Compare(a.Took(), b.Took()) })
	const little = 200 * time.Millisecond
	if longest.Took() < little {
		return ""
	}
	return advise(longest, cmp.Or(longest.Service, longest.Name), seconds(longest.Took()))
}

func advise(s Span, who, took string) string {
	switch s.Kind {
	case Healthy, Ready, Stable:
		return fmt.Sprintf("%s spends %s between start and its first successful check: look there first.", who, took)
	case Completed:
		return fmt.Sprintf("%s works for %s until it ends: look there first.", who, took)
	case Pulled:
		return fmt.Sprintf("Pulling %s takes %s: pull it ahead of time, or make the image smaller.", s.Name, took)
	case Built:
		return fmt.Sprintf("Building %s takes %s: let its Dockerfile copy what changes often last, or build it ahead of time.", who, took)
	case Stopped, Restarted:
		return fmt.Sprintf("%s takes %s to stop: let it end on SIGTERM, or give it a shorter stop_grace_period.", who, took)
	case Hook:
		return fmt.Sprintf("A hook of %s works for %s: look there first.", who, took)
	case Started, Created:
		return fmt.Sprintf("The engine needs %s for %s to be %s: fewer services that start at the same time, networks and published ports make it faster.", took, who, s.Kind)
	}
	return fmt.Sprintf("%s takes %s: look there first.", who, took)
}

// seconds writes a time with one digit behind the point.
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
}
