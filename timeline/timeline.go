// Package timeline is about where the time of a start goes: what was done when, what everything waited for in
// the end, and what to do about it. It knows nothing of engines; a [Record] is plain data, kept as JSON.
package timeline

import (
	"cmp"
	"slices"
	"time"
)

// Record is one run of a plan.
type Record struct {
	Project string    `json:"project"`
	Command string    `json:"command"` // such as "up"
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended"`
	Failed  bool      `json:"failed,omitempty"`
	Spans   []Span    `json:"spans"` // those that have ended, in the order of the plan
	// Asked is how long after its start it was worth asking a service's check, where muster asked, in this run or in the last one before
	// that started it: the next start asks first when that is worth it.
	Asked map[string]time.Duration `json:"asked,omitempty"`
}

// Span is one thing that was done, or waited for.
type Span struct {
	ID       string    `json:"id"`
	Kind     Kind      `json:"kind"`
	Service  string    `json:"service,omitempty"` // empty for what belongs to none, such as a network
	Name     string    `json:"name"`              // of the resource
	Needs    []string  `json:"needs,omitempty"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
	Failed   bool      `json:"failed,omitempty"`
	Tries    int       `json:"tries,omitempty"`     // checks that muster ran, of a wait
	LastSaid string    `json:"last_said,omitempty"` // what the last one that failed said
}

// Kind is a sort of span, in the word that a timeline has for its end.
type Kind string

// The sorts of span.
const (
	Pulled    Kind = "pulled"
	Built     Kind = "built"
	Created   Kind = "created"
	Stopped   Kind = "stopped"
	Started   Kind = "started"
	Restarted Kind = "restarted"
	Hook      Kind = "hook"
	Running   Kind = "running"
	Healthy   Kind = "healthy"
	Ready     Kind = "ready"
	Stable    Kind = "stable"
	Completed Kind = "completed"
	Removed   Kind = "removed"
	Other     Kind = "changed"
)

// Took is how long it lasted.
func (s Span) Took() time.Duration { return s.Ended.Sub(s.Began) }

// Waits says whether it is a wait for the container's own work.
func (s Span) Waits() bool {
	switch s.Kind {
	case Running, Healthy, Ready, Stable, Completed:
		return true
	}
	return false
}

// Took is how long the run lasted.
func (r Record) Took() time.Duration { return r.Ended.Sub(r.Began) }

// Critical is the chain of spans that the run could not have been shorter than, first one first: it ends with what
// ended last, and each span is the one that kept the next from beginning.
func (r Record) Critical() []Span {
	byID := make(map[string]Span, len(r.Spans))
	for _, s := range r.Spans {
		byID[s.ID] = s
	}
	last, found := latest(r.Spans)
	var chain []Span
	for found {
		chain = append(chain, last)
		delete(byID, last.ID) // a record that was written by somebody else may have a circle
		var needs []Span
		for _, id := range last.Needs {
			if s, ok := byID[id]; ok {
				needs = append(needs, s)
			}
		}
		last, found = latest(needs)
	}
	slices.Reverse(chain)
	return chain
}

// latest is the span that ended last; of those that ended together, the one that began first.
func latest(spans []Span) (Span, bool) {
	if len(spans) == 0 {
		return Span{}, false
	}
	return slices.MaxFunc(spans, func(a, b Span) int {
		return cmp.Or(a.Ended.Compare(b.Ended), b.Began.Compare(a.Began))
	}), true
}

// Started says whether the run has started any container.
func (r Record) Started() bool {
	return slices.ContainsFunc(r.Spans, func(s Span) bool { return s.Kind == Started || s.Kind == Restarted })
}
