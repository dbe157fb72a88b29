package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/hack/registry"
)

// messageStack has what progress lines are said about. REGISTRY is the test's own.
const messageStack = `
services:
  web:
    image: ${BUSYBOX_IMAGE}
    command: [sleep, "1000"]
    init: true
    volumes: ["data:/data"]
    depends_on: {db: {condition: service_healthy}, job: {condition: service_completed_successfully}}
  db:
    image: ${TESTAPP_IMAGE}
    healthcheck: {test: [CMD, /testapp, health], interval: 200ms}
  job:
    image: ${BUSYBOX_IMAGE}
    command: ["true"]
  built:
    image: ${REGISTRY}/${COMPOSE_PROJECT_NAME}:1
    build: {dockerfile_inline: "FROM ${BUSYBOX_IMAGE}\nRUN true"}
    command: [sleep, "1000"]
    init: true
    profiles: [built]
  fail:
    image: ${BUSYBOX_IMAGE}
    command: [sh, -c, "exit 3"]
    profiles: [bad]
  needy:
    image: ${BUSYBOX_IMAGE}
    profiles: [bad]
    depends_on: {fail: {condition: service_completed_successfully}}
volumes: {data: {}}
`

// messageLines are command lines that say something while they work, in an order that makes each of them do so.
func messageLines() []string {
	return []string{
		"create", "up -d", "up -d", "up -d --wait", "up -d --force-recreate --no-deps -t 0 web", "up -d --scale web=2 web", "scale web=1",
		"stop -t 0 web", "start web", "restart -t 0 web", "pause web", "unpause web", "kill web", "kill web", "rm -f web", "rm -f web",
		"rm -f -s job", "up -d web", "cp compose.yaml web:/tmp/", "cp web:/tmp/compose.yaml copied-PROJECT", "export -o PROJECT.tar web",
		"run --rm -T web true", "build built", "build --quiet built", "up -d built", "push built", "pull built", "push web", "stop -t 0",
		"up -d needy", "--profile * down -t 0 --remove-orphans -v --rmi local", "down",
	}
}

// difference is a line on stderr that only one of muster and docker compose prints.
type difference struct {
	line    string // as the docs show it
	muster  bool   // whose it is
	pattern string // of the line, in the form that plain and JSON have in common
	on      string // pattern of the command lines that it is for; empty is all
	why     string
}

// differences are all that there are, each on purpose.
func differences() []difference {
	const (
		waits = "what is ready already is not waited for, and a job that has ended well not run again"
		form5 = "the form of docker compose 5, whose lines name the image"
		error = "muster's own errors: what, where, why and what to do"
	)
	return []difference{
		{"`shop is up: 3 services …`", true, `^PROJECT( is |: )`, "", "a summary at the end"},
		{"`Container … Waiting`, `Healthy`, `Exited`, `Starting`, `Started`", false, `^Container PROJECT-(db|job)-\d (Waiting|Healthy|Exited|Starting|Started)$`, "^(up|scale|start|run)", waits},
		{"`Container … Waiting` with `up --wait`", false, `^Container PROJECT-web-1 Waiting$`, "--wait", waits},
		{"`Container … Running`", false, `^Container PROJECT-\w+-\d Running$`, "^run", "what `run` leaves as it is goes unsaid"},
		{"`Container … Waiting`, `Healthy` after `Recreated`", true, `^Container PROJECT-web-1 (Waiting|Healthy)$`, "--force-recreate", "what replaces a container is waited for"},
		{"`Container … Stopping`, `Stopped`", false, `^Container PROJECT-\w+-\d (Stopping|Stopped)$`, "^rm|^stop|down", "what does not run is not stopped"},
		{"`Image … Building`, `Built`, `Pulling`, `Pulled`, `Pushing`, `Pushed`", true, `^Image \S+ (Building|Built|Pulling|Pulled|Pushing|Pushed)$`, "", form5},
		{"`web Built`, `Pulling`, `Pulled`, `Pushing`, `Pushed`", false, `^\S+ (Built|Pulling|Pulled|Pushing|Pushed)$`, "", form5},
		{"`web | #5 RUN …`", true, `^built \| #|^Image \S+ Building #`, "", "what BuildKit says is progress: it is on stderr, with the service; docker compose has it on stdout"},
		{"`… Skipped`", true, `^\S+ Skipped - |^(Container|Image) \S+ Skipped|^\S+ Skipped \S`, "", "with the reason"},
		{"`… Skipped`", false, `^\S+ Skipped$`, "^push", "with the reason"},
		{"`Container … Error exited with code 3`", true, `^Container PROJECT-fail-1 (Error|Waiting) exited|^(fail|error): |^needy was|^Mend `, "needy", error},
		{"`Container … service \"fail\" didn't complete successfully: exit 3`", false, `service "fail" didn't complete`, "needy", error},
		{"`warning: …`", true, `^warning: No resource found to remove|^warning: no container to kill`, "", "without the time and the level of a log"},
		{"`time=… level=warning msg=…`", false, `No resource found to remove|^no container to kill$`, "", "without the time and the level of a log"},
		{"`Container … Stopping`, `Stopped` of inactive profiles", true, `^Container PROJECT-built-1 (Stopping|Stopped)$`, "^stop", "`stop` and `down` take along what a profile has started"},
		{"`Image … Removing`, `Removed` with `--rmi local`", false, `^Image REGISTRY/PROJECT:1 (Removing|Removed)$`, "--rmi local", "an image with a name of its own is not local"},
		{"`Pushing shop/web:1: 449af4aef59d Preparing`", false, `^Pushing \S+: [0-9a-f]{12} |^[0-9a-f]{12} `, "^push", "layers are for the screen and for JSON"},
	}
}

// said are the lines of stderr, each once, in a form that the plain and the JSON kind have in common: "ID text".
func (r peerRun) said(t *testing.T, text, registry string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "{") {
			line = saidInJSON(t, line)
		}
		line = strings.NewReplacer(r.project, "PROJECT", registry, "REGISTRY").Replace(line)
		line = regexp.MustCompile(`\b[0-9a-f]{64}\b`).ReplaceAllString(line, "ID")
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// saidInJSON is a line of --progress json as it is in plain; of the layers of an image, which plain has not, it is empty. Docker compose 2
// has the text where docker compose 5 and muster have one word for all texts.
func saidInJSON(t *testing.T, line string) string {
	t.Helper()
	var o struct {
		progressLine
		Error, Warning bool
		Message        string
	}
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		t.Errorf("%v in %q", err, line)
	}
	switch {
	case o.Error:
		return "error: " + o.Message
	case o.Warning:
		return "warning: " + o.Message
	case o.ParentID != "":
		return ""
	case o.Text == "Waiting": // what has been seen of it so far is JSON's alone
		return o.ID + " " + o.Text
	case slices.Contains([]string{"Working", "Done", "Warning", "Error"}, o.Status):
		o.Status = o.Details
	}
	return o.ID + " " + o.Text + " " + o.Status
}

// TestPeerMessages compares what the two say while they work.
func TestPeerMessages(t *testing.T) {
	peer := os.Getenv("MUSTER_PEER_COMPOSE")
	if peer == "" {
		t.Skip("MUSTER_PEER_COMPOSE does not name docker compose")
	}
	host := testEngine(t)
	where := registry.Start(t, registry.Options{})
	t.Setenv("REGISTRY", where)
	used := map[string]bool{}
	for _, mode := range []string{"plain", "json"} {
		t.Run(mode, func(t *testing.T) { compareMessages(t, peer, host, where, mode, used) })
	}
	for _, d := range differences() {
		if !used[d.pattern] {
			t.Errorf("nothing differs by %q, although it is said that %s", d.pattern, d.why)
		}
	}
}

func compareMessages(t *testing.T, peer, host, where, mode string, used map[string]bool) {
	dir := t.TempDir()
	withPlugins(t, peer, dir)
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(messageStack), 0o600); err != nil {
		t.Fatal(err)
	}
	number := time.Now().UnixNano() % 1e9
	ours := peerRun{"muster", fmt.Sprintf("say-m-%09d", number), dir, host, []string{"muster", "--progress", mode}}
	theirs := peerRun{"docker compose", fmt.Sprintf("say-c-%09d", number), dir, host, []string{peer, "--progress", mode}}
	t.Cleanup(func() { removeProject(host, ours.project); removeProject(host, theirs.project) })
	for _, line := range messageLines() {
		done := make(chan outcome, 1)
		go func() { done <- theirs.run(t, line) }()
		mine := ours.run(t, line)
		want := <-done
		if mine.code != want.code {
			t.Errorf("%s: exit code %d, docker compose has %d\n%s\n%s", line, mine.code, want.code, mine.errs, want.errs)
		}
		m, c := ours.said(t, mine.errs, where), theirs.said(t, want.errs, where)
		for _, only := range notAmong(m, c) {
			if !excused(line, only, true, used) {
				t.Errorf("%s: only muster says %q", line, only)
			}
		}
		for _, only := range notAmong(c, m) {
			if !excused(line, only, false, used) {
				t.Errorf("%s: only docker compose says %q", line, only)
			}
		}
	}
}

// withPlugins lets docker compose find the other plugins that it wants beside itself.
func withPlugins(t *testing.T, peer, config string) {
	t.Helper()
	if err := os.Symlink(filepath.Dir(peer), filepath.Join(config, "cli-plugins")); err != nil {
		t.Fatal(err)
	}
}

// notAmong are the lines that the others do not have.
func notAmong(lines, others []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return slices.Contains(others, l) })
}

// excused says that a line may be there for one of the two only, and notes the reason as used.
func excused(command, line string, muster bool, used map[string]bool) bool {
	for _, d := range differences() {
		if d.muster == muster && regexp.MustCompile(d.on).MatchString(command) && regexp.MustCompile(d.pattern).MatchString(line) {
			used[d.pattern] = true
			return true
		}
	}
	return false
}
