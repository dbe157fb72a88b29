package healthcheck

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWaitForACheck(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	running := Status{Running: true, StartedAt: time.Unix(1, 0)}
	tcp := Check{TCP: 5432}
	http := Check{HTTP: &HTTPCheck{Port: 80, Path: "/up"}}
	exec := Check{Exec: []string{"CMD", "try"}}
	log := Check{Log: "listening on \\d+"}
	say := func(f *fake, at time.Duration, line string) { f.at(at, func() { f.lines <- line }) }
	tests := []struct {
		name   string
		before Status
		script func(f *fake)
		check  Check
		target Target
		takes  time.Duration
		want   string
		asked  []string // each kind of probe, in the order of the first; nil: not looked at
	}{
		{name: "a port", check: tcp, takes: 2 * s, script: func(f *fake) { f.readyAt["port 5432"] = 2 * s }, asked: []string{"port 5432"}},
		{name: "a port, as --wait has it", check: tcp, target: Target{Condition: Ready}, takes: 2 * s,
			script: func(f *fake) { f.readyAt["port 5432"] = 2 * s }},
		{name: "a port, of a successor", check: tcp, target: Target{Condition: Stable, Monitor: time.Minute}, takes: 2 * s,
			script: func(f *fake) { f.readyAt["port 5432"] = 2 * s }},
		{name: "it takes the place of the container's own check", before: checked("healthy"), check: tcp, takes: 3 * s,
			script: func(f *fake) { f.readyAt["port 5432"] = 3 * s }, asked: []string{"port 5432"}},
		{name: "unhealthy is a failure all the same", before: checked("starting"), check: tcp, takes: 3 * s, want: "c unhealthy",
			script: func(f *fake) {
				f.at(3*s, func() { f.set("c", checked("unhealthy"), Event{What: "health", Health: "unhealthy"}) })
			}},
		{name: "running does not ask", check: tcp, target: Target{Condition: Running}, asked: []string{}},
		{name: "completed does not ask", before: Status{Exited: true}, check: tcp, target: Target{Condition: Completed}, asked: []string{}},
		{name: "a line", check: log, takes: 4 * s, asked: []string{}, script: func(f *fake) {
			say(f, s, "listening soon")
			say(f, 4*s, "now listening on 80")
		}},
		{name: "the reading goes on when the stream ends", check: log, takes: 4*s + 50*ms, asked: []string{}, script: func(f *fake) {
			first := f.lines
			f.at(4*s, func() {
				f.mu.Lock()
				f.lines = make(chan string, 1)
				f.lines <- "listening on 80"
				f.mu.Unlock()
				close(first)
			})
		}},
		{name: "output that cannot be read", check: log, takes: 50*ms + 100*ms + 200*ms + 400*ms,
			want:   "c cannot be checked: its output cannot be read: no such driver",
			script: func(f *fake) { f.linesErr = errors.New("no such driver") }},
		{name: "all, one after the other", check: Check{All: []Check{tcp, exec}}, takes: 2*s + 200*ms,
			script: func(f *fake) { f.readyAt["port 5432"], f.readyAt["try"] = s, 2*s+200*ms },
			asked:  []string{"port 5432", "try"}},
		{name: "what stands behind a line waits for it", check: Check{All: []Check{log, exec}}, takes: 5 * s,
			script: func(f *fake) { f.readyAt["try"] = 0; say(f, 5*s, "listening on 80") }, asked: []string{"try"}},
		{name: "a line behind a port may come earlier", check: Check{All: []Check{tcp, log}}, takes: 5 * s,
			script: func(f *fake) { f.readyAt["port 5432"] = 5 * s; say(f, s, "listening on 80") }},
		{name: "any", check: Check{Any: []Check{tcp, http}}, takes: 2 * s,
			script: func(f *fake) { f.readyAt["GET :80/up"] = 2 * s }, asked: []string{"port 5432", "GET :80/up"}},
		{name: "any of a line and a port", check: Check{Any: []Check{log, tcp}}, takes: 2 * s,
			script: func(f *fake) { say(f, 2*s, "listening on 80") }},
		{name: "all of any", check: Check{All: []Check{{Any: []Check{tcp, http}}, exec}}, takes: 3 * s,
			script: func(f *fake) { f.readyAt["GET :80/up"], f.readyAt["try"] = 2*s, 3*s }},
		{name: "no way to it", check: tcp, want: "c cannot be checked: no way",
			script: func(f *fake) { f.cannot = map[string]error{"port 5432": &CannotCheck{Reason: "no way"}} }},
		{name: "no way to one of any", check: Check{Any: []Check{tcp, http}}, takes: s, script: func(f *fake) {
			f.cannot = map[string]error{"port 5432": &CannotCheck{Reason: "no way"}}
			f.readyAt["GET :80/up"] = s
		}},
		{name: "no way to one of all", check: Check{All: []Check{exec, tcp}}, want: "c cannot be checked: no way", script: func(f *fake) {
			f.cannot = map[string]error{"port 5432": &CannotCheck{Reason: "no way"}}
			f.readyAt["try"] = 0
		}},
		{name: "the time is over", check: tcp, target: Target{Condition: Healthy, Timeout: 5 * s}, takes: 5 * s, want: "c not ready within 5s"},
		{name: "the container ends", check: tcp, takes: 2 * s, want: "c exited with code 3", script: func(f *fake) {
			f.at(2*s, func() { f.set("c", Status{Exited: true, ExitCode: 3}, Event{What: "die", ExitCode: 3}) })
		}},
		{name: "a new run has to succeed again", check: Check{All: []Check{tcp, exec}}, takes: 4 * s, script: func(f *fake) {
			f.readyAt["port 5432"] = 0
			f.at(2*s, func() {
				f.mu.Lock()
				delete(f.readyAt, "port 5432")
				f.mu.Unlock()
				f.set("c", Status{Restarting: true, Restarts: true, ExitCode: 1}, Event{What: "die", ExitCode: 1})
			})
			f.at(3*s, func() {
				f.mu.Lock()
				f.readyAt["port 5432"], f.readyAt["try"] = 4*s, 0
				f.mu.Unlock()
				f.set("c", Status{Running: true, StartedAt: time.Unix(2, 0)}, Event{What: "start"})
			})
		}},
		{name: "a check that asks nothing", check: Check{}, want: `wait for "c": a check that asks nothing`},
		{name: "no expression", check: Check{Log: "("}, want: `wait for "c": log line to wait for: error parsing regexp: missing closing ): ` + "`(`"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.lines = make(chan string, 10)
				// Nobody but us asks what a target says.
				w := waiter(t, f, Options{ProbeEngineOnly: true})
				if !test.before.Exited && !test.before.Running {
					test.before = running
				}
				f.set("c", test.before)
				if test.script != nil {
					test.script(f)
				}
				test.target.Name, test.target.Check = "c", &test.check
				if test.target.Condition == "" {
					test.target.Condition = Healthy
				}
				got := ""
				if err := w.Wait(t.Context(), test.target); err != nil {
					got = err.Error()
				}
				if got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
				if took := time.Since(f.start); took < test.takes || took > test.takes+test.takes/10+20*ms {
					t.Errorf("took %v, want %v", took, test.takes)
				}
				synctest.Wait()
				probes, follows := f.probes, f.follows
				if test.asked != nil {
					if diff := cmp.Diff(test.asked, firsts(f.asked)); diff != "" {
						t.Error(diff)
					}
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if f.most > 1 || f.probes != probes || f.follows != follows {
					t.Errorf("%d probes at once, %d afterwards", f.most, f.probes-probes)
				}
			})
		})
	}
}

// firsts are the different texts of a list, in the order of their first.
func firsts(list []string) []string {
	out := []string{}
	seen := map[string]bool{}
	for _, text := range list {
		if !seen[text] {
			seen[text] = true
			out = append(out, text)
		}
	}
	return out
}

// The output of a container is read once, however many lines and waits there are.
func TestLinesAreReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.lines = make(chan string, 10)
		w := waiter(t, f, Options{})
		f.set("c", Status{Running: true, StartedAt: time.Unix(1, 0)})
		check := &Check{All: []Check{{Log: "one"}, {Log: "two"}, {Log: "three"}}}
		done := make(chan error)
		for range 3 {
			go func() { done <- w.Wait(t.Context(), Target{Name: "c", Condition: Healthy, Check: check}) }()
		}
		synctest.Wait()
		for _, line := range []string{"two", "one", "nothing", "three"} {
			f.lines <- line
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if f.follows != 1 || f.probes != 0 {
			t.Errorf("read %d times, %d probes", f.follows, f.probes)
		}
	})
}

// Engines write down a start when it is over, and a quick program has printed by then, and the end of a run before its last
// lines have come. What it printed before it was started again does not count.
func TestLinesFromTheBeginningOfARun(t *testing.T) {
	for name, ended := range map[string]time.Time{"first": {}, "second": time.Unix(1, 0)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.lines = make(chan string, 1)
				f.lines <- "on"
				w := waiter(t, f, Options{})
				f.set("c", Status{Running: true, StartedAt: time.Unix(3, 0), EndedAt: ended})
				if err := w.Wait(t.Context(), Target{Name: "c", Condition: Healthy, Check: &Check{Log: "on"}}); err != nil {
					t.Error(err)
				}
				if got, want := f.since, map[string]time.Time{"second": time.Unix(2, 0)}[name]; !got.Equal(want) {
					t.Errorf("read since %v, want %v", got, want)
				}
			})
		})
	}
}

// A check that is expensive to ask is not asked while a cheaper one before it has not succeeded, and a
// part that has succeeded is not asked again.
func TestPartsAreAskedNoMoreThanNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.readyAt["port 1"], f.readyAt["port 2"] = time.Second, 2*time.Second
		w := waiter(t, f, Options{})
		f.set("c", Status{Running: true, StartedAt: time.Unix(1, 0)})
		check := &Check{All: []Check{{TCP: 1}, {TCP: 2}}}
		if err := w.Wait(t.Context(), Target{Name: "c", Condition: Healthy, Check: check}); err != nil {
			t.Fatal(err)
		}
		second := false
		for i, asked := range f.asked {
			if asked == "port 2" && f.probedAt[i] < time.Second {
				t.Errorf("port 2 asked after %v", f.probedAt[i])
			}
			if second && asked == "port 1" {
				t.Error("port 1 asked again")
			}
			second = second || asked == "port 2"
		}
	})
}

func TestStatusThatCounts(t *testing.T) {
	plain, named := HTTPCheck{}, HTTPCheck{Status: []int{401, 204}}
	for status, want := range map[int][2]bool{200: {true, false}, 204: {true, true}, 302: {true, false}, 401: {false, true}, 503: {false, false}} {
		if plain.Accepts(status) != want[0] || named.Accepts(status) != want[1] {
			t.Errorf("%d: %v %v", status, plain.Accepts(status), named.Accepts(status))
		}
	}
}
