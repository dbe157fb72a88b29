package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/musterhq/muster/cmd/muster/again"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
)

// repeat gathers what an up goes by, for the next one: where that is still the same and there was nothing to do, the package again
// answers. A nil one gathers nothing.
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
	g := p.globals
	if !again.Possible() || !o.detach || o.expires.given || o.fromSnapshot != "" || g.dryRun || p.timing.show || p.timing.file != "" ||
		g.profilesOf != (profiles{}) || len(g.at.dial) > 0 {
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
	read, looked, known := want.Inputs()
	scope := planner.ScopeOf(want)
	// What a copy of a stack is called and which ports it has is written elsewhere, builds go by files that are looked through each time, and pulls
	// by the clock.
	if !known || want.Instance != "" || want.Target != project.TargetDocker || len(how.Inputs) > 0 || len(scope.Aged) > 0 {
		return
	}
	var inputs []again.Input
	for _, path := range slices.Concat(read, r.sources) {
		inputs = append(inputs, again.Input{Path: path, Read: true})
	}
	for _, path := range looked {
		inputs = append(inputs, again.Input{Path: path})
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
