package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// watchStage is a watched project of the test's own, with its files.
type watchStage struct {
	t       *testing.T
	dir     string
	project string
	on      engine
	signals chan os.Signal
	lines   chan string // that it prints; both streams
	code    chan int
	said    strings.Builder
}

// newWatchStage begins a command on a Compose file with the given others beside it, NAME=text.
func newWatchStage(t *testing.T, compose string, args []string, files ...string) *watchStage {
	t.Helper()
	host := testEngine(t)
	t.Parallel()
	st := &watchStage{t: t, dir: t.TempDir(), project: projectName(t), signals: make(chan os.Signal, 4), lines: make(chan string), code: make(chan int, 1)}
	st.write("compose.yaml", compose)
	// What was built once need not be built again, unless it is of this very test.
	for _, f := range append(files, "nonce="+st.project) {
		name, text, _ := strings.Cut(f, "=")
		st.write(name, text)
	}
	on, err := openEngine(t.Context(), address{host: host})
	if err != nil {
		t.Fatal(err)
	}
	st.on = on
	p := inProcess(host, st.project, st.dir)
	p.environ = append(p.environ, "XDG_STATE_HOME="+filepath.Join(t.TempDir(), "state"))
	p.signals = st.signals
	reader, writer := io.Pipe()
	p.out, p.err = writer, writer
	go func() {
		st.code <- run(context.Background(), p, args)
		_ = writer.Close()
	}()
	go func() {
		defer close(st.lines)
		for all := bufio.NewScanner(reader); all.Scan(); {
			st.lines <- all.Text()
		}
	}()
	t.Cleanup(func() {
		st.end()
		removeProject(host, st.project)
		removeImages(on, st.project)
		_ = on.Close()
	})
	return st
}

func (st *watchStage) write(name, text string) {
	st.t.Helper()
	name = filepath.Join(st.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		st.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		st.t.Fatal(err)
	}
}

func (st *watchStage) do(err error) {
	st.t.Helper()
	if err != nil {
		st.t.Fatal(err)
	}
}

func (st *watchStage) at(name string) string { return filepath.Join(st.dir, name) }

// says waits for lines that have the texts in them, in any order.
func (st *watchStage) says(texts ...string) {
	st.t.Helper()
	deadline := time.After(2 * time.Minute)
	for len(texts) > 0 {
		select {
		case line, ok := <-st.lines:
			if !ok {
				st.t.Fatalf("it never said %q, but\n%s", texts, &st.said)
			}
			st.said.WriteString(line + "\n")
			if i := slices.IndexFunc(texts, func(text string) bool { return strings.Contains(line, text) }); i >= 0 {
				texts = slices.Delete(slices.Clone(texts), i, i+1)
			}
		case <-deadline:
			st.t.Fatalf("it has not said %q, but\n%s", texts, &st.said)
		}
	}
}

// inside waits until a condition of the shell holds in the first container of a service.
func (st *watchStage) inside(service, condition string) {
	st.t.Helper()
	ctx, cancel := context.WithTimeout(st.t.Context(), time.Minute)
	defer cancel()
	hook := planner.RunHook{Name: st.project + "-" + service + "-1", Service: service, When: "test", Hook: project.ServiceHook{
		Command: []string{"sh", "-c", "until " + condition + "; do sleep 0.02; done"},
	}}
	st.drain(ctx, func() {
		if err := st.on.Apply(ctx, hook, func(runner.Progress) {}); err != nil {
			st.t.Errorf("%s: %s does not come to hold: %v\n%s", service, condition, err, &st.said)
		}
	})
}

// drain does something while what is said is read.
func (st *watchStage) drain(ctx context.Context, do func()) {
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	for {
		select {
		case line, ok := <-st.lines:
			if !ok {
				<-done
				return
			}
			st.said.WriteString(line + "\n")
		case <-done:
			return
		}
	}
}

// container is that of a service, as it is now.
func (st *watchStage) container(service string) planner.Container {
	st.t.Helper()
	have, err := st.on.Observe(st.t.Context(), planner.Scope{Project: st.project})
	st.do(err)
	for _, c := range have.Containers {
		if c.Service == service {
			return c
		}
	}
	st.t.Fatalf("%s has no container", service)
	return planner.Container{}
}

// end interrupts it, and gives its exit code.
func (st *watchStage) end() int {
	select {
	case st.signals <- os.Interrupt:
	default:
	}
	var code int
	st.drain(context.Background(), func() { code = <-st.code; st.code <- code })
	return code
}

const forever = "[sh, -c, \"trap 'exit 0' TERM; echo started; while :; do sleep 0.1; done\"]"

func TestEngineWatchSync(t *testing.T) {
	st := newWatchStage(t, `
services:
  web:
    image: ${BUSYBOX_IMAGE}
    command: `+forever+`
    scale: 2
    develop:
      watch:
        - {path: src, action: sync, target: /app, initial_sync: true, ignore: ["gen/*", "!gen/keep"]}
        - {path: conf, action: sync+restart, target: /conf}
        - {path: run, action: sync+exec, target: /run/it, exec: {command: [sh, -c, "echo got $$(cat /run/it/*) as $$WHO; test ! -e /run/it/bad"], environment: {WHO: me}}}
        - {path: res, action: restart}
`, []string{"watch"}, "src/a=1", "src/gen/x=1", "src/gen/keep=1", "src/Dockerfile=1", "conf/c=1", "run/r=1", "res/x=1")
	st.says("Watch enabled")
	st.inside("web", `[ "$(cat /app/a /app/gen/keep)" = 11 ] && [ ! -e /app/gen/x ] && [ -e /app/Dockerfile ] && [ ! -e /conf ]`)
	st.write("src/a", "two")
	st.says(`Syncing service "web" after 1 changes were detected`)
	st.inside("web", `[ "$(cat /app/a)" = two ]`)
	st.write("src/new/deep/b", "b")
	st.write("src/gen/x", "2")
	st.inside("web", `[ "$(cat /app/new/deep/b)" = b ]`)
	st.do(os.Rename(st.at("src/new"), st.at("src/moved")))
	st.inside("web", `[ "$(cat /app/moved/deep/b)" = b ] && [ ! -e /app/new ] && [ ! -e /app/gen/x ]`)
	st.do(os.RemoveAll(st.at("src/moved")))
	st.inside("web", `[ ! -e /app/moved ]`)
	st.do(os.Chmod(st.at("src/a"), 0o750))
	st.inside("web", `[ "$(stat -c %a /app/a)" = 750 ]`)

	st.write("run/r", "it")
	st.says("got it as me")
	st.write("run/bad", "")
	st.says("sync+exec hook 1 of web exited with code 1")
	st.do(os.Remove(st.at("run/bad")))
	st.says("got it as me")

	before := st.container("web")
	st.write("conf/c", "2")
	st.says(`service(s) ["web"] restarted`)
	st.inside("web", `[ "$(cat /conf/c)" = 2 ] && [ "$(cat /app/a)" = two ]`)
	if now := st.container("web"); now.ID != before.ID {
		t.Errorf("a restart has made another container")
	}
	st.write("res/x", "2")
	st.says(`service(s) ["web"] restarted`)
	if code := st.end(); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(st.said.String(), "Watch disabled") {
		t.Errorf("it said\n%s", &st.said)
	}
}

// What changes while an image is built is not lost, nor what was synced to the containers before.
func TestEngineWatchRebuild(t *testing.T) {
	st := newWatchStage(t, `
services:
  web:
    build:
      context: .
      dockerfile_inline: |
        FROM ${BUSYBOX_IMAGE}
        COPY nonce version wait* /built/
        RUN sh -c "echo this is $$(cat /built/version); test ! -e /built/wait || sleep 1.5"
    command: `+forever+`
    stop_grace_period: 1s
    develop:
      watch:
        - {path: src, action: sync, target: /app}
        - {path: version, action: rebuild}
  other:
    image: ${BUSYBOX_IMAGE}
    command: `+forever+`
    stop_grace_period: 1s
`, []string{"watch"}, "version=1", "src/a=1", ".dockerignore=ignored\n")
	st.says("Watch enabled")
	first, other := st.container("web"), st.container("other")
	st.write("src/a", "before")
	st.inside("web", `[ "$(cat /app/a /built/version)" = before1 ]`)
	st.write("wait", "") // not watched
	st.write("version", "2")
	st.says("this is 2") // the build is at it
	st.write("src/b", "meanwhile")
	st.says(`service(s) ["web"] successfully built`)
	st.inside("web", `[ "$(cat /app/a /app/b /built/version)" = beforemeanwhile2 ]`)
	second := st.container("web")
	if second.ID == first.ID || st.container("other").ID != other.ID {
		t.Error("not just the one container was replaced")
	}
	// A file that is written with what it has changes no image, so nothing is replaced.
	st.write("version", "2")
	st.says("The images are the same as before")
	if now := st.container("web"); now.ID != second.ID {
		t.Error("the container was replaced although the image is the same")
	}
	// A build that fails leaves the container, and the next one may do.
	st.write("compose.yaml", strings.Replace(st.read("compose.yaml"), "echo this is $$(cat /built/version);", "grep -v 3 /built/version || exit 1;", 1))
	st.says("Applying what changed in the Compose files")
	st.write("version", "3")
	st.says("could not be built")
	if now := st.container("web"); now.ID != second.ID {
		t.Error("the container was replaced although the build failed")
	}
	st.write("version", "4")
	st.says(`service(s) ["web"] successfully built`)
	st.inside("web", `[ "$(cat /app/a /app/b /built/version)" = beforemeanwhile4 ]`)
	// The images of the first and the last one stay, those in between go.
	left, err := st.on.Leftovers(t.Context(), st.project)
	st.do(err)
	if len(left) != 1 || left[0] != first.ImageID {
		t.Errorf("left are %v, the first was %s", left, first.ImageID)
	}
}

// A change of any file that the stack is made from is applied as one of the Compose file is.
func TestEngineWatchFiles(t *testing.T) {
	enginetest.SameOnAny(t, "TestEngineWatchRebuild and script read_only")
	st := newWatchStage(t, `
include: [more.yaml]
services:
  web:
    extends: {file: base.yaml, service: web}
    env_file: [web.env]
    configs: [conf]
    secrets: [key]
    command: `+forever+`
    stop_grace_period: 1s
    develop:
      watch:
        - {path: src, action: sync, target: /app}
configs: {conf: {file: conf}}
secrets: {key: {file: key}}
`, []string{"watch"}, "src/a=1", "web.env=ENV=1\n", "conf=1", "key=1",
		"base.yaml=services: {web: {image: \"${BUSYBOX_IMAGE}\", environment: {BASE: one}}}\n",
		"more.yaml=services: {more: {image: \"${BUSYBOX_IMAGE}\", environment: {MORE: one}, command: "+forever+", stop_grace_period: 1s}}\n")
	st.says("Watch enabled")
	for _, c := range []struct{ file, from, to, service, holds string }{
		{"more.yaml", "MORE: one", "MORE: two", "more", `[ "$MORE" = two ]`},
		{"base.yaml", "BASE: one", "BASE: two", "web", `[ "$BASE" = two ]`},
		{"web.env", "ENV=1", "ENV=2", "web", `[ "$ENV" = 2 ]`},
		{"conf", "1", "2", "web", `[ "$(cat /conf)" = 2 ]`},
		{"key", "1", "2", "web", `[ "$(cat /run/secrets/key)" = 2 ]`},
	} {
		before := st.container(c.service)
		st.write(c.file, strings.Replace(st.read(c.file), c.from, c.to, 1))
		st.says("Applying what changed in the Compose files", "Container "+st.project+"-"+c.service+"-1  Recreated")
		if st.container(c.service).ID == before.ID {
			t.Errorf("%s: the container is the same", c.file)
		}
		st.inside(c.service, c.holds)
	}
}

func (st *watchStage) read(name string) string {
	st.t.Helper()
	text, err := os.ReadFile(st.at(name))
	st.do(err)
	return string(text)
}

// A change of the Compose file is applied, and one that is no good leaves all as it is.
func TestEngineWatchComposeFile(t *testing.T) {
	enginetest.SameOnAny(t, "TestEngineWatchSync and TestEngineWatchRebuild")
	const file = `
services:
  web:
    image: ${BUSYBOX_IMAGE}
    command: ` + forever + `
    stop_grace_period: 1s
    environment: {COLOUR: "${COLOUR}"}
    develop: {watch: [{path: src, action: sync, target: TARGET}]}
`
	st := newWatchStage(t, strings.Replace(file, "TARGET", "/app", 1), []string{"watch"}, "src/a=1", ".env=COLOUR=red\n")
	st.says("Watch enabled")
	st.write("src/a", "2")
	st.inside("web", `[ "$(cat /app/a)" = 2 ]`)
	st.write("compose.yaml", "services: {web: {imag: x}}")
	st.says(`unknown key`)
	st.says("the stack goes on as it was")
	st.write("src/a", "3")
	st.inside("web", `[ "$(cat /app/a)" = 3 ]`)
	st.write("compose.yaml", strings.Replace(file, "TARGET", "/other", 1))
	st.says("Syncing")
	st.inside("web", `[ "$(cat /other/a)" = 3 ]`)
	st.write(".env", "COLOUR=blue\n")
	st.says("Applying")
	st.says("Recreated")
	st.inside("web", `[ "$(cat /other/a)$COLOUR" = 3blue ]`)
}

// An image that has nothing but its program, and a root file system that is read-only with a volume where the files go.
func TestEngineWatchScratch(t *testing.T) {
	enginetest.SameOnAny(t, "TestEngineWatchSync, and TestSyncScratch of runner/docker")
	st := newWatchStage(t, `
services:
  web:
    image: ${TESTAPP_IMAGE}
    read_only: true
    volumes: ["data:/app"]
    develop: {watch: [{path: src, action: sync, target: /app}, {path: bad, action: sync, target: /bad}]}
  look:
    image: ${BUSYBOX_IMAGE}
    command: `+forever+`
    stop_grace_period: 1s
    volumes: ["data:/app"]
volumes: {data: {}}
`, []string{"watch"}, "src/a=1", "bad/x=1")
	st.says("Watch enabled")
	st.write("src/d/b", "2")
	st.write("src/a", "2")
	st.inside("look", `[ "$(cat /app/a /app/d/b)" = 22 ]`)
	st.do(os.RemoveAll(st.at("src/d")))
	st.do(os.Remove(st.at("src/a")))
	if podman, err := speaks(t, testEngine(t), "podman"); err != nil || podman {
		st.do(err)
		st.says("have rm in the image, or rebuild where files are deleted") // Podman removes nothing by an archive
	} else {
		st.inside("look", `[ ! -e /app/a ] && [ ! -e /app/d ]`)
	}
	st.write("bad/x", "2")
	st.says("cannot be written to: the root file system is read-only")
	st.says("mount a volume or a tmpfs")
}

// An attached up goes on with the containers that a rebuild makes.
func TestEngineUpWatch(t *testing.T) {
	enginetest.SameOnAny(t, "TestEngineWatchRebuild, TestEngineAttachedLosesNothing and TestEngineInterrupt")
	st := newWatchStage(t, `
services:
  web:
    build:
      context: .
      dockerfile_inline: |
        FROM ${BUSYBOX_IMAGE}
        COPY version /
    command: [sh, -c, "trap 'exit 0' TERM; echo this is $$(cat /version); while :; do sleep 0.1; done"]
    stop_grace_period: 1s
    develop: {watch: [{path: version, action: rebuild}, {path: res, action: restart}]}
`, []string{"up", "--watch"}, "version=one", "res/x=1")
	st.says("this is one", "Watch enabled")
	for _, version := range []string{"two", "three"} {
		st.write("version", version)
		st.says("this is "+version, "successfully built")
	}
	st.write("res/x", "2")
	st.says("this is three")
	if code := st.end(); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if c := st.container("web"); c.Status != planner.Exited {
		t.Errorf("after Ctrl-C the container is %s", c.Status)
	}
}
