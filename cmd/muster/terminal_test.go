//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/musterhq/muster/internal/enginetest"
)

// typist is a user at a terminal in which muster runs.
type typist struct {
	t      *testing.T
	screen *os.File // the terminal's other side
	cmd    *exec.Cmd
	ended  chan error

	mu      sync.Mutex
	changed chan struct{} // closed when there is more
	shown   bytes.Buffer
	read    int // how much of it has been looked at
}

// atTerminal runs muster in a terminal of 100 columns and 30 rows, on a real engine, in a folder with a file.
func atTerminal(t *testing.T, host, project, dir string, args ...string) *typist {
	t.Helper()
	cmd := exec.Command("muster", args...) // put into PATH by testscript.Main
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+host, "COMPOSE_PROJECT_NAME="+project, "TERM=xterm", "HOME="+dir, "XDG_STATE_HOME=")
	screen, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 30, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	u := &typist{t: t, screen: screen, cmd: cmd, ended: make(chan error, 1), changed: make(chan struct{})}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := screen.Read(buffer)
			u.mu.Lock()
			u.shown.Write(buffer[:n])
			close(u.changed)
			u.changed = make(chan struct{})
			u.mu.Unlock()
			if err != nil {
				break
			}
		}
	}()
	go func() { u.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = screen.Close()
	})
	return u
}

// typed sends keys.
func (u *typist) typed(keys string) {
	u.t.Helper()
	if _, err := u.screen.WriteString(keys); err != nil {
		u.t.Fatal(err)
	}
}

// sees waits until a text is on the screen, behind what was seen before.
func (u *typist) sees(text string) {
	u.t.Helper()
	deadline := time.After(time.Minute)
	for {
		u.mu.Lock()
		shown, changed := u.shown.Bytes()[u.read:], u.changed
		if at := bytes.Index(shown, []byte(text)); at >= 0 {
			u.read += at + len(text)
			u.mu.Unlock()
			return
		}
		u.mu.Unlock()
		select {
		case <-changed:
		case <-deadline:
			u.t.Fatalf("no %q on the screen:\n%s", text, u.all())
		}
	}
}

func (u *typist) all() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.shown.String()
}

// code waits for the end of muster.
func (u *typist) code() int {
	u.t.Helper()
	select {
	case err := <-u.ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			u.t.Fatal(err)
		}
		return u.cmd.ProcessState.ExitCode()
	case <-time.After(time.Minute):
		u.t.Fatalf("it did not end:\n%s", u.all())
		return 0
	}
}

// isRaw says whether the terminal hands over each key.
func (u *typist) isRaw() bool {
	u.t.Helper()
	state, err := unix.IoctlGetTermios(int(u.screen.Fd()), unix.TCGETS)
	if err != nil {
		u.t.Fatal(err)
	}
	return state.Lflag&(unix.ICANON|unix.ECHO) == 0
}

// stackOf brings a stack up and answers with what a terminal needs to work on it.
func stackOf(t *testing.T, file string) (host, project, dir string) {
	t.Helper()
	host = testEngine(t)
	project, dir = projectName(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeProject(host, project) })
	p := inProcess(host, project, dir)
	var said strings.Builder
	p.err = &said
	if code := run(t.Context(), p, []string{"up", "-d"}); code != 0 {
		t.Fatalf("up: %d\n%s", code, &said)
	}
	return host, project, dir
}

const shellStack = `
services:
  web:
    image: ${BUSYBOX_IMAGE}
    command: [sleep, "1000"]
    init: true
`

// interruptsCat runs cat in the shell "ready:" and ends it by Ctrl-C, which is the command's and not ours.
func (u *typist) interruptsCat() {
	u.t.Helper()
	// What is typed before the shell has left its own editing is lost to cat.
	u.typed("echo be\"\"gin; cat\r")
	u.sees("begin")
	u.typed("again\r")
	u.sees("again") // as it is typed
	u.sees("again") // by cat, which runs
	u.typed("\x03")
	u.sees("ready:")
}

// TestEngineExecTerminal: keys go to the command, its terminal has our size, and ours is as before in the end.
func TestEngineExecTerminal(t *testing.T) {
	t.Parallel()
	host, project, dir := stackOf(t, shellStack)
	u := atTerminal(t, host, project, dir, "exec", "-e", "PS1=ready:", "web", "sh")
	u.sees("ready:")
	if !u.isRaw() {
		t.Error("the terminal is not raw")
	}
	u.typed("stty size\r")
	u.sees("30 100")
	if err := pty.Setsize(u.screen, &pty.Winsize{Rows: 40, Cols: 132}); err != nil {
		t.Fatal(err)
	}
	// The size comes by itself, some time after.
	u.typed("until [ \"$(stty size)\" = '40 132' ]; do :; done; echo re\"\"sized\r")
	u.sees("resized")
	u.interruptsCat()
	u.typed("echo still\"\" here; exit 5\r")
	u.sees("still here")
	if code := u.code(); code != 5 {
		t.Errorf("exit code %d, want 5", code)
	}
	if u.isRaw() {
		t.Error("the terminal is left raw")
	}
}

// TestEngineExecDetach: the keys that detach end muster and not the command.
func TestEngineExecDetach(t *testing.T) {
	enginetest.SameOnAny(t, "TestEngineExecTerminal")
	t.Parallel()
	host, project, dir := stackOf(t, shellStack)
	for _, c := range []struct{ flag, keys string }{{"", "\x10\x11"}, {"--detach-keys=ctrl-x", "\x18"}} {
		args := []string{"exec", "web", "sh", "-c", "echo be\"\"gun; exec sleep 987"}
		if c.flag != "" {
			args = append([]string{"exec", c.flag}, args[1:]...)
		}
		u := atTerminal(t, host, project, dir, args...)
		u.sees("begun")
		u.typed(c.keys)
		u.sees("read escape sequence")
		if code := u.code(); code != exitFailed {
			t.Errorf("%q: exit code %d, want %d", c.keys, code, exitFailed)
		}
		if u.isRaw() {
			t.Error("the terminal is left raw")
		}
	}
	out := outputOf(t, host, project, dir, "exec", "-T", "web", "ps")
	if n := strings.Count(out, "sleep 987"); n != 2 {
		t.Errorf("%d commands of 2 go on:\n%s", n, out)
	}
}

// TestEngineExecTerminated: a signal from outside leaves the terminal as it was.
func TestEngineExecTerminated(t *testing.T) {
	enginetest.SameOnAny(t, "TestEngineExecTerminal")
	t.Parallel()
	host, project, dir := stackOf(t, shellStack)
	u := atTerminal(t, host, project, dir, "exec", "-e", "PS1=ready:", "web", "sh")
	u.sees("ready:")
	if err := u.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := u.code(); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if u.isRaw() {
		t.Error("the terminal is left raw")
	}
}

// outputOf runs muster without a terminal and gives what it prints.
func outputOf(t *testing.T, host, project, dir string, args ...string) string {
	t.Helper()
	p := inProcess(host, project, dir)
	var out, errs bytes.Buffer
	p.out, p.err = &out, &errs
	if code := run(t.Context(), p, args); code != 0 {
		t.Fatalf("muster %s: %d\n%s", fmt.Sprint(args), code, &errs)
	}
	return out.String()
}
