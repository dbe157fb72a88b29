package main

import (
	"fmt"
	"strconv"
	"time"
)

// position is how far the output has been printed: all lines before a time of the engine's, and
// so many with it, and then what came by a connection, which tells no such times. It is what lets reading go on
// without a line lost or repeated.
type position struct {
	at    time.Time
	lines int
	ahead [2]stride // of stdout and of stderr: the engine keeps the order of each, and not of both
	heard time.Time // when the last of that came, by our clock
}

// stride is what has been printed of a stream beyond a position.
type stride struct {
	lines int
	part  int    // bytes of a line whose end has not come
	first string // what it began with, for the engine may have thrown that away
}

// firstBytes is how much of a line is kept to know it again.
const firstBytes = 256

func streamOf(c logChunk) int {
	if c.stderr {
		return 1
	}
	return 0
}

func firstOf(text []byte) string { return string(text[:min(len(text), firstBytes)]) }

// since is the position in the engine's words; empty is the beginning.
func (p position) since() string {
	if p.at.IsZero() {
		return ""
	}
	return inEngineWords(p.at)
}

// inEngineWords is a time as the engine reads it.
func inEngineWords(at time.Time) string {
	return strconv.FormatInt(at.Unix(), 10) + "." + fmt.Sprintf("%09d", at.Nanosecond())
}

// count moves the position behind what came by a connection.
func (p *position) count(c logChunk) {
	s := &p.ahead[streamOf(c)]
	if s.lines == 0 && s.part == 0 {
		s.first = firstOf(c.text)
	}
	p.heard = c.at
	if c.more {
		s.part += len(c.text)
		return
	}
	s.lines, s.part = s.lines+1, 0
}

// note moves the position behind a line of the engine's logs.
func (p *position) note(at time.Time, whole bool) {
	if !at.Equal(p.at) {
		p.at, p.lines = at, 0
	}
	if whole {
		p.lines++
	}
}

// resume gives what each chunk of logs goes through that begin at the position: it takes off what has been printed, says
// whether to print the rest, and moves the position along.
func (p *position) resume() func(*logChunk) bool {
	from, seen := *p, 0
	var streams [2]catchUp
	return func(c *logChunk) bool {
		switch {
		case from.at.IsZero():
		case c.at.Before(from.at):
			return false // the engine's bound is coarser than ours
		case c.at.Equal(from.at) && seen < from.lines:
			if !c.more {
				seen++
			}
			return false
		}
		p.note(c.at, !c.more)
		i := streamOf(*c)
		return streams[i].passes(c, &p.ahead[i], from.heard)
	}
}

// catchUp is how far the reading of a stream has come.
type catchUp struct {
	begun  bool
	gone   bool // what had been printed is not there any more
	inLine int  // bytes of its line that have been read
}

// passes takes off what lies before the end of a stride, and lets the stride shrink by it. Where the engine has thrown the beginning away
// nothing can be counted, and only the clocks say what is new.
func (r *catchUp) passes(c *logChunk, s *stride, heard time.Time) bool {
	if !r.begun && s.first != "" && s.first != firstOf(c.text) {
		r.gone, *s = true, stride{}
	}
	r.begun, s.first = true, ""
	switch {
	case r.gone && !c.at.After(heard):
		return false
	case s.lines > 0:
		if !c.more {
			s.lines--
		}
		return false
	}
	old := min(max(0, s.part-r.inLine), len(c.text))
	c.text = c.text[old:]
	if !c.more {
		r.inLine, s.part = 0, 0
		return true
	}
	r.inLine += old + len(c.text)
	s.part = max(s.part, r.inLine)
	return len(c.text) > 0
}
