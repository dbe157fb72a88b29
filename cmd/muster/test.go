package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/testorder"
)

// The exit codes of test, beside 0 and 130.
const (
	exitTestsFailed = 1
	exitNotTested   = 2   // something else went wrong, so that not all was run
	exitTooLong     = 124 // as timeout(1) has it
)

// errTooLong is the cause of the end of a run that took longer than --timeout.
var errTooLong = errors.New("it took longer than --timeout allows")

type testOptions struct {
	policyFlags
	services, environment                    []string
	junit, html, artifacts                   string
	shard                                    shardFlag
	parallel, repeat                         int
	limit                                    time.Duration
	keep, failFast, noPrefix, noColor, stamp bool
}

func (p *program) testCommand() *cobra.Command {
	var o testOptions
	cmd := &cobra.Command{
		Use: "test [SERVICE...]", GroupID: groupMain,
		Short: "Bring up a copy of the stack, run its tests, and remove it all",
		Long: `Bring up a copy of the stack, run its tests, and remove it all.

Tests are the services that say x-muster: {test: true}, or those that are named. They run
in containers of their own once all else is ready. The copy is an instance with a generated
name, so that nothing that runs is disturbed.
Exit codes: 0 all passed, 1 a test failed, 2 not all could be run, 124 --timeout, 130 Ctrl-C.`,
		Example: `  muster test                                      # all, and leave nothing behind
  muster test --keep e2e                           # one, and look into the stack then
  muster test --shard 2/4 --junit junit.xml --html report.html --artifacts out`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := refusePairs(cmd, policyPairs()); err != nil {
				return err
			}
			o.services = append(o.services, args...)
			return notTested(p.test(cmd.Context(), o))
		},
	}
	o.define(cmd)
	return cmd
}

// define adds the flags, common ones first.
func (o *testOptions) define(cmd *cobra.Command) {
	addFlags(cmd, "Common", func(f *pflag.FlagSet) {
		f.StringVar(&o.junit, "junit", "", "Write a report as JUnit XML to `FILE`")
		f.StringVar(&o.html, "html", "", "Write a report as a web page to `FILE`")
		f.StringVar(&o.artifacts, "artifacts", "", "Copy what x-muster.test.artifacts names to `FOLDER`/SERVICE")
		f.BoolVar(&o.keep, "keep", false, "Leave all as it is at the end, and say how to look at it")
		f.BoolVar(&o.failFast, "fail-fast", false, "End where one has failed")
		f.DurationVar(&o.limit, "timeout", 0, "End what takes longer than `LONG`, such as 10m")
	})
	addFlags(cmd, "Which, and how often", func(f *pflag.FlagSet) {
		f.StringArrayVar(&o.services, "service", nil, "Run `SERVICE` as a test; may be given more than once")
		f.IntVar(&o.parallel, "parallel", min(4, runtime.NumCPU()), "Run `N` at a time; 1: one after another")
		f.IntVar(&o.repeat, "repeat", 1, "Run all of them `N` times")
		f.Var(&o.shard, "shard", "Only part I of N of the tests: `I/N`")
		f.StringArrayVarP(&o.environment, "env", "e", nil, "Set a variable in the tests: `KEY=VALUE`, or KEY to pass it on")
	})
	addFlags(cmd, "The stack", func(f *pflag.FlagSet) {
		o.defineImages(f)
		f.BoolVar(&o.quietBuild, "quiet-build", false, "Build without output")
		f.Var(&o.waitTimeout, "wait-timeout", "Give the stack so many `SECONDS` to become ready")
		o.defineYes(f)
	})
	addFlags(cmd, "Output", func(f *pflag.FlagSet) {
		f.BoolVar(&o.noPrefix, "no-log-prefix", false, "Print lines without the test's name")
		f.BoolVar(&o.noColor, "no-color", false, "Print lines without colour")
		f.BoolVar(&o.stamp, "timestamps", false, "Print the time of each line")
	})
}

// shardFlag is the value of --shard.
type shardFlag struct{ testorder.Shard }

// Set reads I/N.
func (s *shardFlag) Set(text string) (err error) {
	s.Shard, err = testorder.ParseShard(text)
	return err
}

// Type names it in the help.
func (s *shardFlag) Type() string { return "I/N" }

// notTested gives an error that says nothing about tests the exit code for that.
func notTested(err error) error {
	if err == nil || errors.As(err, new(*exitError)) || errors.Is(err, errInterrupted) {
		return err
	}
	return &exitError{code: exitNotTested, cause: err}
}

// test is the command.
func (p *program) test(ctx context.Context, o testOptions) error {
	if o.repeat < 1 || o.parallel < 1 {
		return &usageError{problem: "--repeat and --parallel take numbers from 1"}
	}
	t := &trial{program: p, o: o, began: p.now()}
	if p.globals.instance == "" {
		defer func() {
			if t.want != nil && !t.begun {
				_ = t.instances().Forget(t.want.Name) // it was given ports, and comes to nothing
			}
		}()
		apart := *p
		apart.globals.instance = "test-" + strings.ToLower(rand.Text()[:8])
		t.program = &apart
	}
	var err error
	if t.want, err = t.load(ctx, loading{tests: o.services, allTests: len(o.services) == 0}); err != nil {
		return err
	}
	if err := t.choose(); err != nil {
		return err
	}
	return t.run(ctx)
}

// choose finds the tests, and of those the ones of the shard.
func (t *trial) choose() error {
	named := slices.Clone(t.o.services)
	t.specs = map[string]project.Test{}
	var add func(name string, wanted bool) error
	add = func(name string, wanted bool) error {
		s := t.want.Services[name]
		says, err := project.Extension(s)
		if err != nil {
			return err
		}
		if _, known := t.specs[name]; known || says.Test == nil && !wanted {
			return nil
		}
		t.specs[name] = project.Test{}
		if says.Test != nil {
			t.specs[name] = *says.Test
		}
		for _, other := range sortedKeys(s.DependsOn) { // the tests that it needs
			if err := add(other, false); err != nil {
				return err
			}
		}
		return nil
	}
	for _, name := range serviceNames(t.want) {
		if wanted := slices.Contains(named, name); wanted || len(named) == 0 {
			if err := add(name, wanted); err != nil {
				return err
			}
		}
	}
	if len(t.specs) == 0 {
		return &usageError{problem: "no service is marked as a test",
			hint: "mark one with `x-muster: {test: true}`, or say which: `muster test SERVICE`"}
	}
	for _, name := range serviceNames(t.want) {
		if _, is := t.specs[name]; is {
			continue
		}
		t.stack = append(t.stack, name)
		for _, other := range sortedKeys(t.want.Services[name].DependsOn) {
			if _, is := t.specs[other]; is {
				return &usageError{problem: fmt.Sprintf("%s cannot run as a test, since %s needs it", other, name),
					hint: "leave it out; it is brought up with the rest"}
			}
		}
	}
	t.order()
	return nil
}

// order says which tests wait for which, and takes those of the shard.
func (t *trial) order() {
	var all []testorder.Test
	for _, name := range sortedKeys(t.specs) {
		spec := t.specs[name]
		one := testorder.Test{Name: name, Order: spec.Order, Inside: spec.Inside}
		for _, other := range sortedKeys(t.want.Services[name].DependsOn) {
			if _, is := t.specs[other]; !is {
				continue
			}
			one.After = append(one.After, other)
			if d := t.want.Services[name].DependsOn[other]; d.Required && d.Condition == project.ConditionCompleted {
				one.Needs = append(one.Needs, other)
			}
		}
		all = append(all, one)
	}
	t.tests = t.o.shard.Of(all)
}
