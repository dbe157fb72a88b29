package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/musterhq/muster/planner"
)

// volumeLoss removes a volume.
func volumeLoss() planner.Plan {
	return planner.Plan{Steps: []planner.Step{
		{ID: "remove volume shop_data", Action: planner.RemoveVolume{Name: "shop_data"}, Impact: planner.DataLoss},
	}}
}

// webChange replaces web and restarts db.
func webChange() planner.Plan {
	service := func(name string) planner.Ref { return planner.Ref{Kind: planner.KindService, Name: name} }
	return planner.Plan{
		Steps: []planner.Step{
			{ID: "create shop-web-1.next", Action: planner.CreateContainer{Name: "shop-web-1.next"}},
			{ID: "restart shop-db-1", Action: planner.RestartContainer{Name: "shop-db-1"}, Impact: planner.Restart},
			{ID: "remove shop-web-1", Action: planner.RemoveContainer{Name: "shop-web-1"}, Impact: planner.Replace},
		},
		Items: []planner.Item{
			{Ref: service("db"), Verdict: planner.Modify, Impact: planner.Restart},
			{Ref: service("mail"), Verdict: planner.Create, Impact: planner.Replace},
			{Ref: service("web"), Verdict: planner.Modify, Impact: planner.Replace},
		},
	}
}

func TestAgree(t *testing.T) {
	const lossQuestion = "this removes data for good: Volume shop_data. Go on? [y/N] "
	for _, c := range []struct {
		name     string
		plan     planner.Plan
		terminal bool
		answer   string
		yes      bool
		ask      string // MUSTER_ASK
		ok       bool
		says     string
	}{
		{"nothing is lost", planner.Plan{}, true, "", false, "", true, ""},
		{"yes was said before", volumeLoss(), false, "", true, "", true, ""},
		{"nobody to ask", volumeLoss(), false, "", false, "", false, ""},
		{"yes", volumeLoss(), true, "y\n", false, "", true, lossQuestion},
		{"no", volumeLoss(), true, "n\n", false, "", false, lossQuestion},
		{"just enter", volumeLoss(), true, "\n", false, "", false, lossQuestion},
		{"end of input", volumeLoss(), true, "", false, "", false, lossQuestion + "\n"},
		{"a replacement is not asked about", webChange(), true, "", false, "", true, ""},
		{"unless that is wanted", webChange(), true, "y\n", false, "in-place", true,
			"this replaces or removes web; restarts db. Go on? [y/N] "},
		{"only what is above it counts", webChange(), true, "y\n", false, "restart", true, "this replaces or removes web. Go on? [y/N] "},
		{"nobody to ask about a replacement", webChange(), false, "", false, "restart", false, ""},
		{"yes was said to a replacement before", webChange(), false, "", true, "none", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			p := &program{in: strings.NewReader(c.answer), err: &out, environ: []string{"MUSTER_ASK=" + c.ask}}
			if c.terminal {
				p.screen = newFakeTerminal(80, 24)
			}
			may, err := p.consent(nil, c.yes, impactLimit{})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.agree(c.plan, may); (err == nil) != c.ok || out.String() != c.says {
				t.Errorf("error %v, said %q", err, &out)
			}
			if !c.ok || !c.terminal {
				return
			}
			out.Reset()
			if err := p.agree(c.plan, may); err != nil || out.Len() > 0 {
				t.Errorf("asked twice about the same: %v, %q", err, &out)
			}
		})
	}
	if _, err := (&program{environ: []string{"MUSTER_ASK=often"}}).consent(nil, false, impactLimit{}); err == nil {
		t.Error("MUSTER_ASK=often is taken")
	}
}

func TestImpactLimit(t *testing.T) {
	for _, c := range []struct {
		limit, want, hint string
		plan              planner.Plan
	}{
		{"", "", "", volumeLoss()},
		{"replace", "", "", webChange()},
		{"restart", "1 step does more than --max-impact restart allows: remove shop-web-1 (replace); nothing was changed",
			"--max-impact replace allows it", webChange()},
		{"none", "2 steps do more than --max-impact none allows: restart shop-db-1 (restart), remove shop-web-1 (replace); nothing was changed",
			"--max-impact replace allows it", webChange()},
		{"replace", "1 step does more than --max-impact replace allows: remove volume shop_data (data-loss); nothing was changed",
			"leave --max-impact out to do it", volumeLoss()},
	} {
		var limit impactLimit
		if c.limit != "" {
			if err := limit.Set(c.limit); err != nil {
				t.Fatal(err)
			}
		}
		err := limit.check(c.plan)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want || hintOf(err) != c.hint {
			t.Errorf("limit %q: %q, hint %q", c.limit, got, hintOf(err))
		}
	}
	if err := new(impactLimit).Set("data-loss"); err == nil {
		t.Error("a limit of data-loss is taken")
	}
}
