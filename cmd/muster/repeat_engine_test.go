package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/musterhq/muster/internal/enginetest"
)

// repeatedFile has one of each that an up goes by.
const repeatedFile = `
version: "3"
services:
  web:
    image: ${BUSYBOX_IMAGE}
    command: [sleep, "600"]
    init: true
    stop_grace_period: 0s
    environment: {A: "1", FROM_DOTENV: "${FROM_DOTENV}", FROM_PROCESS: "${FROM_PROCESS:-}"}
    env_file: [web.env]
    configs: [conf]
    volumes: [data:/data]
configs: {conf: {file: web.conf}}
volumes: {data: {}}
`

// TestEngineUpAgain: an up that has nothing to do is answered early once the one before had nothing to do either, with the same words; and never
// where anything is another thing.
func TestEngineUpAgain(t *testing.T) {
	host := testEngine(t)
	if podman, err := speaks(t, host, "podman"); err != nil || podman {
		t.Skipf("Podman's answers are not always the same (%v)", err)
	}
	r := newFaultRig(t, "services: {web: {image: '${BUSYBOX_IMAGE}', command: [sleep, '600'], init: true, stop_grace_period: 0s}}\n")
	r.write("compose.yaml", repeatedFile)
	r.write(".env", "FROM_DOTENV=1\n")
	r.write("web.env", "FROM_FILE=1\n")
	r.write("web.conf", "1\n")
	var environ []string
	up := func(args ...string) (said string, early bool) {
		t.Helper()
		cmd := r.command(append([]string{"up", "-d"}, args...)...)
		cmd.Env = append(append(cmd.Env, "DOCKER_HOST="+host, "GODEBUG=inittrace=1"), environ...)
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		early = true
		for line := range strings.Lines(string(text)) {
			pkg, setUp := strings.CutPrefix(line, "init ")
			if !setUp {
				said += line
			}
			early = early && !strings.HasPrefix(pkg, "github.com/compose-spec/") // what comes late is not set up
		}
		return said, early
	}
	settle := func() {
		t.Helper()
		usual, _ := up()
		for range 3 {
			said, early := up()
			if early {
				if said != usual || !strings.Contains(said, "up to date") || !strings.Contains(said, "version") {
					t.Errorf("early it says\n%sand else\n%s", said, usual)
				}
				return
			}
			usual = said
		}
		t.Fatalf("it never answers early; it says\n%s", usual)
	}
	if testing.Short() {
		settle()
		return // what it goes by is the program's doing, and not the engine's
	}
	for _, c := range []struct {
		what string
		do   func()
		idle bool // there is nothing to do all the same
	}{
		{"the file", func() { r.write("compose.yaml", strings.Replace(repeatedFile, `A: "1"`, `A: "2"`, 1)) }, false},
		{"an override that appears", func() { r.write("compose.override.yaml", "services: {web: {environment: {B: '1'}}}\n") }, false},
		{"an override that goes", func() {
			if err := os.Remove(filepath.Join(r.dir, "compose.override.yaml")); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"a file that goes before", func() { r.write("compose.yml", "services: {}\n") }, true},
		{".env", func() { r.write(".env", "FROM_DOTENV=2\n") }, false},
		{"an env file", func() { r.write("web.env", "FROM_FILE=2\n") }, false},
		{"a config", func() { r.write("web.conf", "2\n") }, false},
		{"the environment", func() { environ = []string{"FROM_PROCESS=1"} }, false},
		{"an unused variable", func() { environ = append(environ, "UNUSED=1") }, true},
		{"docker's configuration", func() { r.write(".docker/config.json", "{}\n") }, true},
		{"a container that was stopped", func() { r.must("stop", "web") }, false},
		{"one that was paused", func() { r.must("pause", "web") }, false},
		{"one that was killed", func() { r.must("kill", "web") }, false},
		{"one that was removed", func() { r.must("rm", "-sf", "web") }, false},
		{"one more", func() { r.must("scale", "web=2") }, false},
		{"all of it", func() { r.must("down", "-v") }, false},
	} {
		settle()
		c.do()
		said, early := up()
		if idle := strings.Contains(said, "up to date"); early || idle != c.idle {
			t.Errorf("%s: early %v, nothing to do %v, it says\n%s", c.what, early, idle, said)
		}
	}
	settle()
	before := environ
	for _, socket := range []string{"@docker_cli_1", "@docker_cli_2"} {
		environ = append(slices.Clone(before), "DOCKER_CLI_PLUGIN_SOCKET="+socket)
		if said, early := up(); !early {
			t.Errorf("with another socket of docker it does not answer early, and says\n%s", said)
		}
	}
	environ = before
	other := r.project + "-other"
	t.Cleanup(func() { removeProject(host, other) })
	cmd := r.command("up", "-d")
	cmd.Env = append(cmd.Env, "COMPOSE_PROJECT_NAME="+other)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if said, early := up(); !early {
		t.Errorf("with a container, a network and a volume of others it does not answer early, and says\n%s", said)
	}
	for range 3 {
		if said, early := up("--force-recreate"); early || strings.Contains(said, "up to date") {
			t.Errorf("forced: early %v, it says\n%s", early, said)
		}
	}
}

// A command has asked before it is set up what it asked first the last time, and goes by what there is now.
func TestEngineAskedAhead(t *testing.T) {
	enginetest.SameOnAny(t, "TestEnginePsAgain and TestEngineUpAgain")
	host := testEngine(t)
	const file = "services: {web: {image: '${BUSYBOX_IMAGE}', command: [sleep, '600'], init: true, stop_grace_period: 0s}}\n"
	r := newFaultRig(t, file)
	r.must("up", "-d", "--scale", "web=2")
	named := func(name string) { r.write("compose.yaml", "name: "+name+"\n"+file) }
	named(r.project)
	between := listenBetween(t, strings.TrimPrefix(host, "unix://"))
	look := func(args ...string) (said string, early bool) {
		t.Helper()
		cmd := r.command(args...)
		cmd.Env = append(cmd.Env, "DOCKER_HOST=unix://"+between.socket, "COMPOSE_PROJECT_NAME=")
		between.reset()
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return string(text), between.early()
	}
	format := []string{"ps", "-a", "--format", "{{.Name}} {{.State}}"}
	usual, early := look(format...)
	if early {
		t.Error("early the first time")
	}
	ahead := func(want string) {
		t.Helper()
		early := false
		for i := 0; i < 5 && !early; i++ { // on a machine that is that slow the answers get too old
			var said string
			if said, early = look(format...); said != want {
				t.Errorf("it says\n%sand else\n%s", said, want)
			}
		}
		if !early {
			t.Error("it never asks ahead")
		}
	}
	ahead(usual)
	r.must("kill", "web")
	ahead(strings.ReplaceAll(usual, "running", "exited"))
	r.must("start", "web")
	for i := range 2 {
		if said, early := look("exec", "-T", "web", "echo", "in"); said != "in\n" || early {
			t.Errorf("exec %d: early %v (the exec itself cannot be): %s", i, early, said)
		}
	}
	for round := range 2 {
		for _, args := range [][]string{{"stop", "-t", "0"}, {"start"}, {"restart", "-t", "0"}, {"logs", "--tail", "1"}, {"down", "-t", "0"}, {"up", "-d", "--scale", "web=2"}} {
			if _, early := look(args...); early {
				t.Errorf("%q does nothing but ask", args)
			}
			if ahead := between.some(); ahead != (round > 0) {
				t.Errorf("%q, time %d: asked ahead %v", args, round, ahead)
			}
			want := map[string]string{"stop": "exited", "down": ""}
			state, ok := want[args[0]]
			if !ok {
				state = "running"
			}
			is := ""
			if state != "" {
				is = strings.ReplaceAll(usual, "running", state)
			}
			if said := r.must(format...); said != is {
				t.Errorf("after %q, time %d:\n%s", args, round, said)
			}
		}
	}
	named(r.project + "-other")
	if said, early := look(format...); said != "" || early {
		t.Errorf("of a stack that has nothing, early %v: %s", early, said)
	}
}

// listening stands between a client and an engine, and knows in what version of HTTP it was asked.
type listening struct {
	socket string
	mu     sync.Mutex
	asked  []string // first lines of connections
	// first is what the first question is answered with; empty is what the engine says.
	first string
}

// listenBetween begins to listen on a socket of its own.
func listenBetween(t *testing.T, engine string) *listening {
	t.Helper()
	dir, err := os.MkdirTemp("", "between") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l := &listening{socket: filepath.Join(dir, "s")}
	listener, err := net.Listen("unix", l.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go l.pass(client, engine)
		}
	}()
	return l
}

// pass hands a connection on.
func (l *listening) pass(client net.Conn, engine string) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("unix", engine)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	in := bufio.NewReader(client)
	first, err := in.ReadString('\n')
	if err != nil {
		return
	}
	l.mu.Lock()
	l.asked = append(l.asked, strings.TrimSpace(first))
	instead := l.first
	if len(l.asked) > 1 {
		instead = ""
	}
	l.mu.Unlock()
	if instead != "" {
		_, _ = io.WriteString(client, instead)
		return
	}
	go func() {
		_, _ = io.Copy(server, io.MultiReader(strings.NewReader(first), in))
		_ = server.(*net.UnixConn).CloseWrite()
	}()
	_, _ = io.Copy(client, server)
}

func (l *listening) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = nil
}

// firstIs has the first question after each reset answered so.
func (l *listening) firstIs(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first = text
}

// count is how many connections there were.
func (l *listening) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.asked)
}

// some says that there were questions which were asked ahead.
func (l *listening) some() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.asked, func(line string) bool { return strings.HasSuffix(line, " HTTP/1.0") })
}

// early says that all questions were those of an early answer.
func (l *listening) early() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.asked {
		if !strings.HasSuffix(line, " HTTP/1.0") {
			return false
		}
	}
	return len(l.asked) > 0
}
