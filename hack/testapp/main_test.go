package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "greeting")
	if err := os.WriteFile(file, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOG_LEVEL", "debug")
	for _, test := range []struct {
		args string
		out  string
		code exitError
	}{
		{args: "print", out: "line 1\n"},
		{args: "print -text=hey -lines=2 -size=8", out: "hey 1..\nhey 2..\n"},
		{args: "print -lines=0 -exit=4", code: 4},
		{args: "exit 3", code: 3},
		{args: "exit 0"},
		{args: "run -exit-after=0 -exit=7", code: 7},
		{args: "-exit-after=0"},
		{args: "cat " + file, out: "hello\n"},
		{args: "env LOG_LEVEL", out: "debug\n"},
		{args: "resolve 127.0.0.1", out: "127.0.0.1\n"},
	} {
		t.Run(test.args, func(t *testing.T) {
			var out strings.Builder
			err := dispatch(strings.Fields(test.args), &out, io.Discard)
			if err != nil && !errors.Is(err, test.code) || err == nil && test.code != 0 {
				t.Errorf("error %v, want code %d", err, test.code)
			}
			if out.String() != test.out {
				t.Errorf("printed %q, want %q", out.String(), test.out)
			}
		})
	}
}

func TestFlagWinsOverVariable(t *testing.T) {
	lookup := func(name string) (string, bool) {
		value, ok := map[string]string{"TESTAPP_HEALTHY_AFTER": "1s", "TESTAPP_TERM_EXIT": "5"}[name]
		return value, ok
	}
	b, err := readBehaviour([]string{"-healthy-after=2s"}, io.Discard, lookup)
	if err != nil {
		t.Fatal(err)
	}
	if b.healthyAfter != 2*time.Second || b.termExit != 5 {
		t.Errorf("healthy after %v, exit %d after SIGTERM", b.healthyAfter, b.termExit)
	}
}

func TestWrongVariableIsNamed(t *testing.T) {
	_, err := readBehaviour(nil, io.Discard, func(name string) (string, bool) { return "soon", name == "TESTAPP_EXIT_AFTER" })
	if err == nil || !strings.Contains(err.Error(), `TESTAPP_EXIT_AFTER="soon"`) {
		t.Errorf("error %v does not name the variable", err)
	}
}

func TestHealthFollowsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := newHealthState(2*time.Second, 5*time.Second)
		for second, want := range []bool{false, false, true, true, true, false} {
			if state.ok() != want {
				t.Errorf("after %ds: healthy %t", second, state.ok())
			}
			time.Sleep(time.Second)
		}
	})
}

func TestHandler(t *testing.T) {
	t.Setenv("COLOUR", "green")
	exits := make(chan int, 1)
	server := httptest.NewServer(newHandler(behaviour{unhealthyAfter: never}, exits))
	defer server.Close()
	file := "/file" + filepath.Join(t.TempDir(), "note")

	for _, step := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "/env/COLOUR", "", 200, "green"},
		{"GET", "/env/NO_SUCH", "", 404, ""},
		{"GET", file, "", 404, ""},
		{"PUT", file, "remember", 200, ""},
		{"GET", file, "", 200, "remember"},
		{"GET", "/health", "", 200, "healthy\n"},
		{"PUT", "/health", "false", 200, ""},
		{"GET", "/health", "", 503, "not healthy\n"},
		{"GET", "/fetch?url=" + server.URL + "/env/COLOUR", "", 200, "green"},
		{"POST", "/exit/9", "", 200, ""},
	} {
		request, err := http.NewRequest(step.method, server.URL+step.path, strings.NewReader(step.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != step.status {
			t.Errorf("%s %s: %s, %v", step.method, step.path, response.Status, err)
		}
		if step.answer != "" && string(answer) != step.answer {
			t.Errorf("%s %s: %q, want %q", step.method, step.path, answer, step.answer)
		}
	}
	if code := <-exits; code != 9 {
		t.Errorf("exit code %d", code)
	}
}
