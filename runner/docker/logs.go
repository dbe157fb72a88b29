package docker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	timetypes "github.com/docker/docker/api/types/time"

	"github.com/musterhq/muster/healthcheck"
)

// LogOptions say which part of a container's output is wanted. The zero value
// is all of it so far.
type LogOptions struct {
	Follow bool
	// Tail is how many of the last lines; 0 is all, less than 0 none.
	Tail int
	// Since and Until are times or periods before now ("10m"), in the forms that the docker command takes.
	Since, Until string
}

// Time is what a value of Since or Until means now: a time, or a period before now. The empty one is no bound, and no time.
func Time(value string, now time.Time) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	stamp, err := timetypes.GetTimestamp(value, now)
	if err != nil {
		return time.Time{}, err
	}
	seconds, nanoseconds, err := timetypes.ParseTimestamps(stamp, 0)
	return time.Unix(seconds, nanoseconds), err
}

// Request is how they are asked for. The times always are: they order the lines of several
// containers, and tell where to go on after a restart.
func (o LogOptions) Request() container.LogsOptions {
	tail := "all"
	if o.Tail > 0 {
		tail = strconv.Itoa(o.Tail)
	} else if o.Tail < 0 {
		tail = "0"
	}
	return container.LogsOptions{
		ShowStdout: true, ShowStderr: true, Timestamps: true,
		Follow: o.Follow, Tail: tail, Since: o.Since, Until: o.Until,
	}
}

// LogLine is one line of a container's output.
type LogLine struct {
	// At is when the engine got it; for attached containers, when we did.
	At time.Time
	// Stderr tells the streams apart; a container with a terminal has but one.
	Stderr bool
	// Text is the line without its end. It is valid until the next call of Next.
	Text []byte
	// Partial says that the line goes on in the next LogLine of its stream: it
	// was longer than [MaxLine].
	Partial bool
}

// MaxLine is the longest piece of a line that is kept in memory, in bytes.
const MaxLine = 256 << 10

// LogStream is the output of a container, line by line. It belongs to one
// goroutine, except for Close.
type LogStream struct {
	close   func() error
	from    io.Reader
	in      *bufio.Reader // of from, once there is something: many containers have nothing to say
	stamped bool          // each message of the engine begins with its time
	raw     bool          // a terminal's output: no frames
	frame   frame
	parts   [2]pending
	failed  error
}

// frame is the engine's message that is being read.
type frame struct {
	stderr bool
	left   int  // bytes of it
	fresh  bool // its time has not been read
	at     time.Time
}

// pending is the beginning of a line whose end has not come.
type pending struct {
	at   time.Time
	text []byte
	used bool // text has been handed out
}

// Close ends the stream; a Next that waits returns.
func (s *LogStream) Close() error { return s.close() }

// ErrNotKept says that the output of a container cannot be read later on, because of its log driver.
var ErrNotKept = errors.New("its log driver does not keep it where it can be read")

// notKept recognizes what engines say of that.
func notKept(err error) bool {
	text := err.Error()
	return strings.Contains(text, "does not support reading") || strings.Contains(text, "cannot read logs") // Podman's words
}

// Logs reads a container's output; [ErrNotKept] where that cannot be done. It works without asking whether the
// container has a terminal. Docker 20.10 does not give a last line that has no end to those
// who follow; Attach does not have that fault.
func (e *Engine) Logs(ctx context.Context, name string, o LogOptions) (*LogStream, error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	body, err := e.client.ContainerLogs(ctx, name, o.Request())
	if err != nil {
		if notKept(err) {
			return nil, fmt.Errorf("read the logs of container %q: %w", name, ErrNotKept)
		}
		return nil, e.wrap(ctx, err, "read the logs of container", name)
	}
	return newLogStream(body, body.Close, true), nil
}

// Attach connects to a container's output from now on, until the stream is closed or this life of the container ends. Called
// before the start it misses no line, and works with every log driver.
func (e *Engine) Attach(ctx context.Context, name string) (*LogStream, error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	got, err := e.client.ContainerAttach(ctx, name, container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return nil, e.wrap(ctx, err, "attach to container", name)
	}
	return newLogStream(got.Reader, got.Conn.Close, false), nil
}

// AttachAhead is [Engine.Attach] to a container that is about to start, for who goes on with the logs of its later lives. Podman's cannot be
// put together with that: it tells of an end at a time before that of the last lines.
func (e *Engine) AttachAhead(ctx context.Context, name string) (*LogStream, error) {
	if err := e.connect(ctx); err != nil {
		return nil, err
	}
	if e.isPodman() {
		return nil, errors.ErrUnsupported
	}
	return e.Attach(ctx, name)
}

func newLogStream(in io.Reader, closer func() error, stamped bool) *LogStream {
	return &LogStream{close: closer, from: in, stamped: stamped}
}

// Next gives the next line; io.EOF when the output has ended. Lines of the two streams
// do not mix.
func (s *LogStream) Next() (LogLine, error) {
	for i := range s.parts {
		if s.parts[i].used {
			s.parts[i] = pending{text: s.parts[i].text[:0]}
		}
	}
	for s.failed == nil {
		line, ok, err := s.step()
		if ok {
			return line, nil
		}
		s.failed = err
	}
	// What came before the end without a line end is still a line.
	for i := range s.parts {
		if p := &s.parts[i]; len(p.text) > 0 && !p.used {
			p.used = true
			return LogLine{At: p.at, Stderr: i == 1, Text: p.text}, nil
		}
	}
	return LogLine{}, s.failed
}

// step reads some of the input; ok says that a line is complete.
func (s *LogStream) step() (line LogLine, ok bool, err error) {
	if s.in == nil {
		if err := s.begin(); err != nil {
			return line, false, err
		}
	}
	if s.raw {
		return s.rawStep()
	}
	if s.frame.left == 0 {
		if err := s.nextFrame(); err != nil {
			return line, false, err
		}
	}
	if s.frame.fresh {
		s.frame.fresh = false
		n, err := s.readStamp()
		if err != nil {
			return line, false, err
		}
		s.frame.left -= n
	}
	chunk, err := s.peekLine(s.frame.left)
	if err != nil {
		return line, false, err
	}
	s.frame.left -= len(chunk)
	return s.take(chunk)
}

// begin finds out whether the output comes in frames. A frame begins with the number of a
// stream and three zeros; a terminal's output with the engine's time, or with text.
func (s *LogStream) begin() error {
	first := make([]byte, 1)
	if _, err := io.ReadFull(s.from, first); err != nil {
		return err
	}
	s.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(first), s.from), 64<<10)
	s.raw = first[0] > 2
	if !s.raw {
		head, err := s.in.Peek(4)
		s.raw = err != nil || !bytes.Equal(head[1:], []byte{0, 0, 0})
	}
	if s.raw {
		s.frame = frame{fresh: true, left: rawMessage}
	}
	return nil
}

// errFrames is returned when the engine's framing is broken.
var errFrames = errors.New("the engine's log stream is broken")

func (s *LogStream) nextFrame() error {
	var head [8]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return err
	}
	if head[0] > 3 {
		return errFrames
	}
	s.frame = frame{stderr: head[0] == 2, left: int(binary.BigEndian.Uint32(head[4:])), fresh: s.stamped, at: time.Now()}
	if head[0] == 3 {
		text := make([]byte, min(s.frame.left, 4<<10))
		_, _ = io.ReadFull(s.in, text)
		return errors.New(strings.TrimSpace(string(text)))
	}
	return nil
}

// readStamp reads the time at the beginning of a message and how long it was.
// It never waits for more than the time itself: the message after it may be an empty line.
func (s *LogStream) readStamp() (int, error) {
	const (
		shortest = len("2006-01-02T15:04:05Z ")
		longest  = len("2006-01-02T15:04:05.000000000+00:00 ")
	)
	for n := shortest; n <= min(longest, s.frame.left); n++ {
		head, err := s.in.Peek(n)
		if err != nil {
			return 0, err
		}
		if head[n-1] != ' ' {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, string(head[:n-1]))
		if err != nil {
			return 0, nil
		}
		s.frame.at = at
		return s.in.Discard(n)
	}
	return 0, nil
}

// peekLine takes up to the end of the line, at most limit bytes, of what is there; it waits
// for at least one byte.
func (s *LogStream) peekLine(limit int) ([]byte, error) {
	if limit == 0 {
		return nil, nil
	}
	if _, err := s.in.Peek(1); err != nil {
		return nil, err
	}
	chunk, err := s.in.Peek(min(limit, s.in.Buffered(), MaxLine))
	if err != nil {
		return nil, err
	}
	if end := bytes.IndexByte(chunk, '\n'); end >= 0 {
		chunk = chunk[:end+1]
	}
	return chunk, nil
}

// take adds chunk, which still lies in the buffer, to its line.
func (s *LogStream) take(chunk []byte) (LogLine, bool, error) {
	i := 0
	if s.frame.stderr {
		i = 1
	}
	p := &s.parts[i]
	if len(p.text) == 0 {
		p.at = s.frame.at
	}
	whole := len(chunk) > 0 && chunk[len(chunk)-1] == '\n'
	text := chunk
	if len(p.text) > 0 || !whole { // else it can stay in the buffer, which the next call reads on from
		p.text = append(p.text, chunk...)
		text = p.text
	}
	if _, err := s.in.Discard(len(chunk)); err != nil {
		return LogLine{}, false, err
	}
	if !whole && len(text) < MaxLine {
		return LogLine{}, false, nil
	}
	p.used = true
	if whole {
		text = bytes.TrimSuffix(text[:len(text)-1], []byte{'\r'})
	}
	return LogLine{At: p.at, Stderr: i == 1, Text: text, Partial: !whole}, true, nil
}

// rawMessage is how much of a line the engine keeps in one message: a longer line
// of a terminal has a time in its middle every so many bytes.
const rawMessage = 16 << 10

// rawStep reads a terminal's output, in which only line ends part the messages.
func (s *LogStream) rawStep() (LogLine, bool, error) {
	if s.stamped && s.frame.fresh {
		s.frame.fresh = false
		s.frame.left = rawMessage
		if _, err := s.readStamp(); err != nil {
			return LogLine{}, false, err
		}
	}
	if !s.stamped {
		s.frame.left, s.frame.at = MaxLine, time.Now()
	}
	chunk, err := s.peekLine(s.frame.left)
	if err != nil {
		return LogLine{}, false, err
	}
	s.frame.left -= len(chunk)
	s.frame.fresh = s.frame.left == 0 || bytes.HasSuffix(chunk, []byte{'\n'})
	return s.take(chunk)
}

// Lines hands over a container's lines of output, oldest first.
func (e *Engine) Lines(ctx context.Context, name string, o healthcheck.Excerpt, each func(line string) error) error {
	if o.Last > 0 && !o.Follow {
		// The two streams have a tail each on some engines.
		var tail []string
		err := e.lines(ctx, name, o, func(line string) error {
			tail = append(tail, line)
			return nil
		})
		for _, line := range tail[max(0, len(tail)-o.Last):] {
			if err := each(line); err != nil {
				return err
			}
		}
		return err
	}
	return e.lines(ctx, name, o, each)
}

func (e *Engine) lines(ctx context.Context, name string, o healthcheck.Excerpt, each func(line string) error) error {
	options := LogOptions{Tail: o.Last, Follow: o.Follow}
	if !o.Since.IsZero() {
		options.Since = strconv.FormatInt(o.Since.Unix(), 10) + "." + leftPad(o.Since.Nanosecond())
	}
	stream, err := e.Logs(ctx, name, options)
	if err != nil {
		if errors.Is(err, ErrNotKept) {
			return &healthcheck.CannotCheck{Reason: ErrNotKept.Error(),
				Advice: "choose another logging driver, or let x-muster.ready look for something else than a line of the log"}
		}
		return err
	}
	failed := stream.Each(ctx, func(line LogLine) error {
		err = each(string(line.Text))
		return err
	})
	if failed == nil || err != nil || ctx.Err() != nil {
		return failed
	}
	return e.wrap(ctx, failed, "read the logs of container", name)
}

// Each hands the lines over until they end, do returns an error, which it passes on, or ctx ends; then it closes the stream.
func (s *LogStream) Each(ctx context.Context, do func(LogLine) error) error {
	defer func() { _ = s.Close() }()
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	for {
		line, err := s.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		if err := do(line); err != nil {
			return err
		}
	}
}
