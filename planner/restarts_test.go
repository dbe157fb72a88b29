package planner

import (
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/musterhq/muster/project"
)

func TestRestartsOf(t *testing.T) {
	second, two := types.Duration(time.Second), uint64(2)
	for name, c := range map[string]struct {
		policy *types.RestartPolicy
		want   RestartRules
		more   bool
	}{
		"nothing":       {nil, RestartRules{}, false},
		"the engine's":  {&types.RestartPolicy{Condition: "on-failure", MaxAttempts: &two}, RestartRules{OnFailure: true, Attempts: 2}, false},
		"none":          {&types.RestartPolicy{Condition: "none", Delay: &second}, RestartRules{Delay: time.Second}, false},
		"delay":         {&types.RestartPolicy{Delay: &second}, RestartRules{Delay: time.Second}, true},
		"window, tries": {&types.RestartPolicy{Condition: "any", Window: &second, MaxAttempts: &two}, RestartRules{Window: time.Second, Attempts: 2}, true},
	} {
		got, more := RestartRulesOf(project.Service{Deploy: &types.DeployConfig{RestartPolicy: c.policy}})
		if got != c.want || more != c.more {
			t.Errorf("%s: %+v, %v", name, got, more)
		}
	}
	if _, more := RestartRulesOf(project.Service{}); more {
		t.Error("a service without deploy asks for more than engines do")
	}
}

// A start that fails within the window counts, one that lasted begins anew.
func TestRestartsNext(t *testing.T) {
	type end struct {
		code  int
		ran   time.Duration
		again bool
		pause time.Duration
	}
	const s = time.Second
	for name, c := range map[string]struct {
		policy RestartRules
		ends   []end
	}{
		"two tries":     {RestartRules{Delay: s, Attempts: 2}, []end{{1, s, true, s}, {1, 9 * s, true, s}, {1, 9 * s, false, 0}}},
		"a good one":    {RestartRules{Delay: s, Attempts: 2, Window: 5 * s}, []end{{1, s, true, s}, {1, s, true, s}, {1, 6 * s, true, s}, {1, s, true, s}, {1, s, false, 0}}},
		"code 0":        {RestartRules{Delay: s, OnFailure: true}, []end{{1, s, true, s}, {0, s, false, 0}}},
		"code 0, any":   {RestartRules{Delay: s}, []end{{0, s, true, s}, {0, s, true, s}}},
		"without delay": {RestartRules{Window: s}, []end{{1, 0, true, 100 * time.Millisecond}, {1, 0, true, 200 * time.Millisecond}, {1, s, true, 100 * time.Millisecond}}},
	} {
		failed := 0
		for i, e := range c.ends {
			again, pause, now := c.policy.Next(e.code, e.ran, i > 0, failed)
			if again != e.again || pause != e.pause {
				t.Errorf("%s, end %d: %v after %v", name, i+1, again, pause)
			}
			failed = now
		}
	}
	if _, pause, _ := (RestartRules{}).Next(1, 0, true, 50); pause != time.Minute {
		t.Errorf("the pause grows to %v", pause)
	}
}
