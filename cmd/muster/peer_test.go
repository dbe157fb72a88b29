package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/planner"
)

// The tests here run the same command lines with muster and with docker compose, each on a project of its own, and compare how
// they end, what they print, and what is on the engine then. They run where MUSTER_PEER_COMPOSE has the path of docker compose's plugin
// (`hack/engine peer` prints one) and MUSTER_TEST_ENGINE names an engine.

const peerStack = `
services:
  web:
    image: ${BUSYBOX_IMAGE}
    command: [sleep, "1000"]
    init: true
    ports: ["127.0.0.1::80"]
    volumes: ["data:/data"]
    depends_on: {db: {condition: service_healthy}}
  db:
    image: ${TESTAPP_IMAGE}
    healthcheck: {test: [CMD, /testapp, health], interval: 200ms}
  job:
    image: ${BUSYBOX_IMAGE}
    command: [sh, -c, "echo one; echo two"]
  fail:
    image: ${BUSYBOX_IMAGE}
    command: [sh, -c, "exit 3"]
    profiles: [bad]
volumes: {data: {}}
`

// invocations are everyday command lines, in the order of a day. One that begins with = is compared by its exit code and by what it
// leaves only: what it prints is said otherwise, or is the tool's own name and number.
func invocations() []string {
	return []string{
		"config -q", "config --services", "config --volumes", "= config --images", "config --profiles", "config --networks",
		"--profile bad config --services", "= -f nosuch.yaml config", "= nosuch", "= up --nosuch", "= version", "= version --short", "version --format json",
		"ps", "ps -a -q", "ls -q --filter name=^PROJECT$", "= exec -T web ls", "down",
		"up -d", "ps --services", "ps -q", "ps", "ps --format json db", "ps -a --format {{.Service}}_{{.State}}_{{.ExitCode}}",
		"ps --status exited --services", "ps -a --filter status=exited --services", "ls --filter name=^PROJECT$", "ls --format json --filter name=^PROJECT$",
		"images", "images --format json web", "images -q db", "volumes", "volumes -q", "volumes --format {{.Name}}_{{.Driver}}", "volumes --format json",
		"events --json --since 10m --until 0s job", "= events --since 10m --until 0s job",
		"port web 80", "= port web 99", "= port nosuch 80", "top job", "logs job", "logs --no-log-prefix job", "logs --no-color -n 1 job", "logs nosuch",
		"exec -T web echo hi", "exec -T web sh -c exit+7", "= exec -T nosuch ls", "exec -T -e A=1 -w /tmp -u 1 web sh -c echo+$A+$PWD;id+-u",
		"exec -d web true", "= exec web", "run --rm --no-deps -T web echo hello", "run --rm -T web sh -c exit+4", "run --rm -T --entrypoint echo web entry",
		"= run nosuch", "= run --rm -P -p 80 web true", "run -d --name PROJECT-one web sleep 1000", "rm -f -s nosuch",
		"cp compose.yaml web:/tmp/", "exec -T web ls /tmp/compose.yaml", "cp web:/tmp/compose.yaml copied-PROJECT", "= cp web:/nosuch x", "= cp web:/a db:/b",
		"export -o PROJECT.tar web", "stats --no-stream --format {{.Name}} db",
		"pause web", "ps --format {{.State}} web", "unpause web", "stop -t 0 web", "ps -a --format {{.Service}}_{{.State}} web", "start web",
		"restart -t 0 web", "kill web", "up -d", "up -d --scale web=2", "scale web=1", "up -d --force-recreate --no-deps -t 0 web", "up -d --no-recreate",
		"create", "wait job", "rm -f job", "up -d --wait db web", "= --profile bad up --exit-code-from fail fail",
		"= --profile bad up --abort-on-container-failure fail", "= up --wait --abort-on-container-exit", "= up --build --no-build", "rm -f -s -v web",
		"up -d --no-deps --no-start web", "kill -s SIGTERM db", "--profile bad down -t 0 --remove-orphans -v", "down", "ps -a",
	}
}

// untilEnds is why events end otherwise; they are the same all the same.
const untilEnds = "the end of what was asked for is no mistake"

// deliberate are command lines that end otherwise than with docker compose, and why.
func deliberate() map[string]string {
	const typo = "a name that nothing has is a mistake, and not an empty success"
	return map[string]string{
		"logs nosuch":     typo,
		"rm -f -s nosuch": typo,
		"wait job":        "a job that has ended already has ended",
		"events --json --since 10m --until 0s job": untilEnds,
		"events --since 10m --until 0s job":        untilEnds,
	}
}

// peerRun is a tool at work.
type peerRun struct {
	tool, project, dir, host string
	program                  []string
}

// outcome is how a command line ended.
type outcome struct {
	code int
	out  string
	errs string
}

// run runs a command line, in which + is a blank within a word.
func (r peerRun) run(t *testing.T, line string) outcome {
	t.Helper()
	var args []string
	for _, word := range strings.Fields(strings.ReplaceAll(line, "PROJECT", r.project)) {
		args = append(args, strings.ReplaceAll(word, "+", " "))
	}
	cmd := exec.Command(r.program[0], append(r.program[1:], args...)...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+r.host, "COMPOSE_PROJECT_NAME="+r.project, "HOME="+r.dir, "XDG_STATE_HOME=", "DOCKER_CONFIG="+r.dir)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// state is what is on the engine, without what is never the same.
func (r peerRun) state(t *testing.T) []string {
	t.Helper()
	on, err := openEngine(t.Context(), address{host: r.host})
	if err != nil {
		t.Fatal(err)
	}
	defer on.Close()
	have, err := on.Observe(t.Context(), planner.Scope{Project: r.project})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range have.Containers {
		var networks []string
		for _, e := range c.Endpoints {
			networks = append(networks, e.Network)
		}
		status := fmt.Sprint(c.Status, " ", c.ExitCode)
		if isUp(c) {
			status = string(c.Status)
		}
		out = append(out, fmt.Sprintf("%s %d oneoff=%v %s %s %v", c.Service, c.Number, c.OneOff, c.Image, status, networks))
	}
	for _, n := range have.Networks {
		out = append(out, "network "+n.Name)
	}
	for _, v := range have.Volumes {
		out = append(out, "volume "+v.Name)
	}
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], r.project, "PROJECT")
	}
	slices.Sort(out)
	return out
}

// settled are the states once what ends by itself has ended: a container that was told to may take a moment.
func settled(t *testing.T, ours, theirs peerRun) (mine, want []string) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		mine, want = ours.state(t), theirs.state(t)
		jobRuns := slices.ContainsFunc(mine, func(line string) bool {
			return strings.HasPrefix(line, "job ") && strings.Contains(line, string(planner.Running))
		})
		if slices.Equal(mine, want) && !jobRuns || time.Now().After(deadline) {
			return mine, want
		}
		time.Sleep(100 * time.Millisecond) // it is the other tool's engine state that is waited for: there is no event to hear
	}
}

// normal is output without what is never the same: names, IDs, times, ports, the width of columns and the order of lines.
func (r peerRun) normal(text string) []string {
	text = strings.ReplaceAll(text, r.project, "PROJECT")
	for _, s := range []struct{ pattern, with string }{
		{`"execDuration":"\d+"`, `"execDuration":"…"`},
		{`"version":"[^"]*"`, `"version":"…"`},
		{`"Labels":"[^"]*"`, `"Labels":"…"`},
		{`\b[0-9a-f]{64}\b`, "ID"},
		{`\b[0-9a-f]{12}\b`, "ID"},
		{`(About )?(an?|\d+|Less than a) (second|minute|hour|day|week|month)s?( ago)?`, "TIME"},
		{`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^"|]*`, "TIME"},
		{`127\.0\.0\.1:\d+`, "127.0.0.1:PORT"},
		{`"PublishedPort":\d+`, `"PublishedPort":PORT`},
		{` \(health: starting\)| \(healthy\)`, ""},
		{`"Health":"[^"]*"`, `"Health":"…"`},
		{`[ \t]+`, " "},
	} {
		text = regexp.MustCompile(s.pattern).ReplaceAllString(text, s.with)
	}
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}

// TestPeerInvocations compares a day's work.
func TestPeerInvocations(t *testing.T) {
	peer := os.Getenv("MUSTER_PEER_COMPOSE")
	if peer == "" {
		t.Skip("MUSTER_PEER_COMPOSE does not name docker compose")
	}
	host := testEngine(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(peerStack), 0o600); err != nil {
		t.Fatal(err)
	}
	number := time.Now().UnixNano() % 1e9
	ours := peerRun{"muster", fmt.Sprintf("peer-m-%09d", number), dir, host, []string{"muster"}}
	theirs := peerRun{"docker compose", fmt.Sprintf("peer-c-%09d", number), dir, host, []string{peer}}
	t.Cleanup(func() { removeProject(host, ours.project); removeProject(host, theirs.project) })
	different := 0
	for _, line := range invocations() {
		line, quiet := strings.CutPrefix(line, "= ")
		done := make(chan outcome, 1)
		go func() { done <- theirs.run(t, line) }()
		mine := ours.run(t, line)
		want := <-done
		ok := true
		fail := func(format string, args ...any) {
			t.Helper()
			ok = false
			t.Errorf("%s: "+format, append([]any{line}, args...)...)
		}
		if why := deliberate()[line]; why != "" {
			quiet = quiet || why != untilEnds
			if mine.code == want.code {
				fail("it ends as with docker compose, although %s", why)
			}
		} else if mine.code != want.code {
			fail("exit code %d, docker compose has %d\n--- ours\n%s%s--- theirs\n%s%s", mine.code, want.code, mine.out, mine.errs, want.out, want.errs)
		}
		if diff := cmp.Diff(theirs.normal(want.out), ours.normal(mine.out)); diff != "" && !quiet {
			fail("stdout (- docker compose, + muster)\n%s%s", diff, mine.errs)
		}
		after, wanted := settled(t, ours, theirs)
		if diff := cmp.Diff(wanted, after); diff != "" {
			fail("the engine's state (- docker compose, + muster)\n%s", diff)
		}
		if !ok {
			different++
		}
	}
	t.Logf("%d of %d invocations are the same, %d differ on purpose", len(invocations())-different-len(deliberate()), len(invocations()), len(deliberate()))
}
