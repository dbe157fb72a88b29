package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/planner"
)

// A torrent of logs is what an engine sends of containers that print as fast as they can: bytes each, in lines of about a hundred bytes or,
// unbroken, in a single one. It comes over a socket and through docker's client, as it does from an engine: read back from its logs, or as it
// is printed.
type torrent struct {
	names    []string
	each     int
	unbroken bool
	printed  func(name string) // is called when all of a container's output has been sent
}

// serve is the engine: it answers with a container's logs.
func (tt torrent) serve(t testing.TB) engine {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.51") })
	mux.HandleFunc("/v1.51/info", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) })
	mux.HandleFunc("/v1.51/version", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"ApiVersion":"1.51"}`)) })
	mux.HandleFunc("/v1.51/containers/{name}/logs", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.docker.multiplexed-stream")
		tt.send(w, stamped)
		tt.printed(req.PathValue("name"))
	})
	mux.HandleFunc("/v1.51/containers/{name}/attach", func(w http.ResponseWriter, req *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
		tt.send(conn, packed)
		tt.printed(req.PathValue("name"))
	})
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	on, err := openEngine(t.Context(), address{host: "unix://" + socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = on.Close() })
	return on
}

// framing is how an engine puts output into frames.
type framing int

const (
	stamped framing = iota // of its logs: a frame is a line, or 16 KiB of one, behind its time
	packed                 // as it is printed: a frame is what one read of 32 KiB has brought
)

// send writes the output as the engine does.
func (tt torrent) send(w io.Writer, how framing) {
	const read = 32 << 10
	at, pad := time.Unix(1_700_000_000, 0).UTC(), bytes.Repeat([]byte("x"), 16<<10)
	var batch, text []byte
	frame := func(text []byte) {
		batch = append(batch, 1, 0, 0, 0)
		batch = binary.BigEndian.AppendUint32(batch, uint32(len(text)))
		batch = append(batch, text...)
	}
	for n, sent := 0, 0; sent < tt.each; n++ {
		if how == stamped {
			text = at.Add(time.Duration(n)*time.Microsecond).AppendFormat(text[:0], "2006-01-02T15:04:05.000000000Z07:00")
			text = append(text, ' ')
		}
		begin := len(text)
		if tt.unbroken {
			text = append(text, pad[:min(len(pad), tt.each-sent)]...)
		} else {
			text = strconv.AppendInt(text, int64(n), 10)
			text = append(append(append(text, ' '), pad[:60+n%80]...), '\n')
		}
		sent += len(text) - begin
		switch {
		case how == stamped:
			frame(text)
		case sent >= tt.each:
			frame(text)
		case len(text) >= read: // the rest of a line comes with the next
			frame(text[:read])
			text = text[:copy(text, text[read:])]
		}
		if len(batch) > 64<<10 || sent >= tt.each {
			if _, err := w.Write(batch); err != nil {
				return
			}
			batch = batch[:0]
		}
	}
}

// reader is who reads what muster prints: it counts, looks at the order of lines, and at how much memory is in use meanwhile.
type reader struct {
	t        testing.TB
	rest     []byte // of a line whose end has not come
	next     map[string]int
	bytes    map[string]int // of text, without prefixes
	label    string         // whose line is being read, where lines are too long to be kept
	since    int
	peak     uint64
	unbroken bool
}

func (r *reader) Write(p []byte) (int, error) {
	if r.since += len(p); r.since > 4<<20 {
		r.since = 0
		r.peak = max(r.peak, liveHeap())
	}
	if r.unbroken {
		r.count(p)
		return len(p), nil
	}
	r.rest = append(r.rest, p...)
	for {
		line, rest, whole := bytes.Cut(r.rest, []byte("\n"))
		if !whole {
			break
		}
		r.line(line)
		r.rest = rest
	}
	r.rest = append([]byte(nil), r.rest...)
	return len(p), nil
}

// liveHeap is how much of the heap was in use when it was last collected, in bytes: what has become garbage since says more of the collector, and of what
// else the machine does, than of us.
func liveHeap() uint64 {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Uint64()
}

// count goes through pieces of lines that are too long to be kept: all of it is x, but for prefixes.
func (r *reader) count(p []byte) {
	for len(p) > 0 {
		text := len(p) - len(bytes.TrimLeft(p, "x"))
		if text > 0 {
			r.bytes[r.label] += text
		}
		p = p[text:]
		other := bytes.IndexByte(p, 'x')
		if other < 0 {
			other = len(p)
		}
		r.rest = append(r.rest, p[:other]...)
		p = p[other:]
		line := r.rest[bytes.LastIndexByte(r.rest, '\n')+1:]
		if label, _, ok := bytes.Cut(line, []byte("  | ")); ok {
			r.label, r.rest = string(label), nil
		}
	}
}

func (r *reader) line(line []byte) {
	label, text, ok := bytes.Cut(line, []byte("  | "))
	if !ok {
		return // it says that one has ended
	}
	name := string(label)
	r.bytes[name] += len(text) + 1
	number, pad, _ := bytes.Cut(text, []byte(" "))
	n, err := strconv.Atoi(string(number))
	if err != nil || n != r.next[name] || len(pad) != 60+n%80 {
		r.t.Errorf("%s: got line %.20q with %d bytes, want line %d", name, number, len(pad), r.next[name])
	}
	r.next[name] = n + 1
}

// heapLimit is what twenty containers may take beyond what other tests have left: what is in flight (two batches), a piece of a line for each, and what
// the engine, which is in this program, has not sent.
const heapLimit = 48 << 20

// Containers that print as fast as they can take bounded memory, whatever they print, and each one's lines come in order.
func TestLogsOfAnySize(t *testing.T) {
	for name, c := range map[string]struct {
		containers, each int
		unbroken         bool
		how              pouring
	}{
		"attached, many lines":       {containers: 20, each: 6 << 20, how: attachedTo},
		"attached, a line of 100 MB": {containers: 2, each: 100 << 20, unbroken: true, how: attachedTo},
		"followed, many lines":       {containers: 20, each: 6 << 20, how: followedLogs},
		"followed, a line of 100 MB": {containers: 2, each: 100 << 20, unbroken: true, how: followedLogs},
		"history, many lines":        {containers: 20, each: 6 << 20, how: oldLogs},
		"history, a line each":       {containers: 20, each: 10 << 20, unbroken: true, how: oldLogs},
	} {
		t.Run(name, func(t *testing.T) {
			r, took := pour(t, c.containers, c.each, c.unbroken, c.how)
			total := 0
			for label, n := range r.bytes {
				total += n
				if n < c.each || n > c.each+200 {
					t.Errorf("%s: %d bytes were printed, want %d", label, n, c.each)
				}
			}
			if len(r.bytes) != c.containers {
				t.Errorf("%d containers have printed, want %d", len(r.bytes), c.containers)
			}
			if r.peak > heapLimit {
				t.Errorf("%d MiB of memory were in use, want at most %d", r.peak>>20, heapLimit>>20)
			}
			t.Logf("%d MB in %v: %.0f MB/s, at most %d MiB in use", total/1e6, took.Round(time.Millisecond), float64(total)/1e6/took.Seconds(), r.peak>>20)
		})
	}
}

// pouring is where muster reads from.
type pouring int

const (
	attachedTo   pouring = iota // connections that were there before the start
	followedLogs                // the engine's logs, as they grow
	oldLogs                     // the engine's logs, in the order of time
)

// pour lets containers print and muster read them, and gives what was read.
func pour(t testing.TB, containers, each int, unbroken bool, how pouring) (*reader, time.Duration) {
	runtime.GC()
	before := liveHeap()
	tt := torrent{each: each, unbroken: unbroken}
	for i := range containers {
		tt.names = append(tt.names, fmt.Sprintf("shop-web-%02d", i))
	}
	f := newFakeContainers(tt.names...)
	tt.printed = func(name string) {
		if how != oldLogs {
			f.end(name, 0, false)
		}
	}
	r := &reader{t: t, next: map[string]int{}, bytes: map[string]int{}, unbroken: unbroken}
	at := newAttached(f)
	at.printer = newLogPrinter(r, logStyle{}, nil)
	on := tt.serve(t)
	at.a.printer, at.a.logs, at.a.attach = at.printer, on, on
	began := time.Now()
	if how == oldLogs {
		var all []*followed
		for _, name := range tt.names {
			all = append(all, at.a.entry(name, "s"))
		}
		if _, err := at.a.history(t.Context(), all, logOptions{}); err != nil {
			t.Fatal(err)
		}
	} else {
		for _, name := range tt.names {
			if how == attachedTo {
				at.a.before(t.Context(), name, "s")
			}
			f.start(name)
		}
		if err := at.a.expect(t.Context(), starts(tt.names...), planner.State{}); err != nil {
			t.Fatal(err)
		}
		close(at.a.planned)
		go func() {
			for range at.a.exits {
			}
		}()
		if err := at.a.run(t.Context(), f.events); err != nil {
			t.Fatal(err)
		}
	}
	if err := at.printer.close(); err != nil {
		t.Fatal(err)
	}
	if left := strings.TrimSpace(string(r.rest)); left != "" && !unbroken {
		t.Errorf("a line has no end: %.40q", left)
	}
	r.peak -= min(r.peak, before)
	return r, time.Since(began)
}

// BenchmarkLogs says how many bytes a second muster passes on of twenty containers that print, the sending included.
func BenchmarkLogs(b *testing.B) {
	for name, how := range map[string]pouring{"attached": attachedTo, "followed": followedLogs} {
		b.Run(name, func(b *testing.B) {
			const containers, each = 20, 4 << 20
			b.SetBytes(containers * each)
			for b.Loop() {
				r, _ := pour(b, containers, each, false, how)
				b.ReportMetric(float64(r.peak>>20), "MiB")
			}
		})
	}
}
