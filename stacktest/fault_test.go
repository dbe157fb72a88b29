package stacktest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/fault"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner/docker"
)

// staticMuster is the path of a muster that can run in a container.
func staticMuster(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "muster")
	build := exec.Command("go", "build", "-o", program, "../cmd/muster")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return program
}

// TestEngineFault: a fault is there when Fault returns, and is over once it is taken back: by undo, and by the end of the test that asked for it.
func TestEngineFault(t *testing.T) {
	t.Parallel()
	host, with := onEngine(t)
	path := written(t, strings.Replace(file, "  shell:", `  caller: {image: "${TESTAPP_IMAGE}", command: [run], stop_grace_period: 0s}`+"\n  shell:", 1))
	s := Up(t, path, append(with, opens(docker.Options{Host: host, Muster: staticMuster(t)}))...)
	status := func() planner.Status {
		all, err := s.s.containers(t.Context(), "web")
		if err != nil || len(all) != 1 {
			t.Fatalf("containers of web: %v, %v", all, err)
		}
		c, err := s.s.on.Inspect(t.Context(), all[0].Name) // a list may be behind
		if err != nil {
			t.Fatal(err)
		}
		return c.Status
	}
	for _, c := range []struct {
		fault fault.Fault
		is    planner.Status
	}{{fault.Kill{}, planner.Exited}, {fault.Pause{}, planner.Paused}} {
		undo := s.Fault(c.fault, "web")
		if got := status(); got != c.is {
			t.Errorf("web that was %s is %s", c.fault.Did(), got)
		}
		undo()
		undo() // once is enough
		if _, err := get(t.Context(), s.URL("web", 8080)); err != nil {
			t.Errorf("web that was %s, taken back: %v", c.fault.Did(), err)
		}
	}
	fetch := func() (time.Duration, int) {
		began := time.Now()
		code := s.TryExec("caller", "/testapp", "fetch", "http://web:8080/").Code
		return time.Since(began), code
	}
	t.Run("of the way, and of a test", func(t *testing.T) {
		s := s.For(t)
		s.Fault(fault.On{To: "web", Port: 8080, Toxic: fault.Latency{Delay: 3 * time.Second}}, "caller")
		if took, code := fetch(); took < 3*time.Second || code != 0 {
			t.Errorf("web was heard after %s, with code %d", took, code)
		}
		s.Fault(fault.Disconnect{}, "web")
	})
	if took, code := fetch(); took >= 3*time.Second || code != 0 {
		t.Errorf("when that test had ended, web was heard after %s, with code %d", took, code)
	}
}

// TestFaultIsRefused: what cannot be done ends the test, and says why.
func TestFaultIsRefused(t *testing.T) {
	t.Parallel()
	_, with := inMemory(t)
	path := written(t, small)
	for name, c := range map[string]struct {
		test func(*Stack)
		want string
	}{
		"no such service":  {func(s *Stack) { s.Fault(fault.Kill{}, "wbe") }, "no such service: wbe"},
		"none is named":    {func(s *Stack) { s.Fault(fault.Kill{}) }, "no service is named"},
		"it does not run":  {func(s *Stack) { s.Stop("web"); s.Fault(fault.Pause{}, "web") }, "no container of web runs"},
		"without a muster": {func(s *Stack) { s.Fault(fault.On{To: "db", Port: 1, Toxic: fault.Reset{}}, "web") }, "nothing runs in memory"},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, "TestOrders", func(t testing.TB) { c.test(Up(t, path, with...)) })
			if !r.failed || !strings.Contains(r.said.String(), c.want) {
				t.Errorf("the test is not told %q:\n%s", c.want, &r.said)
			}
		})
	}
}
