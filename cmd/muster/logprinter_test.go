package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func source(label string) *logSource {
	return &logSource{container: "shop-" + label, service: strings.TrimSuffix(label, "-1"), label: label, colour: "36"}
}

func TestLogPrinterForms(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	print := func(style logStyle) string {
		var out bytes.Buffer
		p := newLogPrinter(&out, style, nil)
		p.widen([]string{"web-1", "database-1"})
		web, db := source("web-1"), source("database-1")
		ctx := t.Context()
		_ = p.chunk(ctx, web, logChunk{at: at, text: []byte("hello <world>")})
		_ = p.chunk(ctx, db, logChunk{at: at, stderr: true, text: nil})
		_ = p.chunk(ctx, web, logChunk{at: at, text: []byte("a piece"), more: true})
		_ = p.chunk(ctx, web, logChunk{at: at, text: []byte(" of a line")})
		_ = p.chunk(ctx, web, logChunk{at: at, text: []byte("torn"), more: true})
		_ = p.chunk(ctx, db, logChunk{at: at, text: []byte("apart")})
		_ = p.chunk(ctx, web, logChunk{at: at, text: []byte("goes on")})
		_ = p.remark(ctx, web, "web-1 exited with code 0")
		_ = p.chunk(ctx, web, logChunk{at: at, text: []byte("no end"), more: true})
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	for _, c := range []struct {
		name  string
		style logStyle
		want  string
	}{
		{"plain", logStyle{}, `web-1       | hello <world>
database-1  | 
web-1       | a piece of a line
web-1       | torn
database-1  | apart
web-1       | goes on
web-1 exited with code 0
web-1       | no end
`},
		{"no prefix, times", logStyle{noPrefix: true, timestamps: true}, `2026-01-02T03:04:05.0000006Z hello <world>
2026-01-02T03:04:05.0000006Z 
2026-01-02T03:04:05.0000006Z a piece of a line
2026-01-02T03:04:05.0000006Z torn
2026-01-02T03:04:05.0000006Z apart
2026-01-02T03:04:05.0000006Z goes on
web-1 exited with code 0
2026-01-02T03:04:05.0000006Z no end
`},
		{"json", logStyle{json: true}, `{"container":"shop-web-1","service":"web","time":"2026-01-02T03:04:05.0000006Z","stream":"stdout","line":"hello <world>"}
{"container":"shop-database-1","service":"database","time":"2026-01-02T03:04:05.0000006Z","stream":"stderr","line":""}
{"container":"shop-web-1","service":"web","time":"2026-01-02T03:04:05.0000006Z","stream":"stdout","line":"a piece","partial":true}
{"container":"shop-web-1","service":"web","time":"2026-01-02T03:04:05.0000006Z","stream":"stdout","line":" of a line"}
{"container":"shop-web-1","service":"web","time":"2026-01-02T03:04:05.0000006Z","stream":"stdout","line":"torn","partial":true}
{"container":"shop-database-1","service":"database","time":"2026-01-02T03:04:05.0000006Z","stream":"stdout","line":"apart"}
{"container":"shop-web-1","service":"web","time":"2026-01-02T03:04:05.0000006Z","stream":"stdout","line":"goes on"}
{"container":"shop-web-1","service":"web","line":"","event":"web-1 exited with code 0"}
{"container":"shop-web-1","service":"web","time":"2026-01-02T03:04:05.0000006Z","stream":"stdout","line":"no end","partial":true}
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, print(c.style)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got := print(logStyle{paint: true}); !strings.HasPrefix(got, "\x1b[36mweb-1       | \x1b[0mhello <world>\n") {
		t.Errorf("the prefix is not in the container's colour: %q", got[:60])
	}
}

// Lines of one container stay whole and in order whatever the others print.
func TestLogPrinterKeepsOrder(t *testing.T) {
	const containers, each = 20, 2000
	var out bytes.Buffer
	p := newLogPrinter(&out, logStyle{}, nil)
	var all sync.WaitGroup
	for i := range containers {
		all.Go(func() {
			s := source(fmt.Sprintf("c%02d-1", i))
			for n := range each {
				if err := p.chunk(t.Context(), s, logChunk{text: fmt.Appendf(nil, "%d %s", n, strings.Repeat("x", n%200))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	next := map[string]int{}
	for line := range strings.Lines(out.String()) {
		var label, pad string
		var n int
		if _, err := fmt.Sscanf(line, "%s | %d %s", &label, &n, &pad); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && n%200 != 0 {
			t.Fatalf("line %q: %v", line, err)
		}
		if n != next[label] || len(pad) != n%200 {
			t.Fatalf("%s: got line %d with %d characters, want line %d", label, n, len(pad), next[label])
		}
		next[label]++
	}
	for label, n := range next {
		if n != each {
			t.Errorf("%s: %d lines of %d", label, n, each)
		}
	}
}

// gate is a reader of the output that does not read until it is opened.
type gate struct{ open chan struct{} }

func (g gate) Write(p []byte) (int, error) { <-g.open; return len(p), nil }

// A reader that is slow holds the containers back; nothing piles up in memory.
func TestLogPrinterIsBounded(t *testing.T) {
	for name, size := range map[string]int{"long lines": 256 << 10, "short lines": 100, "empty lines": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := gate{make(chan struct{})}
				p := newLogPrinter(g, logStyle{}, nil)
				ctx, cancel := context.WithCancel(t.Context())
				sent, lines := 0, 0
				go func() {
					text := bytes.Repeat([]byte("x"), size)
					for p.chunk(ctx, source("web-1"), logChunk{text: text}) == nil {
						sent, lines = sent+size, lines+1
					}
				}()
				synctest.Wait()
				// Two batches, and what the buffer of the output has before it is written.
				if limit := 3 * (batchText + size); sent > limit || lines > 3*batchItems {
					t.Errorf("%d bytes in %d lines were taken while nobody read, want at most %d in %d", sent, lines, limit, 3*batchItems)
				}
				if sent < batchText && lines < batchItems {
					t.Errorf("only %d bytes in %d lines were taken", sent, lines)
				}
				cancel()
				close(g.open)
				if err := p.close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// A reader that has gone away ends nothing but the printing.
func TestLogPrinterBrokenPipe(t *testing.T) {
	p := newLogPrinter(brokenPipe{}, logStyle{}, nil)
	for range 5000 {
		if err := p.chunk(t.Context(), source("web-1"), logChunk{text: bytes.Repeat([]byte("x"), 10<<10)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.close(); err == nil || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("close says %v", err)
	}
}

func BenchmarkLogPrinter(b *testing.B) {
	line := bytes.Repeat([]byte("x"), 100)
	b.SetBytes(int64(len(line)))
	p := newLogPrinter(io.Discard, logStyle{}, nil)
	s := source("web-1")
	for b.Loop() {
		_ = p.chunk(b.Context(), s, logChunk{text: line})
	}
	_ = p.close()
}
