package project_test

import (
	"testing"

	"github.com/musterhq/muster/project"
)

func TestCheckSignal(t *testing.T) {
	for _, good := range []string{"SIGTERM", "term", "sigusr1", "9", "64", "SIGRTMIN", "RTMIN+15", "SIGRTMAX-14"} {
		if problem, hint := project.CheckSignal(good); problem != "" || hint != "" {
			t.Errorf("%s: %s (%s)", good, problem, hint)
		}
	}
	for bad, want := range map[string]string{
		"":           "write SIGTERM, SIGQUIT, … or a number",
		"0":          "write SIGTERM, SIGQUIT, … or a number",
		"33":         "write SIGTERM, SIGQUIT, … or a number",
		"65":         "write SIGTERM, SIGQUIT, … or a number",
		"SIG9":       "write SIGTERM, SIGQUIT, … or a number",
		"NOSUCH":     "write SIGTERM, SIGQUIT, … or a number",
		"SIGKIL":     `did you mean "SIGKILL"?`,
		"RTMIN+16":   `did you mean "SIGRTMIN"?`,
		"SIGRTMAX-0": `did you mean "SIGRTMAX"?`,
	} {
		if problem, hint := project.CheckSignal(bad); problem == "" || hint != want {
			t.Errorf("%q: %s (%s)", bad, problem, hint)
		}
	}
}
