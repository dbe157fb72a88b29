package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shownFile has containers of all kinds.
const shownFile = `
x-service: &service
  image: ${BUSYBOX_IMAGE}
  command: [sleep, "600"]
  init: true
  stop_grace_period: 0s
services:
  web:
    <<: *service
    command: [sh, -c, "echo 'a \"long\" command with an é and 漢字' > /dev/null; sleep 600"]
    ports: ["80", "81-83", "53/udp"]
    expose: ["90-92"]
    networks: [front, back]
    volumes: [data:/data, "./compose.yaml:/here/compose.yaml:ro", /anonymous]
    labels: {odd: "a,b=\"c\" <&> é 漢\tand a tab"}
  db: {<<: *service, networks: [back], healthcheck: {test: [CMD, "true"], interval: 200ms}}
  sick: {<<: *service, networks: [back], healthcheck: {test: [CMD, "false"], interval: 200ms, retries: 1}}
  held: {<<: *service, networks: [back]}
  gone: {<<: *service, network_mode: none}
  orphan: {<<: *service, networks: [back]}
networks: {front: {}, back: {}}
volumes: {data: {}}
`

// shownTimes are times that go on while the test looks, and how wide a column is for that.
var shownTimes = regexp.MustCompile(`(Less than a second|About an? (minute|hour)|\d+ (second|minute|hour)s?)( ago)?| {2,}`)

// TestEnginePsAgain: a ps is answered early once the one before went by the same files, with what the usual way shows now; and never where it goes by
// more than the engine's list.
func TestEnginePsAgain(t *testing.T) {
	host := testEngine(t)
	if podman, err := speaks(t, host, "podman"); err != nil || podman {
		t.Skipf("the containers are made for Docker (%v)", err)
	}
	r := newFaultRig(t, shownFile)
	r.must("run", "-d", "--name", r.project+"-once", "held", "sleep", "600")
	r.must("pause", "held")
	r.must("kill", "gone")
	file := strings.Replace(shownFile, "  orphan: {<<: *service, networks: [back]}\n", "", 1)
	r.write("compose.yaml", file)
	between, other := listenBetween(t, strings.TrimPrefix(host, "unix://")), listenBetween(t, strings.TrimPrefix(host, "unix://"))
	environ := []string{"DOCKER_HOST=unix://" + between.socket}
	at := between
	command := func(args ...string) *exec.Cmd {
		at.reset()
		cmd := r.command(append([]string{"ps"}, args...)...)
		cmd.Env = append(cmd.Env, environ...)
		return cmd
	}
	look := func(args ...string) (said string, early bool) {
		t.Helper()
		text, err := command(args...).CombinedOutput()
		if err != nil {
			t.Fatalf("ps %s: %v\n%s", args, err, text)
		}
		return shownTimes.ReplaceAllString(string(text), "~"), at.early() && at.count() == 1
	}
	usual := func(args ...string) string {
		t.Helper()
		cmd := command(args...)
		cmd.Env = append(cmd.Env, "MUSTER_NO_CACHE=1")
		text, err := cmd.CombinedOutput()
		if err != nil || at.early() {
			t.Fatalf("ps %s: %v, early %v\n%s", args, err, at.early(), text)
		}
		return shownTimes.ReplaceAllString(string(text), "~")
	}
	settle := func(args ...string) {
		t.Helper()
		for range 4 {
			if said, early := look(args...); early {
				if want := usual(args...); said != want {
					t.Errorf("ps %s: early it says\n%sand usually\n%s", args, said, want)
				}
				return
			}
		}
		t.Errorf("ps %s is never early", args)
	}
	forms := []string{
		"", "-a", "-a -q", "--services", "-a --format json", "--format table", "-a --no-trunc", "--no-trunc --format json", "--status exited --status paused",
		"-q --filter status=dead", "web db", "-a gone", "orphan", "--orphans=false", "-a --orphans=false --services", "-a --format json orphan held",
	}
	if testing.Short() {
		forms = []string{"-a", "-a --format json"} // all that an engine says; the forms are the program's doing
	}
	for _, options := range forms {
		settle(strings.Fields(options)...)
	}
	if said := usual("-a"); strings.Count(said, "\n") != 8 || !strings.Contains(said, "(Paused)") || !strings.Contains(said, "Exited (137)") || !strings.Contains(said, "[::]:") {
		t.Errorf("not all kinds of containers are there:\n%s", said)
	}
	if testing.Short() {
		return // the rest is the program's doing, and not the engine's
	}
	for _, options := range [][]string{
		{"--format", "{{.Name}} {{.State}}"}, {"--format", "table {{.Name}}\t{{.Ports}}"}, {"--format", "raw"}, {"-p", r.project}, {"--profile-cpu", filepath.Join(r.dir, "cpu.out")},
	} {
		for range 3 {
			if said, early := look(options...); early {
				t.Errorf("ps %q: early %v, it says\n%s", options, early, said)
			}
		}
	}

	const seen, once, never = true, false, "never"
	for _, c := range []struct {
		what  string
		do    func()
		early bool
		after string // whether it can be early then
	}{
		{"the file", func() { r.write("compose.yaml", file+"# more\n") }, once, ""},
		{"a service that is not up", func() {
			r.write("compose.yaml", strings.Replace(file, "services:", "services:\n  more: {image: x}", 1))
		}, once, ""},
		{"an override that appears", func() { r.write("compose.override.yaml", "services: {more: {image: x}}\n") }, once, ""},
		{"one that goes", func() { _ = os.Remove(filepath.Join(r.dir, "compose.override.yaml")) }, once, ""},
		{"a file that goes before", func() { r.write("compose.yml", file) }, once, ""},
		{".env", func() { r.write(".env", "A=1\n") }, once, ""},
		{"the environment", func() { environ = append(environ, "UNUSED=1") }, once, ""},
		{"docker's configuration", func() { r.write(".docker/config.json", `{"psFormat": "json"}`) }, once, ""},
		{"a template in it", func() { r.write(".docker/config.json", `{"psFormat": "{{.Name}}"}`) }, once, never},
		{"headers in it", func() { r.write(".docker/config.json", `{"HttpHeaders": {"X": "1"}}`) }, once, never},
		{"nothing in it", func() { r.write(".docker/config.json", "{}") }, once, ""},
		{"a container that was stopped", func() { r.must("stop", "web") }, seen, ""},
		{"one that was started", func() { r.must("start", "web") }, seen, ""},
		{"one that goes on", func() { r.must("unpause", "held") }, seen, ""},
		{"one that was killed", func() { r.must("kill", "db") }, seen, ""},
		{"one that was removed", func() { r.must("rm", "-sf", "db") }, seen, ""},
		{"one more", func() { r.must("scale", "held=2") }, seen, ""},
		{"another engine's socket", func() { at, environ = other, append(environ, "DOCKER_HOST=unix://"+other.socket) }, once, ""},
		{"another stack", func() { environ = append(environ, "COMPOSE_PROJECT_NAME="+r.project+"-none") }, once, ""},
		{"the same stack", func() { environ = append(environ, "COMPOSE_PROJECT_NAME="+r.project) }, seen, ""}, // the environment that it had
	} {
		c.do()
		if said, early := look("-a"); early != c.early || said != usual("-a") {
			t.Errorf("%s: early %v, it says\n%sand usually\n%s", c.what, early, said, usual("-a"))
		}
		if c.after != never {
			if c.early == once {
				settle("-a")
			}
			continue
		}
		for range 3 {
			if said, early := look("-a"); early {
				t.Errorf("%s: early, it says\n%s", c.what, said)
			}
		}
	}

	settle("orphan")
	for _, odd := range []string{
		"HTTP/1.0 500 Internal Server Error\r\n\r\n{}", "HTTP/1.0 200 OK\r\n\r\n[{", "HTTP/1.0 200 OK\r\n\r\n{}", "HTTP/1.0 200 OK\r\n\r\n[]", "[]", "rubbish\r\n\r\n", "\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		want := usual("-a")
		at.firstIs(odd)
		if said, early := look("-a"); early || said != want {
			t.Errorf("where %q is the answer: early %v, it says\n%sand usually\n%s", odd, early, said, want)
		}
		at.firstIs("")
	}
	r.must("rm", "-sf", "orphan")
	if text, err := command("orphan").CombinedOutput(); err == nil || !strings.Contains(string(text), "no such service: orphan") {
		t.Errorf("without one, ps orphan: %v\n%s", err, text)
	}

	// What cannot be written ends the program as it usually does.
	for _, closed := range []bool{true, false} {
		var ends [2]string
		for i, more := range []string{"MUSTER_NO_CACHE=1", ""} {
			run := func(out *os.File) string {
				cmd := command("-a")
				var errs bytes.Buffer
				cmd.Env, cmd.Stdout, cmd.Stderr = append(cmd.Env, more), out, &errs
				_ = cmd.Run()
				return cmd.ProcessState.String() + " " + errs.String()
			}
			null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			in, out, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			if full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err == nil && !closed {
				for range 4 {
					run(null)
				}
				if early := at.early() && at.count() == 1; early != (more == "") {
					t.Errorf("with %q it is early %v", more, early)
				}
				out = full
			} else if !closed {
				t.Skip("there is no /dev/full")
			}
			_ = in.Close()
			ends[i] = run(out)
			_, _ = out.Close(), null.Close()
		}
		if ends[0] != ends[1] || ends[0] == "exit status 0 " {
			t.Errorf("closed %v: usually %q, and early %q", closed, ends[0], ends[1])
		}
	}
}
