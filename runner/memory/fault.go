package memory

import (
	"path"
	"reflect"

	"github.com/musterhq/muster/planner"
)

// Fate is what a fault does.
type Fate string

// The fates.
const (
	Refuse   Fate = "refuse"    // an error, and nothing is done
	Forget   Fate = "forget"    // it is done, and an error is returned all the same
	Stall    Fate = "stall"     // no answer until Release, or the end of the caller's context
	Panic    Fate = "panic"     // nothing is done, and the caller gets a panic
	Die      Fate = "die"       // nothing is done, and every later call fails: the program was killed before the call
	DieAfter Fate = "die after" // it is done, and every later call fails: the program was killed during the call
)

// Fault is what goes wrong, and when.
type Fault struct {
	Action string `json:",omitempty"` // type name, such as StartContainer; empty is any
	Name   string `json:",omitempty"` // of the resource, with * and ?; empty is any
	// Call is which of the matching calls is met, from 1; 0 is every one.
	Call  int    `json:",omitempty"`
	Do    Fate   // what happens then
	Error string `json:",omitempty"` // text of the error; empty is a plain one
	Met   int    `json:",omitempty"` // calls that have matched so far
}

func (f *Fault) text() string {
	if f.Error != "" {
		return f.Error
	}
	return "the engine was told to fail"
}

// Fail makes things go wrong from now on. The first fault that a call meets counts.
func (e *Engine) Fail(faults ...Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range faults {
		e.faults = append(e.faults, &f)
	}
}

// Mend drops all faults, also those that calls stall on.
func (e *Engine) Mend() {
	e.mu.Lock()
	e.faults = nil
	e.mu.Unlock()
	e.Release()
}

// Release lets the calls go on that are stalled now.
func (e *Engine) Release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.stalled)
	e.stalled = make(chan struct{})
}

// Revive makes an engine answer again after [Die], without its faults.
func (e *Engine) Revive() {
	e.Mend()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dead = false
}

// meets says which fault a call meets.
func (e *Engine) meets(a planner.Action) *Fault {
	var hit *Fault
	for _, f := range e.faults {
		if f.Action != "" && f.Action != kindOf(a) {
			continue
		}
		if f.Name != "" {
			if ok, err := path.Match(f.Name, a.Resource().Name); err != nil || !ok {
				continue
			}
		}
		f.Met++
		if hit == nil && (f.Call == 0 || f.Call == f.Met) {
			hit = f
		}
	}
	return hit
}

// die cuts everybody off.
func (e *Engine) die() {
	e.dead = true
	for s := range e.streams {
		s.close()
	}
}

// BreakStreams ends every stream of events, as an engine's restart does.
func (e *Engine) BreakStreams() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.streams {
		s.close()
	}
}

// kindOf is an action's type name.
func kindOf(a planner.Action) string { return reflect.TypeOf(a).Name() }
