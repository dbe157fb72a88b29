// Package stacktest gives Go tests a stack of containers: a copy of what a Compose file declares, ready when [Up] returns and gone when the test ends.
//
//	func TestOrders(t *testing.T) {
//		s := stacktest.Up(t, "compose.yaml")
//		db, err := sql.Open("pgx", "postgres://postgres@"+s.Endpoint("db", 5432)+"/")
//		…
//	}
//
// Each stack is an instance of its own, with names, volumes and host ports of its own, so that neither parallel tests nor a stack that is up already
// disturb each other. [Shared] is one stack for all tests of a package.
//
// # When the test process is killed
//
// A stack is held by the test's process with a lock of the operating system, which ends with the process however that ends: by a panic, at the end
// that go test -timeout sets, by kill -9. What a process has left behind is removed by the next Up of the same stack, and by muster gc. All that is made on the engine also
// carries the time until which it may be needed, from -timeout or else a day on, so that muster gc finds it from other machines.
//
// # Failures
//
// Methods end the test with Fatal where something cannot be done, with what muster itself would say. When a test fails, the last lines
// of each container are in its log.
package stacktest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/lock"
	"github.com/musterhq/muster/runner/docker"
)

// Stack is a copy of a stack that is up, as one test sees it.
type Stack struct {
	t testing.TB
	s *session
}

// Up brings up a copy of the stack that a Compose file declares, and waits until it is ready. At the end of the test all of it is removed, its volumes and
// the images that were built for it included. The file is sought from the test's folder. Services that are marked as tests (x-muster.test) are left out.
func Up(t testing.TB, file string, options ...Option) *Stack {
	t.Helper()
	stack := &Stack{t: t, s: newSession(file, options)}
	stack.s.owner = t
	t.Cleanup(func() {
		ctx, cancel := timeOf(t)
		defer cancel()
		stack.tellLogs(ctx)
		if err := stack.s.end(ctx); err != nil {
			t.Errorf("remove the stack of %s: %s", file, told(err))
		}
	})
	stack.begin()
	return stack
}

// begin brings it up, or ends the test.
func (s *Stack) begin() {
	s.t.Helper()
	ctx, cancel := timeOf(s.t)
	defer cancel()
	s.settle(s.s.begin(ctx, s.t.Logf, holderOf(s.t), expiryOf(s.t)))
}

// settle ends the test where the stack did not come up.
func (s *Stack) settle(err error) {
	s.t.Helper()
	var gone *docker.UnreachableError
	switch {
	case err == nil:
	case s.s.o.skip && !s.s.begun && errors.As(err, &gone):
		s.t.Skip(told(err))
	default:
		s.t.Fatalf("bring up %s: %s", s.s.o.files[0], told(err))
	}
}

// For is the same stack for another test, such as a subtest, which is then the one that fails.
func (s *Stack) For(t testing.TB) *Stack { return &Stack{t: t, s: s.s} }

// Project is the name of the copy on the engine, for muster -p and docker.
func (s *Stack) Project() string { return s.s.want.Name }

const (
	// toRemove is the part of a test's time in which nothing more is waited for, so that what was made is removed before go test ends all; where
	// less than twice that is left, it is half of it.
	toRemove = 20 * time.Second
	// toForget is how long something is needed where go test has no -timeout, for who finds it from elsewhere.
	toForget = 24 * time.Hour
)

var errTimeUp = errors.New("the time of the test (go test -timeout) is nearly over")

// deadlineOf is the end that go test -timeout sets.
func deadlineOf(t testing.TB) (time.Time, bool) {
	if limited, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		return limited.Deadline()
	}
	return time.Time{}, false
}

// timeOf is a context for what a test asks for. It also serves functions of t.Cleanup, where that of the test is over.
func timeOf(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, over := t.Context(), false
	if over = ctx.Err() != nil; over {
		ctx = context.WithoutCancel(ctx)
	}
	at, limited := deadlineOf(t)
	if !limited {
		return context.WithCancel(ctx)
	}
	if !over {
		at = at.Add(-min(toRemove, time.Until(at)/2))
	}
	return context.WithDeadlineCause(ctx, at, errTimeUp)
}

// expiryOf is the time until which a stack may be needed.
func expiryOf(t testing.TB) time.Time {
	if at, limited := deadlineOf(t); limited {
		return at.Add(time.Minute).Truncate(time.Second)
	}
	return time.Now().Add(toForget).Truncate(time.Second)
}

func holderOf(t testing.TB) lock.Holder {
	return lock.Holder{By: lock.User(), PID: os.Getpid(), Command: filepath.Base(os.Args[0]) + " " + t.Name(), Since: time.Now()}
}

// The bound of what a failed test's log has of each container, in lines.
const lastLines = 20

// tellLogs attaches what the services have printed to a test that has failed.
func (s *Stack) tellLogs(ctx context.Context) {
	if !s.t.Failed() || !s.s.begun {
		return
	}
	all, err := s.s.containers(ctx, "")
	if err != nil {
		s.t.Logf("the logs of the services cannot be read: %s", told(err))
		return
	}
	for _, c := range all {
		text, err := s.s.logs(ctx, c.Name, lastLines)
		switch label := strings.TrimPrefix(c.Name, s.s.want.Name+"-"); {
		case err != nil:
			s.t.Logf("the logs of %s cannot be read: %s", label, told(err))
		case text == "":
			s.t.Logf("%s has printed nothing (%s)", label, c.Status)
		default:
			s.t.Logf("the last lines of %s (%s):\n%s", label, c.Status, text)
		}
		if err := s.keepLog(ctx, c.Name); err != nil {
			s.t.Logf("keep the log of %s: %v", c.Name, err)
		}
	}
}

// keepLog writes all that a container has printed to the folder of [LogsTo].
func (s *Stack) keepLog(ctx context.Context, container string) error {
	if s.s.o.logs == "" {
		return nil
	}
	text, err := s.s.logs(ctx, container, 0)
	if err != nil {
		return err
	}
	file := filepath.Join(s.s.o.logs, filepath.FromSlash(s.t.Name()), strings.TrimPrefix(container, s.s.want.Name+"-")+".log")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	s.t.Log("written: " + file)
	return nil
}

func listed(names []string) string {
	if len(names) == 0 {
		return "there are none"
	}
	return fmt.Sprintf("there are %s", strings.Join(names, ", "))
}
