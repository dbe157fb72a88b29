package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/musterhq/muster/planner"
)

// lateList is an engine whose list has containers as running that have just ended, as an engine's own has them for some milliseconds.
type lateList struct{ memoryEngine }

func (l lateList) Observe(ctx context.Context, scope planner.Scope) (planner.State, error) {
	have, err := l.memoryEngine.Observe(ctx, scope)
	for i := range have.Containers {
		have.Containers[i].Status = planner.Running
	}
	return have, err
}

// Who attaches to a container that is just ending is told so, and does not wait for another end of it.
func TestAttachToWhatHasJustEnded(t *testing.T) {
	e, programOn := inMemory(t, "services: {web: {image: web:1, command: echo hello}}\n", "{"+shopImages+"}")
	muster := func(line string) (said string, code int) {
		var out bytes.Buffer
		code = run(t.Context(), programOn(lateList{e}, &out), strings.Fields(line))
		return out.String(), code
	}
	if said, code := muster("up -d"); code != 0 {
		t.Fatal(said)
	}
	if err := e.Kill("shop-web-1", 0); err != nil {
		t.Fatal(err)
	}
	const want = "shop-web-1 is not running\n  start it with `muster start web`\n"
	if said, code := muster("attach web"); code == 0 || said != want {
		t.Errorf("attach web: %d\n%s\nwant\n%s", code, said, want)
	}
}
