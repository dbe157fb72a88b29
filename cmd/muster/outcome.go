package main

import (
	"fmt"

	"github.com/musterhq/muster/planner"
)

// printOutcome leaves a line of what a plan has done on a terminal, where nothing else stays of its run.
func (p *program) printOutcome(l look, plan planner.Plan, b *board) {
	if what := worked(plan); l.mode == "tty" && what != "" {
		fmt.Fprintf(l.status, "%s: %s %s, %s\n", b.project, what, b.goal, seconds1(p.now().Sub(b.began)))
	}
}

// worked counts what a plan is about: what it works on and, of the rest, what it removes for good. Volumes that are muster's own are not among that.
func worked(plan planner.Plan) string {
	seen := map[planner.Ref]bool{}
	counts := map[planner.Kind]int{}
	take := func(r planner.Ref) {
		r.Service = ""
		if !seen[r] {
			seen[r] = true
			counts[r.Kind]++
		}
	}
	for _, s := range plan.Steps {
		switch r := s.Action.Resource(); r.Kind {
		case planner.KindService, planner.KindContainer, planner.KindImage, planner.KindProvider:
			take(r)
		}
	}
	for _, i := range plan.Items {
		if i.Verdict == planner.Remove && i.Ref.Kind != planner.KindService {
			take(i.Ref)
		}
	}
	var parts []string
	for _, kind := range []planner.Kind{
		planner.KindService, planner.KindContainer, planner.KindProvider, planner.KindNetwork, planner.KindVolume,
		planner.KindConfig, planner.KindSecret, planner.KindImage,
	} {
		if n := counts[kind]; n > 0 {
			parts = append(parts, count(n, string(kind)))
		}
	}
	return and(parts)
}
