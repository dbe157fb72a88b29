package runner

import (
	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

// targetOf is a wait of a plan in the words of those who wait.
func targetOf(a planner.Await) healthcheck.Target {
	t := healthcheck.Target{Name: a.Name, Condition: healthcheck.Condition(a.Condition),
		Timeout: a.Timeout, Monitor: a.Monitor, OrCompleted: a.OrCompleted}
	if a.Ready != nil {
		check := checkOf(a.Ready.Probe)
		t.Check = &check
	}
	return t
}

func checkOf(p planner.Probe) healthcheck.Check {
	c := healthcheck.Check{TCP: p.TCP, Log: p.Log, Exec: p.Exec}
	if h := p.HTTP; h != nil {
		c.HTTP = &healthcheck.HTTPCheck{Port: h.Port, Path: h.Path, Status: h.Status, Headers: h.Headers}
	}
	for _, each := range p.All {
		c.All = append(c.All, checkOf(each))
	}
	for _, each := range p.Any {
		c.Any = append(c.Any, checkOf(each))
	}
	return c
}
