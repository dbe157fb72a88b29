package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner/docker"
	"github.com/musterhq/muster/testorder"
	"github.com/musterhq/muster/testreport"
)

// testRun is the run of one test, with as many attempts as it may have.
type testRun struct {
	*trial
	name, title string
	round       int
	spec        project.Test
	source      logSource
}

// testGrace is how long a test has to end that is to end early.
const testGrace = 2 * time.Second

// run runs it until it passes, or has no attempts left.
func (r *testRun) run(ctx context.Context) testreport.Suite {
	for attempt := 1; ; attempt++ {
		s := r.attempt(ctx)
		s.Attempts = attempt
		what := fmt.Sprintf("%s %s", r.title, s.Outcome)
		if s.Outcome == testreport.Passed {
			what += fmt.Sprintf(" in %s (%s)", seconds1(s.Duration), count(s.Counts().Total, "case"))
		} else {
			what += fmt.Sprintf(" after %s: %s", seconds1(s.Duration), firstLine(s.Message))
		}
		again := s.Outcome.Bad() && attempt <= r.spec.Retries && ctx.Err() == nil
		if again {
			what += fmt.Sprintf("; again, attempt %d of %d", attempt+1, r.spec.Retries+1)
		}
		_ = r.printer.remark(context.WithoutCancel(ctx), &r.source, what)
		if !again {
			return s
		}
	}
}

// attempt runs it once, in a container of its own.
func (r *testRun) attempt(ctx context.Context) testreport.Suite {
	s := testreport.Suite{Name: r.title, Started: r.now(), Outcome: testreport.Broken, Attempts: 1}
	broken := func(err error) testreport.Suite {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // it had no time to begin
		}
		s.Duration, s.Message = r.now().Sub(s.Started), err.Error()
		if errors.Is(err, testorder.ErrFailFast) {
			s.Outcome = testreport.Skipped
		}
		if hint := hintOf(err); hint != "" {
			s.Message += "\n" + hint
		}
		s.Conclude()
		return s
	}
	one, started, err := r.make(ctx)
	if err != nil {
		return broken(err)
	}
	life := context.WithoutCancel(ctx)
	defer func() {
		if !r.o.keep {
			// What is left of it goes with the rest.
			_ = r.on.Apply(life, planner.RemoveContainer{Name: one.Name, Service: r.name, Volumes: true}, nil)
		}
	}()
	s.Started = r.now()
	cases := testreport.NewReader()
	code, early, err := r.watch(ctx, one, started, cases)
	s.Duration, s.ExitCode = r.now().Sub(s.Started), code
	s.Output, s.Left = cases.Output()
	s.Cases = cases.Cases()
	s.Artifacts = r.fetch(life, one.Name)
	switch {
	case err != nil:
		return broken(err)
	case early != nil:
		s.Message = early.Error()
		switch {
		case errors.Is(early, testorder.ErrFailFast):
			s.Outcome = testreport.Skipped
		case errors.Is(early, errTestTime):
			s.Outcome, s.Message = testreport.Failed, fmt.Sprintf("it took longer than %s (x-muster.test.timeout)", r.spec.Timeout)
		}
		s.Conclude()
		return s
	}
	s.Judge()
	return s
}

// make makes the container.
func (r *testRun) make(ctx context.Context) (once, planner.Plan, error) {
	slug := make([]byte, 32)
	if _, err := rand.Read(slug); err != nil {
		return once{}, planner.Plan{}, err
	}
	one := once{want: r.want, how: r.how, look: r.look, again: r.typed()}
	one.how.Build, one.how.Pull = false, withoutAlways(r.how.Pull) // they are new
	one.Slug = hex.EncodeToString(slug)
	one.Name = strings.Join([]string{r.want.Name, r.name, "test", one.Slug[:12]}, r.want.Separator)
	one.Aliases = true
	one.Service = r.service()
	one.look.mode = "quiet"
	r.planned.Lock()
	defer r.planned.Unlock()
	started, err := r.makeReady(ctx, r.on, one)
	return one, started, err
}

// service is the service as a test: with the variables of tests, and without waiting for other tests, since it comes after them anyhow.
func (r *testRun) service() project.Service {
	s := r.want.Services[r.name]
	s.StdinOpen = false
	s.DependsOn = maps.Clone(s.DependsOn)
	for other := range r.specs {
		delete(s.DependsOn, other)
	}
	s.Environment = maps.Clone(s.Environment)
	if s.Environment == nil {
		s.Environment = types.MappingWithEquals{}
	}
	set := func(key, value string) { s.Environment[key] = &value }
	shard := r.o.shard.Shard
	set("MUSTER_SHARD_INDEX", strconv.Itoa(max(1, shard.Index)))
	set("MUSTER_SHARD_TOTAL", strconv.Itoa(max(1, shard.Total)))
	for key, value := range r.spec.Env {
		set(key, value)
	}
	for _, v := range r.o.environment {
		key, value, given := strings.Cut(v, "=")
		if !given {
			if value, given = r.want.Environment[key]; !given {
				continue
			}
		}
		set(key, value)
	}
	return s
}

// errTestTime is the cause of the end of a test that took longer than it may.
var errTestTime = errors.New("it took too long")

// watch starts a container, shows what it prints, and waits for its end. early is why it was ended before.
func (r *testRun) watch(ctx context.Context, one once, started planner.Plan, cases *testreport.Reader) (code int, early, err error) {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if r.spec.Timeout > 0 {
		within, cancel := context.WithTimeoutCause(ctx, r.spec.Timeout, errTestTime)
		defer cancel()
		ctx = within
	}
	ending, err := r.on.Ending(life, one.Name, false)
	if err != nil {
		return 0, nil, err
	}
	if err := r.startRun(ctx, r.on, one, started); err != nil {
		return 0, nil, err
	}
	type end struct {
		code int
		err  error
	}
	ends, read := make(chan end, 1), make(chan error, 1)
	go func() { read <- r.follow(life, one.Name, cases) }()
	go func() {
		code, err := ending()
		ends <- end{code, err}
	}()
	var got end
	select {
	case got = <-ends:
	case <-ctx.Done():
		early = context.Cause(ctx)
		grace := testGrace
		if err := r.on.Apply(life, planner.StopContainer{Name: one.Name, Service: r.name, Grace: &grace}, nil); err != nil {
			return 0, early, err
		}
		got = <-ends
	}
	drained := time.AfterFunc(drainFor, cancel) // the last lines are on their way
	defer drained.Stop()
	if err := <-read; err != nil && got.err == nil && life.Err() == nil {
		got.err = fmt.Errorf("read the output: %w", err)
	}
	return got.code, early, got.err
}

// follow reads what a container prints until it ends. A stream that breaks is taken up where it was.
func (r *testRun) follow(ctx context.Context, name string, cases *testreport.Reader) error {
	var at position
	for tries := 1; ; tries++ {
		passes := at.resume()
		before := at
		err := r.on.Logs(ctx, name, logOptions{follow: true, since: at.since()}, func(c logChunk) error {
			if !passes(&c) {
				return nil
			}
			shown, show := cases.Write(c.text, c.more)
			if !show {
				return nil
			}
			c.text = shown
			return r.printer.chunk(ctx, &r.source, c)
		})
		if at != before {
			tries = 0
		}
		if err == nil || tries >= reopenTries || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(reopenPause << tries):
		case <-ctx.Done():
			return err
		}
	}
}

// fetch copies the artifacts out of a container that has ended; the answer is where they are. What is not there is said.
func (r *testRun) fetch(ctx context.Context, container string) []string {
	if r.o.artifacts == "" {
		return nil
	}
	dir := filepath.Join(r.o.artifacts, r.name)
	if r.o.repeat > 1 {
		dir = filepath.Join(dir, strconv.Itoa(r.round))
	}
	var out []string
	for _, path := range r.spec.Artifacts {
		target := filepath.Join(dir, filepath.FromSlash(path))
		err := cmp.Or(os.RemoveAll(target), os.MkdirAll(filepath.Dir(target), 0o755)) // of an earlier run
		if err == nil {
			err = r.on.CopyFrom(ctx, container, path, target, io.Discard, docker.CopyOptions{})
		}
		if err != nil {
			_ = r.printer.remark(ctx, &r.source, fmt.Sprintf("%s: artifact %s: %v", r.title, path, err))
			continue
		}
		out = append(out, target)
	}
	return out
}
