package project

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/xhit/go-str2duration/v2"
)

// Test is how a service is run as a test. The zero value is what `test: true` means.
type Test struct {
	// Timeout bounds one run; 0 is no bound of its own.
	Timeout time.Duration
	// Retries is how many times it is run again where it fails.
	Retries int
	// Order puts tests one after another: those with a lower number come to their end first.
	Order int
	// Inside says that it is run in every shard, and does its part of the work there.
	Inside bool
	// Artifacts are paths in the container that are copied out when it has ended.
	Artifacts []string
	// Env are the variables that it gets beside those of the service.
	Env map[string]string
}

// rawTest is the JSON of a test: a switch, or an object.
type rawTest struct {
	on        bool
	Timeout   string         `json:"timeout"`
	Retries   int            `json:"retries"`
	Order     int            `json:"order"`
	Shard     string         `json:"shard"`
	Artifacts []string       `json:"artifacts"`
	Env       map[string]any `json:"env"`
}

// UnmarshalJSON takes either form.
func (r *rawTest) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &r.on) == nil {
		return nil
	}
	r.on = true
	type plain rawTest
	return json.Unmarshal(data, (*plain)(r))
}

// test is nil where the service is none.
func (r *rawTest) test() (*Test, error) {
	if r == nil || !r.on {
		return nil, nil
	}
	t := &Test{Retries: r.Retries, Order: r.Order, Inside: r.Shard == "inside", Artifacts: r.Artifacts}
	if r.Timeout != "" {
		var err error
		if t.Timeout, err = str2duration.ParseDuration(r.Timeout); err != nil {
			return nil, err
		}
	}
	for key, value := range r.Env {
		if t.Env == nil {
			t.Env = map[string]string{}
		}
		if value != nil {
			t.Env[key] = fmt.Sprint(value)
		}
	}
	return t, nil
}

// isTest says whether a service is marked as a test. What cannot be read is told by the checks.
func isTest(s Service) bool {
	says, err := Extension(s)
	return err == nil && says.Test != nil
}

// tests leaves the services out that are tests, unless they are what is wanted; those that `muster test` asks for become active. It answers
// with those that were left out.
func (l *loading) tests(m *types.Project) (*types.Project, Errors) {
	wanted := slices.Clone(l.o.Tests)
	all := m.AllServices()
	for _, name := range sortedKeys(all) {
		if l.o.AllTests && isTest(all[name]) && !slices.Contains(wanted, name) {
			wanted = append(wanted, name)
		}
	}
	m, errs := l.activate(m, wanted)
	if len(errs) > 0 || l.o.AllProfiles {
		return m, errs
	}
	keep := map[string]bool{}
	var need func(names []string)
	need = func(names []string) {
		for _, name := range names {
			if s, known := all[name]; known && !keep[name] {
				keep[name] = true
				need(sortedKeys(s.DependsOn))
			}
		}
	}
	need(slices.Concat(wanted, l.o.Services))
	out := *m
	for _, name := range sortedKeys(m.Services) {
		if keep[name] || !isTest(m.Services[name]) {
			continue
		}
		if len(l.left) == 0 {
			out.Services, out.DisabledServices = maps.Clone(m.Services), maps.Clone(m.DisabledServices)
		}
		out.DisabledServices = with(out.DisabledServices, name, out.Services[name])
		delete(out.Services, name)
		l.left = append(l.left, name)
	}
	return &out, nil
}
