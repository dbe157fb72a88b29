package examples

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/musterhq/muster/internal/enginetest"
)

// stack is one example on the engine under a name of its own, so that tests
// are not in each other's way. It looks at the engine itself and does not ask muster.
type stack struct {
	t       testing.TB
	program string // muster, or another that takes the same arguments
	dir     string
	project string
	port    string
	env     []string // beside that of the process
	engine  *client.Client
}

// newStack is ready to go up. portVariable is the one that the example's
// file has for the port it publishes.
func newStack(t testing.TB, example, portVariable string) *stack {
	t.Helper()
	host := enginetest.Host(t)
	engine, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{
		t:       t,
		program: "muster",
		dir:     example,
		project: "test-" + example + "-" + strings.ToLower(rand.Text()[:8]),
		port:    freePort(t),
		engine:  engine,
	}
	// Without the .env that hack/demo leaves.
	s.env = []string{"DOCKER_HOST=" + host, portVariable + "=" + s.port, "COMPOSE_DISABLE_ENV_FILE=1"}
	t.Cleanup(func() {
		defer func() { _ = engine.Close() }()
		if code, _, stderr := s.try("down", "-v", "--remove-orphans", "-t", "1"); code != 0 {
			t.Errorf("cleaning up: exit code %d\n%s", code, stderr)
		}
	})
	return s
}

// onPodman says whether the engine is Podman.
func (s *stack) onPodman() bool {
	s.t.Helper()
	is, err := s.engine.ServerVersion(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return slices.ContainsFunc(is.Components, func(c types.ComponentVersion) bool { return c.Name == "Podman Engine" })
}

// freePort is one that nobody listened on a moment ago.
func freePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// with is the same stack with more variables, each KEY=VALUE.
func (s *stack) with(env ...string) *stack {
	other := *s
	other.env = slices.Concat(s.env, env)
	return &other
}

// try runs muster in the example's folder, as a user would.
func (s *stack) try(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	// Not the test's context: cleaning up happens after that has ended.
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, s.program, append([]string{"-p", s.project}, args...)...)
	command.Dir = s.dir
	command.Env = append(cleanEnviron(), s.env...)
	// Ends on its own and takes back what it began, rather than being killed.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 30 * time.Second
	var out, complaints bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaints
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, complaints.String())
	}
	return command.ProcessState.ExitCode(), out.String(), complaints.String()
}

// muster runs it and wants it to work; the answer is what it prints to stdout.
func (s *stack) muster(args ...string) string {
	s.t.Helper()
	code, stdout, stderr := s.try(args...)
	if code != 0 {
		s.t.Fatalf("muster %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// cleanEnviron is the process's environment without what would steer muster
// or the examples elsewhere. Variables that name images stay.
func cleanEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		switch name {
		case "DOCKER_CONTEXT", "LOG_LEVEL", "NAME", "VERSION", "TITLE", "EXPECT":
			return true
		}
		return strings.HasPrefix(name, "COMPOSE_") || strings.HasPrefix(name, "WEB_")
	})
}

// containers are the project's, running or not: name to ID.
func (s *stack) containers() map[string]string {
	s.t.Helper()
	list, err := s.engine.ContainerList(context.Background(), container.ListOptions{All: true, Filters: s.filter()})
	if err != nil {
		s.t.Fatal(err)
	}
	found := map[string]string{}
	for _, c := range list {
		name := strings.TrimPrefix(strings.TrimPrefix(c.Names[0], "/"), s.project+"-")
		found[name] = c.ID
	}
	return found
}

func (s *stack) filter() filters.Args {
	return filters.NewArgs(filters.Arg("label", "com.docker.compose.project="+s.project))
}

// replaced are the containers that are other ones than before, new and gone ones included.
func replaced(before, after map[string]string) []string {
	var names []string
	for name := range before {
		if before[name] != after[name] {
			names = append(names, name)
		}
	}
	for name := range after {
		if before[name] == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// wantReplaced fails unless just these containers are other ones than before.
func (s *stack) wantReplaced(before map[string]string, want ...string) {
	s.t.Helper()
	if got := replaced(before, s.containers()); !slices.Equal(got, want) {
		s.t.Errorf("replaced: %v, want %v", got, want)
	}
}

// wantPlan runs plan, wants its exit code, and gives its text.
func (s *stack) wantPlan(code int) string {
	s.t.Helper()
	got, stdout, stderr := s.try("plan", "--detailed-exitcode")
	if got != code {
		s.t.Errorf("plan --detailed-exitcode: %d, want %d\n%s%s", got, code, stdout, stderr)
	}
	return stdout
}

// wantGone fails unless nothing of the project is left: no container,
// network or volume, and no process of the containers that there were.
func (s *stack) wantGone(before map[string]string) {
	s.t.Helper()
	if left := s.containers(); len(left) > 0 {
		s.t.Errorf("containers left: %v", slices.Sorted(maps.Keys(left)))
	}
	ctx := context.Background()
	networks, err := s.engine.NetworkList(ctx, network.ListOptions{Filters: s.filter()})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, n := range networks {
		s.t.Errorf("network left: %s", n.Name)
	}
	volumes, err := s.engine.VolumeList(ctx, volume.ListOptions{Filters: s.filter()})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, v := range volumes.Volumes {
		s.t.Errorf("volume left: %s", v.Name)
	}
	for name, id := range before {
		if n := processes(s.t, id); n > 0 {
			s.t.Errorf("%d processes of %s left", n, name)
		}
	}
}

// processes counts this machine's processes that belong to a container. Their
// control group says so, whatever process namespace the engine is in.
func processes(t testing.TB, id string) int {
	t.Helper()
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range groups {
		// A process that has ended meanwhile has no file any more.
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), id) {
			n++
		}
	}
	return n
}

// get and post ask what the stack publishes; the answer must be good. by is
// the container that gave it, where it says so.
func (s *stack) get(path string) (body, by string) {
	s.t.Helper()
	return s.ask(http.Get(s.url(path)))
}

func (s *stack) post(path string, form url.Values) string {
	s.t.Helper()
	body, _ := s.ask(http.PostForm(s.url(path), form))
	return body
}

func (s *stack) url(path string) string { return "http://127.0.0.1:" + s.port + path }

func (s *stack) ask(response *http.Response, err error) (body, by string) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if response.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s\n%s", response.Request.Method, response.Request.URL, response.Status, text)
	}
	return string(text), response.Header.Get("X-Served-By")
}

// collect asks until want different answers have come, as seen through by.
func (s *stack) collect(want int, by func() string) []string {
	s.t.Helper()
	seen := map[string]bool{}
	for deadline := time.Now().Add(20 * time.Second); len(seen) < want; {
		if time.Now().After(deadline) {
			s.t.Fatalf("answers came from %v only, want %d", slices.Sorted(maps.Keys(seen)), want)
		}
		seen[by()] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// goBuild compiles a main package to a file.
func goBuild(dir, pkg, out string) error {
	// Compiled as other tests compile it, so that all share the build cache: with -trimpath all packages would be compiled once more.
	command := exec.Command("go", "build", "-ldflags", "-s -w", "-o", out, pkg)
	command.Dir = dir
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
	}
	return nil
}
