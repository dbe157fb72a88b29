package testorder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func names(tests []Test) string {
	var out []string
	for _, t := range tests {
		out = append(out, t.Name)
	}
	return strings.Join(out, " ")
}

// TestShard: each test is in one shard and no other, those that wait for each other in the same one, in whatever order they come.
func TestShard(t *testing.T) {
	tests := []Test{{Name: "d"}, {Name: "a"}, {Name: "z", After: []string{"b"}}, {Name: "c"}, {Name: "b"}, {Name: "all", Inside: true}}
	for _, c := range []struct{ shard, want string }{
		{"1/2", "a all c d"}, {"2/2", "all b z"}, {"1/4", "a all"}, {"2/4", "all b z"}, {"4/4", "all d"}, {"7/7", "all"}, {"1/1", "a all b c d z"},
	} {
		s, err := ParseShard(c.shard)
		if err != nil {
			t.Fatal(err)
		}
		if got := names(s.Of(tests)); got != c.want {
			t.Errorf("shard %s is %q, want %q", c.shard, got, c.want)
		}
		slices.Reverse(tests)
	}
	if got := names(Shard{}.Of(tests)); got != "a all b c d z" {
		t.Errorf("no shard is %q, want all", got)
	}
	for _, bad := range []string{"", "1", "0/2", "3/2", "a/b", "1/0", "-1/2", "1/2/3"} {
		if s, err := ParseShard(bad); err == nil {
			t.Errorf("%q is shard %v, want an error", bad, s)
		}
	}
}

// story is a run of tests, each of which takes a second: what happened, with the seconds since the begin.
func story(t *testing.T, tests []Test, o Options, fails string) (out string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		events := make(chan string, 100)
		say := func(format string, args ...any) {
			events <- fmt.Sprintf("%.0f:", time.Since(began).Seconds()) + fmt.Sprintf(format, args...)
		}
		Run(t.Context(), tests, o, func(ctx context.Context, one Test) bool {
			say("+%s", one.Name)
			takes := time.Second
			if strings.HasPrefix(one.Name, "slow") {
				takes = 10 * time.Second
			}
			select {
			case <-time.After(takes):
			case <-ctx.Done():
				if !errors.Is(context.Cause(ctx), ErrFailFast) {
					t.Errorf("%s was ended by %v", one.Name, context.Cause(ctx))
				}
				say("×%s", one.Name)
				return false
			}
			return one.Name != fails
		}, func(one Test, why error) { say("-%s", one.Name) })
		close(events)
		var all []string
		for e := range events {
			all = append(all, e)
		}
		slices.Sort(all)
		out = strings.Join(all, " ")
	})
	return out
}

func TestRun(t *testing.T) {
	abc := []Test{{Name: "c"}, {Name: "a"}, {Name: "b"}}
	chain := []Test{{Name: "a", After: []string{"c"}, Needs: []string{"c"}}, {Name: "b", After: []string{"a"}, Needs: []string{"a"}}, {Name: "c"}, {Name: "d", After: []string{"c"}}}
	for _, c := range []struct {
		name  string
		tests []Test
		o     Options
		fails string
		want  string
	}{
		{"in order", abc, Options{}, "a", "0:+a 1:+b 2:+c"},
		{"in parallel", abc, Options{Parallel: 2}, "", "0:+a 0:+b 1:+c"},
		{"groups", []Test{{Name: "a", Order: 1}, {Name: "b", Order: -1}, {Name: "c"}}, Options{Parallel: 9}, "", "0:+b 1:+c 2:+a"},
		{"needs", chain, Options{Parallel: 9}, "", "0:+c 1:+a 1:+d 2:+b"},
		{"what failed is needed", chain, Options{Parallel: 9}, "c", "1:+d 1:-a 1:-b 0:+c"},
		{"fail fast", []Test{{Name: "a"}, {Name: "slow"}, {Name: "z"}}, Options{Parallel: 2, FailFast: true}, "a", "0:+a 0:+slow 1:-z 1:×slow"},
		{"none", nil, Options{Parallel: 2}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := strings.Fields(c.want)
			slices.Sort(want)
			if got := story(t, c.tests, c.o, c.fails); got != strings.Join(want, " ") {
				t.Errorf("it went\n%s, want\n%s", got, strings.Join(want, " "))
			}
		})
	}
}

// TestRunCancelled: nothing is begun any more, and the reason is told.
func TestRunCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("Ctrl-C")
		ctx, cancel := context.WithCancelCause(t.Context())
		var skipped []string
		Run(ctx, []Test{{Name: "a"}, {Name: "b"}}, Options{}, func(ctx context.Context, one Test) bool {
			time.AfterFunc(time.Second, func() { cancel(why) })
			<-ctx.Done()
			return false
		}, func(one Test, err error) { skipped = append(skipped, one.Name+" "+err.Error()) })
		if got := strings.Join(skipped, ", "); got != "b Ctrl-C" {
			t.Errorf("skipped: %q, want %q", got, "b Ctrl-C")
		}
	})
}
