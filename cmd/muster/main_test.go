package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/musterhq/muster/fault"
	"github.com/musterhq/muster/hack/registry"
	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/lock"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
	"github.com/musterhq/muster/runner/memory"
)

// raceOptions is the variable that the race detector reads. By itself it holds up every process's end for a second,
// which is most of the time of a short command.
const raceOptions = "GORACE"

// built is a folder for what tests build for one another.
var built string

// tests are those of the package, with such a folder.
type tests struct{ *testing.M }

func (t tests) Run() int {
	var err error
	if built, err = os.MkdirTemp("", "muster-built-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(built) }()
	return t.M.Run()
}

func TestMain(m *testing.M) {
	_ = os.Setenv(raceOptions, "atexit_sleep_ms=0")
	testscript.Main(tests{m}, map[string]func(){
		"muster": func() { os.Exit(musterUnderTest()) },
		// By the names that docker runs it by.
		"docker-muster":  func() { os.Exit(start(os.Args)) },
		"docker-compose": func() { os.Exit(start(os.Args)) },
	})
}

// musterUnderTest is the program; with MUSTER_TEST_MEMORY it works on an engine
// in memory whose state is in that file.
func musterUnderTest() int {
	p := fromSystem()
	if file := os.Getenv("MUSTER_TEST_MEMORY"); file != "" {
		p.open = func(_ context.Context, at address) (engine, error) {
			e, err := memory.Load(file)
			if err == nil && at.target == project.TargetSwarm {
				e.Converge(3)
			}
			return memoryEngine{e, file}, err
		}
	}
	return run(context.Background(), p, os.Args[1:])
}

// TestScripts runs the program as a user would, on the engine in memory.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"private":  private,
			"registry": func(ts *testscript.TestScript, _ bool, args []string) { startRegistry(t, ts, args) },
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("MUSTER_TEST_MEMORY", filepath.Join(env.WorkDir, "engine.json"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv(raceOptions, os.Getenv(raceOptions))
			return nil
		},
	})
}

// startRegistry is the command "registry VARIABLE [login] [together]": a registry of the script's own, whose host is in the
// variable. Together: it answers for one/TAG only once it was asked for two/TAG as well, and the other way round.
func startRegistry(t *testing.T, ts *testscript.TestScript, args []string) {
	o := registry.Options{Login: slices.Contains(args, "login")}
	if slices.Contains(args, "together") {
		o.Front = together
	}
	ts.Setenv(args[0], registry.Start(t, o))
}

func together(next http.Handler) http.Handler {
	asked := map[string]chan struct{}{"one": make(chan struct{}), "two": make(chan struct{})}
	var once [2]sync.Once
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(r.URL.Path, "/manifests/1") {
			mine, other, i := "one", "two", 0
			if strings.Contains(r.URL.Path, "/two/") {
				mine, other, i = "two", "one", 1
			}
			once[i].Do(func() { close(asked[mine]) })
			select {
			case <-asked[other]:
			case <-time.After(30 * time.Second):
				http.Error(w, "nobody asks for "+other, http.StatusNotFound)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// memoryEngine is the engine in memory as the commands want it.
type memoryEngine struct {
	*memory.Engine
	file string
}

// Digest answers as a registry that has one image.
func (e memoryEngine) Digest(_ context.Context, ref string) (string, error) {
	if ref == "registry.test/mail:1" {
		return "sha256:" + strings.Repeat("b", 64), nil
	}
	return "", fmt.Errorf("%s is in no registry", ref)
}

// Hold keeps nobody out; the local lock does.
func (e memoryEngine) Hold(context.Context, string, string, lock.Holder, func(context.Context, lock.Holder) error) (func(), error) {
	return func() {}, nil
}

// RemoveAgents finds none: nothing runs in memory.
func (e memoryEngine) RemoveAgents(context.Context, string) (int, error) { return 0, nil }

// Agent refuses: nothing runs in memory.
func (e memoryEngine) NetworkAgent(context.Context, string, []string) (fault.Agent, error) {
	return nil, errors.New("nothing runs in memory")
}

// ReadVolume writes no archive but a line.
func (e memoryEngine) ReadVolume(_ context.Context, volume, _ string, to io.Writer) error {
	s, err := e.state()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(to, "%s\n", s.Data[volume])
	return err
}

// PrepareRestore says that all volumes can be exchanged.
func (e memoryEngine) PrepareRestore(_ context.Context, _ *project.Project, from map[string]planner.Restore, _ bool) (func(), error) {
	for key, r := range from {
		r.Exchange = true
		from[key] = r
	}
	return func() {}, nil
}

func (e memoryEngine) Health(string) healthcheck.Engine { return e.Engine }
func (e memoryEngine) Host() string                     { return "unix:///run/muster-test.sock" }
func (e memoryEngine) Close() error                     { return e.Save(e.file) }

// state is a copy of what the engine holds.
func (e memoryEngine) state() (memory.State, error) {
	var s memory.State
	text, err := json.Marshal(e.Engine)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}

func (e memoryEngine) Projects(context.Context) ([]docker.Listed, error) {
	s, err := e.state()
	if err != nil {
		return nil, err
	}
	by := map[string]*docker.Listed{}
	for _, c := range s.Containers {
		name := c.Labels[planner.LabelProject]
		if by[name] == nil {
			by[name] = &docker.Listed{Name: name, Containers: map[planner.Status]int{}}
		}
		by[name].Containers[c.Status]++
		by[name].Instance, by[name].First = c.Labels[planner.LabelInstance], c.Labels[planner.LabelInstanceOf]
		by[name].WorkingDir = c.Labels[planner.LabelWorkingDir]
		by[name].Expires, _ = time.Parse(time.RFC3339, c.Labels[planner.LabelExpires])
		by[name].ConfigFiles = strings.Split(c.Labels[planner.LabelConfigFiles], ",")
	}
	var out []docker.Listed
	for _, name := range slices.Sorted(maps.Keys(by)) {
		out = append(out, *by[name])
	}
	return out, nil
}

func (e memoryEngine) Instances(ctx context.Context) ([]docker.Listed, error) {
	all, err := e.Projects(ctx)
	return slices.DeleteFunc(all, func(l docker.Listed) bool { return l.Instance == "" }), err
}

// ID is where its state lies.
func (e memoryEngine) ID(context.Context) (string, error) { return e.file, nil }

// Logs gives what the container's behaviour says that it prints in a run, a
// millisecond apart from its start.
func (e memoryEngine) Logs(ctx context.Context, container string, o logOptions, each func(logChunk) error) error {
	events, err := e.Watch(ctx)
	if err != nil {
		return err
	}
	status, err := e.Look(ctx, container)
	if err != nil {
		return err
	}
	var lines []string
	err = e.Lines(ctx, container, healthcheck.Excerpt{}, func(line string) error {
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		return err
	}
	at := status.StartedAt
	for i, line := range lines {
		at := at.Add(time.Duration(i) * time.Millisecond)
		if o.tail < 0 || o.tail > 0 && i < len(lines)-o.tail || o.since != "" && at.Before(sinceTime(o.since)) {
			continue
		}
		if err := each(logChunk{at: at, text: []byte(line)}); err != nil {
			return err
		}
	}
	if !o.follow || !status.Running {
		return nil
	}
	for event := range events {
		if event.Name == container && (event.What == "die" || event.What == "destroy") {
			return nil
		}
	}
	return errors.Join(ctx.Err())
}

// AttachAhead refuses: what containers in memory print is known once they run.
func (e memoryEngine) AttachAhead(context.Context, string) (output, error) {
	return nil, errors.ErrUnsupported
}

// Attach refuses: what containers in memory print is known once they run.
func (e memoryEngine) Attach(context.Context, string) (output, error) {
	return nil, errors.ErrUnsupported
}

// sinceTime reads the form that positions are written in.
func sinceTime(text string) time.Time {
	seconds, nanos, _ := strings.Cut(text, ".")
	s, _ := time.ParseDuration(seconds + "s")
	n, _ := time.ParseDuration(nanos + "ns")
	return time.Unix(0, int64(s+n))
}

// private is a script's command: nobody but their owner can read these files, which may be patterns.
func private(ts *testscript.TestScript, _ bool, patterns []string) {
	for _, pattern := range patterns {
		files, err := filepath.Glob(ts.MkAbs(pattern))
		ts.Check(err)
		if len(files) == 0 {
			ts.Fatalf("there is no %s", pattern)
		}
		for _, file := range files {
			info, err := os.Stat(file)
			ts.Check(err)
			if mode := info.Mode().Perm(); mode != 0o600 {
				ts.Fatalf("%s has mode %o", file, mode)
			}
		}
	}
}
