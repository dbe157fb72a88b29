package warm

import "testing"

func TestProfiled(t *testing.T) {
	for _, c := range []struct {
		args []string
		want bool
	}{
		{[]string{"muster", "up"}, false},
		{[]string{"muster", "up", "--profile-cpu", "x"}, false},
		{[]string{"muster", "--profile-mem", "x", "up"}, true},
		{[]string{"muster", "up", "--profile-mem=x"}, true},
	} {
		if got := profiled(c.args); got != c.want {
			t.Errorf("%q: %v", c.args, got)
		}
	}
}
