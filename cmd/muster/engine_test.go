package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/versions"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/musterhq/muster/internal/enginetest"
	"github.com/musterhq/muster/planner"
)

// testEngine is the address of the engine to test on; without one the test is skipped.
func testEngine(t *testing.T) string {
	t.Helper()
	return enginetest.Host(t, "TESTAPP_IMAGE", "BUSYBOX_IMAGE")
}

// projectName is one that no other test has.
func projectName(t *testing.T) string {
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	return fmt.Sprintf("muster-%s-%d", name, time.Now().UnixNano()%1e9)
}

// inProcess is a program on an engine, with a folder, and with nothing of the user's environment.
func inProcess(host, project, dir string) *program {
	return &program{
		in: strings.NewReader(""), out: io.Discard, err: io.Discard,
		environ: []string{
			"COMPOSE_PROJECT_NAME=" + project, "COMPOSE_FILE=" + filepath.Join(dir, "compose.yaml"),
			"TESTAPP_IMAGE=" + os.Getenv("TESTAPP_IMAGE"), "BUSYBOX_IMAGE=" + os.Getenv("BUSYBOX_IMAGE"),
		},
		open: func(ctx context.Context, _ address) (engine, error) { return openEngine(ctx, address{host: host}) },
		now:  time.Now, signals: make(chan os.Signal, 4),
	}
}

// removeProject leaves nothing of a test behind.
func removeProject(host, project string) {
	p := inProcess(host, project, "")
	p.environ = nil
	run(context.Background(), p, []string{"-p", project, "--progress", "quiet", "down", "-v", "-t", "0", "--remove-orphans", "--rmi", "local"})
	on, err := openEngine(context.Background(), address{host: host})
	if err != nil {
		return
	}
	defer on.Close()
	have, err := on.Observe(context.Background(), planner.Scope{Project: project})
	if err != nil {
		return
	}
	for _, v := range have.Volumes { // those that --migrate-volumes has kept
		if strings.HasPrefix(v.Name, project+"_") {
			_ = on.Apply(context.Background(), planner.RemoveVolume{Name: v.Name}, nil)
		}
	}
}

// removeImages removes the image of a project's service web, and what it was before it was built anew.
func removeImages(on engine, project string) {
	_ = on.Apply(context.Background(), planner.RemoveImage{Ref: project + "-web"}, nil)
	if left, err := on.Leftovers(context.Background(), project); err == nil {
		_ = on.DiscardImages(context.Background(), left)
	}
}

// speaks answers the conditions api:VERSION, whether the engine speaks that version of its API, and podman.
func speaks(t *testing.T, host, condition string) (bool, error) {
	want, ok := strings.CutPrefix(condition, "api:")
	if !ok && condition != "podman" {
		return false, fmt.Errorf("unknown condition %q", condition)
	}
	on, err := openEngine(t.Context(), address{host: host})
	if err != nil {
		return false, err
	}
	defer on.Close()
	have, err := on.Observe(t.Context(), planner.Scope{Project: "none"})
	if condition == "podman" {
		return strings.HasPrefix(have.Engine.Name, "podman "), err
	}
	return err == nil && !versions.LessThan(have.Engine.API, want), err
}

// TestEngineScripts runs the program as a user would, on a real engine.
func TestEngineScripts(t *testing.T) {
	host := testEngine(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/engine",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"registry": func(ts *testscript.TestScript, _ bool, args []string) { startRegistry(t, ts, args) },
		},
		Condition: func(name string) (bool, error) { return speaks(t, host, name) },
		Setup: func(env *testscript.Env) error {
			project := fmt.Sprintf("muster-script-%s-%d", filepath.Base(env.WorkDir), time.Now().UnixNano()%1e9)
			env.Setenv("DOCKER_HOST", host)
			env.Setenv("COMPOSE_PROJECT_NAME", project)
			env.Setenv("PROJECT", project)
			env.Setenv("TESTAPP_IMAGE", os.Getenv("TESTAPP_IMAGE"))
			env.Setenv("BUSYBOX_IMAGE", os.Getenv("BUSYBOX_IMAGE"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv(raceOptions, os.Getenv(raceOptions))
			for name, variable := range map[string]string{"docker-muster": "PLUGIN", "docker-compose": "COMPOSE_PLUGIN"} {
				path, err := exec.LookPath(name) // put there by testscript.Main
				if err != nil {
					return err
				}
				env.Setenv(variable, path)
			}
			env.Defer(func() { removeProject(host, project) })
			return nil
		},
	})
}

// TestEngineInterrupt: Ctrl-C once stops the containers in peace, twice at once.
func TestEngineInterrupt(t *testing.T) {
	t.Parallel()
	host := testEngine(t)
	const file = `
services:
  web:
    image: ${TESTAPP_IMAGE}
    command: [run, -ignore-term=%v]
    stop_grace_period: 60s
    healthcheck: {test: [CMD, /testapp, health]}
  late: # the stack is up once web has its signal handlers
    image: ${BUSYBOX_IMAGE}
    command: ["true"]
    depends_on: {web: {condition: service_healthy}}
`
	for _, c := range []struct {
		name       string
		ignoreTerm bool
		interrupts int
		wantCode   string // of the container
	}{
		{"once", false, 1, "web-1 exited with code 0"},
		{"twice", true, 2, "web-1 exited with code 137"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, project := t.TempDir(), projectName(t)
			if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), fmt.Appendf(nil, file, c.ignoreTerm), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { removeProject(host, project) })
			p := inProcess(host, project, dir)
			signals := make(chan os.Signal, 4)
			p.signals = signals
			reader, writer := io.Pipe()
			p.out, p.err = writer, writer
			code := make(chan int, 1)
			go func() { code <- run(t.Context(), p, []string{"up"}); _ = writer.Close() }()
			var all strings.Builder
			left := c.interrupts
			lines := bufio.NewScanner(reader)
			for lines.Scan() {
				line := lines.Text()
				all.WriteString(line + "\n")
				switch {
				case strings.Contains(line, "is up:") && left == c.interrupts,
					strings.Contains(line, "Container "+project+"-web-1  Stopping") && left > 0:
					signals <- syscall.SIGINT
					left--
				}
			}
			if got := <-code; got != exitInterrupted {
				t.Errorf("exit code %d, want %d", got, exitInterrupted)
			}
			if !strings.Contains(all.String(), c.wantCode) || !strings.Contains(all.String(), "Gracefully stopping...") {
				t.Errorf("no %q, or no word about it, in:\n%s", c.wantCode, &all)
			}
		})
	}
}
