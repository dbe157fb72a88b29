package main

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

const onlyOne = "shop-web-1"

// beforeStart plays with one container whose output is connected to before its start, and gives what was printed.
func beforeStart(t *testing.T, play func(f *fakeContainers, at *attachedTest)) (printed string, c *fakeContainer) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeContainers(onlyOne)
		f.now = time.Now()
		at := newAttached(f)
		at.follow(t, f, starts(onlyOne), planner.State{})
		close(at.a.planned)
		at.a.before(t.Context(), onlyOne, "s")
		play(f, at)
		printed, c = at.finish(t), f.by[onlyOne]
	})
	return printed, c
}

// say prints lines at the fake engine's time.
func (f *fakeContainers) say(lines ...string) {
	for _, line := range lines {
		f.do(onlyOne, func(c *fakeContainer) {
			f.now = f.now.Add(1)
			c.log = append(c.log, logChunk{at: f.now, text: []byte(line)})
		})
	}
}

// The engine need not read back what it can hand over; only the life that it began itself comes from its logs.
func TestAttachmentIsThereBeforeTheStart(t *testing.T) {
	got, c := beforeStart(t, func(f *fakeContainers, _ *attachedTest) {
		f.start(onlyOne)
		f.say("one", "two")
		f.end(onlyOne, 1, true)
		f.start(onlyOne)
		f.say("three")
		f.end(onlyOne, 0, false)
	})
	want := "web-1  | one\nweb-1  | two\nweb-1 exited with code 1 (restarting)\nweb-1  | three\nweb-1 exited with code 0\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.read != 2 { // its line, and once more when it had ended, to see that there is no other
		t.Errorf("%d lines were read from the logs, want 2", c.read)
	}
}

// Where the engine keeps no output, what comes is better than nothing.
func TestAttachmentWithoutLogs(t *testing.T) {
	got, _ := beforeStart(t, func(f *fakeContainers, _ *attachedTest) {
		f.by[onlyOne].unkept = true
		f.start(onlyOne)
		f.say("one")
		f.end(onlyOne, 1, true)
		f.start(onlyOne)
		synctest.Wait()
		f.say("two")
		f.end(onlyOne, 1, true)
		synctest.Wait()
		f.start(onlyOne)
		f.say("nobody hears this")
		f.end(onlyOne, 0, false) // over before anybody could connect
	})
	want := "web-1  | one\nweb-1 exited with code 1 (restarting)\nweb-1  | two\nweb-1 exited with code 1 (restarting)\nweb-1 exited with code 0\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// pausing is a terminal on which nothing moves until it is let go on.
type pausing struct {
	to   io.Writer
	goOn chan struct{}
}

func (p pausing) Write(text []byte) (int, error) {
	<-p.goOn
	return p.to.Write(text)
}

// A terminal that is paused does not pause the container, unless what it prints would be lost; and then it still comes
// once and in order.
func TestAttachmentHoldsNobodyUp(t *testing.T) {
	for what, unkept := range map[string]bool{"kept": false, "not kept": true} {
		t.Run(what, func(t *testing.T) {
			const lines = 400
			filler := strings.Repeat("x", 16<<10)
			got, _ := beforeStart(t, func(f *fakeContainers, at *attachedTest) {
				if err := at.printer.close(); err != nil {
					t.Fatal(err)
				}
				f.by[onlyOne].unkept = unkept
				terminal := pausing{&at.out, make(chan struct{})}
				at.printer = newLogPrinter(terminal, logStyle{}, nil)
				at.a.printer = at.printer
				f.start(onlyOne)
				for n := range lines {
					f.say(strconv.Itoa(n) + " " + filler)
				}
				for after, want := range []bool{0: true, 1: unkept} {
					synctest.Wait()
					f.do(onlyOne, func(c *fakeContainer) {
						if connected := c.connected == 1; connected != want {
							t.Errorf("connected after %d times the patience: %v", after, connected)
						}
					})
					time.Sleep(heldUpAfter + time.Second)
				}
				close(terminal.goOn)
				f.end(onlyOne, 0, false)
			})
			n := 0
			for line := range strings.Lines(strings.TrimSuffix(got, "web-1 exited with code 0\n")) {
				if want := "web-1  | " + strconv.Itoa(n) + " " + filler + "\n"; line != want {
					t.Fatalf("line %d is %.30q", n, line)
				}
				n++
			}
			if n != lines {
				t.Errorf("%d lines, want %d", n, lines)
			}
		})
	}
}

// A line that was printed in part goes on where it was.
func TestPositionWithinLines(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	var p position
	for _, c := range []logChunk{{text: []byte("one")}, {text: []byte("tw"), more: true}, {text: []byte("aside"), stderr: true}} {
		p.count(c)
	}
	for try := range 2 { // the first breaks within the line
		var got []string
		passes := p.resume()
		log := []logChunk{{text: []byte("one")}, {text: []byte("t"), more: true}, {text: []byte("wofold"), more: true},
			{text: []byte(" end")}, {text: []byte("aside"), stderr: true}, {text: []byte("three")}}
		if try == 0 {
			log = log[:3]
		}
		for n, c := range log {
			c.at = at.Add(time.Duration(min(n, 1))) // the pieces of a line share their time
			if passes(&c) {
				got = append(got, string(c.text))
			}
		}
		want := [][]string{{"ofold"}, {" end", "three"}}[try]
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("try %d (-want +got):\n%s", try, diff)
		}
	}
}

// Where the engine has thrown away what was printed already, what came later is told by the clocks.
func TestPositionAfterRotation(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	var p position
	for n := range 5 {
		p.count(logChunk{text: []byte(strconv.Itoa(n)), at: at.Add(time.Duration(n) * time.Second)})
	}
	passes := p.resume()
	var got bytes.Buffer
	for n := 3; n < 7; n++ {
		if c := (logChunk{text: []byte(strconv.Itoa(n)), at: at.Add(time.Duration(n) * time.Second)}); passes(&c) {
			got.Write(c.text)
		}
	}
	if got.String() != "56" {
		t.Errorf("got %s, want 56", got.String())
	}
}

// A life whose begin is found before the engine tells of it is not shown twice: by the logs, and by the connection.
func TestAttachmentDoesNotReadALifeTwice(t *testing.T) {
	got, _ := beforeStart(t, func(f *fakeContainers, at *attachedTest) {
		f.start(onlyOne)
		f.say("one")
		f.do(onlyOne, func(c *fakeContainer) { // its output ends, and the engine has yet to say why
			c.running, c.comesBack, c.code, c.run, c.ends = false, true, 1, c.run+1, append(c.ends, len(c.log))
		})
		synctest.Wait()
		f.do(onlyOne, func(c *fakeContainer) {
			c.ended = f.tick(0, 0)
			f.events <- healthcheck.Event{Name: onlyOne, What: "die", ExitCode: 1, At: c.ended}
		})
		synctest.Wait()
		f.do(onlyOne, func(c *fakeContainer) { c.comesBack = false })
		at.a.before(t.Context(), onlyOne, "s")
		f.do(onlyOne, func(c *fakeContainer) { c.running, c.began = true, f.tick(0, 0) })
		f.say("two")
		time.Sleep(2 * doubtAfter)
		f.do(onlyOne, func(*fakeContainer) {}, healthcheck.Event{What: "start", At: f.by[onlyOne].began})
		f.end(onlyOne, 0, false)
	})
	want := "web-1  | one\nweb-1 exited with code 1 (restarting)\nweb-1  | two\nweb-1 exited with code 0\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A start that was not heard of is found when the engine says that events were lost.
func TestAttachmentFindsAStartThatWasMissed(t *testing.T) {
	got, _ := beforeStart(t, func(f *fakeContainers, _ *attachedTest) {
		f.do(onlyOne, func(c *fakeContainer) { c.running = true })
		f.say("one")
		f.events <- healthcheck.Event{What: "resync"}
		synctest.Wait()
		f.say("two")
		f.end(onlyOne, 0, false)
	})
	if diff := cmp.Diff("web-1  | one\nweb-1  | two\nweb-1 exited with code 0\n", got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
