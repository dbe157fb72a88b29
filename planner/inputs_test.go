package planner

import (
	"fmt"
	"strings"
	"testing"
)

// What has changed is told by name as long as the list is short enough for a label, then by folder.
func TestInputsSince(t *testing.T) {
	few := func(change func(Inputs)) Inputs {
		in := Inputs{"web/main.go": "a", "web/go.mod": "b", "build.target": "c"}
		change(in)
		return in
	}
	many := func(change func(Inputs)) Inputs {
		in := Inputs{}
		for i := range 2000 {
			in[fmt.Sprintf("web/src/%d/%d.go", i%20, i)] = "a"
		}
		change(in)
		return in
	}
	flat := func(change func(Inputs)) Inputs {
		in := Inputs{}
		for i := range 2000 {
			in[fmt.Sprint(i)] = "a"
		}
		change(in)
		return in
	}
	for _, c := range []struct {
		name   string
		of     func(func(Inputs)) Inputs
		change func(Inputs)
		want   string
	}{
		{"nothing", few, func(Inputs) {}, ""},
		{"content", few, func(in Inputs) { in["web/main.go"] = "z" }, "context changed: web/main.go"},
		{"new", few, func(in Inputs) { in["web/x.go"] = "z" }, "context changed: web/x.go (new)"},
		{"gone", few, func(in Inputs) { delete(in, "web/go.mod") }, "context changed: web/go.mod (gone)"},
		{"several", few, func(in Inputs) { in["a"], in["b"], in["c"] = "z", "z", "z" }, "context changed: a (new), b (new), c (new)"},
		{"folder", many, func(in Inputs) { in["web/src/7/7.go"] = "z" }, "context changed: web/src/7/"},
		{"nothing of many", many, func(Inputs) {}, ""},
		{"more than fits", many, func(in Inputs) {
			for name := range in {
				in[name] = "z"
			}
		}, "context changed: web/src/0/, web/src/1/ and 18 more"},
		{"too flat", flat, func(in Inputs) { in["7"] = "z" }, "context changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			label := c.of(func(Inputs) {}).label()
			if len(label) > 4000 {
				t.Errorf("a label of %d bytes", len(label))
			}
			if got := c.of(c.change).since(label); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
	in := few(func(Inputs) {})
	if got := in.since(""); !strings.Contains(got, "not known") {
		t.Errorf("without a label: %q", got)
	}
	if got := in.since("sha256:0 0 broken"); got != "context changed" {
		t.Errorf("of a broken label: %q", got)
	}
}
