package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/memory"
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
	dir := t.TempDir()
	file, stateFile := filepath.Join(dir, "compose.yaml"), filepath.Join(dir, "engine.json")
	for path, text := range map[string]string{file: "services: {web: {image: web:1, command: echo hello}}\n", stateFile: "{" + shopImages + "}"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e, err := memory.Load(stateFile)
	if err != nil {
		t.Fatal(err)
	}
	muster := func(line string) (said string, code int) {
		var out bytes.Buffer
		p := &program{
			in: strings.NewReader(""), out: &out, err: &out, now: time.Now, signals: make(chan os.Signal),
			environ: []string{"COMPOSE_FILE=" + file, "COMPOSE_PROJECT_NAME=shop", "XDG_STATE_HOME=" + dir},
			open:    func(context.Context, address) (engine, error) { return lateList{memoryEngine{e, stateFile}}, nil },
		}
		code = run(t.Context(), p, strings.Fields(line))
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
