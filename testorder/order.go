// Package testorder decides which tests are run, and when: the part of them that a shard does, in parallel or one after another, each after
// those that it needs.
package testorder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Test is a test among others.
type Test struct {
	Name string
	// Order puts it behind all tests with a lower one.
	Order int
	// After are the tests that it waits for; of those, Needs are the ones that have to pass.
	After, Needs []string
	// Inside says that each shard runs it.
	Inside bool
}

// Shard is one of several parts of the tests; the zero value is all of them.
type Shard struct{ Index, Total int }

// ParseShard reads "2/5".
func ParseShard(text string) (Shard, error) {
	index, total, ok := strings.Cut(text, "/")
	i, err1 := strconv.Atoi(index)
	n, err2 := strconv.Atoi(total)
	if !ok || err1 != nil || err2 != nil || i < 1 || n < 1 || i > n {
		return Shard{}, fmt.Errorf("%q is no shard: write I/N, from 1/N to N/N", text)
	}
	return Shard{i, n}, nil
}

// String is "2/5"; empty for all.
func (s Shard) String() string {
	if s.Total == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Index, s.Total)
}

// Of are the tests of a shard, by name. The same tests are split in the same way each time, as evenly as can be; those that
// wait for each other stay together.
func (s Shard) Of(tests []Test) []Test {
	tests = sorted(tests)
	if s.Total <= 1 {
		return tests
	}
	group := map[string]string{} // by its first member
	var head func(name string) string
	head = func(name string) string {
		if up, known := group[name]; known && up != name {
			return head(up)
		}
		return name
	}
	for _, t := range tests {
		for _, other := range t.After {
			a, b := head(t.Name), head(other)
			group[max(a, b)] = min(a, b)
		}
	}
	load := make([]int, s.Total)
	shard := map[string]int{}
	size := map[string]int{}
	for _, t := range tests {
		size[head(t.Name)]++
	}
	var out []Test
	for _, t := range tests {
		if t.Inside {
			out = append(out, t)
			continue
		}
		h := head(t.Name)
		at, placed := shard[h]
		if !placed {
			at = slices.Index(load, slices.Min(load))
			load[at] += size[h]
			shard[h] = at
		}
		if at == s.Index-1 {
			out = append(out, t)
		}
	}
	return out
}

func sorted(tests []Test) []Test {
	return slices.SortedFunc(slices.Values(tests), func(a, b Test) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Name, b.Name))
	})
}

// Options say how the tests are run.
type Options struct {
	Parallel int // at a time; less than 1 is 1
	// FailFast ends all where one has failed.
	FailFast bool
}

// ErrFailFast is why tests were ended, or not begun, after one that failed.
var ErrFailFast = errors.New("another test has failed before (--fail-fast)")

// Run runs the tests, each with a context of its own kind that ends where it has to end early, and answers when all of them have come
// to their end. skip is called for those that are not run, with the reason. It is never called at the same time as itself.
func Run(ctx context.Context, tests []Test, o Options, run func(context.Context, Test) (passed bool), skip func(Test, error)) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &running{pending: sorted(tests), ended: map[string]bool{}}
	results := make(chan result)
	for {
		for r.active < max(1, o.Parallel) && ctx.Err() == nil {
			t, ok := r.next(skip)
			if !ok {
				break
			}
			r.active++
			go func() { results <- result{t, run(ctx, t)} }()
		}
		if r.active == 0 {
			break
		}
		got := <-results
		r.end(got)
		if !got.passed && o.FailFast {
			cancel(ErrFailFast)
		}
	}
	for _, t := range r.pending {
		skip(t, context.Cause(ctx))
	}
}

type result struct {
	test   Test
	passed bool
}

// running is how far the tests have come.
type running struct {
	pending []Test
	begun   []Test
	ended   map[string]bool // and whether it has passed
	active  int
}

// next takes the first test that need not wait any more. Those are skipped that will never get what they need.
func (r *running) next(skip func(Test, error)) (Test, bool) {
	for i := 0; i < len(r.pending); i++ {
		t := r.pending[i]
		if failed := r.lacks(t); failed != "" {
			r.pending = slices.Delete(r.pending, i, i+1)
			r.ended[t.Name] = false
			skip(t, fmt.Errorf("it needs %s, which has not passed", failed))
			i = -1 // others may need it
			continue
		}
		if !r.waits(t) {
			r.pending = slices.Delete(r.pending, i, i+1)
			r.begun = append(r.begun, t)
			return t, true
		}
	}
	return Test{}, false
}

// lacks is a test that would have had to pass.
func (r *running) lacks(t Test) string {
	for _, name := range t.Needs {
		if passed, ended := r.ended[name]; ended && !passed {
			return name
		}
	}
	return ""
}

// waits says whether a test has to wait for one that is to come, or that runs.
func (r *running) waits(t Test) bool {
	return slices.ContainsFunc(slices.Concat(r.pending, r.begun), func(other Test) bool {
		return other.Order < t.Order || slices.Contains(t.After, other.Name)
	})
}

func (r *running) end(got result) {
	r.active--
	r.ended[got.test.Name] = got.passed
	r.begun = slices.DeleteFunc(r.begun, func(t Test) bool { return t.Name == got.test.Name })
}
