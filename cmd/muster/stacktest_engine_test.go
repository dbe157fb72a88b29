package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/stacktest"
)

// killedStack is the variable that makes TestHelperKilledStack the test that is killed, on the file that it names.
const killedStack = "MUSTER_TEST_KILLED_STACK"

// TestHelperKilledStack is run by TestEngineStackOfKilledTest in a process of its own.
func TestHelperKilledStack(t *testing.T) {
	file := os.Getenv(killedStack)
	if file == "" {
		t.Skip("it is for another test")
	}
	s := stacktest.Up(t, file)
	fmt.Printf("up %s\n", s.Project())
	<-t.Context().Done() // until it is killed
}

// TestEngineStackOfKilledTest: gc removes what a Go test has left that was killed with SIGKILL, all of it, and nothing of one that runs.
func TestEngineStackOfKilledTest(t *testing.T) {
	enginetest.SameOnAny(t, "scripts expires and test")
	t.Parallel()
	host, dir, self := testEngine(t), t.TempDir(), ""
	file := filepath.Join(dir, "compose.yaml")
	text := "name: " + projectName(t) + "\n" + `
services:
  web: {image: "${TESTAPP_IMAGE}", command: [run], ports: ["18081:8080"], volumes: [data:/data]}
volumes: {data: {}}
`
	err := os.WriteFile(file, []byte(text), 0o600)
	if err == nil {
		self, err = os.Executable()
	}
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "DOCKER_HOST="+host, "HOME="+dir, "XDG_STATE_HOME=", killedStack+"="+file)
	gc := func() string {
		cmd := exec.CommandContext(t.Context(), self, "gc", "--yes")
		cmd.Args[0], cmd.Env, cmd.Dir = "muster", env, dir
		said, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("gc: %v\n%s", err, said)
		}
		return string(said)
	}
	test := exec.CommandContext(t.Context(), self, "-test.run=^TestHelperKilledStack$", "-test.timeout=10m")
	test.Env, test.Stderr = env, os.Stderr
	out, err := test.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := test.Start(); err != nil {
		t.Fatal(err)
	}
	var name string
	if _, err := fmt.Fscanf(out, "up %s\n", &name); err != nil {
		_ = test.Process.Kill()
		rest, _ := io.ReadAll(out)
		t.Fatalf("the test to kill did not come up: %v\n%s", err, rest)
	}
	t.Cleanup(func() { removeProject(host, name) })
	if said := gc(); strings.Contains(said, name) || leftOf(t, host, name) == 0 {
		t.Errorf("gc while the test runs: %s", said)
	}
	if err := test.Process.Kill(); err != nil { // SIGKILL
		t.Fatal(err)
	}
	_ = test.Wait()
	if leftOf(t, host, name) == 0 {
		t.Fatal("nothing was left of what was killed, so that this test shows nothing")
	}
	if said := gc(); !strings.Contains(said, name+": what held it has ended") {
		t.Errorf("gc does not say why it removes it: %s", said)
	}
	if left := leftOf(t, host, name); left > 0 {
		t.Errorf("gc has left %d things of it", left)
	}
}
