package stacktest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
)

// SharedStack is one stack for all tests of a package; see [Shared].
type SharedStack struct {
	s *session
	// runs is set by Run before there is any test.
	runs bool
	once sync.Once
	err  error // of the bringing up
}

// Shared is one stack for all tests of a package. It is brought up for the first test that asks for it with [SharedStack.Up], and removed at
// the end of [SharedStack.Run], which TestMain has to call:
//
//	var shop = stacktest.Shared("compose.yaml")
//
//	func TestMain(m *testing.M) { os.Exit(shop.Run(m)) }
//
//	func TestOrders(t *testing.T) {
//		s := shop.Up(t)
//		…
//	}
func Shared(file string, options ...Option) *SharedStack {
	return &SharedStack{s: newSession(file, options)}
}

// Run runs the tests of the package and then removes the stack, where it was brought up. The answer is the exit code: that of the tests, and 1 where they have
// passed but the stack could not be removed. m is a *testing.M.
func (s *SharedStack) Run(m interface{ Run() int }) int {
	s.runs = true
	code := m.Run()
	if err := s.s.end(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "remove the stack of %s: %s\n", s.s.o.files[0], told(err))
		code = max(code, 1)
	}
	return code
}

// Up is the stack for one test, brought up if this is the first one that asks for it. Where that has failed, it fails for each test that asks. What a test
// changes, those after it find; [Stack.Restore] puts volumes back.
func (s *SharedStack) Up(t testing.TB) *Stack {
	t.Helper()
	if !s.runs {
		t.Fatal("a shared stack is removed by its Run, which nobody has called\n" +
			"  write func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }, with the variable that has the stack for shared")
	}
	stack := &Stack{t: t, s: s.s}
	s.once.Do(func() {
		ctx, cancel := timeOf(t)
		defer cancel()
		s.err = s.s.begin(ctx, t.Logf, holderOf(t), expiryOf(t))
	})
	t.Cleanup(func() {
		ctx, cancel := timeOf(t)
		defer cancel()
		stack.tellLogs(ctx)
	})
	stack.settle(s.err)
	return stack
}
