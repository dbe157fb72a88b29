package docker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"

	"github.com/musterhq/muster/planner"
)

// agentProgram compiles the agent that tests put into a container. Tests themselves are linked with C.
func agentProgram(t *testing.T, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent")
	if len(flags) > 0 {
		if err := buildAgent(path, flags); err != nil {
			t.Fatal(err)
		}
		return path
	}
	once, err := plainAgent()
	if err == nil {
		err = os.Link(once, path) // a test may move it
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// plainAgent is the one without flags, which most tests take: each time it is built takes a second of a processor.
var plainAgent = sync.OnceValues(func() (string, error) {
	path := filepath.Join(built, "agent")
	return path, buildAgent(path, nil)
})

func buildAgent(path string, flags []string) error {
	build := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), "./testdata/agent")...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build an agent: %w\n%s", err, said)
	}
	return nil
}

// An agent can touch what it was given and nothing else, ends when its input does, and leaves no container.
func TestAgent(t *testing.T) {
	r := newRig(t)
	if err := r.connect(r.ctx); err != nil {
		t.Fatal(err)
	}
	given := r.project + "_given"
	if _, err := r.client.VolumeCreate(r.ctx, volume.CreateOptions{Name: given, Labels: map[string]string{planner.LabelProject: r.project}}); err != nil {
		t.Fatal(err)
	}
	s, err := r.Agent(r.ctx, AgentSpec{
		Program: agentProgram(t), Args: []string{"/given/file"}, Capabilities: []string{"NET_ADMIN"},
		Volumes: []AgentVolume{{Name: given, Path: "/given"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Write([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	if err := s.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if err := s.Copy(&out, &errs); err != nil {
		t.Fatal(err)
	}
	const want = "CapEff:\t0000000000001000\ninterfaces: 1\nroot is read-only: true\n/given/file is written: true\nhello\n"
	if out.String() != want || errs.Len() > 0 {
		t.Errorf("it said:\n%s%s, not:\n%s", out.String(), errs.String(), want)
	}
	if code, err := s.ExitCode(r.ctx); code != 7 || err != nil {
		t.Errorf("exit code %d, %v", code, err)
	}
	if text := r.contents(given); len(text) != 2 { // the folder and the file
		t.Errorf("the volume has %v", text)
	}
}

// Who waits for an agent that does not end can give up.
func TestAgentThatStays(t *testing.T) {
	r := newRig(t)
	s, err := r.Agent(r.ctx, AgentSpec{Program: agentProgram(t), Args: []string{"name"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	enough, cancel := context.WithCancel(r.ctx)
	cancel()
	if _, err := s.ExitCode(enough); !errors.Is(err, context.Canceled) {
		t.Errorf("the answer is %v", err)
	}
}

// The agent of a muster that is killed ends as well, and the engine removes its container.
func TestAgentOfTheKilled(t *testing.T) {
	r := newRig(t)
	if err := r.connect(r.ctx); err != nil {
		t.Fatal(err)
	}
	held := exec.Command(os.Args[0])
	held.Env, held.Stderr = append(os.Environ(), "AGENT_TEST_HOLD="+agentProgram(t)), os.Stderr
	out, err := held.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Process.Kill() }()
	id, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	id = strings.TrimSpace(id)
	if got, err := r.client.ContainerInspect(r.ctx, id); err != nil || !got.State.Running {
		t.Fatalf("the agent does not run: %v", err)
	}
	removed, err := r.Ending(r.ctx, id, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = held.Wait()
	if _, err := removed(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.ContainerInspect(r.ctx, id); !gone(err) {
		t.Errorf("its container is there: %v", err)
	}
}

// holdAgentUntilKilled is the process that TestAgentOfTheKilled kills. It says the ID of its agent.
func holdAgentUntilKilled() {
	e, err := Open(Options{Host: os.Getenv("MUSTER_TEST_ENGINE")})
	if err == nil {
		var s *Session
		if s, err = e.Agent(context.Background(), AgentSpec{Program: os.Getenv("AGENT_TEST_HOLD"), Args: []string{"name"}, Network: "bridge"}); err == nil {
			err = s.Copy(os.Stdout, os.Stderr)
		}
	}
	fmt.Fprintln(os.Stderr, "the agent ended first:", err)
	os.Exit(1)
}

// The image of an older program goes once a newer one is made, unless it is in use.
func TestAgentImages(t *testing.T) {
	r := newRig(t)
	if err := r.connect(r.ctx); err != nil {
		t.Fatal(err)
	}
	var refs []string
	for i := range 3 {
		program := agentProgram(t, fmt.Sprintf("-ldflags=-X main.version=%s-%d", r.project, i))
		if i == 1 {
			s, err := r.Agent(r.ctx, AgentSpec{Program: program, Args: []string{"name"}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
		}
		ref, err := r.agentImage(r.ctx, program)
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	there := func(ref string) bool {
		_, err := r.client.ImageInspect(r.ctx, ref)
		return err == nil
	}
	if there(refs[0]) || !there(refs[1]) {
		t.Errorf("the one that nothing uses is there: %v; the one in use: %v", there(refs[0]), there(refs[1]))
	}
	if _, err := r.RemoveAgents(r.ctx, ""); err != nil || there(refs[2]) {
		t.Errorf("it is still there (%v)", err)
	}
}

// An image that has no name is one that lost it, unless it was made just now.
func TestLeftAgents(t *testing.T) {
	then := time.Unix(1000, 0)
	for _, c := range []struct {
		tags    []string
		created int64
		want    string
	}{
		{[]string{"muster.local/agent:a"}, 10, "muster.local/agent:a"},
		{[]string{"muster.local/agent:a"}, 2000, "muster.local/agent:a"},
		{[]string{"muster.local/agent:kept"}, 10, ""},
		{[]string{"localhost/muster.local/agent:kept", "more:1"}, 10, "more:1"},
		{nil, 10, "sha256:1"},
		{nil, 1000, ""},
		{[]string{"<none>:<none>"}, 10, "sha256:1"},
		{[]string{"<none>:<none>"}, 2000, ""},
	} {
		got := leftAgents(image.Summary{ID: "sha256:1", RepoTags: c.tags, Created: c.created}, "muster.local/agent:kept", then)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v, made at %d: %v", c.tags, c.created, got)
		}
	}
}

// An agent whose muster was killed before it could start it goes after a while; one that runs does not.
func TestAgentIsNeverStarted(t *testing.T) {
	r := newRig(t)
	program := agentProgram(t, "-ldflags=-X main.version="+r.project)
	s, err := r.Agent(r.ctx, AgentSpec{Program: program, Args: []string{"name"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sum, err := programDigest(program)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.createAgent(r.ctx, agentRef(sum), AgentSpec{Args: []string{"name"}}); err != nil {
		t.Fatal(err)
	}
	_, tag, _ := strings.Cut(agentRef(sum), ":")
	for _, c := range []struct {
		age  time.Duration
		want int
	}{{time.Hour, 2}, {-time.Hour, 1}} {
		if err := r.removeUnstarted(r.ctx, labelAgent+"="+tag, time.Now().Add(-c.age)); err != nil || len(r.agentsOf(program)) != c.want {
			t.Errorf("those older than %s removed, there are %v (%v)", c.age, r.agentsOf(program), err)
		}
	}
}

// A program that wants others beside it cannot be an agent, and another system's neither: what to do is said.
func TestAgentProgram(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ system, arch, wants string }{
		{"windows", "amd64", "muster has no agent for containers of windows"},
		{"linux", "s390x", "this muster cannot run in a container of the engine, which wants a static program for linux/s390x"},
	} {
		_, err := AgentProgram(own, c.system, c.arch)
		if err == nil || err.Error() != c.wants {
			t.Errorf("%s/%s: %v", c.system, c.arch, err)
		}
	}
	beside := filepath.Join(filepath.Dir(own), "muster-linux-s390x")
	if err := os.Rename(agentProgram(t), beside); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(beside)
	if path, err := AgentProgram(own, "linux", "s390x"); path != beside || err != nil {
		t.Errorf("%s, %v", path, err)
	}
}

// Programs that differ in anything have different digests, whether or not the linker has written one down.
func TestProgramDigest(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, flags := range []string{"-X main.version=1", "-X main.version=2", "-buildid= -X main.version=1", "-buildid= -X main.version=2", "-s -X main.version=1"} {
		digest, err := programDigest(agentProgram(t, "-ldflags="+flags))
		if err != nil {
			t.Fatal(err)
		}
		if same, seen := seen[digest]; seen {
			t.Errorf("%q and %q have the digest %s", flags, same, digest)
		}
		seen[digest] = flags
	}
}
