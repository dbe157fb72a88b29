package docker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

const stamp = "2026-11-24T22:39:15.992986384Z "

// framed is a message as the engine frames it.
func framed(stream byte, text string) string {
	head := make([]byte, 8)
	head[0] = stream
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	return string(head) + text
}

// oneByOne hands out a byte at a time, as a slow network might.
type oneByOne struct{ io.Reader }

func (r oneByOne) Read(p []byte) (int, error) { return r.Reader.Read(p[:1]) }

func TestLogStream(t *testing.T) {
	long := strings.Repeat("x", 16<<10)
	huge := strings.Repeat("y", MaxLine)
	for name, c := range map[string]struct {
		stamped bool
		in      string
		want    []string // stream, text, and + for a part
	}{
		"nothing":               {true, "", nil},
		"both streams":          {true, framed(1, stamp+"a\n") + framed(2, stamp+"b\n") + framed(1, stamp+"\n"), []string{"1 a", "2 b", "1 "}},
		"streams do not mix":    {false, framed(1, "one ") + framed(2, "two\n") + framed(1, "more\n"), []string{"2 two", "1 one more"}},
		"several lines a frame": {false, framed(1, "a\nb\nc"), []string{"1 a", "1 b", "1 c"}},
		"no time where one was due": {true, framed(1, "odd line that is long enough for a time\n"),
			[]string{"1 odd line that is long enough for a time"}},
		"engine's parts of a long line": {true, framed(1, stamp+long) + framed(1, stamp+"end\n"), []string{"1 " + long + "end"}},
		"longer than is kept":           {false, framed(1, huge) + framed(1, "z\n"), []string{"1 " + huge + "+", "1 z"}},
		"terminal":                      {true, stamp + "a\r\n" + stamp + "\r\n" + stamp + "b\r\n", []string{"1 a", "1 ", "1 b"}},
		"terminal, long line":           {true, stamp + long + stamp + "end\r\n" + stamp + "b\r\n", []string{"1 " + long + "end", "1 b"}},
		"terminal, attached":            {false, "a\r\nb", []string{"1 a", "1 b"}},
		"carriage return within":        {false, framed(1, "10%\r20%\n"), []string{"1 10%\r20%"}},
	} {
		for _, slow := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, slow=%v", name, slow), func(t *testing.T) {
				var in io.Reader = strings.NewReader(c.in)
				if slow {
					in = oneByOne{in}
				}
				s := newLogStream(in, func() error { return nil }, c.stamped)
				var got []string
				for {
					line, err := s.Next()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					text := "1 " + string(line.Text)
					if line.Stderr {
						text = "2 " + string(line.Text)
					}
					if line.Partial {
						text += "+"
					}
					got = append(got, text)
					if c.stamped && name != "no time where one was due" && line.At.Format(time.RFC3339Nano)+" " != stamp {
						t.Errorf("time %v", line.At)
					}
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// A line is handed out when it is there, and not when the next one comes.
func TestLogStreamDoesNotWaitForMore(t *testing.T) {
	for name, text := range map[string]string{"frames": framed(1, stamp+"\n"), "terminal": stamp + "a\r\n"} {
		t.Run(name, func(t *testing.T) {
			out, in := io.Pipe()
			defer out.Close()
			go func() { _, _ = in.Write([]byte(text)) }() // and no end
			s := newLogStream(out, out.Close, true)
			if _, err := s.Next(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBrokenFrames(t *testing.T) {
	s := newLogStream(bytes.NewReader([]byte(framed(1, "a\n")+"\x09garbage that is no frame")), nil, false)
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); !errors.Is(err, errFrames) {
		t.Errorf("%v", err)
	}
}

func TestLogsWithAndWithoutTerminal(t *testing.T) {
	r := newRig(t)
	const script = "echo one; echo two >&2; printf 'three'; exit 0"
	for service, want := range map[string][]string{
		"plain": {"err two", "out one", "out three"},
		"tty":   {"out one", "out three", "out two"},
	} {
		r.do(r.shell(service, script, func(a *planner.CreateContainer) { a.Spec.Tty = service == "tty" }))
		attached, err := r.Attach(r.ctx, r.name(service))
		if err != nil {
			t.Fatal(err)
		}
		r.do(planner.StartContainer{Name: r.name(service)})
		for how, got := range map[string][]string{"attached": collect(t, attached), "logs": r.output(r.name(service))} {
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s: %s", service, how, diff)
			}
		}
		var tail []string
		err = r.Lines(r.ctx, r.name(service), healthcheck.Excerpt{Last: 1}, func(line string) error {
			tail = append(tail, line)
			return nil
		})
		if err != nil || len(tail) != 1 || tail[0] != "three" {
			t.Errorf("%s: tail %q, %v", service, tail, err)
		}
	}
}

// A reader that waits is let go when its context ends or the stream is closed.
func TestLogsEnd(t *testing.T) {
	r := newRig(t)
	r.do(r.shell("web", "echo on; "+sleeper, nil), planner.StartContainer{Name: r.name("web")})
	s, err := r.Logs(r.ctx, r.name("web"), LogOptions{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	if line, err := s.Next(); err != nil || string(line.Text) != "on" || time.Since(line.At) > time.Hour {
		t.Errorf("%+v, %v", line, err)
	}
	time.AfterFunc(0, func() { _ = s.Close() })
	if _, err := s.Next(); err == nil {
		t.Error("another line came")
	}
	a, err := r.Attach(r.ctx, r.name("web"))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(0, func() { _ = a.Close() })
	if _, err := a.Next(); err == nil {
		t.Error("another line came")
	}
}
