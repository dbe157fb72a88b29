package docker

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/docker/docker/pkg/stdcopy"

	"github.com/musterhq/muster/healthcheck"
)

const (
	notIn  = "OCI runtime exec failed: exec failed: unable to start container process: error executing setns process: exit status 1: unknown\n"
	notHas = `OCI runtime exec failed: exec failed: unable to start container process: exec: "x": executable file not found in $PATH: unknown` + "\n"
)

// TestCheckThatTheRuntimeRefuses: what the runtime says in the place of a check is no result of it, unless there is no such program.
func TestCheckThatTheRuntimeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		says  []string // each run of the command; the last one for ever
		codes []int
		want  healthcheck.ProbeResult
		fails string
		runs  int
	}{
		"let in at last":      {[]string{notIn, "fine\n"}, []int{126, 0}, healthcheck.ProbeResult{Output: "fine"}, "", 2},
		"never let in":        {[]string{notIn}, []int{126}, healthcheck.ProbeResult{}, "setns process", execTries},
		"no such program":     {[]string{notHas}, []int{126}, healthcheck.ProbeResult{ExitCode: 126, Output: strings.TrimSpace(notHas)}, "", 1},
		"a command's words":   {[]string{"OCI runtimes are many\n"}, []int{3}, healthcheck.ProbeResult{ExitCode: 3, Output: "OCI runtimes are many"}, "", 1},
		"well, and says so":   {[]string{notIn}, []int{0}, healthcheck.ProbeResult{Output: strings.TrimSpace(notIn)}, "", 1},
		"silent, and failing": {[]string{""}, []int{1}, healthcheck.ProbeResult{ExitCode: 1}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			runs := 0
			e := fakeEngine(t, func(w http.ResponseWriter, req *http.Request) {
				now := min(max(runs, 1), len(c.says)) - 1
				switch {
				case strings.HasSuffix(req.URL.Path, "/info"):
					fmt.Fprint(w, `{"OSType": "linux"}`)
				case strings.HasSuffix(req.URL.Path, "/exec"):
					runs++
					w.WriteHeader(http.StatusCreated)
					fmt.Fprint(w, `{"Id": "x"}`)
				case strings.HasSuffix(req.URL.Path, "/start"):
					_, _ = io.Copy(io.Discard, req.Body) // what is left unread when it is closed resets the connection
					conn, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					defer func() { _ = conn.Close() }()
					fmt.Fprint(conn, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
					_, _ = stdcopy.NewStdWriter(conn, stdcopy.Stdout).Write([]byte(c.says[now]))
				default:
					fmt.Fprintf(w, `{"ID": "x", "Running": false, "ExitCode": %d}`, c.codes[now])
				}
			})
			got, err := e.Probe(t.Context(), "web", healthcheck.Check{Exec: []string{"CMD", "x"}})
			if got != c.want || runs != c.runs {
				t.Errorf("%+v after %d runs, want %+v after %d", got, runs, c.want, c.runs)
			}
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestStartWhileNamesAreTakenDown: Podman's server of names does not begin while that of another project ends.
func TestStartWhileNamesAreTakenDown(t *testing.T) {
	for words, want := range map[string]int{
		"netavark: error while applying dns entries: aardvark-dns failed to start: Error from child process": 2,
		"no such thing": 1,
	} {
		t.Run(words, func(t *testing.T) {
			starts := 0
			e := fakeEngine(t, func(w http.ResponseWriter, _ *http.Request) {
				if starts++; starts > 1 {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				w.WriteHeader(http.StatusInternalServerError)
				fmt.Fprintf(w, `{"message": %q}`, words)
			})
			if err := e.connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := e.startOnce(t.Context(), "web"); starts != want || (err == nil) != (want == 2) {
				t.Errorf("%d starts: %v", starts, err)
			}
		})
	}
}
