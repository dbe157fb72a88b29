package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterhq/muster/cmd/muster/again"
	"github.com/musterhq/muster/cmd/muster/ask"
	"github.com/musterhq/muster/cmd/muster/listing"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
)

// repeat gathers what a command goes by, for the next one: where that is still the same, the package again answers. That goes for an up if there
// was nothing to do, and for a ps. A nil one gathers nothing.
type repeat struct {
	said bytes.Buffer // on the standard error output
	out  *counted
	// sources are the files that say which engine it is.
	sources []string
	socket  string

	mu    sync.Mutex
	asked []again.Exchange
	// spoiled says that something else was done than to ask.
	spoiled bool
}

// counted knows whether anything was written.
type counted struct {
	io.Writer
	any bool
}

func (c *counted) Write(text []byte) (int, error) {
	c.any = true
	return c.Writer.Write(text)
}

// listened is an engine whose answers can be listened to.
type listened interface {
	Witness(see func(docker.Exchange) (more bool)) error
	Sources() (files []string, known bool)
}

// repeatable begins to gather, where an up with these options could be answered so.
func (p *program) repeatable(o upOptions) *repeat {
	if !o.detach || o.expires.given || o.fromSnapshot != "" || p.globals.dryRun || p.timing.show || p.timing.file != "" {
		return nil
	}
	return p.gathered()
}

// gathered begins to gather, where a command with these global options could be answered so.
func (p *program) gathered() *repeat {
	if !again.Possible() || p.globals.profilesOf != (profiles{}) || len(p.globals.at.dial) > 0 {
		return nil
	}
	r := &repeat{out: &counted{Writer: p.out}}
	p.err, p.out = io.MultiWriter(p.err, &r.said), r.out
	return r
}

// listen begins with what the engine is asked.
func (r *repeat) listen(on engine) {
	if r == nil {
		return
	}
	of, ok := on.(listened)
	socket, local := strings.CutPrefix(on.Host(), "unix://")
	if !ok || !local || of.Witness(r.see) != nil {
		r.spoiled = true
		return
	}
	var known bool
	r.sources, known = of.Sources()
	r.socket, r.spoiled = socket, !known
}

// see takes an answer down, until something else is done than to ask.
func (r *repeat) see(e docker.Exchange) (more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spoiled = r.spoiled || e.Status == 0; r.spoiled {
		r.asked = nil
		return false
	}
	r.asked = append(r.asked, again.Exchange{Method: e.Method, Path: e.Path, Status: e.Status, Header: e.Header.Get, Body: e.Body})
	return true
}

// keep notes it. Where something was done, the note only says which files count: they have to be known before an up to be sure that they
// did not change in its course.
func (r *repeat) keep(want *project.Project, how planner.Policy, went brought) {
	if r == nil {
		return
	}
	scope := planner.ScopeOf(want)
	inputs, known := r.inputs(want)
	// Builds go by files that are looked through each time, and pulls by the clock.
	if !known || len(how.Inputs) > 0 || len(scope.Aged) > 0 {
		return
	}
	words := slices.Concat([]string{want.Name}, scope.Networks, scope.Volumes)
	r.mu.Lock()
	defer r.mu.Unlock()
	if went.idle && !r.spoiled && !r.out.any {
		again.Keep(r.socket, inputs, words, r.asked, r.said.String())
	} else {
		again.Expect(inputs)
	}
}

// keepView notes what a ps has shown, and by which of the answers. It counts only where the package again makes the very same text of that answer.
func (r *repeat) keepView(seen observed, view listing.View, now time.Time, text []byte) {
	if r == nil || seen.files == nil {
		return
	}
	inputs, known := r.inputs(seen.files)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !known || r.spoiled || r.said.Len() > 0 {
		return
	}
	var lists []again.Exchange
	for _, e := range r.asked {
		if path, _, _ := strings.Cut(e.Path, "?"); strings.HasSuffix(path, "/containers/json") {
			lists = append(lists, e)
		}
	}
	if len(lists) == 1 {
		again.KeepView(r.socket, inputs, view, lists[0], now, text)
	}
}

// inputs are the files that count; known is false where something else counts as well.
func (r *repeat) inputs(of *project.Project) (inputs []ask.Input, known bool) {
	read, looked, known := of.Inputs()
	// What a copy of a stack is called and which ports it has is written elsewhere.
	if !known || of.Instance != "" || of.Target != project.TargetDocker {
		return nil, false
	}
	for _, path := range slices.Concat(read, r.sources) {
		inputs = append(inputs, ask.Input{Path: path, Read: true})
	}
	for _, path := range looked {
		inputs = append(inputs, ask.Input{Path: path})
	}
	return inputs, true
}
