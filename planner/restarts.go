package planner

import (
	"time"

	"github.com/musterhq/muster/project"
)

// RestartRules are the parts of a service's restart policy that no engine keeps: the pause before a start, and how long a
// container must run for a start to count as good. Whoever stays with the containers can keep them.
type RestartRules struct {
	// OnFailure: an end with code 0 is final.
	OnFailure bool
	Delay     time.Duration
	// Attempts is after how many failed starts in a row it is given up; 0 is never.
	Attempts int
	// Window is how long a container must run for its start not to count as failed; 0: each one counts.
	Window time.Duration
}

// RestartRulesOf says so of a service, and whether it asks for more than engines do.
func RestartRulesOf(s project.Service) (RestartRules, bool) {
	if s.Deploy == nil || s.Deploy.RestartPolicy == nil {
		return RestartRules{}, false
	}
	p := s.Deploy.RestartPolicy
	out := RestartRules{OnFailure: p.Condition == "on-failure"}
	if p.Delay != nil {
		out.Delay = time.Duration(*p.Delay)
	}
	if p.Window != nil {
		out.Window = time.Duration(*p.Window)
	}
	if p.MaxAttempts != nil {
		out.Attempts = int(*p.MaxAttempts)
	}
	return out, p.Condition != "none" && (out.Delay > 0 || out.Window > 0)
}

// firstPause is what engines wait where nothing is said; it doubles with each failed start, up to lastPause.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = time.Minute
)

// Next says what becomes of a container that has ended with code after it ran for a time: whether it is started
// again, after what pause, and how many starts have failed by then. attempt says that this was such a start, failed
// how many before it had failed in a row.
func (r RestartRules) Next(code int, ran time.Duration, attempt bool, failed int) (again bool, pause time.Duration, nowFailed int) {
	switch {
	case r.Window > 0 && ran >= r.Window:
		failed = 0
	case attempt:
		failed++
	}
	if r.OnFailure && code == 0 || r.Attempts > 0 && failed >= r.Attempts {
		return false, 0, failed
	}
	if r.Delay > 0 {
		return true, r.Delay, failed
	}
	return true, min(firstPause<<min(failed, 10), lastPause), failed
}
