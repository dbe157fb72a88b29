package timeline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"
)

// traceEvent is an event of the format that chrome://tracing, Perfetto and speedscope read. Times are in microseconds.
type traceEvent struct {
	Name     string         `json:"name"`
	Category string         `json:"cat,omitempty"`
	Phase    string         `json:"ph"`
	At       int64          `json:"ts"`
	Took     int64          `json:"dur,omitempty"`
	Process  int            `json:"pid"`
	Thread   int            `json:"tid"`
	Args     map[string]any `json:"args,omitempty"`
}

// Trace is the run in Chrome's trace format: a thread for each container or other resource.
func (r Record) Trace() ([]byte, error) {
	threads := map[string]int{}
	events := []traceEvent{{Name: "process_name", Phase: "M", Process: 1, Args: map[string]any{"name": "muster " + r.Command + " " + r.Project}}}
	critical := map[string]bool{}
	for _, s := range r.Critical() {
		critical[s.ID] = true
	}
	for _, s := range r.Spans {
		who := s.Name
		if threads[who] == 0 {
			threads[who] = len(threads) + 1
			events = append(events, traceEvent{Name: "thread_name", Phase: "M", Process: 1, Thread: threads[who], Args: map[string]any{"name": who}})
		}
		args := map[string]any{"step": s.ID, "critical": critical[s.ID]}
		if s.Service != "" {
			args["service"] = s.Service
		}
		if s.Tries > 0 {
			args["checks"], args["last_said"] = s.Tries, s.LastSaid
		}
		if s.Failed {
			args["failed"] = true
		}
		events = append(events, traceEvent{
			Name: cmp.Or(string(s.Kind), s.ID), Category: string(s.Kind), Phase: "X", Process: 1, Thread: threads[who],
			At: micro(s.Began.Sub(r.Began)), Took: micro(s.Took()), Args: args,
		})
	}
	text, err := json.MarshalIndent(map[string]any{
		"traceEvents": events, "displayTimeUnit": "ms",
		"otherData": map[string]any{"project": r.Project, "began": r.Began.UTC().Format(time.RFC3339Nano)},
	}, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write the timeline of %s: %w", r.Project, err)
	}
	return append(text, '\n'), nil
}

func micro(d time.Duration) int64 { return d.Microseconds() }
