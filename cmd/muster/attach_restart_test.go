package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/healthcheck"
	"github.com/musterhq/muster/planner"
)

// fakeKeeper has one policy for all, and starts containers by an event of the fake engine.
type fakeKeeper struct {
	planner.RestartRules
	on  *fakeContainers
	err error
}

func (k fakeKeeper) next(_ string, code int, ran time.Duration, attempt bool, failed int) (again bool, pause time.Duration, nowFailed int) {
	return k.Next(code, ran, attempt, failed)
}

func (k fakeKeeper) again(_ context.Context, container, _ string) error {
	if k.err == nil {
		k.on.start(container)
	}
	return k.err
}

// Whoever ends by itself is started again by the rules; whoever was told to, or cannot be, or comes too late is not.
func TestAttachmentStartsAgain(t *testing.T) {
	const name = "shop-web-1"
	rules := planner.RestartRules{Delay: time.Minute, Attempts: 2, Window: time.Hour}
	for what, c := range map[string]struct {
		err  error
		play func(f *fakeContainers, at *attachedTest)
		want string
	}{
		"by itself": {nil, func(f *fakeContainers, _ *attachedTest) {
			for range 3 {
				f.end(name, 1, false)
				time.Sleep(2 * time.Minute)
			}
		}, "web-1 exited with code 1 (restarting in 1m0s)\nweb-1 exited with code 1 (restarting in 1m0s)\nweb-1 exited with code 1\n"},
		"after a good run": {nil, func(f *fakeContainers, _ *attachedTest) {
			for range 3 {
				f.end(name, 1, false)
				time.Sleep(2 * time.Hour)
			}
			f.do(name, func(*fakeContainer) {}, healthcheck.Event{What: "kill"})
			f.end(name, 143, false)
		}, "web-1 exited with code 1 (restarting in 1m0s)\nweb-1 exited with code 1 (restarting in 1m0s)\nweb-1 exited with code 1 (restarting in 1m0s)\nweb-1 exited with code 143\n"},
		"by a signal": {nil, func(f *fakeContainers, _ *attachedTest) {
			f.do(name, func(*fakeContainer) {}, healthcheck.Event{What: "kill"})
			f.end(name, 137, false)
		}, "web-1 exited with code 137\n"},
		"not startable": {errors.New("port taken"), func(f *fakeContainers, _ *attachedTest) { f.end(name, 1, false) },
			"web-1 exited with code 1 (restarting in 1m0s)\nweb-1 is not started again: port taken\n"},
		"when all is stopped": {nil, func(f *fakeContainers, at *attachedTest) {
			f.end(name, 1, false)
			synctest.Wait()
			close(at.a.noMore)
		}, "web-1 exited with code 1 (restarting in 1m0s)\n"},
		"after all is stopped": {nil, func(f *fakeContainers, at *attachedTest) {
			close(at.a.noMore)
			f.end(name, 1, false)
		}, "web-1 exited with code 1\n"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeContainers(name)
				at := newAttached(f)
				at.a.keeper = fakeKeeper{rules, f, c.err}
				at.follow(t, f, starts(name), planner.State{Containers: []planner.Container{{Name: name, Service: "s"}}})
				close(at.a.planned)
				f.start(name)
				synctest.Wait()
				c.play(f, at)
				if diff := cmp.Diff(c.want, at.finish(t)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if len(at.exits) != 1 {
					t.Errorf("exits %v", at.exits)
				}
			})
		})
	}
}
