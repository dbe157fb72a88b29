package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
)

// faultRig is a stack, and a muster that can run in a container: the one that is tested is linked with C.
type faultRig struct {
	t       *testing.T
	muster  string
	host    string
	project string
	dir     string
	env     []string
}

// staticMuster builds what can run in a container, once for all tests: each time takes seconds.
var staticMuster = sync.OnceValues(func() (string, error) {
	program := filepath.Join(built, "muster")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build muster: %w\n%s", err, said)
	}
	return program, nil
})

func newFaultRig(t *testing.T, file string) *faultRig {
	host := testEngine(t)
	t.Parallel()
	r := &faultRig{t: t, host: host, project: projectName(t), dir: t.TempDir()}
	var err error
	if r.muster, err = staticMuster(); err != nil {
		t.Fatal(err)
	}
	r.write("compose.yaml", file)
	first := r.project // a test may go on with another one
	t.Cleanup(func() { removeProject(host, first) })
	r.must("up", "-d")
	return r
}

// write writes a file of the stack, in folders that are made for it.
func (r *faultRig) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *faultRig) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(r.t.Context(), r.muster, args...)
	cmd.Args[0] = "muster" // what the program of the tests goes by
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+r.host, "COMPOSE_PROJECT_NAME="+r.project, "HOME="+r.dir, "XDG_STATE_HOME=", "MUSTER_TEST_MEMORY=")
	cmd.Env = append(cmd.Env, r.env...)
	return cmd
}

func (r *faultRig) must(args ...string) string {
	r.t.Helper()
	said, err := r.command(args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return string(said)
}

// begin begins a fault that has no end, and returns once it is there.
func (r *faultRig) begin(args ...string) *begun {
	r.t.Helper()
	cmd := r.command(append([]string{"fault"}, args...)...)
	b := &begun{t: r.t, cmd: cmd}
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if b.errs, err = cmd.StderrPipe(); err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = cmd.Process.Kill() })
	b.out = bufio.NewReader(out)
	line, err := b.out.ReadString('\n')
	if err != nil || !strings.Contains(line, "✗") {
		said, _ := io.ReadAll(b.errs)
		r.t.Fatalf("it said %q, %v\n%s", line, err, said)
	}
	return b
}

// begun is a fault that stands.
type begun struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *bufio.Reader
	errs io.Reader
}

// end ends it with a signal, and gives what was said until all processes that could say something had ended.
func (b *begun) end(signal os.Signal) string {
	b.t.Helper()
	if err := b.cmd.Process.Signal(signal); err != nil {
		b.t.Fatal(err)
	}
	said, err := io.ReadAll(b.out)
	if err != nil {
		b.t.Fatal(err)
	}
	more, err := io.ReadAll(b.errs)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.cmd.Wait(); err != nil && signal != syscall.SIGKILL {
		b.t.Errorf("%v\n%s", err, more)
	}
	return string(said) + string(more)
}

// fetch asks db from a service, and says how long it took.
func (r *faultRig) fetch(from string) (time.Duration, error) {
	began := time.Now()
	said, err := r.command("exec", "-T", from, "/testapp", "fetch", "http://db:8080/").CombinedOutput()
	if err == nil && !bytes.Contains(said, []byte("hello from")) {
		err = fmt.Errorf("it was answered %q", said)
	}
	return time.Since(began), err
}

// quickest asks until an answer comes sooner than that, some times: a machine that has much else to do is slow at times, and a fault of the network always.
func (r *faultRig) quickest(from string, than time.Duration) (time.Duration, error) {
	r.t.Helper()
	took, err := r.fetch(from)
	for tries := 1; tries < 5 && err == nil && took >= than; tries++ {
		took, err = r.fetch(from)
	}
	return took, err
}

const faultStack = `
services:
  web: {image: "${TESTAPP_IMAGE}", stop_grace_period: 0s}
  other: {image: "${TESTAPP_IMAGE}", stop_grace_period: 0s}
  db:
    image: ${TESTAPP_IMAGE}
    expose: ["8080"]
    stop_grace_period: 0s
    networks: {default: {aliases: [store]}, fixed: {ipv4_address: 10.213.%d.7}}
networks:
  fixed: {ipam: {config: [{subnet: 10.213.%d.0/24}]}}
`

func faultFile() string {
	n := time.Now().UnixNano() / 1000 % 250
	return fmt.Sprintf(faultStack, n, n)
}

// What one service asks of another suffers, nobody else does, and nothing of it stays, also where muster is killed.
func TestEngineNetworkFaults(t *testing.T) {
	enginetest.SameOnAny(t, "TestEngineNetworkFaultsOverIPv6, and TestEngineFault of stacktest")
	r := newFaultRig(t, faultFile())
	const late = 4 * time.Second

	b := r.begin("latency", "web->db:8080", "--latency", late.String())
	if took, err := r.fetch("web"); err != nil || took < late {
		t.Errorf("web was answered after %s, %v", took, err)
	}
	if took, err := r.quickest("other", late); err != nil || took >= late {
		t.Errorf("other was answered after %s, %v", took, err)
	}
	if said := b.end(syscall.SIGINT); !strings.Contains(said, "web-1 free to db:8080 again") {
		t.Errorf("at the end it said %q", said)
	}
	if took, err := r.quickest("web", late); err != nil || took >= late {
		t.Errorf("afterwards web was answered after %s, %v", took, err)
	}

	b = r.begin("reset", "web", "db:8080")
	if _, err := r.fetch("web"); err == nil {
		t.Error("web was answered all the same")
	}
	if _, err := r.fetch("other"); err != nil {
		t.Errorf("other was not answered: %v", err)
	}
	b.end(syscall.SIGKILL)
	for { // the agent has to notice first
		_, err := r.fetch("web")
		if err == nil {
			break
		}
		if t.Context().Err() != nil {
			t.Fatalf("web is never answered again: %v", err)
		}
	}

	// The program itself is large enough for a narrow way to show.
	whole, err := r.get("web", "db:8080/file/testapp")
	if err != nil || len(whole.text) < 1<<20 {
		t.Fatalf("%d bytes, %v", len(whole.text), err)
	}
	const slow = 0.8                                                 // the part of the time that is enough: the first bytes go at once
	least := max(7*time.Second, 4*whole.took)                        // a busy machine takes long without any fault
	rate := slow * float64(len(whole.text)) / 1000 / least.Seconds() // KB a second
	b = r.begin("bandwidth", "web->db:8080", "--rate", fmt.Sprint(int(rate)))
	if got, err := r.get("web", "db:8080/file/testapp"); err != nil || got.took < least || !bytes.Equal(got.text, whole.text) {
		t.Errorf("web got %d bytes of %d in %s, want at least %s; %v", len(got.text), len(whole.text), got.took, least, err)
	}
	if got, err := r.get("other", "db:8080/file/testapp"); err != nil || got.took >= least {
		t.Errorf("other got %d bytes in %s, %v", len(got.text), got.took, err)
	}
	b.end(syscall.SIGINT)
	if got, err := r.get("web", "db:8080/file/testapp"); err != nil || got.took >= least {
		t.Errorf("afterwards web got %d bytes in %s, %v", len(got.text), got.took, err)
	}

	b = r.begin("timeout", "web->db:8080") // the server closes once it has answered, which then is all that web sees
	if got, err := r.get("web", "db:8080/"); err == nil {
		t.Errorf("web was answered %q after %s", got.text, got.took)
	}
	b.end(syscall.SIGINT)
	b = r.begin("timeout", "web->db:8080", "--upstream", "--timeout", "2s")
	if got, err := r.get("web", "db:8080/"); err == nil || got.took < 2*time.Second || got.took > time.Minute {
		t.Errorf("web was answered %q after %s, %v", got.text, got.took, err)
	}
	if _, err := r.get("other", "db:8080/"); err != nil {
		t.Errorf("other was not answered: %v", err)
	}
	b.end(syscall.SIGINT)
	if _, err := r.get("web", "db:8080/"); err != nil {
		t.Errorf("afterwards web was not answered: %v", err)
	}
}

// A way over IPv6 suffers as one over IPv4 does.
func TestEngineNetworkFaultsOverIPv6(t *testing.T) {
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil {
		t.Skip("this kernel has no IPv6")
	}
	n := time.Now().UnixNano() / 1000 % 0xffff
	r := newFaultRig(t, fmt.Sprintf(`
services:
  web: {image: "${TESTAPP_IMAGE}", stop_grace_period: 0s}
  db: {image: "${TESTAPP_IMAGE}", stop_grace_period: 0s, expose: ["8080"]}
networks:
  default: {enable_ipv6: true, ipam: {config: [{subnet: "fd00:6d75:%x::/64"}]}}
`, n))
	on, err := openEngine(t.Context(), address{host: r.host})
	if err != nil {
		t.Fatal(err)
	}
	defer on.Close()
	db, err := on.Inspect(t.Context(), r.project+"-db-1")
	if err != nil || len(db.Endpoints) != 1 || db.Endpoints[0].IPv6 == "" {
		t.Fatalf("db is at %+v, %v", db.Endpoints, err)
	}
	url := "[" + db.Endpoints[0].IPv6 + "]:8080/"
	if _, err := r.get("web", url); err != nil {
		t.Fatal(err)
	}
	const late = 3 * time.Second
	b := r.begin("latency", "web->db:8080", "--latency", late.String())
	if got, err := r.get("web", url); err != nil || got.took < late {
		t.Errorf("web was answered after %s, %v", got.took, err)
	}
	b.end(syscall.SIGINT)
	b = r.begin("reset", "web->db:8080")
	if _, err := r.get("web", url); err == nil {
		t.Error("web was answered all the same")
	}
	b.end(syscall.SIGINT)
	if _, err := r.get("web", url); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// answer is what one service got of another one.
type answer struct {
	text []byte
	took time.Duration
}

// get lets a service ask, and waits longer than any of these faults lasts.
func (r *faultRig) get(from, url string) (answer, error) {
	var errs bytes.Buffer
	cmd := r.command("exec", "-T", from, "/testapp", "fetch", "-timeout=90s", "http://"+url)
	cmd.Stderr = &errs
	began := time.Now()
	text, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, &errs)
	}
	return answer{text, time.Since(began)}, err
}

// Containers are as they were before, their places in networks included, also where muster is killed.
func TestEngineContainerFaults(t *testing.T) {
	r := newFaultRig(t, faultFile())
	on, err := openEngine(t.Context(), address{host: r.host})
	if err != nil {
		t.Fatal(err)
	}
	defer on.Close()
	db := func() planner.Container {
		c, err := on.Inspect(t.Context(), r.project+"-db-1")
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Endpoints { // the engine chooses these
			c.Endpoints[i].MAC = ""
			if c.Endpoints[i].Fixed == nil || c.Endpoints[i].Fixed.IPv4 == "" {
				c.Endpoints[i].IPv4, c.Endpoints[i].Fixed = "", nil
			}
			c.Endpoints[i].IPv6 = ""
		}
		return c
	}
	before := db()
	for _, c := range []struct {
		fault  string
		is     func(planner.Container) bool
		signal os.Signal
		says   string
	}{
		{"kill", func(c planner.Container) bool { return c.Status != planner.Paused && len(c.Endpoints) == 2 }, syscall.SIGTERM, "started again"},
		{"stop", func(c planner.Container) bool { return c.Status == planner.Exited }, syscall.SIGKILL, "started again: muster ended before"},
		{"pause", func(c planner.Container) bool { return c.Status == planner.Paused }, syscall.SIGKILL, "goes on: muster ended before"},
		{"disconnect", func(c planner.Container) bool { return len(c.Endpoints) == 0 }, syscall.SIGKILL, "connected again: muster ended before"},
	} {
		b := r.begin(c.fault, "db")
		if now := db(); !c.is(now) {
			t.Errorf("%s: it is %s in %d networks", c.fault, now.Status, len(now.Endpoints))
		}
		if said := b.end(c.signal); !strings.Contains(said, c.says) {
			t.Errorf("%s: it said %q", c.fault, said)
		}
		now := db()
		if now.Status != planner.Running {
			t.Errorf("after %s it is %s", c.fault, now.Status)
		}
		if d := cmp.Diff(before.Endpoints, now.Endpoints); d != "" {
			t.Errorf("after %s its networks differ (-before +now):\n%s", c.fault, d)
		}
	}
	if _, err := r.fetch("web"); err != nil {
		t.Error(err)
	}
	if said := r.must("fault", "restart", "db"); !strings.Contains(said, "✔ "+r.project+"-db-1 restarted") {
		t.Errorf("it said %q", said)
	}
}
