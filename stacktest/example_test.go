package stacktest_test

import (
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/musterhq/muster/fault"
	"github.com/musterhq/muster/stacktest"
)

// t is that of the test in which the examples stand; see TestEngineExamples.
var t testing.TB

// A test with a stack of its own.
func ExampleUp() {
	s := stacktest.Up(t, "testdata/compose.yaml", stacktest.Env("GREETING=hi"), stacktest.SkipWithoutEngine())
	answer, err := http.Get(s.URL("web", 80))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || string(text) != "hi\n" {
		t.Errorf("got %q, %v", text, err)
	}
}

// One stack for all tests of a package: the variable, and TestMain.
func ExampleShared() {
	shop := stacktest.Shared("testdata/compose.yaml")

	main := func(m *testing.M) { os.Exit(shop.Run(m)) } // TestMain

	greets := func(t *testing.T) { // TestGreets, and as many others as there are
		s := shop.Up(t)
		if got := s.Exec("web", "cat", "/pages/index.html"); got != "hello\n" {
			t.Errorf("got %q", got)
		}
	}
	_, _ = main, greets
}

// What becomes of callers while a service does not answer, and when it is back.
func ExampleStack_Pause() {
	s := stacktest.Up(t, "testdata/compose.yaml")
	s.Pause("web")
	// … call it, and see that the caller gives up in time …
	s.Unpause("web")
	s.Stop("web")
	// … see that the caller says so …
	s.Start("web")
	t.Log(s.Endpoint("web", 80)) // which may be another one now
}

// What becomes of callers while a service cannot be reached, or is dead.
func ExampleStack_Fault() {
	s := stacktest.Up(t, "testdata/compose.yaml")
	undo := s.Fault(fault.Disconnect{}, "web")
	// … see that callers say so …
	undo() // web is ready again
	s.Fault(fault.Kill{}, "web")
	// … see what is lost; it is taken back when the test ends. The way to a service can be slow as well, with a muster on the PATH:
	//	s.Fault(fault.On{To: "db", Port: 5432, Toxic: fault.Latency{Delay: time.Second}}, "web")
}

// Data that takes long to make is made once, and put back for each test.
func ExampleStack_Restore() {
	s := stacktest.Up(t, "testdata/compose.yaml")
	// … fill the volumes …
	s.Snapshot("seeded")

	s.Exec("web", "sh", "-c", "echo something else > /pages/index.html")
	s.Restore("seeded")
	if got := s.Exec("web", "cat", "/pages/index.html"); got != "hello\n" {
		t.Errorf("got %q", got)
	}
}

// TestEngineExamples runs the examples of the docs that are a test each.
func TestEngineExamples(test *testing.T) {
	stacktest.SameOnAnyEngine(test, "TestEngineServices, TestEngineFault and TestEngineRestore")
	host := os.Getenv("MUSTER_TEST_ENGINE")
	if host == "" || os.Getenv("BUSYBOX_IMAGE") == "" {
		test.Skip("MUSTER_TEST_ENGINE does not name an engine to test on, or BUSYBOX_IMAGE no image")
	}
	test.Setenv("DOCKER_HOST", host)
	test.Setenv("XDG_STATE_HOME", test.TempDir())
	for name, example := range map[string]func(){
		"up": ExampleUp, "pause": ExampleStack_Pause, "fault": ExampleStack_Fault, "restore": ExampleStack_Restore,
	} {
		test.Run(name, func(of *testing.T) {
			t = of
			example()
		})
	}
}
