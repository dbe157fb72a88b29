package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// fakeTerminal understands what the live display writes, as a terminal does:
// text, line ends, cursor up, and clearing. Lines that leave at the top are kept as history.
type fakeTerminal struct {
	mu            sync.Mutex
	columns, rows int
	lines         [][]rune // of the screen
	history       []string
	x, y          int
	writes        int
}

func newFakeTerminal(columns, rows int) *fakeTerminal {
	return &fakeTerminal{columns: columns, rows: rows, lines: make([][]rune, 1)}
}

func (t *fakeTerminal) Size() (columns, rows int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.columns, t.rows
}

func (t *fakeTerminal) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writes++
	runes := []rune(string(text))
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; r {
		case '\r':
			t.x = 0
		case '\n':
			t.down()
		case '\x1b':
			i += t.escape(runes[i+1:])
		default:
			t.put(r)
		}
	}
	return len(text), nil
}

func (t *fakeTerminal) put(r rune) {
	if t.x == t.columns {
		t.x = 0
		t.down()
	}
	line := t.lines[t.y]
	for len(line) <= t.x {
		line = append(line, ' ')
	}
	line[t.x] = r
	t.lines[t.y] = line
	t.x++
}

func (t *fakeTerminal) down() {
	t.y++
	for t.y >= len(t.lines) {
		t.lines = append(t.lines, nil)
	}
	for len(t.lines) > t.rows {
		t.history = append(t.history, string(t.lines[0]))
		t.lines, t.y = t.lines[1:], t.y-1
	}
}

// escape carries out one control sequence and says how many runes it took.
func (t *fakeTerminal) escape(runes []rune) int {
	if len(runes) == 0 || runes[0] != '[' {
		panic(fmt.Sprintf("unknown escape %q", string(runes[:min(5, len(runes))])))
	}
	end := 1
	for end < len(runes) && (runes[end] >= '0' && runes[end] <= '9' || runes[end] == '?' || runes[end] == ';') {
		end++
	}
	n := 0
	_, _ = fmt.Sscanf(string(runes[1:end]), "%d", &n)
	switch runes[end] {
	case 'A':
		t.y = max(0, t.y-n)
	case 'K':
		t.lines[t.y] = t.lines[t.y][:min(t.x, len(t.lines[t.y]))]
	case 'J':
		t.lines[t.y] = t.lines[t.y][:min(t.x, len(t.lines[t.y]))]
		t.lines = t.lines[:t.y+1]
	case 'm', 'h', 'l':
	default:
		panic(fmt.Sprintf("unknown sequence %q", string(runes[:end+1])))
	}
	return end + 1
}

// resize makes the screen narrower or wider and wraps its lines anew, as
// terminals do.
func (t *fakeTerminal) resize(columns int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines [][]rune
	for i, line := range t.lines {
		if i == t.y {
			t.y = len(lines)
		}
		for len(line) > columns {
			lines = append(lines, line[:columns])
			line = line[columns:]
		}
		lines = append(lines, line)
	}
	t.columns, t.lines = columns, lines
	for len(t.lines) > t.rows {
		t.history = append(t.history, string(t.lines[0]))
		t.lines, t.y = t.lines[1:], t.y-1
	}
}

// text is what is on the screen.
func (t *fakeTerminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for _, line := range t.lines {
		out = append(out, strings.TrimRight(string(line), " "))
	}
	return strings.Join(out, "\n")
}

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// stage plays events on a live display.
type stage struct {
	t     *testing.T
	term  *fakeTerminal
	live  *liveDisplay
	board *board
	steps map[planner.StepID]planner.Step
	film  strings.Builder
}

func newStage(t *testing.T, columns, rows int, plan planner.Plan) *stage {
	term := newFakeTerminal(columns, rows)
	live := newLiveDisplay(look{status: term}, term, time.Now)
	s := &stage{t: t, term: term, live: live, steps: map[planner.StepID]planner.Step{}}
	for _, step := range plan.Steps {
		s.steps[step.ID] = step
	}
	s.board = newBoard(plan, planner.State{}, "up", time.Now())
	live.begin(s.board)
	return s
}

// now plays an event.
func (s *stage) now(id planner.StepID, state runner.StepState, p runner.Progress, err error) {
	step, ok := s.steps[id]
	if !ok {
		s.t.Fatalf("no step %q", id)
	}
	e := runner.Event{Step: step, State: state, At: time.Now(), Progress: p, Err: err}
	s.live.guard(func() { s.board.take(e); s.live.event(s.board, e) })
}

// frame lets time pass and keeps what is on the screen then.
func (s *stage) frame(after time.Duration, title string) {
	time.Sleep(after)
	synctest.Wait()
	fmt.Fprintf(&s.film, "== %s\n%s\n", title, s.term.text())
}

// shopPlan is a stack in the middle of a change.
func shopPlan() planner.Plan {
	step := func(id string, a planner.Action, group string, needs ...planner.StepID) planner.Step {
		return planner.Step{ID: planner.StepID(id), Action: a, Needs: needs, Group: group}
	}
	return planner.Plan{
		Project: "shop",
		Steps: []planner.Step{
			step("pull db", planner.PullImage{Ref: "db:1", Services: []string{"db"}}, ""),
			step("create db", planner.CreateContainer{Name: "shop-db-1", Spec: service("db")}, "", "pull db"),
			step("start db", planner.StartContainer{Name: "shop-db-1", Service: "db"}, "", "create db"),
			step("await db", planner.Await{Name: "shop-db-1", Service: "db", Condition: planner.IsHealthy}, "", "start db"),
			step("update cache", planner.UpdateContainer{Name: "shop-cache-1", Service: "cache"}, ""),
			step("create web", planner.CreateContainer{Name: "shop-web-1.next", As: "shop-web-1", Spec: service("web"),
				Labels: map[string]string{planner.LabelReplaces: "shop-web-1"}}, "replace shop-web-1"),
			step("stop web", planner.StopContainer{Name: "shop-web-1", Service: "web"}, "replace shop-web-1", "create web", "await db"),
			step("start web", planner.StartContainer{Name: "shop-web-1.next", Service: "web"}, "replace shop-web-1", "stop web"),
			step("await web", planner.Await{Name: "shop-web-1.next", Service: "web", Condition: planner.IsStable}, "replace shop-web-1", "start web"),
			step("remove web", planner.RemoveContainer{Name: "shop-web-1", Service: "web"}, "replace shop-web-1", "await web"),
			step("rename web", planner.RenameContainer{Name: "shop-web-1.next", To: "shop-web-1", Service: "web"}, "replace shop-web-1", "remove web"),
			step("start mailer", planner.StartContainer{Name: "shop-mailer-1", Service: "mailer"}, "", "rename web"),
		},
		Items: []planner.Item{
			{Ref: planner.Ref{Kind: planner.KindService, Name: "db"}}, {Ref: planner.Ref{Kind: planner.KindService, Name: "cache"}},
			{Ref: planner.Ref{Kind: planner.KindService, Name: "web"}}, {Ref: planner.Ref{Kind: planner.KindService, Name: "mailer"}},
			{Ref: planner.Ref{Kind: planner.KindService, Name: "idle"}, Verdict: planner.Unchanged},
		},
	}
}

func TestLiveDisplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, shopPlan())
		none := runner.Progress{}
		s.frame(0, "nothing has begun")
		s.now("pull db", runner.Begun, none, nil)
		s.now("pull db", runner.Working, runner.Progress{ID: "layer1", Text: "Downloading", Current: 4e6, Total: 10e6}, nil)
		s.now("pull db", runner.Working, runner.Progress{ID: "layer2", Text: "Downloading", Current: 1e6, Total: 10e6}, nil)
		s.now("update cache", runner.Begun, none, nil)
		s.frame(500*time.Millisecond, "pulling")
		s.now("update cache", runner.Done, none, nil)
		for _, id := range []planner.StepID{"pull db", "create db", "start db"} {
			s.now(id, runner.Begun, none, nil)
			s.now(id, runner.Done, none, nil)
		}
		s.now("await db", runner.Begun, none, nil)
		s.now("await db", runner.Working, runner.Progress{Trying: "health check", Text: "connection refused\nmore", Current: 4}, nil)
		s.live.guard(func() {
			s.live.note(s.board, "shop-db-1", "\x1b[31mdatabase\x1b[0m\tis starting 日本 …")
		})
		s.frame(time.Second, "db does not answer yet")
		s.now("await db", runner.Done, none, nil)
		for _, id := range []planner.StepID{"create web", "stop web", "start web"} {
			s.now(id, runner.Begun, none, nil)
			s.now(id, runner.Done, none, nil)
		}
		s.now("await web", runner.Begun, none, nil)
		fmt.Fprintf(s.live, "db-1  | a line above\nand half ")
		s.frame(time.Second, "web is replaced, a log line came")
		fmt.Fprintf(s.live, "a line\n")
		s.now("await web", runner.Failed, none, errors.New("shop-web-1 exited with code 1"))
		s.now("start mailer", runner.Skipped, none, errors.New("shop-web-1 exited with code 1"))
		s.frame(time.Second, "web failed")
		s.live.end(s.board)
		s.frame(time.Second, "the end")
		golden(t, "frames/shop.txt", s.film.String())
	})
}

func TestLiveDisplayResized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, 80, 24, shopPlan())
		s.now("await db", runner.Begun, runner.Progress{}, nil)
		s.now("await db", runner.Working, runner.Progress{Trying: "health check", Text: strings.Repeat("long ", 30), Current: 4}, nil)
		s.frame(time.Second, "80 columns")
		s.term.resize(30)
		s.frame(time.Second, "30 columns: nothing is left over")
		s.term.resize(100)
		s.frame(time.Second, "100 columns")
		s.live.end(s.board)
		s.frame(0, "the end")
		golden(t, "frames/resized.txt", s.film.String())
	})
}

func TestLiveDisplayFitsSmallScreens(t *testing.T) {
	var plan planner.Plan
	plan.Project = "big"
	for i := range 40 {
		name := fmt.Sprintf("s%02d", i)
		plan.Steps = append(plan.Steps, planner.Step{ID: planner.StepID(name), Action: planner.StartContainer{Name: "big-" + name + "-1", Service: name}})
	}
	for rows := 2; rows <= 45; rows++ {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, 40, rows, plan)
			for i := range 20 {
				id := planner.StepID(fmt.Sprintf("s%02d", i))
				s.now(id, runner.Begun, runner.Progress{}, nil)
				if i < 10 {
					s.now(id, runner.Done, runner.Progress{}, nil)
				}
				time.Sleep(frameEvery)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if n := len(s.term.history); n > 0 {
				t.Errorf("%d rows: %d lines have left the screen, first %q", rows, n, s.term.history[0])
			}
			if rows == 12 {
				golden(t, "frames/small.txt", s.term.text()+"\n")
			}
			s.live.end(s.board)
			if got := s.term.text(); strings.TrimSpace(got) != "" {
				t.Errorf("%d rows: left on the screen: %q", rows, got)
			}
		})
	}
}

// A frame in which nothing has changed is not drawn.
func TestLiveDisplayIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		term := newFakeTerminal(80, 24)
		live := newLiveDisplay(look{status: term}, term, func() time.Time { return start })
		b := newBoard(shopPlan(), planner.State{}, "up", start)
		live.begin(b)
		time.Sleep(time.Second)
		synctest.Wait()
		if term.writes != 1 {
			t.Errorf("%d writes for a frame that does not change", term.writes)
		}
		live.end(b)
	})
}
