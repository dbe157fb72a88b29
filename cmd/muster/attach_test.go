package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

// fakeContainers print, end and start again as a test tells them to, and keep what they have
// printed as an engine does: with times that several lines may share, and a bound that includes them.
type fakeContainers struct {
	mu     sync.Mutex
	by     map[string]*fakeContainer
	events chan healthcheck.Event
	change *sync.Cond
	now    time.Time // by the engine's clock, which only moves when something happens; zero: each life takes a second
}

// tick is the time of the next thing that happens in the n-th life.
func (f *fakeContainers) tick(life, nanosecond int) time.Time {
	if f.now.IsZero() {
		return time.Unix(int64(life), int64(nanosecond))
	}
	f.now = f.now.Add(1)
	return f.now
}

type fakeContainer struct {
	log        []logChunk
	run        int // counts ends
	lives      int // counts starts
	began      time.Time
	ended      time.Time
	running    bool
	comesBack  bool
	code       int
	ends       []int // how much had been printed at the end of each run
	breakAfter int   // lines after which a reader's stream breaks, once; 0 is never
	cutAfter   int   // the same for a connection
	unfollowed int   // lines at the end of a run that following leaves out
	unkept     bool  // the log driver keeps nothing
	thrown     int   // how much of the log is not kept any more
	read       int   // counts the lines that were read from the log
	connected  int   // how many read from connections
}

func newFakeContainers(names ...string) *fakeContainers {
	f := &fakeContainers{by: map[string]*fakeContainer{}, events: make(chan healthcheck.Event, 10000)}
	f.change = sync.NewCond(&f.mu)
	for _, name := range names {
		f.by[name] = &fakeContainer{}
	}
	return f
}

func (f *fakeContainers) do(name string, change func(c *fakeContainer), events ...healthcheck.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f.by[name])
	for _, e := range events {
		e.Name = name
		f.events <- e
	}
	f.change.Broadcast()
}

func (f *fakeContainers) start(name string) {
	f.do(name, func(c *fakeContainer) {
		c.running, c.lives, c.began = true, c.lives+1, f.tick(c.lives+1, 0)
		f.events <- healthcheck.Event{Name: name, What: "start", At: c.began}
	})
}

func (f *fakeContainers) print(name, line string, at time.Time) {
	f.do(name, func(c *fakeContainer) { c.log = append(c.log, logChunk{at: at, text: []byte(line)}) })
}

func (f *fakeContainers) end(name string, code int, comesBack bool) {
	f.do(name, func(c *fakeContainer) {
		c.running, c.code, c.comesBack = false, code, comesBack
		c.run, c.ends = c.run+1, append(c.ends, len(c.log))
		c.ended = f.tick(c.lives, 1)
		f.events <- healthcheck.Event{Name: name, What: "die", ExitCode: code, At: c.ended}
	})
}

// AttachAhead connects to the next life of a container.
func (f *fakeContainers) AttachAhead(ctx context.Context, name string) (output, error) {
	return f.Attach(ctx, name)
}

// Attach connects to the next life of a container, or to what is left of this one.
func (f *fakeContainers) Attach(_ context.Context, name string) (output, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.by[name]
	if !c.running && c.comesBack {
		return nil, errors.New("restarting, wait until the container is running")
	}
	return &fakeOutput{of: f, c: c, run: c.run, from: len(c.log)}, nil
}

// fakeOutput is a connection to a fake container.
type fakeOutput struct {
	of     *fakeContainers
	c      *fakeContainer
	run    int
	from   int
	closed bool
}

func (o *fakeOutput) Close() error {
	o.of.mu.Lock()
	defer o.of.mu.Unlock()
	o.closed = true
	o.of.change.Broadcast()
	return nil
}

// Each tells the reader's time and not the engine's. A connection that is cut looks like one that has ended, and so do all others
// to the engine at the time. One that is cut once its container has ended cannot be told from one that has brought all.
func (o *fakeOutput) Each(ctx context.Context, each func(logChunk) error) error {
	f, c := o.of, o.c
	defer context.AfterFunc(ctx, func() { f.mu.Lock(); f.change.Broadcast(); f.mu.Unlock() })()
	f.mu.Lock()
	defer f.mu.Unlock()
	c.connected++
	defer func() { c.connected-- }()
	for sent := 0; ; {
		end := len(c.log)
		if o.run < len(c.ends) {
			end = c.ends[o.run]
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case o.closed:
			return io.ErrClosedPipe
		case c.cutAfter > 0 && sent == c.cutAfter && c.run == o.run:
			c.cutAfter = 0
			f.events <- healthcheck.Event{What: "resync"}
			return nil
		case o.from < end:
			line := c.log[o.from]
			o.from++
			sent++
			line.at = time.Now()
			f.mu.Unlock()
			err := each(line)
			f.mu.Lock()
			if err != nil {
				return err
			}
		case c.run > o.run:
			return nil
		default:
			f.change.Wait()
		}
	}
}

func (f *fakeContainers) Logs(ctx context.Context, name string, o logOptions, each func(logChunk) error) error {
	defer context.AfterFunc(ctx, func() { f.mu.Lock(); f.change.Broadcast(); f.mu.Unlock() })()
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.by[name]
	if c.unkept {
		return docker.ErrNotKept
	}
	run, from, sent := c.run, c.thrown, 0
	if o.tail < 0 {
		from = len(c.log)
	} else if o.tail > 0 {
		from = max(0, len(c.log)-o.tail)
	}
	// It grows while a line is handed over.
	end := func() int {
		switch {
		case run < len(c.ends) && o.follow:
			return c.ends[run] - c.unfollowed
		case run < len(c.ends):
			return c.ends[run]
		}
		return len(c.log)
	}
	for {
		for ; from < end(); from++ {
			line := c.log[from]
			if o.until != "" && line.at.After(sinceTime(o.until)) {
				return nil
			}
			if o.since != "" && line.at.Before(sinceTime(o.since)) {
				continue
			}
			if c.breakAfter > 0 && sent == c.breakAfter {
				c.breakAfter = 0
				return io.ErrUnexpectedEOF // as a connection that is cut looks
			}
			sent++
			c.read++
			f.mu.Unlock()
			err := each(line)
			f.mu.Lock()
			if err != nil {
				return err
			}
		}
		if !o.follow || !c.running || c.run != run {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.change.Wait()
	}
}

func (f *fakeContainers) Watch(context.Context) (<-chan healthcheck.Event, error) {
	return f.events, nil
}

func (f *fakeContainers) Look(_ context.Context, name string) (healthcheck.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.by[name]
	if c == nil {
		return healthcheck.Status{}, healthcheck.ErrNoContainer
	}
	return healthcheck.Status{Running: c.running, Restarting: !c.running && c.comesBack,
		Exited: !c.running && c.run > 0, ExitCode: c.code, StartedAt: c.began, EndedAt: c.ended}, nil
}

func (f *fakeContainers) Probe(context.Context, string, healthcheck.Check) (healthcheck.ProbeResult, error) {
	return healthcheck.ProbeResult{}, errors.New("not asked for")
}

func (f *fakeContainers) Lines(context.Context, string, healthcheck.Excerpt, func(string) error) error {
	return nil
}

// attached runs an attachment to fake containers until all have ended.
type attachedTest struct {
	out     bytes.Buffer
	a       *attachment
	printer *logPrinter
	exits   []string
	told    chan struct{} // exits is complete
	ended   chan error
}

func attachTo(t *testing.T, f *fakeContainers, plan planner.Plan, have planner.State) *attachedTest {
	at := newAttached(f)
	at.follow(t, f, plan, have)
	return at
}

func newAttached(f *fakeContainers) *attachedTest {
	at := &attachedTest{ended: make(chan error, 1), told: make(chan struct{})}
	at.printer = newLogPrinter(&at.out, logStyle{}, nil)
	at.a = &attachment{
		logs: f, attach: f, health: f, printer: at.printer, project: "shop", wanted: func(string) bool { return true },
		find: func(_ context.Context, name string) (planner.Container, error) {
			return planner.Container{Name: name, Service: "found"}, nil
		},
		ended: make(chan streamEnd), planned: make(chan struct{}), exits: make(chan containerExit), over: make(chan struct{}),
		left: make(chan leftover), noMore: make(chan struct{}),
		by: map[string]*followed{}, renames: map[string]string{},
	}
	return at
}

func (at *attachedTest) follow(t *testing.T, f *fakeContainers, plan planner.Plan, have planner.State) {
	t.Helper()
	if err := at.a.expect(t.Context(), plan, have); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(at.told)
		for exit := range at.a.exits {
			at.exits = append(at.exits, fmt.Sprintf("%s %d", exit.container, exit.code))
		}
	}()
	go func() { at.ended <- at.a.run(t.Context(), f.events) }()
}

// finish waits for the end and gives the output.
func (at *attachedTest) finish(t *testing.T) string {
	t.Helper()
	if err := <-at.ended; err != nil {
		t.Fatal(err)
	}
	if err := at.printer.close(); err != nil {
		t.Fatal(err)
	}
	<-at.told
	return at.out.String()
}

func starts(names ...string) planner.Plan {
	var plan planner.Plan
	for _, name := range names {
		plan.Steps = append(plan.Steps, planner.Step{Action: planner.StartContainer{Name: name, Service: "s"}})
	}
	return plan
}

func TestAttachmentFollowsRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeContainers("shop-web-1")
		now := time.Now()
		f.print("shop-web-1", "from an earlier life", now)
		f.print("shop-web-1", "and that", now)
		at := attachTo(t, f, starts("shop-web-1"), planner.State{Containers: []planner.Container{{Name: "shop-web-1", Service: "s"}}})
		close(at.a.planned)
		f.print("shop-web-1", "one", now) // the same time as the line of the earlier life
		f.start("shop-web-1")
		synctest.Wait()
		f.print("shop-web-1", "two", now)
		f.end("shop-web-1", 1, true)
		f.print("shop-web-1", "three", now.Add(1))
		f.start("shop-web-1")
		synctest.Wait()
		f.print("shop-web-1", "four", now.Add(1))
		f.end("shop-web-1", 0, false)
		want := `web-1  | one
web-1  | two
web-1 exited with code 1 (restarting)
web-1  | three
web-1  | four
web-1 exited with code 0
`
		if diff := cmp.Diff(want, at.finish(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"shop-web-1 0"}, at.exits); diff != "" {
			t.Errorf("exits (-want +got):\n%s", diff)
		}
	})
}

// A container that has ended before its start was even noticed is not waited for, and nothing of it is lost.
func TestAttachmentSeesShortLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeContainers("shop-job-1", "shop-old-1", "shop-new-1")
		f.do("shop-old-1", func(c *fakeContainer) { c.running = true })
		f.print("shop-old-1", "history is not shown", time.Now())
		at := attachTo(t, f, starts("shop-job-1"), planner.State{Containers: []planner.Container{
			{Name: "shop-old-1", Service: "s", Status: planner.Running}}})
		synctest.Wait()
		f.print("shop-job-1", "done", time.Now())
		f.start("shop-job-1")
		f.end("shop-job-1", 3, false)
		close(at.a.planned)
		synctest.Wait()
		f.start("shop-new-1") // by somebody else
		f.print("shop-new-1", "hello", time.Now())
		f.print("shop-old-1", "bye", time.Now())
		synctest.Wait()
		f.end("shop-old-1", 0, false)
		f.end("shop-new-1", 0, false)
		got := strings.Split(strings.TrimSpace(at.finish(t)), "\n")
		slices.Sort(got)
		want := []string{"job-1  | done", "job-1 exited with code 3", "new-1  | hello", "new-1 exited with code 0", "old-1  | bye", "old-1 exited with code 0"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// What a container printed before anybody looked is not printed in a later life either, when it has printed nothing meanwhile.
func TestAttachmentSkipsHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeContainers("shop-old-1", "shop-quiet-1")
		f.do("shop-old-1", func(c *fakeContainer) { c.running = true })
		f.do("shop-quiet-1", func(c *fakeContainer) { c.running = true })
		f.print("shop-old-1", "history", time.Now())
		at := attachTo(t, f, planner.Plan{}, planner.State{Containers: []planner.Container{
			{Name: "shop-old-1", Service: "s", Status: planner.Running}, {Name: "shop-quiet-1", Service: "s", Status: planner.Running},
		}})
		synctest.Wait()
		f.end("shop-old-1", 1, true)
		f.start("shop-old-1")
		synctest.Wait()
		close(at.a.planned)
		f.print("shop-quiet-1", "first", time.Now())
		synctest.Wait()
		f.print("shop-old-1", "bye", time.Now())
		synctest.Wait()
		f.end("shop-old-1", 0, false)
		f.end("shop-quiet-1", 0, false)
		want := []string{
			"old-1    | bye", "old-1 exited with code 0", "old-1 exited with code 1 (restarting)", "quiet-1  | first", "quiet-1 exited with code 0",
		}
		got := strings.Split(strings.TrimSpace(at.finish(t)), "\n")
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// A container that started after it was looked at and before events were heard is followed, too.
func TestAttachmentSeesUnheardStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeContainers("shop-web-1")
		at := newAttached(f)
		at.a.entry("shop-web-1", "s")
		f.do("shop-web-1", func(c *fakeContainer) { c.running = true })
		at.follow(t, f, planner.Plan{}, planner.State{})
		close(at.a.planned)
		synctest.Wait()
		f.print("shop-web-1", "hello", time.Now())
		synctest.Wait()
		f.end("shop-web-1", 0, false)
		if diff := cmp.Diff("web-1  | hello\nweb-1 exited with code 0\n", at.finish(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// Under the name of the successor that the plan renames nothing of the old one
// is taken for the new one's.
func TestAttachmentFollowsRenames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeContainers("shop-web-1.next", "shop-web-1")
		plan := planner.Plan{Steps: []planner.Step{
			{Action: planner.StopContainer{Name: "shop-web-1", Service: "s"}},
			{Action: planner.StartContainer{Name: "shop-web-1.next", Service: "s"}},
			{Action: planner.RenameContainer{Name: "shop-web-1.next", To: "shop-web-1", Service: "s"}},
		}}
		f.do("shop-web-1", func(c *fakeContainer) { c.running = true })
		at := attachTo(t, f, plan, planner.State{Containers: []planner.Container{{Name: "shop-web-1", Service: "s", Status: planner.Running}}})
		f.end("shop-web-1", 143, false)
		f.start("shop-web-1.next")
		synctest.Wait()
		f.print("shop-web-1.next", "new", time.Now())
		synctest.Wait()
		f.mu.Lock()
		f.by["shop-web-1"] = f.by["shop-web-1.next"]
		f.events <- healthcheck.Event{Name: "shop-web-1.next", What: "rename"}
		f.mu.Unlock()
		synctest.Wait()
		close(at.a.planned)
		f.end("shop-web-1", 0, false)
		want := "web-1  | new\nweb-1 exited with code 0\n"
		if diff := cmp.Diff(want, at.finish(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// Whatever happens, each line is printed once and in order: restarts, streams that break, connections that are cut, readers that
// pause, lines with the same time, starts by us, by the engine and by somebody else.
func TestAttachmentLosesNothing(t *testing.T) {
	for seed := range uint64(1000) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			f := newFakeContainers("shop-web-1")
			at := newAttached(f)
			at.follow(t, f, starts("shop-web-1"), planner.State{})
			f.now = time.Now()
			n := 0
			lives := 1 + r.IntN(4)
			comesBack := false
			for life := range lives {
				f.do("shop-web-1", func(c *fakeContainer) { c.breakAfter, c.cutAfter, c.unfollowed = r.IntN(6), r.IntN(9), r.IntN(3) })
				switch {
				case comesBack || r.IntN(4) == 0:
				case r.IntN(4) == 0: // a start that fails
					at.a.before(t.Context(), "shop-web-1", "s")()
				default:
					at.a.before(t.Context(), "shop-web-1", "s")
				}
				f.start("shop-web-1")
				for range r.IntN(20) {
					f.do("shop-web-1", func(c *fakeContainer) {
						if r.IntN(3) > 0 {
							f.now = f.now.Add(1)
						}
						c.log = append(c.log, logChunk{at: f.now, text: []byte(strconv.Itoa(n)), stderr: r.IntN(3) == 0})
					})
					n++
					if r.IntN(4) == 0 {
						synctest.Wait()
					}
				}
				if r.IntN(2) == 0 {
					synctest.Wait()
				}
				comesBack = r.IntN(2) == 0 && life < lives-1
				if comesBack || life == lives-1 {
					f.end("shop-web-1", 1, comesBack)
				} else { // docker restart
					f.end("shop-web-1", 1, true)
					f.do("shop-web-1", func(c *fakeContainer) { c.comesBack = false })
				}
			}
			close(at.a.planned) // and not before: between two lives it could look as if all were over
			var got []string
			for line := range strings.Lines(at.finish(t)) {
				if _, text, ok := strings.Cut(line, "| "); ok {
					got = append(got, strings.TrimSpace(text))
				}
			}
			var want []string
			for i := range n {
				want = append(want, strconv.Itoa(i))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
			}
		})
	}
}
