package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
)

// keyMenu is what an attached up can be told by single keys, with the line at the foot of the screen that says so. It is there on a
// terminal only, once all is up.
type keyMenu struct {
	console console
	display *liveDisplay
	// pressed brings the keys.
	pressed chan byte
	// question is the one that is open, from before it is on the screen: what is typed then is the answer. It is nil where there is none.
	question atomic.Pointer[question]
	answers  chan []byte
	// gone is closed when the keyboard is not ours any more: then nobody answers.
	gone <-chan struct{}
}

// question is one that is asked at a terminal; over is closed when it has its answer.
type question struct{ over chan struct{} }

// The keys.
const (
	keyDetach = 'd'
	keyWatch  = 'w'
	keyLine   = '\n'
)

// menu takes the keyboard; nil where there is none, where it is not wanted, or where the screen is not ours to draw on.
func (at *attached) menu(ctx context.Context) *keyMenu {
	live, drawn := at.b.display.(*liveDisplay)
	if !drawn || at.console == nil || at.outScreen == nil || !at.wantsMenu() || at.console.Keys() != nil {
		return nil
	}
	m := &keyMenu{console: at.console, display: live, pressed: make(chan byte), answers: make(chan []byte), gone: ctx.Done()}
	typed := at.in
	at.in, at.aside = m, m.aside
	go m.read(ctx, typed)
	go m.resume(ctx)
	return m
}

// wantsMenu goes by the flag, then by docker compose's variable.
func (at *attached) wantsMenu() bool {
	if !at.o.menu || at.o.menuGiven {
		return at.o.menu
	}
	on, err := strconv.ParseBool(at.setting(at.b.want, "COMPOSE_MENU"))
	return on || err != nil
}

// read hands each key to who wants it.
func (m *keyMenu) read(ctx context.Context, from io.Reader) {
	buffer := make([]byte, 256)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		typed := append([]byte(nil), buffer[:n]...)
		if q := m.question.Load(); q != nil {
			select {
			case m.answers <- typed:
				continue
			case <-q.over: // it came too late, and is keys
			case <-ctx.Done():
				return
			}
		}
		for _, key := range typed {
			select {
			case m.pressed <- key:
			case <-ctx.Done():
				return
			}
		}
	}
}

// Read gives what is typed as the answer to a question, and shows it.
func (m *keyMenu) Read(into []byte) (int, error) {
	select {
	case answer := <-m.answers:
		_, _ = m.display.w.Write(answer)
		return copy(into, answer), nil
	case <-m.gone:
		return 0, io.EOF
	}
}

// resume takes the keyboard again after the program was suspended: the shell has put it back meanwhile.
func (m *keyMenu) resume(ctx context.Context) {
	signals := resumed()
	if len(signals) == 0 {
		return
	}
	again := make(chan os.Signal, 1)
	signal.Notify(again, signals...)
	defer signal.Stop(again)
	for {
		select {
		case <-again:
			_ = m.console.Keys()
		case <-ctx.Done():
			return
		}
	}
}

// keys brings what is pressed; nobody presses anything where there is no menu.
func (m *keyMenu) keys() <-chan byte {
	if m == nil {
		return nil
	}
	return m.pressed
}

// show draws the line, or draws it anew.
func (m *keyMenu) show(watched bool) {
	if m == nil {
		return
	}
	watch := "w watch files"
	if watched {
		watch = "w stop watching files"
	}
	m.display.setFoot("d detach   " + watch + "   Ctrl-C stop")
}

// aside takes the line away for a question, which gets what is typed until back is called. There is one at a time.
func (m *keyMenu) aside() (back func()) {
	q := &question{over: make(chan struct{})}
	m.question.Store(q)
	line := m.display.setFoot("")
	return func() {
		m.question.Store(nil)
		close(q.over)
		m.display.setFoot(line)
	}
}

// leave takes the line away and gives the keyboard back.
func (m *keyMenu) leave() {
	if m == nil {
		return
	}
	m.display.setFoot("")
	m.console.Restore()
}
