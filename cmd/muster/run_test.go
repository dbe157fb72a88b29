//go:build unix

package main

import (
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/musterhq/muster/internal/enginetest"
)

const runStack = `
services:
  web:
    image: ${BUSYBOX_IMAGE}
    command: [echo, from, the, file]
    environment: {A: file, B: file}
    labels: {kept: "yes"}
    ports: ["80"]
    restart: always
    depends_on: {db: {condition: service_healthy}}
    volumes: ["data:/data"]
  db:
    image: ${TESTAPP_IMAGE}
    command: [run, -healthy-after=200ms]
    healthcheck: {test: [CMD, /testapp, health], interval: 100ms}
volumes: {data: {}, more: {}}
`

// TestEngineRunTerminal: run gives its container a terminal of our size, the keys, and ends as it does.
func TestEngineRunTerminal(t *testing.T) {
	t.Parallel()
	host, project, dir := stackOf(t, shellStack)
	u := atTerminal(t, host, project, dir, "run", "--rm", "-e", "PS1=ready:", "web", "sh")
	u.sees("ready:")
	if !u.isRaw() {
		t.Error("the terminal is not raw")
	}
	u.typed("until [ \"$(stty size)\" = '30 100' ]; do :; done; echo si\"\"zed\r")
	u.sees("sized")
	u.interruptsCat()
	u.typed("exit 9\r")
	if code := u.code(); code != 9 {
		t.Errorf("exit code %d, want 9", code)
	}
	if u.isRaw() {
		t.Error("the terminal is left raw")
	}
	if left := outputOf(t, host, project, dir, "ps", "-a", "--format", "{{.Name}}"); strings.Contains(left, "-run-") {
		t.Errorf("it is left:\n%s", left)
	}
}

// TestEngineRunSized: a command that looks at its size at once finds that of our terminal.
func TestEngineRunSized(t *testing.T) {
	t.Parallel()
	host, project, dir := stackOf(t, shellStack)
	if sizes, err := speaks(t, host, "api:1.42"); err != nil || !sizes {
		t.Skipf("this engine gives terminals their size after the start (%v)", err)
	}
	u := atTerminal(t, host, project, dir, "run", "--rm", "web", "stty", "size")
	u.sees("30 100")
	if code := u.code(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// TestEngineRunDetach: the keys that detach leave the container running.
func TestEngineRunDetach(t *testing.T) {
	enginetest.SameOnAny(t, "TestEngineRunTerminal and TestEngineRunBackground")
	t.Parallel()
	host, project, dir := stackOf(t, shellStack)
	u := atTerminal(t, host, project, dir, "run", "--name", project+"-kept", "web", "sh", "-c", "echo be\"\"gun; exec sleep 1000")
	u.sees("begun")
	u.typed("\x10\x11")
	if code := u.code(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if left := outputOf(t, host, project, dir, "ps", "-a", "--format", "{{.Name}} {{.State}}"); !strings.Contains(left, project+"-kept running") {
		t.Errorf("it does not run:\n%s", left)
	}
}

// TestEngineRunSignal: a signal is the container's, and its exit code ours.
func TestEngineRunSignal(t *testing.T) {
	t.Parallel()
	host, project, dir := stackOf(t, shellStack)
	for _, c := range []struct {
		name, trap string
		signal     syscall.Signal
		want       int
	}{
		{"interrupt", "INT", syscall.SIGINT, 41},
		{"user", "USR1", syscall.SIGUSR1, 41},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			script := "trap 'exit 41' " + c.trap + "; echo begun; while :; do sleep 0.1; done"
			cmd := exec.Command("muster", "run", "--rm", "-T", "web", "sh", "-c", script)
			cmd.Dir = dir
			cmd.Env = append(cmd.Environ(), "DOCKER_HOST="+host, "COMPOSE_PROJECT_NAME="+project)
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(out, make([]byte, len("begun\n"))); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != c.want {
				t.Errorf("exit code %d, want %d", code, c.want)
			}
		})
	}
}

// TestEngineRunFlags: what the flags say is what the container is.
func TestEngineRunFlags(t *testing.T) {
	t.Parallel()
	host, project, dir := stackOf(t, runStack)
	for _, c := range []struct {
		name, stdin string
		args        []string
		want        string
		code        int
	}{
		{"the file's command", "", []string{"run", "--rm", "web"}, "from the file\n", 0},
		{"a command", "", []string{"run", "--rm", "web", "sh", "-c", "exit 3"}, "", 3},
		{"an entrypoint", "", []string{"run", "--rm", "--entrypoint", "echo 'two words'", "web"}, "two words\n", 0},
		{"stdin to its end", "one\ntwo\n", []string{"run", "--rm", "-T", "web", "cat"}, "one\ntwo\n", 0},
		{"no stdin", "one\n", []string{"run", "--rm", "-i=false", "web", "cat"}, "", 0},
		{"variables", "", []string{"run", "--rm", "-e", "A=flag", "-e", "NOWHERE", "-e", "B", "web", "sh", "-c", "echo $A $B ${NOWHERE-none}"}, "flag file none\n", 0},
		{"user and folder", "", []string{"run", "--rm", "-u", "7:8", "-w", "/tmp", "web", "sh", "-c", "id -u; id -g; pwd"}, "7\n8\n/tmp\n", 0},
		{"mounts", "", []string{"run", "--rm", "-v", ".:/here:ro", "-v", "more:/more", "web", "sh", "-c", "ls /here; touch /more/a && echo ok; ls -d /data"}, "compose.yaml\nok\n/data\n", 0},
		{"capabilities", "", []string{"run", "--rm", "--cap-drop", "CHOWN", "web", "sh", "-c", "chown 7 /tmp 2>/dev/null || echo refused"}, "refused\n", 0},
		{"a command that is not there", "", []string{"run", "--rm", "web", "nosuchcommand"}, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("muster", c.args...)
			cmd.Dir = dir
			cmd.Env = append(cmd.Environ(), "DOCKER_HOST="+host, "COMPOSE_PROJECT_NAME="+project)
			cmd.Stdin = strings.NewReader(c.stdin)
			var out, errs strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &errs
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != c.code || out.String() != c.want {
				t.Errorf("exit code %d, want %d; %q, want %q\n%s", code, c.code, out.String(), c.want, &errs)
			}
			if strings.Contains(errs.String(), "-run-") && c.code == 0 {
				t.Errorf("there is too much to read:\n%s", &errs)
			}
		})
	}
}

// TestEngineRunBackground: -d leaves the container to itself, with the ports that were asked for, and stop and down know it.
func TestEngineRunBackground(t *testing.T) {
	t.Parallel()
	host, project, dir := stackOf(t, runStack)
	id := strings.TrimSpace(outputOf(t, host, project, dir, "run", "-d", "--name", project+"-one", "-p", "127.0.0.1::80", "-l", "mine=too", "web", "sleep", "1000"))
	if len(id) != 64 {
		t.Errorf("%q is not an ID", id)
	}
	const format = `{{.Name}} {{.State}} {{.Label "kept"}} {{.Label "mine"}} {{.Label "com.docker.compose.oneoff"}}|{{.Label "com.docker.compose.container-number"}}| {{.Ports}}`
	got := outputOf(t, host, project, dir, "ps", "-a", "--format", format)
	want := project + "-one running yes too True|| 127.0.0.1:"
	if !strings.Contains(got, want) || !strings.Contains(got, "->80/tcp") {
		t.Errorf("no %q in:\n%s", want, got)
	}
	outputOf(t, host, project, dir, "down", "-t", "0", "--remove-orphans")
	if left := outputOf(t, host, project, dir, "ps", "-a", "-q"); left != "" {
		t.Errorf("left: %s", left)
	}
}
