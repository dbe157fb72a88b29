package planner

import (
	"reflect"
	"runtime"
	"testing"
)

// A plan does not tell how many processors worked it out.
func TestBuildOnAnyNumberOfProcessors(t *testing.T) {
	const services = 300 // enough for four to write
	want := chain(services)
	have := settled(t, want)
	var plans []Plan
	for _, processors := range []int{1, 4} {
		before := runtime.GOMAXPROCS(processors)
		plan, err := Build(changed(want), have, Policy{})
		runtime.GOMAXPROCS(before)
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, plan)
	}
	if len(plans[0].Steps) < services || !reflect.DeepEqual(plans[0], plans[1]) {
		t.Errorf("%d steps by one processor, and %d others by four", len(plans[0].Steps), len(plans[1].Steps))
	}
}
