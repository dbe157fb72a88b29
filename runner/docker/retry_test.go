package docker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/runner"
)

// A transfer is tried again, after growing pauses, for what passes; and only then.
func TestInsist(t *testing.T) {
	layer := runner.Progress{ID: "abc", Text: "Downloading"}
	for _, c := range []struct {
		name  string
		fails []string // one try each; then it works
		began bool     // a layer was seen
		tries int
		took  time.Duration
		err   string
	}{
		{"works", nil, false, 1, 0, ""},
		{"passes", []string{"Get \"https://r/v2/\": EOF", "received unexpected HTTP status: 503 Service Unavailable"}, false, 3, 1500 * time.Millisecond, ""},
		{"stays", []string{"EOF", "EOF", "EOF", "EOF", "EOF"}, false, 4, 3500 * time.Millisecond, "EOF"},
		{"no login", []string{"unauthorized: EOF"}, false, 1, 0, "unauthorized: EOF"},
		{"no such tag", []string{"manifest unknown"}, false, 1, 0, "manifest unknown"},
		{"limit", []string{"toomanyrequests: 503 Service Unavailable"}, false, 1, 0, "toomanyrequests: 503 Service Unavailable"},
		{"disk", []string{"no space left on device: unexpected EOF"}, false, 1, 0, "no space left on device: unexpected EOF"},
		{"nobody there", []string{"dial tcp 127.0.0.1:1: connect: connection refused"}, false, 1, 0, "dial tcp 127.0.0.1:1: connect: connection refused"},
		{"gone meanwhile", []string{"dial tcp 127.0.0.1:1: connect: connection refused"}, true, 2, 500 * time.Millisecond, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, tries := time.Now(), 0
			var lines []string
			err := insist(t.Context(), func(p runner.Progress) {
				if p.Line != "" {
					lines = append(lines, p.Line)
				}
			}, func(report func(runner.Progress)) error {
				tries++
				if c.began {
					report(layer)
				}
				if tries <= len(c.fails) {
					return errors.New(c.fails[tries-1])
				}
				return nil
			})
			text := ""
			if err != nil {
				text = err.Error()
			}
			if took := time.Since(began); text != c.err || tries != c.tries || took != c.took || len(lines) != c.tries-1 {
				t.Errorf("%s: %d tries in %v, said %q, got %q", c.name, tries, took, lines, text)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		err := insist(ctx, nil, func(func(runner.Progress)) error {
			time.AfterFunc(100*time.Millisecond, cancel)
			return errors.New("EOF")
		})
		if err == nil || time.Since(began) != 100*time.Millisecond {
			t.Errorf("interrupted: %v after %v", err, time.Since(began))
		}
	})
	if tries := 0; insist(t.Context(), nil, func(func(runner.Progress)) error {
		tries++
		return readProgress(strings.NewReader(`{"id":"abc","status":"Downloading"`), func(runner.Progress) {})
	}) == nil || tries != 1 {
		t.Errorf("an engine that went away was asked %d times", tries)
	}
}

// What engines and registries say is told with what to do about it.
func TestExplainTransfers(t *testing.T) {
	e := &Engine{}
	const ref = "reg.example.com/a/b:1"
	for said, want := range map[string][4]string{ // pull: problem, hint; push: problem, hint
		"unauthorized: authentication required": {"*authentication required", "log in with `docker login reg.example.com`", "*does not let you write there", "log in with*"},
		"received unexpected HTTP status: 503 Service Unavailable": {"*has trouble of its own (*503 Service Unavailable)", "try again later, or use a mirror",
			"*has trouble of its own (*503 Service Unavailable)", "try again later"},
		`Get "https://reg.example.com/v2/": EOF`: {"*reg.example.com does not answer", "look at*", "*reg.example.com does not answer", "look at*"},
		`tls: failed to verify certificate: x509: certificate signed by unknown authority`: {"*is not trusted by the engine", "install its CA*",
			"*is not trusted by the engine", "install its CA*"},
		"toomanyrequests: You have reached your pull rate limit": {"*too many pulls from reg.example.com", "log in with*", "*", "*"},
		"pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials": {
			"*authentication required", "log in with `docker login reg.example.com`", "*does not let you write there", "log in with*"},
		"tag does not exist: reg.example.com/a/b:1":                         {"*", "*", "*it is not on the engine", "build it with*"},
		"manifest unknown":                                                  {"*there is no such tag or image at reg.example.com", "correct services.web.image", "*", "*"},
		"no matching manifest for linux/arm64 in the manifest list entries": {"*it is not made for the engine's platform", "set services.web.platform*", "*", "*"},
		"write /var/lib/docker/tmp/x: no space left on device":              {"pull image*no space left on the engine's disk", "*docker system prune*", "push image*no space left on the engine's disk", "*"},
	} {
		told(t, e.explainPull(t.Context(), errors.New(said), planner.PullImage{Ref: ref, Services: []string{"web"}}), want[0], want[1])
		told(t, e.explainPush(t.Context(), errors.New(said), planner.PushImage{Ref: ref, Services: []string{"web"}}), want[2], want[3])
	}
}
