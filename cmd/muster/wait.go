package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
	"github.com/musterhq/muster/project"
	"github.com/musterhq/muster/runner"
)

// waitFlags are those of a command that can wait until what it started is ready.
type waitFlags struct {
	wait    bool
	timeout seconds
}

func (w *waitFlags) define(f *pflag.FlagSet) {
	f.BoolVar(&w.wait, "wait", false, "Come back when all is ready")
	f.Var(&w.timeout, "wait-timeout", "At most so many `SECONDS` for each wait")
}

func (w *waitFlags) policy(how planner.Policy) planner.Policy {
	how.Wait, how.WaitTimeout = w.wait, w.timeout.value
	return how
}

// exitNoWait is the exit code of wait where it could not wait, since those of containers are its own.
const exitNoWait = 42

type waitOptions struct {
	what    string
	timeout seconds
	down    bool
}

func (p *program) waitCommand() *cobra.Command {
	var o waitOptions
	cmd := &cobra.Command{
		Use: "wait [SERVICE...]", GroupID: groupExist,
		Short: "Wait until containers have ended, or are ready",
		Long: "Wait until the containers of services have ended, and exit with the code of the first that failed, or with 0.\n" +
			"With --for, wait for something else; then no service means all.",
		Example: `  muster wait migrate             # until it has ended; its exit code is the command's
  muster wait --for ready         # until all is ready
  muster wait --for healthy --timeout 60 db`,
		ValidArgsFunction: p.serviceArgs,
		RunE: func(cmd *cobra.Command, services []string) error {
			condition, ok := waitConditions()[o.what]
			switch {
			case !ok:
				return &usageError{problem: fmt.Sprintf("invalid --for option %q", o.what), hint: "there are " + and(sortedKeys(waitConditions()))}
			case condition == planner.IsCompleted && len(services) == 0:
				return &usageError{problem: "name the services whose end to wait for", hint: "`muster wait --for ready` waits for all"}
			case condition == planner.IsCompleted:
				return p.waitForEnd(cmd.Context(), o, services)
			case o.down:
				return &usageError{problem: "--down-project goes with --for exit only"}
			}
			_, _, err := p.change(cmd.Context(), o.change(condition, services))
			return err
		},
	}
	addFlags(cmd, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&o.what, "for", "exit", "`WHAT` to wait for: exit, ready, healthy or running")
		f.Var(&o.timeout, "timeout", "At most so many `SECONDS`")
		f.BoolVar(&o.down, "down-project", false, "Bring the stack down when the first has ended")
	})
	return cmd
}

// waitConditions are the words of --for.
func waitConditions() map[string]planner.Condition {
	return map[string]planner.Condition{
		"exit": planner.IsCompleted, "ready": planner.IsReady, "healthy": planner.IsHealthy, "running": planner.IsRunning,
	}
}

// change is the wait as a plan that changes nothing.
func (o waitOptions) change(condition planner.Condition, services []string) change {
	return change{
		services: services, goal: string(condition), again: "muster wait",
		how: planner.Policy{WaitTimeout: o.timeout.value},
		plan: func(files *project.Project, have planner.State, how planner.Policy) (planner.Plan, error) {
			names := services
			if files != nil && len(names) == 0 {
				names = runningServices(files)
			}
			for _, name := range names {
				if !hasContainer(have, name) && !have.Converges {
					return planner.Plan{}, &usageError{
						problem: fmt.Sprintf("service %q has no container to wait for", name),
						hint:    fmt.Sprintf("`muster up -d %s` makes one", name),
					}
				}
			}
			return planner.Waits(files, have, how, condition)
		},
	}
}

// runningServices are those that ought to have a container.
func runningServices(files *project.Project) []string {
	return slices.DeleteFunc(serviceNames(files), func(name string) bool {
		s := files.Services[name]
		return s.GetScale() == 0 || s.Provider != nil
	})
}

// errFirstEnded ends the waits for the other containers.
var errFirstEnded = errors.New("the first container has ended")

// waitForEnd waits for exits. What ends with an error has ended all the same.
func (p *program) waitForEnd(ctx context.Context, o waitOptions, services []string) error {
	ctx, first := context.WithCancelCause(ctx)
	defer first(nil)
	code := 0
	c := o.change(planner.IsCompleted, services)
	c.goal = "ended"
	c.onEvent = func(e runner.Event) {
		n, ended := exitOf(e)
		if !ended {
			return
		}
		fmt.Fprintf(p.out, "container %q exited with status code %d\n", e.Step.Action.Resource().Name, n)
		if code == 0 {
			code = n
		}
		if o.down {
			first(errFirstEnded)
		}
	}
	_, _, err := p.change(ctx, c)
	if err != nil && !onlyExits(err) && !errors.Is(err, errFirstEnded) {
		if errors.Is(err, errInterrupted) {
			return err
		}
		return &exitError{code: exitNoWait, cause: err}
	}
	if o.down {
		_, _, err := p.change(context.WithoutCancel(ctx), change{
			goal: "removed", again: "muster down", how: planner.Policy{Now: p.now()}, plan: planner.Teardown,
		})
		if err != nil {
			return err
		}
	}
	if code != 0 {
		return &exitError{code: code}
	}
	return nil
}

// exitOf is the exit code that ended a wait, if one did.
func exitOf(e runner.Event) (code int, ended bool) {
	switch e.State {
	case runner.Done:
		return 0, true
	case runner.Failed:
		return exitOfFailure(e.Err)
	}
	return 0, false
}

func exitOfFailure(err error) (code int, ended bool) {
	var f *healthcheck.Failure
	if errors.As(err, &f) && f.Ended {
		return f.ExitCode, true
	}
	return 0, false
}

// onlyExits says whether all that failed are containers that ended with an error.
func onlyExits(err error) bool {
	var failures runner.Errors
	return errors.As(err, &failures) && !slices.ContainsFunc(failures, func(f *runner.StepError) bool {
		_, ended := exitOfFailure(f.Cause)
		return !ended
	})
}
